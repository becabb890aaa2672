"""What DRAM could have read besides: room in time for the weights of the next op.

The transfers of an op are known before it runs, and early weights only fill the gaps
between them: they never delay the op that they are loaded during.
"""

from __future__ import annotations

from collections.abc import Sequence

from accelsim.arch.chip import Chip
from accelsim.timing.core_log import CoreLog
from accelsim.timing.dram import DramRate
from accelsim.timing.timeline import Unit


def idle_read_bytes(logs: Sequence[CoreLog], chip: Chip, end: int) -> int | None:
    """Return the bytes that could arrive after the last load of an op and before its end.

    Whole bursts in every gap of DRAM, its latency before the end; on several cores no
    more than one link of the interconnect brings to all of them. None if nothing limits
    it but there is time.
    """
    loads = (one.end for log in logs for one in log.intervals.get(Unit.DMA_IN, ()))
    start = max(loads, default=0)
    hops = chip.cores * chip.interconnect.hop_cycles if chip.cores > 1 else 0
    gaps = _gaps(logs, start, end - chip.dram_latency_cycles - hops)
    rate, link = DramRate.of(chip), chip.interconnect.bytes_per_cycle
    limits = []
    if rate.bytes_per_cycle is not None:
        burst = rate.burst_bytes
        limits.append(sum(int(gap * rate.bytes_per_cycle) // burst * burst for gap in gaps))
    if link is not None and chip.cores > 1:
        limits.append(sum(gaps) * link // chip.cores)
    if not limits:
        return None if sum(gaps) else 0
    return min(limits)


def _gaps(logs: Sequence[CoreLog], start: int, end: int) -> list[int]:
    """Return the lengths of the gaps between DRAM's busy intervals in [start, end)."""
    busy = sorted((one.start, one.end) for log in logs for one in log.intervals.get(Unit.DRAM, ()))
    gaps, at = [], start
    for first, last in (*busy, (end, end)):
        if min(first, end) > at:
            gaps.append(min(first, end) - at)
        at = max(at, last)
    return gaps
