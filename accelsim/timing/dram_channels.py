"""DRAM by its parts: channels that serve in order, banks with open rows, refresh.

**Address mapping.** Address x lies in channel ``x // interleave % channels``; the bytes
of a channel, without those between, are cut into pages, and page p is row
``p // banks`` of bank ``p % banks``. So a stream goes through all channels, and within
each through all banks.

**Rows.** An access to the row that its bank has open is a hit and costs its bytes alone.
Any other one must open the row first: an activation, after a precharge if another row is
open. A bank begins with that when the request comes, or when its last transfer has
ended; other banks transfer meanwhile, so that of a stream only the first row shows
where the rows before give time enough for the next.

**Refresh.** All banks of all channels rest for a while at fixed intervals, and have no
open row afterwards. The first comes half an interval after the op's begin, so that over
ops of any length as many happen as should, within half a one.

Transfers of a channel are served in the order in which they are asked for; nothing is
reordered to find more hits. Left out: the limit on activations in a window (tFAW),
turning the bus between reads and writes, and refresh of single banks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from accelsim.arch.chip import Chip
from accelsim.arch.memory import PagePolicy
from accelsim.timing.addresses import Access
from accelsim.timing.arbiter import Service


@dataclass(frozen=True, slots=True)
class DramShape:
    """What of a chip's DRAM decides its time, in bytes and cycles.

    Parameters
    ----------
    channels, interleave_bytes, burst_bytes : int
        As in `Dram`.
    channel_rate : Fraction
        Bytes per cycle of one channel.
    pages : bool
        Whether rows and refresh are modelled.
    banks, page_bytes : int
        As in `Dram`.
    precharge, activate : int
        Cycles to close and to open a row.
    refresh_interval, refresh : int
        Cycles from one refresh to the next, and of one; an interval of 0 means none.
    """

    channels: int
    interleave_bytes: int
    burst_bytes: int
    channel_rate: Fraction
    pages: bool = False
    banks: int = 1
    page_bytes: int = 1
    precharge: int = 0
    activate: int = 0
    refresh_interval: int = 0
    refresh: int = 0

    @staticmethod
    def of(chip: Chip) -> DramShape:
        """Return the shape of a chip's DRAM, whose bandwidth must be limited.

        Raises
        ------
        ValueError
            If the bandwidth is unlimited.
        """
        dram, rate = chip.dram, chip.dram_bytes_per_cycle
        if rate is None:
            raise ValueError("unlimited DRAM has no channels to wait for")
        pages = dram.page_policy is PagePolicy.OPEN
        interval = dram.refresh_interval_ns if pages else None
        return DramShape(
            channels=dram.channels,
            interleave_bytes=dram.interleave_bytes,
            burst_bytes=dram.burst_bytes,
            channel_rate=Fraction(rate) / dram.channels,
            pages=pages,
            banks=dram.banks,
            page_bytes=dram.page_bytes,
            precharge=chip.cycles(dram.precharge_ns),
            activate=chip.cycles(dram.activate_ns),
            refresh_interval=0 if interval is None else chip.cycles(interval),
            refresh=chip.cycles(dram.refresh_ns),
        )

    @property
    def stream_rate(self) -> Fraction:
        """Bytes per cycle of an endless stream over all channels.

        A page passes in t cycles. Its bank must then close and open the row that is due B
        pages later, for B banks: so a page takes max(t, (t + precharge + activate) / B).
        Every refresh takes its own time and that of opening a row again.
        """
        rate = self.channels * self.channel_rate
        if not self.pages:
            return rate
        page = self.page_bytes / self.channel_rate
        apart = max(page, (page + self.precharge + self.activate) / self.banks)
        if not self.refresh_interval:
            return rate * page / apart
        resting = Fraction(self.refresh + self.activate, self.refresh_interval)
        return rate * page / apart * max(1 - resting, Fraction(1, self.refresh_interval))

    def pieces(self, address: int, size: int) -> Iterator[tuple[int, int, int]]:
        """Yield (channel, first byte, bytes) of a contiguous run, in the channels' own bytes.

        Examples
        --------
        >>> shape = DramShape(2, 64, 64, Fraction(1))
        >>> list(shape.pieces(32, 128))  # 32 to 63 and 128 to 159; 64 to 127
        [(0, 32, 64), (1, 0, 64)]
        """
        first_unit = address // self.interleave_bytes
        units = (address + size - 1) // self.interleave_bytes - first_unit + 1
        for channel in sorted(
            (first_unit + at) % self.channels for at in range(min(units, self.channels))
        ):
            first = self._inside(channel, address)
            last = self._inside(channel, address + size)
            if last > first:
                yield channel, first, last - first

    def _inside(self, channel: int, address: int) -> int:
        """Return how many bytes of a channel lie below an address."""
        stripes, rest = divmod(address, self.interleave_bytes * self.channels)
        mine = rest - channel * self.interleave_bytes
        return stripes * self.interleave_bytes + min(max(mine, 0), self.interleave_bytes)


@dataclass(frozen=True, slots=True)
class _Bank:
    """The row that a bank last opened, after how many refreshes, and until when it is busy."""

    row: int = -1
    epoch: int = -1
    free_at: int = 0


_CLOSED = _Bank()


class DramChannel:
    """One channel: transfers in order, each row of them on its bank."""

    def __init__(self, shape: DramShape) -> None:
        self._shape = shape
        self._banks: dict[int, _Bank] = {}
        self.free_at = 0

    def serve(self, now: int, rows: Sequence[tuple[int, int]]) -> Service:
        """Transfer `rows`, each (page, bytes of whole bursts), asked for in cycle `now`."""
        shape = self._shape
        at = max(now, self.free_at)
        begun: int | None = None
        opening = refreshing = passed = cycles = 0
        for page, size in rows:
            passed += size
            until = _cycles(passed, shape.channel_rate)
            start = max(at, self._open(page, now, at)) if shape.pages else at
            resting = self._resting(at, start)
            opening += start - at - resting
            begun = start if begun is None else begun
            at, lost = self._transfer(start, until - cycles)
            refreshing += resting + lost
            cycles = until
            if shape.pages:
                row, number = divmod(page, shape.banks)
                self._banks[number] = _Bank(row, self._epoch(max(start, at - 1)), at)
        self.free_at = at
        return Service(at if begun is None else begun, at, opening, refreshing)

    def _open(self, page: int, now: int, at: int) -> int:
        """Return when a page's row is open for a transfer that was asked for at `now`.

        The channel is free for it at `at`; a row that a refresh closes before that is
        opened again.
        """
        row, number = divmod(page, self._shape.banks)
        bank = self._banks.get(number, _CLOSED)
        begin = max(now, bank.free_at)
        use = max(begin, at)
        if (bank.row, bank.epoch) == (row, self._epoch(use)):
            return begin
        begin = self._after_refresh(begin)
        ready = begin + self._shape.activate
        if bank.epoch == self._epoch(begin):
            ready += self._shape.precharge
        epoch = self._epoch(max(ready, at))
        if epoch == self._epoch(begin):
            return ready
        return self._begin(epoch - 1) + self._shape.refresh + self._shape.activate

    def _epoch(self, cycle: int) -> int:
        """Return how many refreshes have begun by a cycle."""
        interval = self._shape.refresh_interval
        return (cycle + interval - interval // 2) // interval if interval else 0

    def _after_refresh(self, cycle: int) -> int:
        """Return the first cycle from `cycle` on in which no refresh goes on."""
        epoch = self._epoch(cycle)
        return max(cycle, self._begin(epoch - 1) + self._shape.refresh) if epoch else cycle

    def _begin(self, number: int) -> int:
        """Return the cycle in which a refresh begins, counted from 0."""
        interval = self._shape.refresh_interval
        return number * interval + interval // 2

    def _resting(self, first: int, last: int) -> int:
        """Return the cycles of [first, last) in which a refresh goes on."""
        if first >= last or not self._shape.refresh_interval:
            return 0
        spans = (
            (self._begin(number), self._begin(number) + self._shape.refresh)
            for number in range(max(0, self._epoch(first) - 1), self._epoch(last))
        )
        return sum(max(0, min(last, end) - max(first, begin)) for begin, end in spans)

    def _transfer(self, start: int, cycles: int) -> tuple[int, int]:
        """Return the end of a transfer, and what refreshes within it have cost.

        After a refresh its row has to be opened again.
        """
        shape, end = self._shape, start + cycles
        if not shape.refresh_interval:
            return end, 0
        number = self._epoch(start)
        while self._begin(number) < end:
            end += shape.refresh + shape.activate
            number += 1
        return end, end - start - cycles


class DramChannels:
    """All channels of a chip's DRAM."""

    def __init__(self, shape: DramShape) -> None:
        self.shape = shape
        self._channels = [DramChannel(shape) for _ in range(shape.channels)]

    def serve(self, now: int, accesses: Sequence[Access]) -> Service:
        """Return when the transfers of a request are served, asked for in cycle `now`.

        The start is that of the first channel, the rest that of the channel that ends last.
        """
        found: dict[int, list[tuple[int, int]]] = {}
        for access in accesses:
            for address, size in access.runs():
                for channel, first, count in self.shape.pieces(address, size):
                    self._add(found.setdefault(channel, []), first, count)
        if not found:
            return Service(now, now)
        services = [
            self._channels[channel].serve(now, rows) for channel, rows in sorted(found.items())
        ]
        last = max(services, key=lambda one: one.end)
        return last._replace(start=min(one.start for one in services))

    def _add(self, rows: list[tuple[int, int]], first: int, size: int) -> None:
        """Append the bursts of `size` bytes of a channel to the rows that they lie in."""
        shape = self.shape
        burst = shape.burst_bytes
        at, end = first // burst * burst, -(-(first + size) // burst) * burst
        page_bytes = shape.page_bytes if shape.pages else end
        while at < end:
            page = at // page_bytes
            until = min(end, (page + 1) * page_bytes)
            if rows and rows[-1][0] == page:
                rows[-1] = (page, rows[-1][1] + until - at)
            else:
                rows.append((page, until - at))
            at = until


def _cycles(size: int, rate: Fraction) -> int:
    return -(-size * rate.denominator // rate.numerator)
