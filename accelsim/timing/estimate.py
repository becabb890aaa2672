"""How long a trace takes, from closed forms alone: for sweeps of many chips.

The same requests as the event model's, answered without a queue. The cycles of the
array are the same closed forms and agree exactly where memories never stall. What
the cores of a chip do at the same time is taken to be alike, so that one core
stands for all and their transfers add up on DRAM and on the links; `pipeline`
joins the two. What is left out is the order in which cores meet at DRAM and links,
and transfers smaller than a row of blocks.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, NamedTuple

import numpy as np

from accelsim.arch.chip import Chip
from accelsim.arch.interconnect import Topology
from accelsim.identity import Alike, Same
from accelsim.schedule.kinds import kind_of
from accelsim.schedule.prefetch import early_moves
from accelsim.schedule.schedule import Schedule
from accelsim.schedule.traffic import Transfer, share
from accelsim.schedule.traffic_table import REMEMBERED_BLOCKS
from accelsim.timing.core_log import busy_intervals
from accelsim.timing.gemm_rows import GemmRows, gemm_rows, with_such_an_array
from accelsim.timing.idle import idle_read_bytes
from accelsim.timing.interconnect import hops_to
from accelsim.timing.mac_array import Cycles
from accelsim.timing.memory import port_cycles
from accelsim.timing.pipeline import Move, Paths, Pipeline, Row
from accelsim.timing.portions import PORTIONS_PER_BLOCK, Extras, gemm_extras
from accelsim.timing.requests import Request, timeline_of
from accelsim.timing.row_moves import Entries, RowAmounts, Speeds, last_part, shared_out
from accelsim.timing.timeline import OpTiming, Timeline
from accelsim.timing.vector_portions import vector_portions
from accelsim.timing.vector_unit import lane_work
from accelsim.workload.ops import Gemm, VectorOp
from accelsim.workload.trace import Trace

#: What of a chip no request to the clock looks at.
_TIMELESS: Mapping[str, Any] = {
    **dict.fromkeys(("name", "description", "sources", "technology_nm"), True),
    **dict.fromkeys(("mapper", "default_recipe", "cost_table"), True),
    "scratchpad": {"capacity_kib": True},
}


def estimate(
    trace: Trace, chip: Chip, schedules: Mapping[str, Schedule], *, intervals: bool = True
) -> Timeline:
    """Return about when the ops of a trace run, and where their cycles go.

    The rows are those of `simulate`, stalls by cause that add up exactly included.

    Parameters
    ----------
    trace : Trace
        Ops in order.
    chip : Chip
        The machine.
    schedules : mapping from str to Schedule
        One for every GEMM, by name.
    intervals : bool
        Say when units were busy; to leave it out changes no cycle and saves time.

    Raises
    ------
    KeyError
        If a GEMM has no schedule.
    """
    machine = _machine(_takes_such_times(chip), intervals)
    answer = _answer if intervals else _remembered_answer
    return timeline_of(trace, chip, schedules, partial(answer, machine))


@dataclass(frozen=True, slots=True, eq=False)
class _Machine:
    """A chip and what all requests to it share; a machine equals itself alone."""

    chip: Chip
    array: Alike[Chip]
    speeds: Speeds
    paths: Paths
    intervals: bool


def _takes_such_times(chip: Chip) -> Alike[Chip]:
    """Return a key that is equal for chips on which equal requests take equal times.

    What they cost, and how much their scratchpads hold, is for others to look at.
    """
    return Alike(chip.model_dump_json(exclude=_TIMELESS), chip)


@lru_cache(maxsize=2**7)
def _machine(alike: Alike[Chip], intervals: bool) -> _Machine:
    chip = alike.it
    return _Machine(chip, with_such_an_array(chip), Speeds.of(chip), _paths(chip), intervals)


@dataclass(frozen=True, slots=True)
class Work:
    """Rows of an op, what follows the start of the last pass, and what all cores do and move."""

    rows: list[Row]
    closing: Cycles
    load: Transfer
    store: Transfer
    passes: int = 0


def _paths(chip: Chip) -> Paths:
    farthest = max(hops_to(chip, core) for core in range(chip.cores))
    return Paths(
        halves=2 if chip.scratchpad.double_buffering else 1,
        latency=chip.dram_latency_cycles,
        hops=farthest * chip.interconnect.hop_cycles,
        lane_latency=chip.vector_unit.latency_cycles,
        one_medium=chip.interconnect.topology is Topology.BUS,
        depth=chip.dma.queue_depth,
    )


@lru_cache(maxsize=2**11)
def _remembered_answer(machine: _Machine, asked: Alike[Request]) -> OpTiming:
    return _answer(machine, asked)


def _answer(machine: _Machine, asked: Alike[Request]) -> OpTiming:
    """Return about how long a group of ops takes alone, from cycle 0."""
    request, chip = asked.it, machine.chip
    head = request.group.head
    work = (_gemm_work if isinstance(head, Gemm) else _vector_work)(request, machine)
    watched = machine.intervals or chip.prefetch_weights
    log = Pipeline(machine.paths, watched=watched).run(work.rows, closing=work.closing)
    idle = idle_read_bytes([log], chip, log.end) if chip.prefetch_weights else 0
    return OpTiming(
        name=head.name,
        start=0,
        cores=(log.timing(log.end),),
        macs=head.macs,
        peak_macs_per_cycle=request.peak_macs_per_cycle(chip),
        passes=work.passes,
        dram_read_bytes=work.load.dram_bytes,
        dram_write_bytes=work.store.dram_bytes,
        link_bytes=work.load.link_bytes + work.store.link_bytes,
        relative_intervals=busy_intervals([log]) if machine.intervals else (),
        idle_read_bytes=idle,
    )


def _vector_work(request: Request, machine: _Machine) -> Work:
    """Return the rows of vector ops: equal parts of one pass over memory."""
    chip = machine.chip
    lanes = lane_work(
        [op for op in request.group.ops if isinstance(op, VectorOp)], chip.vector_unit
    )
    rows = vector_portions(chip, request.read, request.write, limit=PORTIONS_PER_BLOCK)
    memory = chip.scratchpad
    count = chip.cores * rows
    entries = Entries.of(
        np.repeat(np.arange(chip.cores), rows), np.tile(np.arange(rows), chip.cores)
    )
    done = np.arange(count + 1)
    load, store = (shared_out(one, done, count) for one in (request.read, request.write))
    once, near = np.ones(count, np.int64), machine.speeds.near
    amounts = entries.amounts(((load, load), (store, store)), once, near=near)
    loads, stores = amounts.moves(machine.speeds)
    made = [
        Row(
            load=one,
            store=two,
            parts=1,
            lane_cycles=lanes.before(at + 1, count) - lanes.before(at, count),
            port_cycles=max(
                port_cycles(share(request.port_bits[0], at, count), memory.read_bytes_per_cycle),
                port_cycles(share(request.port_bits[1], at, count), memory.write_bytes_per_cycle),
            ),
        )
        for at, (one, two) in enumerate(zip(loads, stores, strict=True))
    ]
    return Work(made, Cycles(chip.vector_unit.latency_cycles), load.total, store.total)


def _gemm_work(request: Request, machine: _Machine) -> Work:
    """Return the rows of a GEMM: what its cores work on at the same time."""
    schedule, chip = request.schedule, machine.chip
    if schedule is None:
        raise ValueError(f"GEMM {request.group.head.name!r} has no schedule")
    op, fallback, unit = schedule.op, schedule.mapping.fallback, chip.vector_unit
    a, b = (request.places.get(one.tensor) for one in (op.a, op.b))
    rows = gemm_rows(schedule, machine.array, a=a, b=b)
    extras = gemm_extras(
        schedule, chip, fused=request.group.fused, read=request.read, write=request.write
    )
    few = len(rows.parts) <= REMEMBERED_BLOCKS
    whole = _remembered_bytes if few else _whole_bytes
    moved = whole(Same(rows), extras, request.ahead, machine.speeds.near)
    loads, stores = moved.amounts.moves(machine.speeds)
    made = _rows(rows, loads, stores, moved.lane_cycles, fallback=fallback)
    closing = Cycles(unit.latency_cycles) if fallback else rows.closing
    passes = 0 if fallback else kind_of(schedule).pass_count
    return Work(made, closing, moved.load, moved.store, passes)


class _WholeBytes(NamedTuple):
    """What all rows of a GEMM move, and the cycles of the lanes for each entry."""

    amounts: RowAmounts
    lane_cycles: list[int]
    load: Transfer
    store: Transfer


def _whole_bytes(
    same: Same[GemmRows], extras: Extras, ahead: int, near: tuple[bool, ...]
) -> _WholeBytes:
    """Return what moves besides the operands, too, and where `ahead` bytes are there before."""
    rows = same.it
    early = early_moves(rows.table, ahead)
    right = rows.table.b - early
    beside, written = (
        shared_out(one, rows.done, extras.outputs) for one in (extras.read, extras.write)
    )
    load = rows.load + right + beside
    first = rows.first_load + last_part(right, rows.b_parts) + last_part(beside, rows.out_parts)
    spilled = rows.table.psum_write
    store, last = written + spilled, last_part(written, rows.out_parts) + spilled
    return _WholeBytes(
        amounts=rows.entries.amounts(((load, first), (store, last)), rows.parts, near=near),
        lane_cycles=extras.lane_cycles(rows.done).tolist(),
        load=(load + early).total,
        store=store.total,
    )


@lru_cache(maxsize=512)
def _remembered_bytes(
    same: Same[GemmRows], extras: Extras, ahead: int, near: tuple[bool, ...]
) -> _WholeBytes:
    return _whole_bytes(same, extras, ahead, near)


def _rows(
    rows: GemmRows,
    loads: Iterable[Move],
    stores: Iterable[Move],
    lane_cycles: Sequence[int],
    *,
    fallback: bool,
) -> list[Row]:
    """Return the rows of a GEMM; equal ones are one object."""
    known: dict[Hashable, Row] = {}
    made = []
    for passes, load, store, stores_it, lanes in zip(
        rows.passes, loads, stores, rows.stores, lane_cycles, strict=False
    ):
        kept = store if stores_it else None
        key = (load, kept, lanes, id(passes))
        if key not in known:
            parts, run, border = passes.parts, passes.run, passes.border
            known[key] = (
                Row(load, kept, parts, lane_cycles=lanes + run.vectors)
                if fallback
                else Row(load, kept, parts, run=run, border=border, lane_cycles=lanes)
            )
        made.append(known[key])
    return made
