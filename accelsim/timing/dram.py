"""DRAM in time: one queue for all cores, a bandwidth and a latency.

Requests are served one after the other at the full bandwidth of all channels,
over which addresses are interleaved; the latency of one overlaps the service of
the next. Sizes are rounded up to whole bursts.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from simpy import Environment

from accelsim.arch.chip import Chip
from accelsim.timing.arbiter import Server


@dataclass(frozen=True, slots=True)
class DramRate:
    """How fast DRAM serves a request; `bytes_per_cycle` is None where it takes no time."""

    bytes_per_cycle: Fraction | None
    burst_bytes: int

    @staticmethod
    def of(chip: Chip) -> DramRate:
        """Return the rate of a chip's DRAM, all channels together."""
        per_cycle = chip.dram_bytes_per_cycle
        exact = None if per_cycle is None else Fraction(per_cycle)
        return DramRate(exact, chip.dram.burst_bytes)

    def cycles(self, size: int) -> int:
        """Return the cycles in which `size` bytes pass."""
        if self.bytes_per_cycle is None or size == 0:
            return 0
        rounded = -(-size // self.burst_bytes) * self.burst_bytes
        return -(-rounded * self.bytes_per_cycle.denominator // self.bytes_per_cycle.numerator)


class DramModel:
    """The memory of a chip, shared by all its cores."""

    def __init__(self, env: Environment, chip: Chip, *, rank: int) -> None:
        self.server = Server(env, rank=rank)
        self.latency_cycles = chip.dram_latency_cycles
        self._rate = DramRate.of(chip)

    @property
    def unlimited(self) -> bool:
        """Whether transfers take no time beyond the latency."""
        return self._rate.bytes_per_cycle is None

    def cycles(self, size: int) -> int:
        """Return the cycles in which `size` bytes pass."""
        return self._rate.cycles(size)
