"""What the clock says: every op's cycles split by cause, and when each unit was busy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

#: Core number of what belongs to the whole chip.
CHIP = -1
#: Busy intervals and levels kept for one unit and op; more are joined with their neighbours.
MAX_INTERVALS = 64


class StallCause(StrEnum):
    """Why a core's critical unit stood still."""

    #: Waited for operands from DRAM.
    DRAM_READ = "dram_read"
    #: Waited for results or partial sums to reach DRAM.
    DRAM_WRITE = "dram_write"
    #: Of the wait for DRAM, what opening rows took.
    DRAM_ROW = "dram_row"
    #: Of the wait for DRAM, what its refresh took.
    DRAM_REFRESH = "dram_refresh"
    #: Waited for operands or results on a link of the on-chip network.
    INTERCONNECT = "interconnect"
    #: The scratchpad's port delivered or took the streams too slowly.
    SCRATCHPAD = "scratchpad"
    #: The scratchpad's port delivered the next stationary tile too slowly, or partial
    #: sums had to be shifted back into an array whose outputs stay.
    PRELOAD = "preload"
    #: An outer accumulator was busy, or the partial sum of a chunk not back yet.
    ACCUMULATOR = "accumulator"
    #: Waited for the sums of other cores that divide k.
    COMBINE = "combine"
    #: Waited for the vector unit to work on the write-back.
    VECTOR_UNIT = "vector_unit"
    #: Had finished, or had no work, while another core went on.
    IMBALANCE = "imbalance"


#: All of them, in their order.
_CAUSES = tuple(StallCause)


class Unit(StrEnum):
    """A thing that can be busy."""

    ARRAY = "array"
    VECTOR_UNIT = "vector_unit"
    DMA_IN = "dma_in"
    DMA_OUT = "dma_out"
    LINK = "link"
    DRAM = "dram"


class Buffer(StrEnum):
    """A part of a core's scratchpad."""

    #: Operands and partial sums that have come for blocks not yet done.
    OPERANDS = "operands"
    #: Finished results on their way out.
    RESULTS = "results"


@dataclass(frozen=True, slots=True)
class Interval:
    """A unit of a core (`CHIP` for shared ones) was busy with an op in [start, end) cycles."""

    unit: Unit
    core: int
    op: str
    start: int
    end: int
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class Level:
    """From a cycle on, a buffer of a core holds so many bytes."""

    buffer: Buffer
    core: int
    cycle: int
    bytes: int


@dataclass(frozen=True, slots=True)
class CoreTiming:
    """One core's share of an op; compute, fill and drain and the stalls are all its cycles."""

    core: int
    compute_cycles: int
    fill_drain_cycles: int
    stalls: Mapping[StallCause, int]
    passes: int
    #: Compute, fill and drain, and stalls.
    cycles: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Add up: every reading asks for it."""
        total = self.compute_cycles + self.fill_drain_cycles + sum(self.stalls.values())
        object.__setattr__(self, "cycles", total)


@dataclass(frozen=True, slots=True)
class OpTiming:
    """When an op ran and where its cycles went.

    ``cycles = compute_cycles + fill_drain_cycles + sum of stalls``, exactly: the
    split of the core that ended last, the lowest-numbered of several.

    Parameters
    ----------
    name : str
        Name of the op.
    start : int
        Cycle in which it starts.
    cores : tuple of CoreTiming
        The split of every core that the chip has work for; `imbalance` fills up
        those that end early.
    critical : int
        Position in `cores` of the one whose split the op reports.
    macs : int
        Multiply-accumulates.
    peak_macs_per_cycle : int
        MACs per cycle of all cores at the op's rate; 0 for vector ops.
    passes : int
        Stationary tile passes, the schedule's steps; 0 for vector ops.
    dram_read_bytes, dram_write_bytes : int
        Bytes moved, before rounding to bursts.
    link_bytes : int
        Bytes over the interconnect.
    fused_into : str
        Op on whose write-back this one rides; it then has no cycles of its own.
    relative_intervals : tuple of Interval
        When units were busy, counted from `start`; see `intervals`.
    relative_levels : tuple of Level
        How full buffers were, counted from `start`; see `levels`. Empty from closed forms.
    idle_read_bytes : int or None
        What DRAM could have read besides, after the op's last load and before its end;
        None for no limit, 0 where nobody asks.
    """

    name: str
    start: int
    cores: tuple[CoreTiming, ...]
    critical: int = 0
    macs: int = 0
    peak_macs_per_cycle: int = 0
    passes: int = 0
    dram_read_bytes: int = 0
    dram_write_bytes: int = 0
    link_bytes: int = 0
    fused_into: str = ""
    relative_intervals: tuple[Interval, ...] = ()
    relative_levels: tuple[Level, ...] = ()
    idle_read_bytes: int | None = 0

    @property
    def _mine(self) -> CoreTiming:
        return self.cores[self.critical]

    @property
    def cycles(self) -> int:
        """Cycles from start to end."""
        return self.cores[self.critical].cycles

    @property
    def end(self) -> int:
        """First cycle after the op."""
        return self.start + self.cycles

    @property
    def compute_cycles(self) -> int:
        """Cycles in which vectors stream, or the vector unit's lanes are busy."""
        return self._mine.compute_cycles

    @property
    def fill_drain_cycles(self) -> int:
        """The rest of the closed form: preload, fill, drain."""
        return self._mine.fill_drain_cycles

    @property
    def array_cycles(self) -> int:
        """Streaming, fill and drain together."""
        return self.compute_cycles + self.fill_drain_cycles

    @property
    def stalls(self) -> Mapping[StallCause, int]:
        """Cycles by cause; causes without cycles are left out."""
        return self._mine.stalls

    @property
    def stall_cycles(self) -> Mapping[str, int]:
        """Cycles by name of the cause, in a fixed order."""
        stalls = self.stalls
        if not stalls:
            return {}
        return {str(cause): stalls[cause] for cause in _CAUSES if cause in stalls}

    @property
    def utilization(self) -> float:
        """MACs over what all cores could do in the op's cycles; 0 for vector ops."""
        possible = self.peak_macs_per_cycle * self.cycles
        return self.macs / possible if possible else 0.0

    def intervals(self) -> Iterator[Interval]:
        """Yield the busy intervals in absolute cycles."""
        for one in self.relative_intervals:
            yield replace(one, op=self.name, start=one.start + self.start, end=one.end + self.start)

    def levels(self) -> Iterator[Level]:
        """Yield how full buffers were, in absolute cycles."""
        for one in self.relative_levels:
            yield replace(one, cycle=one.cycle + self.start)

    def row(self) -> dict[str, Any]:
        """Return the op as one flat row."""
        return {
            "name": self.name,
            "start": self.start,
            "end": self.end,
            "cycles": self.cycles,
            "compute_cycles": self.compute_cycles,
            "fill_drain_cycles": self.fill_drain_cycles,
            "array_cycles": self.array_cycles,
            "stall_cycles": dict(self.stall_cycles),
            "passes": self.passes,
            "macs": self.macs,
            "utilization": self.utilization,
            "dram_read_bytes": self.dram_read_bytes,
            "dram_write_bytes": self.dram_write_bytes,
            "link_bytes": self.link_bytes,
            "fused_into": self.fused_into,
        }


@dataclass(frozen=True, slots=True)
class Timeline:
    """The ops of a trace in order, one after the other."""

    ops: tuple[OpTiming, ...]

    @property
    def cycles(self) -> int:
        """Cycles of the whole trace; 0 if it is empty."""
        return sum(op.cycles for op in self.ops)

    def op(self, name: str) -> OpTiming:
        """Return the timing of an op; KeyError if there is none of that name."""
        for timing in self.ops:
            if timing.name == name:
                return timing
        raise KeyError(name)

    def rows(self) -> list[dict[str, Any]]:
        """Return one row per op, in order."""
        return [op.row() for op in self.ops]

    def intervals(self) -> Iterator[Interval]:
        """Yield every unit's busy intervals, op by op."""
        for op in self.ops:
            yield from op.intervals()

    def levels(self) -> Iterator[Level]:
        """Yield how full every buffer was, op by op."""
        for op in self.ops:
            yield from op.levels()
