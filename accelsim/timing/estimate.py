"""How long a trace takes, from closed forms alone: for sweeps of many chips.

The same requests as the event model's, answered without a queue. The cycles of the
array are the same closed forms and agree exactly where memories never stall. What
the cores of a chip do at the same time is taken to be alike, so that one core
stands for all and their transfers add up on DRAM and on the links; `pipeline`
joins the two. What is left out is the order in which cores meet at DRAM and links,
and transfers smaller than a row of blocks.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add

import numpy as np
from numpy.typing import NDArray

from accelsim.arch.chip import Chip
from accelsim.arch.interconnect import Topology
from accelsim.schedule.block_table import BlockTable
from accelsim.schedule.mapping import Dim
from accelsim.schedule.prefetch import early_moves
from accelsim.schedule.schedule import Schedule
from accelsim.schedule.traffic import share
from accelsim.schedule.traffic_table import A_DIMS, B_DIMS, OUT_DIMS, Moves, traffic_table
from accelsim.timing.core_log import busy_intervals
from accelsim.timing.idle import idle_read_bytes
from accelsim.timing.interconnect import hops_to
from accelsim.timing.mac_array import Cycles, PassRun
from accelsim.timing.memory import port_cycles
from accelsim.timing.pipeline import Move, Paths, Pipeline, Row
from accelsim.timing.portions import (
    PORTIONS_PER_BLOCK,
    array_model,
    cut_along,
    gemm_extras,
    most_portions,
)
from accelsim.timing.requests import Request, timeline_of
from accelsim.timing.row_moves import Entries, last_part, shared_out
from accelsim.timing.timeline import OpTiming, Timeline
from accelsim.timing.vector_portions import vector_portions
from accelsim.timing.vector_unit import lane_work
from accelsim.workload.ops import Gemm, VectorOp
from accelsim.workload.trace import Trace


def estimate(trace: Trace, chip: Chip, schedules: Mapping[str, Schedule]) -> Timeline:
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

    Raises
    ------
    KeyError
        If a GEMM has no schedule.
    """
    return timeline_of(trace, chip, schedules, lambda request: estimate_request(request, chip))


def estimate_request(request: Request, chip: Chip) -> OpTiming:
    """Return about how long a group of ops takes alone, from cycle 0."""
    head = request.group.head
    work = _gemm_work(request, chip) if isinstance(head, Gemm) else _vector_work(request, chip)
    log = Pipeline(_paths(chip)).run(work.rows, closing=work.closing)
    idle = idle_read_bytes([log], chip, log.end) if chip.prefetch_weights else 0
    return OpTiming(
        name=head.name,
        start=0,
        cores=(log.timing(log.end),),
        macs=head.macs,
        peak_macs_per_cycle=request.peak_macs_per_cycle(chip),
        passes=work.passes,
        dram_read_bytes=int(work.load.dram.sum()),
        dram_write_bytes=int(work.store.dram.sum()),
        link_bytes=int(work.load.link.sum() + work.store.link.sum()),
        relative_intervals=busy_intervals([log]),
        idle_read_bytes=idle,
    )


@dataclass(frozen=True, slots=True)
class Work:
    """Rows of an op, what follows the start of the last pass, and what all cores do and move."""

    rows: list[Row]
    closing: Cycles
    load: Moves
    store: Moves
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


def _vector_work(request: Request, chip: Chip) -> Work:
    """Return the rows of vector ops: equal parts of one pass over memory."""
    lanes = lane_work(
        [op for op in request.group.ops if isinstance(op, VectorOp)], chip.vector_unit
    )
    rows = vector_portions(chip, request.read, request.write, limit=PORTIONS_PER_BLOCK)
    memory = chip.scratchpad
    count = chip.cores * rows
    entries = Entries(
        chip,
        cores=np.repeat(np.arange(chip.cores), rows),
        rows=np.tile(np.arange(rows), chip.cores),
    )
    done = np.arange(count + 1)
    load, store = (shared_out(one, done, count) for one in (request.read, request.write))
    once = np.ones(count, np.int64)
    moves = zip(entries.moves(load, load, once), entries.moves(store, store, once), strict=True)
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
        for at, (one, two) in enumerate(moves)
    ]
    return Work(made, Cycles(chip.vector_unit.latency_cycles), load, store)


def _gemm_work(request: Request, chip: Chip) -> Work:
    """Return the rows of a GEMM: what its cores work on at the same time."""
    schedule = request.schedule
    if schedule is None:
        raise ValueError(f"GEMM {request.group.head.name!r} has no schedule")
    op, fallback = schedule.op, schedule.mapping.fallback
    table = traffic_table(
        schedule, a=request.places.get(op.a.tensor), b=request.places.get(op.b.tensor)
    )
    blocks = table.blocks
    extras = gemm_extras(
        schedule, chip, fused=request.group.fused, read=request.read, write=request.write
    )
    passes = _CorePasses(schedule, chip, blocks)
    counts = np.where(blocks.completes, blocks.outputs, 0)
    done = np.concatenate(([0], np.cumsum(counts)))
    early = early_moves(table, request.ahead)
    loads = (
        (table.a, A_DIMS), (table.b - early, B_DIMS), (table.psum_read, OUT_DIMS),
        (shared_out(extras.read, done, extras.outputs), OUT_DIMS),
    )  # fmt: skip
    whole, first = (
        reduce(add, moves)
        for moves in zip(
            *((one, last_part(one, passes.parts, passes.cut(dims))) for one, dims in loads),
            strict=True,
        )
    )
    written = shared_out(extras.write, done, extras.outputs)
    last = last_part(written, passes.parts, passes.cut(OUT_DIMS)) + table.psum_write
    stored = written + table.psum_write
    entries = Entries(chip, blocks.cores, blocks.turns)
    spills = (table.psum_write.dram > 0) | (table.psum_write.link > 0)
    completes = entries.sums((blocks.completes | spills).astype(np.int64)) > 0
    rows = passes.rows(
        entries.moves(whole, first, passes.parts),
        entries.moves(stored, last, passes.parts),
        completes.tolist(),
        extras.lane_cycles(done).tolist(),
    )
    closing = Cycles(chip.vector_unit.latency_cycles) if fallback else passes.closing()
    return Work(rows, closing, whole + early, stored, 0 if fallback else schedule.pass_count)


class _CorePasses:
    """The passes of the first core, block after block; blocks of one kind are looked at once."""

    def __init__(self, schedule: Schedule, chip: Chip, blocks: BlockTable) -> None:
        first, self._schedule, self._blocks = blocks.block(0), schedule, blocks
        self._model = array_model(schedule, chip, first)
        whole = self._model.distance > 1
        most_parts = 1 if whole else most_portions(schedule, PORTIONS_PER_BLOCK)
        firsts, self._kinds = blocks.kinds()
        self._examples = [blocks.block(at) for at in firsts.tolist()]
        cuts = [cut_along(schedule.mapping, block, most_parts) for block in self._examples]
        self._dims = [dim for dim, _ in cuts]
        #: Parts into which each block is cut.
        self.parts = np.array([parts for _, parts in cuts], dtype=np.int64)[self._kinds]
        self._parts_of = [parts for _, parts in cuts]
        self._last: PassRun | None = None

    def cut(self, dims: tuple[Dim, ...]) -> NDArray[np.bool_]:
        """Return whether the parts of each block are parts of what `dims` index."""
        return np.array([dim in dims for dim in self._dims])[self._kinds]

    def rows(
        self,
        loads: Sequence[Move],
        stores: Sequence[Move],
        completes: Sequence[bool],
        lane_cycles: Sequence[int],
    ) -> list[Row]:
        """Return the rows; equal ones are one object."""
        known: dict[Hashable, Row] = {}
        rows: list[Row] = []
        before: PassRun | None = None
        mine = self._kinds[self._blocks.cores == 0].tolist()
        runs = {kind: self._run(kind) for kind in dict.fromkeys(mine)}
        for load, store, stores_it, lanes, kind in zip(
            loads, stores, completes, lane_cycles, mine, strict=False
        ):
            run = runs[kind]
            key = (load, store, stores_it, lanes, id(before), kind)
            if key not in known:
                known[key] = self._row(load, store if stores_it else None, lanes, before, run, kind)
            before = run
            rows.append(known[key])
        self._last = before
        return rows

    def _run(self, kind: int) -> PassRun:
        return self._model.run(self._schedule.block_pattern(self._examples[kind]))

    def _row(
        self,
        load: Move,
        store: Move | None,
        lanes: int,
        before: PassRun | None,
        run: PassRun,
        kind: int,
    ) -> Row:
        """Return the row of a block of a kind whose passes follow others."""
        parts = self._parts_of[kind]
        if self._schedule.mapping.fallback:
            return Row(load, store, parts, lane_cycles=lanes + run.vectors)
        border = self._model.border(before, run)
        return Row(load, store, parts, run=run, border=border, lane_cycles=lanes)

    def closing(self) -> Cycles:
        """Return the time from the start of the last pass to its last stored sum."""
        assert self._last is not None
        return self._model.last(self._last.last)
