"""The steady state of long loops, advanced by whole periods at once, exactly.

The portions of a long tile loop repeat. A shorter loop, some periods of it left out, is
simulated event by event; where its state repeats after a period, the periods left out
would have gone like that one, and what they did is put in. An op may have several such
loops, one after the other.

Why that is exact. Let A be the cycle in which a core first asks for portion i, for all
cores. Before A only portions before i were at work; those of them that were done by A
hold nothing up any more. So what comes after A follows from the portions still at work,
relative to A, and from the portions to come. Let the same be true of i + p, with p
portions a period: if the events of the portions still at work are the same, relative to
their A, and the portions to come begin with the same ones, both futures are the same as
far as those reach. By induction every further period repeats the one from i to i + p,
and what follows the loop, other loops included, follows as it did after fewer periods.

Nothing but time may be remembered: where DRAM has rows, an address is, and cores that
add up sums of each other meet. These run event by event.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, chain, zip_longest

import numpy as np
from numpy.typing import NDArray

from accelsim.timing.core import Portion
from accelsim.timing.core_log import CoreLog, Repeat
from accelsim.timing.mac_array import PassRun
from accelsim.timing.portions import CoreWork
from accelsim.timing.timeline import Unit

#: Periods of a loop that are simulated at first; four times as many where they do not settle.
_FIRST_KEPT = 6
_MORE_KEPT = 4
#: All is run where more than one part in so many would be simulated to leave the rest out.
_LEAST_GAIN = 3
#: Where no more than one part in so many is left to simulate, nothing better is looked for.
_ENOUGH = 4
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
    kept = {one: _first_kept(one.period) for one in stretches(work)}
    every = max((len(one.portions) for one in work.values()), default=0)
    tried = 0
    while kept:
        tried += every - sum((one.count - most) * one.period for one, most in kept.items())
        if _LEAST_GAIN * tried > every:
            break
        logs = run(_shortened(work, kept))
        states = _States(logs)
        repeats: list[Repeat] = []
        left_out = 0
        for stretch, periods in tuple(kept.items()):
            found = _settled(states, stretch.start - left_out, stretch.period, periods)
            left_out += (stretch.count - periods) * stretch.period
            if found is None:
                kept[stretch] *= _MORE_KEPT
                continue
            at, turns, cycles = found
            times, rest = divmod(stretch.count - periods, turns)
            kept[stretch] += rest
            repeats.append(Repeat(at, turns * stretch.period, cycles, times))
        settled = len(repeats) == len(kept)
        if settled and sum(one.portions * one.times for one in repeats) == left_out:
            for log in logs:
                log.repeat(repeats)
            return logs
        kept = {one: most for one, most in kept.items() if most < one.count}
    return run(work)


def stretches(work: Mapping[int, CoreWork]) -> list[Stretch]:
    """Return the parts of the work that repeat after one and the same number of portions.

    That number is the one that leaves least to simulate; none where it is more than half.
    """
    column = _column(work)
    best: list[Stretch] = []
    most = 0
    for period in range(1, min(len(column) // (_FIRST_KEPT + 2), _LONGEST_PERIOD) + 1):
        found = _stretches(column, period)
        saved = sum((one.count - _first_kept(period)) * period for one in found)
        if saved > most:
            best, most = found, saved
        if _ENOUGH * (len(column) - most) < len(column):
            break
    return best if 2 * most > len(column) else []


def _first_kept(period: int) -> int:
    return max(_FIRST_KEPT, -(-_FEWEST_KEPT // period))


def _stretches(column: NDArray[np.int64], period: int) -> list[Stretch]:
    """Return where a column repeats after a period, in order, where that is worth while."""
    others = np.flatnonzero(column[period:] != column[:-period])
    borders = np.concatenate(([-1], others, [len(column) - period]))
    lengths = np.diff(borders) - 1 + period
    found: list[Stretch] = []
    end = 0
    for at in np.flatnonzero(lengths > _LEAST_GAIN * _first_kept(period) * period).tolist():
        start = max(end, int(borders[at]) + 1)
        count = (int(borders[at]) + 1 + int(lengths[at]) - start) // period
        if count > _LEAST_GAIN * _first_kept(period):
            found.append(Stretch(start, period, count))
            end = start + count * period
    return found


def _column(work: Mapping[int, CoreWork]) -> NDArray[np.int64]:
    """Return a number for the portions that all cores work on next, shape (portions,)."""
    different = {id(portion): portion for one in work.values() for portion in one.portions}
    runs = {id(portion.run): portion.run for portion in different.values()}
    equal: dict[PassRun | None, int] = {}
    kinds = {name: equal.setdefault(run, len(equal)) for name, run in runs.items()}
    codes: dict[Hashable, int] = {}
    code_of = {
        name: codes.setdefault(_kind(portion, kinds), len(codes))
        for name, portion in different.items()
    }
    rows = [[code_of[id(portion)] for portion in one.portions] for one in work.values()]
    turns: dict[Hashable, int] = {}
    return np.array(
        [turns.setdefault(turn, len(turns)) for turn in zip_longest(*rows, fillvalue=-1)],
        dtype=np.int64,
    )


def _kind(portion: Portion, runs: Mapping[int, int]) -> Hashable:
    """Return the same for two portions exactly if time cannot tell them apart."""
    flags = (portion.opens, portion.closes, portion.opens_write, portion.closes_write)
    cycles = (portion.vector_cycles, portion.port_cycles)
    return (runs[id(portion.run)], portion.read, portion.write, *cycles, *flags)


def _shortened(work: Mapping[int, CoreWork], kept: Mapping[Stretch, int]) -> dict[int, CoreWork]:
    """Return the work with so many periods of each stretch, which are in order."""
    parts: list[slice] = []
    start = 0
    for stretch, periods in kept.items():
        parts.append(slice(start, stretch.start + periods * stretch.period))
        start = stretch.start + stretch.count * stretch.period
    parts.append(slice(start, None))
    return {
        core: replace(one, portions=tuple(chain.from_iterable(one.portions[at] for at in parts)))
        for core, one in work.items()
    }


class _States:
    """What all cores did, portion by portion, and when all portions before one were done."""

    def __init__(self, logs: Sequence[CoreLog]) -> None:
        self.logs = logs
        self.events = [_events(log) for log in logs]
        self.count = max(len(one) for one in self.events)
        ends = [
            max((end for one in self.events if at < len(one) for _, _, end in one[at]), default=0)
            for at in range(self.count)
        ]
        self.done = list(accumulate(ends, max))


def _settled(states: _States, start: int, period: int, kept: int) -> tuple[int, int, int] | None:
    """Return after what a stretch leaves the state as it found it; None where it does not.

    That is the first portion, and periods and cycles from there on.
    """
    done = states.done
    last = min(start + kept * period, states.count - 1)
    for at in range(start + period, last, period):
        for turns in range(1, _MOST_TURNS + 1):
            portions = turns * period
            if at + portions > last:
                break
            one, two = _asked(states.logs, at), _asked(states.logs, at + portions)
            first = min(bisect_right(done, one), bisect_right(done, two) - portions)
            if first >= start and all(
                _moved(each[first:at], two - one) == each[first + portions : at + portions]
                for each in states.events
            ):
                return at, turns, two - one
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
