"""When a unit was busy and how full a buffer, and few entries that say about the same as many."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from accelsim.timing.timeline import MAX_INTERVALS


class Span(NamedTuple):
    """Busy in [start, end) cycles, with so many bytes."""

    start: int
    end: int
    bytes: int = 0


def joined(spans: Sequence[Span], *, limit: int = MAX_INTERVALS) -> tuple[Span, ...]:
    """Return at most `limit` spans of one unit, in order of time; bytes are added up.

    Spans that touch are always joined; while there are too many, every second one is
    joined with its neighbour. One without a length is left out where it touches none.

    Examples
    --------
    >>> joined([Span(4, 6, 1), Span(0, 2, 1), Span(2, 3, 1)])
    (Span(start=0, end=3, bytes=2), Span(start=4, end=6, bytes=1))
    """
    return joined_each([spans], limit=limit)[0]


def joined_each(
    units: Sequence[Sequence[Span]], *, limit: int = MAX_INTERVALS
) -> tuple[tuple[Span, ...], ...]:
    """Return the spans of several units, each unit's joined as `joined` does."""
    table = np.array([(at, *span) for at, spans in enumerate(units) for span in spans], np.int64)
    if not len(table):
        return ((),) * len(units)
    unit, start, end, size = table[np.lexsort(table[:, 2::-1].T)].T
    # One unit after the other on one line of time: no two units touch.
    apart = (int(end.max()) + 1) * unit
    start, end = start + apart, end + apart
    long = end > start
    # The latest end of all before; nothing ends before cycle -1.
    before = np.maximum.accumulate(np.concatenate(([-1], np.where(long, end, -1))))[:-1]
    touches = before >= start
    kept = long | touches
    firsts = np.flatnonzero((long & ~touches)[kept])
    unit, apart, start, end, size = (one[kept] for one in (unit, apart, start, end, size))
    while len(firsts):
        unit, apart, start = unit[firsts], apart[firsts], start[firsts]
        end, size = np.maximum.reduceat(end, firsts), np.add.reduceat(size, firsts)
        counts = np.bincount(unit, minlength=len(units))
        if counts.max() <= limit:
            break
        place = np.arange(len(unit)) - (np.cumsum(counts) - counts)[unit]
        firsts = np.flatnonzero((place % 2 == 0) | (counts <= limit)[unit])
    found: list[list[Span]] = [[] for _ in units]
    columns = (one.tolist() for one in (unit, start - apart, end - apart, size))
    for at, *span in zip(*columns, strict=True):
        found[at].append(Span(*span))
    return tuple(map(tuple, found))


def levels_of(
    steps: Sequence[tuple[int, int]], *, limit: int = MAX_INTERVALS
) -> tuple[tuple[int, int], ...]:
    """Return (cycle, bytes held) from what comes in a cycle, or goes; about `limit` at most.

    While there are too many, of two neighbours the fuller one stays, so that peaks do;
    the last one is kept.

    Examples
    --------
    >>> levels_of([(0, 100), (7, -100), (7, 30), (5, 50)])
    ((0, 100), (5, 150), (7, 80))
    """
    if not steps:
        return ()
    table = np.array(steps, dtype=np.int64)
    cycle, size = table[np.lexsort((table[:, 1], table[:, 0]))].T
    held = np.cumsum(size)
    kept = np.flatnonzero(np.append(cycle[1:] != cycle[:-1], True))
    while len(kept) > limit:
        one, two = kept[: len(kept) // 2 * 2 : 2], kept[1::2]
        fuller = np.where(held[two] > held[one], two, one)
        kept = fuller if fuller[-1] == kept[-1] else np.append(fuller, kept[-1])
    return tuple(zip(cycle[kept].tolist(), held[kept].tolist(), strict=True))
