"""What a core writes down while it runs: its cycles by cause, its busy intervals."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from accelsim.timing.arbiter import Service
from accelsim.timing.mac_array import Cycles, PassRun
from accelsim.timing.spans import Span, joined_each, levels_of
from accelsim.timing.timeline import (
    CHIP,
    Buffer,
    CoreTiming,
    Interval,
    Level,
    StallCause,
    Unit,
)


class Arrival(NamedTuple):
    """When something is there, and what stands in its way until when.

    Parameters
    ----------
    phases : tuple of (int, StallCause)
        Causes in the order in which they delay it, each with the cycle in which it
        ends; a phase that ends no later than the one before it delays nothing.
    """

    phases: tuple[tuple[int, StallCause], ...]

    @property
    def time(self) -> int:
        """First cycle in which it is there."""
        return max(self.phases)[0]


#: Of what nothing stands in the way of.
AT_ONCE = Arrival(((0, StallCause.DRAM_WRITE),))


def served(
    service: Service, cause: StallCause, *, later: int = 0
) -> tuple[tuple[int, StallCause], ...]:
    """Return the phases of a transfer that DRAM has served, `later` cycles after that.

    Who waits for it waits for its refreshes last and for its rows before: as many cycles
    as they took are theirs, and only what is left is the bandwidth's.
    """
    end = service.end + later
    if not service.row_cycles and not service.refresh_cycles:
        return ((end, cause),)
    rows = end - service.refresh_cycles
    return (
        (rows - service.row_cycles, cause),
        (rows, StallCause.DRAM_ROW),
        (end, StallCause.DRAM_REFRESH),
    )


class Repeat(NamedTuple):
    """Portions from `at` on that go `times` more, each time `cycles` after the time before."""

    at: int
    portions: int
    cycles: int
    times: int


@dataclass(slots=True)
class CoreLog:
    """The account of one core for one op.

    Parameters
    ----------
    core : int
        Number of the core.
    plain : int
        Cycles of the closed form: compute, fill and drain.
    vectors : int
        Streamed vectors, or busy cycles of the vector unit's lanes.
    passes : int
        Stationary tile passes.
    work_end : int
        Cycle in which the array or the vector unit ends.
    gone : Arrival
        The last results' arrival in memory.
    stalls : dict from StallCause to int
        Cycles by cause.
    intervals, levels : dict
        What units did and what buffers took or gave.
    places : dict
        Portion of each entry of those two.
    marks : list
        Plain cycles, vectors, passes and stalls after each portion.
    watched : bool
        Whether it is noted when units are busy.
    """

    core: int
    plain: int = 0
    vectors: int = 0
    passes: int = 0
    work_end: int = 0
    gone: Arrival = AT_ONCE
    stalls: dict[StallCause, int] = field(default_factory=dict)
    intervals: dict[Unit, list[Span]] = field(default_factory=dict)
    levels: dict[Buffer, list[tuple[int, int]]] = field(default_factory=dict)
    places: dict[Unit | Buffer, list[int]] = field(default_factory=dict)
    marks: list[tuple[int, int, int, dict[StallCause, int]]] = field(default_factory=list)
    watched: bool = True

    @property
    def end(self) -> int:
        """Cycle in which the core has nothing left to do."""
        return max(self.work_end, self.gone.time)

    def stall(self, cause: StallCause, cycles: int) -> None:
        """Add cycles to a cause."""
        if cycles:
            self.stalls[cause] = self.stalls.get(cause, 0) + cycles

    def spend(self, cycles: Cycles) -> None:
        """Add a span of array time."""
        self.plain += cycles.plain
        self.stall(StallCause.ACCUMULATOR, cycles.accumulator)
        self.stall(StallCause.SCRATCHPAD, cycles.scratchpad)
        self.stall(StallCause.PRELOAD, cycles.preload)

    def count(self, run: PassRun) -> None:
        """Add a run's passes and vectors."""
        self.passes += run.passes
        self.vectors += run.vectors

    def late(self, due: int, lead: int, data: Arrival, slot: Arrival) -> int:
        """Return when work due at `due` starts; note what held it up.

        Parameters
        ----------
        due : int
            Cycle in which it would start if everything were there.
        lead : int
            Cycles from the data's arrival to the earliest start.
        data, slot : Arrival
            Operands, and room for results.
        """
        by_data = max(0, data.time + lead - due)
        start = max(due + by_data, slot.time + lead)
        self._blame(data, by_data)
        self._blame(slot, start - due - by_data)
        return start

    def close(self) -> None:
        """Account for the cycles between the end of the work and of the write-back."""
        self._blame(self.gone, max(0, self.gone.time - self.work_end))

    def busy(self, unit: Unit, start: int, end: int, size: int = 0, *, at: int = 0) -> None:
        """Note that a unit was busy in [start, end), with portion `at`."""
        if not self.watched:
            return
        self.intervals.setdefault(unit, []).append(Span(start, end, size))
        self.places.setdefault(unit, []).append(at)

    def level(self, buffer: Buffer, time: int, size: int, *, at: int = 0) -> None:
        """Note that bytes come to a buffer in a cycle, or leave it where `size` is negative."""
        self.levels.setdefault(buffer, []).append((time, size))
        self.places.setdefault(buffer, []).append(at)

    def mark(self) -> None:
        """Note what the account holds after a portion."""
        self.marks.append((self.plain, self.vectors, self.passes, dict(self.stalls)))

    def repeat(self, turns: Sequence[Repeat]) -> None:
        """Put in what repeats, in order: no two of them share a portion."""
        mine = [one for one in turns if one.at < len(self.marks)]  # else it was done before
        for one in mine:
            before, after = self.marks[one.at - 1], self.marks[one.at + one.portions - 1]
            self.plain += one.times * (after[0] - before[0])
            self.vectors += one.times * (after[1] - before[1])
            self.passes += one.times * (after[2] - before[2])
            for cause, cycles in after[3].items():
                self.stall(cause, one.times * (cycles - before[3].get(cause, 0)))
        later = sum(one.times * one.cycles for one in mine)
        self.work_end += later
        phases = self.gone.phases
        self.gone = Arrival(tuple((end + later if end else 0, cause) for end, cause in phases))
        for unit, entries in self.intervals.items():
            copies = _copies(self.places[unit], mine)
            self.intervals[unit] = [
                Span(one.start + cycles, one.end + cycles, one.bytes)
                for one, cycles in ((entries[i], cycles) for i, cycles in copies)
            ]
        for buffer, steps in self.levels.items():
            copies = _copies(self.places[buffer], mine)
            self.levels[buffer] = [(steps[i][0] + cycles, steps[i][1]) for i, cycles in copies]

    def timing(self, op_end: int) -> CoreTiming:
        """Return the split of an op that ends for all cores at `op_end`."""
        stalls = dict(self.stalls)
        if op_end > self.end:
            stalls[StallCause.IMBALANCE] = op_end - self.end
        return CoreTiming(
            core=self.core,
            compute_cycles=self.vectors,
            fill_drain_cycles=self.plain - self.vectors,
            stalls=stalls,
            passes=self.passes,
        )

    def _blame(self, arrival: Arrival, late: int) -> None:
        """Split the last `late` cycles before an arrival by its phases."""
        if late == 0:
            return
        at = arrival.time - late
        for end, cause in arrival.phases:
            self.stall(cause, max(0, end - at))
            at = max(at, end)


def _copies(places: Sequence[int], turns: Sequence[Repeat]) -> Iterator[tuple[int, int]]:
    """Yield (entry, cycles later) for the entries of portions, with what repeats put in."""
    borders = [border for one in turns for border in (one.at, one.at + one.portions)]
    stretch = np.searchsorted(borders, places, side="right")
    later = 0
    for at in range(len(borders) + 1):
        entries = np.flatnonzero(stretch == at).tolist()
        inside = turns[at // 2] if at % 2 else None
        for turn in range(inside.times + 1 if inside else 1):
            cycles = later + (turn * inside.cycles if inside else 0)
            yield from ((entry, cycles) for entry in entries)
        later += inside.times * inside.cycles if inside else 0


def busy_intervals(logs: Sequence[CoreLog]) -> tuple[Interval, ...]:
    """Return the busy intervals of every unit of all cores, bounded in number."""
    spans = {(unit, log.core): log.intervals.get(unit, []) for log in logs for unit in Unit}
    shared = [span for log in logs for span in spans.pop((Unit.DRAM, log.core))]
    spans[Unit.DRAM, CHIP] = shared
    return tuple(
        Interval(unit, core, "", *one)
        for (unit, core), mine in zip(spans, joined_each(list(spans.values())), strict=True)
        for one in mine
    )


def buffer_levels(logs: Sequence[CoreLog]) -> tuple[Level, ...]:
    """Return how full the buffers of all cores were, bounded in number."""
    return tuple(
        Level(buffer, log.core, *step)
        for log in logs
        for buffer in Buffer
        for step in levels_of(log.levels.get(buffer, []))
    )
