"""The scratchpad in time: what its array side delivers and takes in a cycle.

The array's port streams operands in and results out. DMA works on the half that
the array does not, through a port of its own, so that the two never wait for each
other; which half is free is a matter of credits, kept by the core.
"""

from __future__ import annotations

from dataclasses import dataclass

from accelsim.arch.memory import Memory
from accelsim.schedule.kernel_rows import activation_reuse
from accelsim.schedule.mapping import Stationary
from accelsim.schedule.passes import PassGroup
from accelsim.workload.ops import Gemm


@dataclass(frozen=True, slots=True)
class Port:
    """What a pass moves through the scratchpad's array side, in bits per element and bytes.

    `reuse` is the products of a column that use one activation where kernel rows stay:
    buses bring it to all of its elements at once.
    """

    stationary: Stationary
    a_bits: int
    b_bits: int
    out_bits: int
    read_bytes_per_cycle: int | None
    write_bytes_per_cycle: int | None
    reuse: int = 1

    @staticmethod
    def of(op: Gemm, stationary: Stationary, memory: Memory) -> Port:
        """Return the port of a GEMM's array on a scratchpad."""
        return Port(
            stationary=stationary,
            a_bits=op.a.format.bits,
            b_bits=op.b.format.bits,
            out_bits=op.out.format.bits,
            read_bytes_per_cycle=memory.read_bytes_per_cycle,
            write_bytes_per_cycle=memory.write_bytes_per_cycle,
            reuse=activation_reuse(op) if stationary is Stationary.ROW else 1,
        )

    def stream_cycles(self, group: PassGroup) -> int:
        """Return the cycles in which the port can deliver and take a pass's streams."""
        out = group.m * group.n * self.out_bits if group.k_last else 0
        return max(
            port_cycles(self.stream_bits(group), self.read_bytes_per_cycle),
            port_cycles(out, self.write_bytes_per_cycle),
        )

    def shared_cycles(self, streaming: PassGroup, loading: PassGroup) -> int:
        """Return the cycles for one pass's streams and another's stationary tile together."""
        bits = self.stream_bits(streaming) + self.preload_bits(loading)
        return port_cycles(bits, self.read_bytes_per_cycle)

    def preload_cycles(self, group: PassGroup) -> int:
        """Return the cycles in which the port can deliver a pass's stationary tile."""
        return port_cycles(self.preload_bits(group), self.read_bytes_per_cycle)

    def stream_bits(self, group: PassGroup) -> int:
        """Return the bits that a pass streams into the array."""
        bits = 0
        if self.stationary is not Stationary.INPUT:
            bits += -(-group.m * group.k // self.reuse) * self.a_bits
        if self.stationary not in (Stationary.WEIGHT, Stationary.ROW):
            bits += group.n * group.k * self.b_bits
        return bits

    def preload_bits(self, group: PassGroup) -> int:
        """Return the bits of a pass's stationary tile."""
        if self.stationary in (Stationary.WEIGHT, Stationary.ROW):
            return group.n * group.k * self.b_bits
        return group.m * group.k * self.a_bits if self.stationary is Stationary.INPUT else 0


def port_cycles(bits: int, bytes_per_cycle: int | None) -> int:
    """Return the cycles that `bits` take through a port; 0 through an unlimited one."""
    return 0 if bytes_per_cycle is None else -(-bits // (8 * bytes_per_cycle))
