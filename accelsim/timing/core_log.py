"""What a core writes down while it runs: its cycles by cause, its busy intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from accelsim.timing.arbiter import Service
from accelsim.timing.mac_array import Cycles, PassRun
from accelsim.timing.timeline import (
    CHIP,
    Buffer,
    CoreTiming,
    Interval,
    Level,
    StallCause,
    Unit,
    joined,
    thinned,
)


@dataclass(frozen=True, slots=True)
class Arrival:
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
        return max(end for end, _ in self.phases)


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
    """

    core: int
    plain: int = 0
    vectors: int = 0
    passes: int = 0
    work_end: int = 0
    gone: Arrival = Arrival(((0, StallCause.DRAM_WRITE),))
    stalls: dict[StallCause, int] = field(default_factory=dict)
    intervals: dict[Unit, list[Interval]] = field(default_factory=dict)
    levels: dict[Buffer, list[tuple[int, int]]] = field(default_factory=dict)
    places: dict[Unit | Buffer, list[int]] = field(default_factory=dict)
    marks: list[tuple[int, int, int, dict[StallCause, int]]] = field(default_factory=list)

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
        core = CHIP if unit is Unit.DRAM else self.core
        self.intervals.setdefault(unit, []).append(Interval(unit, core, "", start, end, size))
        self.places.setdefault(unit, []).append(at)

    def level(self, buffer: Buffer, time: int, size: int, *, at: int = 0) -> None:
        """Note that bytes come to a buffer in a cycle, or leave it where `size` is negative."""
        self.levels.setdefault(buffer, []).append((time, size))
        self.places.setdefault(buffer, []).append(at)

    def mark(self) -> None:
        """Note what the account holds after a portion."""
        self.marks.append((self.plain, self.vectors, self.passes, dict(self.stalls)))

    def repeat(self, at: int, period: int, *, times: int, every: int) -> None:
        """Put in `times` more of the `period` portions from `at` on, each `every` cycles later."""
        if at >= len(self.marks):
            return  # this core was done before
        before, after = self.marks[at - 1], self.marks[at + period - 1]
        self.plain += times * (after[0] - before[0])
        self.vectors += times * (after[1] - before[1])
        self.passes += times * (after[2] - before[2])
        for cause, cycles in after[3].items():
            self.stall(cause, times * (cycles - before[3].get(cause, 0)))
        self.work_end += times * every
        phases = self.gone.phases
        self.gone = Arrival(
            tuple((end + times * every if end else 0, cause) for end, cause in phases)
        )
        for unit, mine in self.intervals.items():
            copies = _copies(self.places[unit], at, period, times)
            self.intervals[unit] = [_later(mine[i], turn * every) for i, turn in copies]
        for buffer, steps in self.levels.items():
            copies = _copies(self.places[buffer], at, period, times)
            self.levels[buffer] = [(steps[i][0] + turn * every, steps[i][1]) for i, turn in copies]

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
        at = arrival.time - late
        for end, cause in arrival.phases:
            self.stall(cause, max(0, end - at))
            at = max(at, end)


def _copies(places: Sequence[int], at: int, period: int, times: int) -> list[tuple[int, int]]:
    """Return (entry, periods later) for the entries of portions of which a period is repeated."""
    once = range(len(places))
    before = [(i, 0) for i in once if places[i] < at]
    inside = [i for i in once if at <= places[i] < at + period]
    after = [(i, times) for i in once if places[i] >= at + period]
    return before + [(i, turn) for turn in range(times + 1) for i in inside] + after


def _later(one: Interval, cycles: int) -> Interval:
    return Interval(one.unit, one.core, one.op, one.start + cycles, one.end + cycles, one.bytes)


def busy_intervals(logs: Sequence[CoreLog]) -> tuple[Interval, ...]:
    """Return the busy intervals of every unit of all cores, bounded in number."""
    kept: list[Interval] = []
    shared: list[Interval] = []
    for log in logs:
        for unit in Unit:
            mine = log.intervals.get(unit, [])
            if unit is Unit.DRAM:
                shared.extend(mine)
            else:
                kept.extend(joined(mine))
    shared.sort(key=lambda one: (one.start, one.end))
    kept.extend(joined(shared))
    return tuple(kept)


def buffer_levels(logs: Sequence[CoreLog]) -> tuple[Level, ...]:
    """Return how full the buffers of all cores were, bounded in number."""
    found: list[Level] = []
    for log in logs:
        for buffer in Buffer:
            held = 0
            steps: dict[int, int] = {}
            for time, size in sorted(log.levels.get(buffer, [])):
                held += size
                steps[time] = held
            found.extend(thinned([Level(buffer, log.core, *step) for step in steps.items()]))
    return tuple(found)
