"""DRAM in time: a bandwidth and a latency, shared by all cores.

With one channel and no rows there is one queue: requests are served one after the
other, and the latency of one overlaps the service of the next. Sizes are rounded up to
whole bursts. With several channels or rows, where a request lies decides how long it
takes; see `dram_channels`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from simpy import Environment, Event

from accelsim.arch.chip import Chip
from accelsim.timing.addresses import Access, needs_addresses
from accelsim.timing.arbiter import Desk, Server
from accelsim.timing.dram_channels import DramChannels, DramShape


@dataclass(frozen=True, slots=True)
class DramRate:
    """How fast DRAM streams; `bytes_per_cycle` is None where it takes no time.

    Where rows are modelled, that is the rate of an endless stream over all channels.
    """

    bytes_per_cycle: Fraction | None
    burst_bytes: int

    @staticmethod
    def of(chip: Chip) -> DramRate:
        """Return the rate of a chip's DRAM, all channels together."""
        unlimited = chip.dram_bytes_per_cycle is None
        exact = None if unlimited else DramShape.of(chip).stream_rate
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
        self.latency_cycles = chip.dram_latency_cycles
        #: Whether transfers take no time beyond the latency.
        self.unlimited = chip.dram_bytes_per_cycle is None
        self._rate = DramRate.of(chip)
        self._queue = Server(env, rank=rank)
        self._channels: Desk[Sequence[Access]] | None = None
        if needs_addresses(chip):
            channels = DramChannels(DramShape.of(chip))
            self._channels = Desk(env, channels.serve, rank=rank)

    def request(self, key: tuple[int, int], size: int, where: Sequence[Access]) -> Event:
        """Return an event that fires with a `Service` when DRAM begins with a request.

        Parameters
        ----------
        key : (int, int)
            Core and place in the order of its transfers.
        size : int
            Bytes.
        where : sequence of Access
            Where they lie; looked at only where that matters.
        """
        if self._channels is None:
            return self._queue.request(key, self._rate.cycles(size))
        return self._channels.request(key, where)
