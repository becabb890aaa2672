"""The steady state of a long loop, advanced by whole periods at once, exactly.

The portions of a long tile loop repeat. A shorter loop, some periods of it left out, is
simulated event by event; where its state repeats after a period, the periods left out
would have gone like that one, and what they did is put in.

Why that is exact. Let A be the cycle in which a core first asks for portion i, for all
cores. Before A only portions before i were at work; those of them that were done by A
hold nothing up any more. So what comes after A follows from the portions still at work,
relative to A, and from the portions to come. Let the same be true of i + p, with p
portions a period: if the events of the portions still at work are the same, relative to
their A, and the portions to come begin with the same ones, both futures are the same as
far as those reach. By induction every further period repeats the one from i to i + p,
and the end of the loop follows as it followed after fewer periods.

Nothing but time may be remembered: where DRAM has rows, an address is, and cores that
add up sums of each other meet. These run event by event.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, zip_longest
from typing import NamedTuple

import numpy as np

from accelsim.timing.core import Portion
from accelsim.timing.core_log import CoreLog
from accelsim.timing.mac_array import PassRun
from accelsim.timing.portions import CoreWork
from accelsim.timing.timeline import Unit

#: Periods of a loop that are simulated at first; four times as many where they do not settle.
_FIRST_KEPT = 6
_MORE_KEPT = 4
#: A loop is run in full where more than one part in so many of it would be simulated.
_LEAST_GAIN = 3
#: Periods of a loop after which its state may be the same again: sizes round differently.
_MOST_TURNS = 8
#: Portions that are simulated at least: buffers fill before anything repeats.
_FEWEST_KEPT = 16
#: Longest period that is looked for, in portions.
_LONGEST_PERIOD = 1024


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of all cores' work that repeats.

    Parameters
    ----------
    start : int
        Its first portion.
    period : int
        Portions after which it repeats.
    count : int
        Whole periods.
    """

    start: int
    period: int
    count: int


def run_by_periods(
    work: Mapping[int, CoreWork], run: Callable[[Mapping[int, CoreWork]], list[CoreLog]]
) -> list[CoreLog]:
    """Return what `run` says of all of the work, from as little of it as settles.

    Parameters
    ----------
    work : mapping from int to CoreWork
        By core.
    run : callable
        Simulates work event by event, and returns the accounts of the cores.
    """
    stretch = longest_stretch(work)
    if stretch is not None:
        kept = max(_FIRST_KEPT, -(-_FEWEST_KEPT // stretch.period))
        while _LEAST_GAIN * kept < stretch.count:
            logs = run(_shortened(work, stretch, kept))
            found = _settled(logs, stretch, kept)
            if found is None:
                kept *= _MORE_KEPT
                continue
            times, rest = divmod(stretch.count - kept, found.turns)
            if rest == 0:
                for log in logs:
                    log.repeat(found.at, found.portions, times=times, every=found.cycles)
                return logs
            kept += rest
    return run(work)


def longest_stretch(work: Mapping[int, CoreWork]) -> Stretch | None:
    """Return the part of the work that repeats, None where that is less than half of it."""
    codes: dict[Hashable, int] = {}
    runs = {id(portion.run): portion.run for one in work.values() for portion in one.portions}
    equal: dict[PassRun | None, int] = {}
    kinds = {name: equal.setdefault(run, len(equal)) for name, run in runs.items()}
    rows = [
        [codes.setdefault(_kind(portion, kinds), len(codes)) for portion in one.portions]
        for one in work.values()
    ]
    turns: dict[Hashable, int] = {}
    column = np.array(
        [turns.setdefault(turn, len(turns)) for turn in zip_longest(*rows, fillvalue=-1)]
    )
    best, most = None, 0
    for period in range(1, min(len(column) // (_FIRST_KEPT + 2), _LONGEST_PERIOD) + 1):
        others = np.flatnonzero(column[period:] != column[:-period])
        borders = np.concatenate(([-1], others, [len(column) - period]))
        lengths = np.diff(borders) - 1
        at = int(lengths.argmax())
        length = int(lengths[at]) + period
        saved = length - max(_FIRST_KEPT * period, _FEWEST_KEPT)
        if saved > most:
            best, most = Stretch(int(borders[at]) + 1, period, length // period), saved
        if 2 * most > len(column):
            return best
    return None


def _kind(portion: Portion, runs: Mapping[int, int]) -> Hashable:
    """Return the same for two portions exactly if time cannot tell them apart."""
    flags = (portion.opens, portion.closes, portion.opens_write, portion.closes_write)
    cycles = (portion.vector_cycles, portion.port_cycles)
    return (runs[id(portion.run)], portion.read, portion.write, *cycles, *flags)


def _shortened(work: Mapping[int, CoreWork], stretch: Stretch, kept: int) -> dict[int, CoreWork]:
    """Return the work with `kept` periods of a stretch."""
    first = stretch.start + kept * stretch.period
    after = stretch.start + stretch.count * stretch.period
    return {
        core: replace(one, portions=one.portions[:first] + one.portions[after:])
        for core, one in work.items()
    }


class _Repeat(NamedTuple):
    """Portions from `at` on that leave the state as they found it, `cycles` later.

    They are `turns` periods of the stretch.
    """

    at: int
    portions: int
    cycles: int
    turns: int


def _settled(logs: Sequence[CoreLog], stretch: Stretch, kept: int) -> _Repeat | None:
    """Return the first portions after which the state is the same again; None without any."""
    events = [_events(log) for log in logs]
    count = max(len(one) for one in events)
    ends = [
        max((end for one in events if at < len(one) for _, _, end in one[at]), default=0)
        for at in range(count)
    ]
    done = list(accumulate(ends, max))
    last = min(stretch.start + kept * stretch.period, count - 1)
    for at in range(stretch.start + stretch.period, last, stretch.period):
        for turns in range(1, _MOST_TURNS + 1):
            portions = turns * stretch.period
            if at + portions > last:
                break
            one, two = _asked(logs, at), _asked(logs, at + portions)
            first = min(bisect_right(done, one), bisect_right(done, two) - portions)
            if first >= stretch.start and all(
                _moved(each[first:at], two - one) == each[first + portions : at + portions]
                for each in events
            ):
                return _Repeat(at, portions, two - one, turns)
    return None


def _asked(logs: Sequence[CoreLog], at: int) -> int:
    """Return the cycle in which a core first asks for portion `at`."""
    loads = (log.intervals[Unit.DMA_IN] for log in logs)
    return min(load[at].start for load in loads if at < len(load))


#: What a portion did: unit, start and end of each of its events.
_Events = list[list[tuple[Unit, int, int]]]


def _events(log: CoreLog) -> _Events:
    """Return what each portion of a core did."""
    found: _Events = [[] for _ in log.marks]
    for unit, intervals in log.intervals.items():
        for one, at in zip(intervals, log.places[unit], strict=True):
            found[at].append((unit, one.start, one.end))
    return found


def _moved(events: _Events, cycles: int) -> _Events:
    return [[(unit, start + cycles, end + cycles) for unit, start, end in one] for one in events]
