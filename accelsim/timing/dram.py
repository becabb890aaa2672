"""DRAM in time: one queue for all cores, a bandwidth and a latency.

Requests are served one after the other at the full bandwidth of all channels,
over which addresses are interleaved; the latency of one overlaps the service of
the next. Sizes are rounded up to whole bursts.
"""

from __future__ import annotations

from fractions import Fraction

from simpy import Environment

from accelsim.arch.chip import Chip
from accelsim.timing.arbiter import Server


class DramModel:
    """The memory of a chip, shared by all its cores."""

    def __init__(self, env: Environment, chip: Chip, *, rank: int) -> None:
        per_cycle = chip.dram_bytes_per_cycle
        self.server = Server(env, rank=rank)
        self.latency_cycles = chip.dram_latency_cycles
        self._bytes_per_cycle = None if per_cycle is None else Fraction(per_cycle)
        self._burst_bytes = chip.dram.burst_bytes

    @property
    def unlimited(self) -> bool:
        """Whether transfers take no time beyond the latency."""
        return self._bytes_per_cycle is None

    def cycles(self, size: int) -> int:
        """Return the cycles in which `size` bytes pass."""
        if self._bytes_per_cycle is None or size == 0:
            return 0
        rounded = -(-size // self._burst_bytes) * self._burst_bytes
        return -int(-rounded // self._bytes_per_cycle)
