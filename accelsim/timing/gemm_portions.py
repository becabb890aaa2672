"""The blocks of a GEMM as portions of work: what every core loads, runs and stores, in order.

What the blocks move comes in columns. Blocks of one kind that move equally much are
made into portions once, so that the rest of a long loop costs next to nothing. Where it
matters where in DRAM bytes lie, or whose sums meet, each block has portions of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from accelsim.arch.chip import Chip
from accelsim.schedule.passes import Range
from accelsim.schedule.prefetch import early_moves
from accelsim.schedule.schedule import Block, Schedule
from accelsim.schedule.traffic import BlockTraffic, Place, Transfer
from accelsim.schedule.traffic_table import Moves, TrafficTable, traffic_table
from accelsim.timing.core import Portion
from accelsim.timing.mac_array import ArrayModel, PassRun
from accelsim.timing.pieces import Finder, Piece, outputs_of
from accelsim.timing.portions import (
    CoreWork,
    Extras,
    array_model,
    cut_block,
    gemm_extras,
    most_portions,
)
from accelsim.timing.row_moves import Column, shared_out
from accelsim.workload.ops import VectorOp


def gemm_work(
    schedule: Schedule,
    chip: Chip,
    *,
    fused: Sequence[VectorOp],
    places: Mapping[str, Place],
    read: Transfer,
    write: Transfer,
    limit: int,
    ahead: int = 0,
) -> dict[int, CoreWork]:
    """Return the portions of a GEMM for every core that has work.

    Parameters
    ----------
    schedule : Schedule
        Of the GEMM.
    chip : Chip
        The machine.
    fused : sequence of VectorOp
        Ops on its write-back.
    places : mapping from str to Place
        Where its operands are.
    read, write : Transfer
        What the fused ops take, and what the group stores; partial sums are added.
    limit : int
        Most portions of a block.
    ahead : int
        DRAM bytes of the first blocks' weights that are there already.

    Raises
    ------
    MappingError
        If there are more blocks than memory could hold.
    """
    op = schedule.op
    table = traffic_table(schedule, a=places.get(op.a.tensor), b=places.get(op.b.tensor))
    early = early_moves(table, ahead)
    blocks = _Blocks(
        schedule=schedule,
        chip=chip,
        table=replace(table, b=table.b - early),
        extras=gemm_extras(schedule, chip, fused=fused, read=read, write=write),
        finder=Finder.of(schedule, chip, read=read, write=write),
        limit=limit,
    )
    portions = blocks.portions()
    on_lanes = schedule.mapping.fallback
    return {
        core: CoreWork(
            tuple(mine), None if on_lanes else blocks.models[core], _sum_of(early, table, core)
        )
        for core, mine in portions.items()
    }


@dataclass(frozen=True, slots=True)
class _Plan:
    """How blocks of one kind are worked on: passes and completed outputs of each part."""

    runs: tuple[PassRun, ...]
    outputs: tuple[int, ...]


@dataclass(frozen=True)
class _Blocks:
    """The blocks of a GEMM, and all that their portions depend on."""

    schedule: Schedule
    chip: Chip
    table: TrafficTable
    extras: Extras
    finder: Finder
    limit: int

    @cached_property
    def models(self) -> dict[int, ArrayModel]:
        """The array of every core that has work; cores with equal ones share it."""
        blocks = self.table.blocks
        equal: dict[ArrayModel, ArrayModel] = {}
        found: dict[int, ArrayModel] = {}
        for at in np.flatnonzero(blocks.turns == 0).tolist():
            block = blocks.block(at)
            model = array_model(self.schedule, self.chip, block)
            found[block.core] = equal.setdefault(model, model)
        return found

    @cached_property
    def trees(self) -> dict[tuple[Range, ...], tuple[int, ...]]:
        """By outputs, the cores that have sums of them, where cores divide k."""
        if self.schedule.k_splits == 1:
            return {}
        cores: dict[tuple[Range, ...], tuple[int, ...]] = {}
        for block in self.schedule.blocks():
            if block.last_k:
                outputs = outputs_of(block)
                cores[outputs] = (*cores.get(outputs, ()), block.core)
        return cores

    def portions(self) -> dict[int, list[Portion]]:
        """Return the portions of every core, in order."""
        blocks = self.table.blocks
        plans, plan_of = self._plans()
        borders, extra = self._shares(plans, plan_of)
        moved = np.stack([plan_of, *(column for one in self._moves for column in one)], axis=1)
        anywhere = self.finder.tensors is None and not self.trees
        known: dict[tuple[bytes, bytes], tuple[Portion, ...]] = {}
        portions: dict[int, list[Portion]] = {}
        starts = zip(borders[:-1], borders[1:], blocks.cores.tolist(), strict=True)
        for at, (first, last, core) in enumerate(starts):
            key = (moved[at].tobytes(), extra[first:last].tobytes())
            made = known.get(key) if anywhere else None
            if made is None:
                plan = plans[int(plan_of[at])]
                made = known[key] = self._made(at, plan, extra[first:last].tolist())
            portions.setdefault(core, []).extend(made)
        return portions

    @property
    def _moves(self) -> tuple[tuple[Column, Column], ...]:
        table = self.table
        each = (table.a, table.b, table.psum_read, table.psum_write)
        return tuple((one.dram, one.link) for one in each)

    def _plans(self) -> tuple[list[_Plan], Column]:
        """Return the plans, and that of each block, shape (blocks,)."""
        blocks = self.table.blocks
        firsts, kinds = blocks.kinds()
        models = list(dict.fromkeys(self.models.values()))
        at_core = np.zeros(max(self.models) + 1, np.int64)
        for core, model in self.models.items():
            at_core[core] = models.index(model)
        code = kinds * len(models) + at_core[blocks.cores]
        _, firsts, plan_of = np.unique(code, return_index=True, return_inverse=True)
        return [self._plan(blocks.block(at)) for at in firsts.tolist()], plan_of

    def _plan(self, block: Block) -> _Plan:
        model = self.models[block.core]
        parts = cut_block(self.schedule.mapping, block, self._most(model)).parts
        outputs = [part.outputs if part.last_k else 0 for part in parts]
        if block.last_k and self.trees:
            outputs = [0] * (len(parts) - 1) + [block.outputs]
        runs = (model.run(self.schedule.block_pattern(part)) for part in parts)
        return _Plan(tuple(runs), tuple(outputs))

    def _most(self, model: ArrayModel) -> int:
        # Partial sums that come back after several passes are followed within a whole block.
        return 1 if model.distance > 1 else most_portions(self.schedule, self.limit)

    def _shares(self, plans: Sequence[_Plan], plan_of: Column) -> tuple[list[int], Column]:
        """Return each block's first portion, and one row of `Extras` for every portion.

        A row is (read, over links, written, over links, vector cycles); shape (portions, 5).
        """
        lengths = np.array([len(plan.outputs) for plan in plans])
        starts = np.cumsum(lengths) - lengths
        counts = lengths[plan_of]
        borders = np.concatenate(([0], np.cumsum(counts)))
        within = np.arange(borders[-1]) - np.repeat(borders[:-1], counts)
        outputs = np.array([size for plan in plans for size in plan.outputs])
        done = np.concatenate(
            ([0], np.cumsum(outputs[np.repeat(starts[plan_of], counts) + within]))
        )
        read, write = (
            shared_out(one, done, self.extras.outputs)
            for one in (self.extras.read, self.extras.write)
        )
        columns = (read.dram, read.link, write.dram, write.link, self.extras.lane_cycles(done))
        return borders.tolist(), np.stack(columns, axis=1)

    def _made(self, at: int, plan: _Plan, extra: Sequence[Sequence[int]]) -> tuple[Portion, ...]:
        """Return the portions of one block."""
        block = self.table.blocks.block(at)
        moves = (Transfer(int(dram[at]), int(link[at])) for dram, link in self._moves)
        traffic = BlockTraffic(block, *moves)
        cut = cut_block(self.schedule.mapping, block, self._most(self.models[block.core]))
        tree = self.trees.get(outputs_of(block)) if block.last_k else None
        shares = [(Transfer(*one[:2]), Transfer(*one[2:4]), one[4]) for one in extra]
        pieces = (Piece(traffic, cut, i, share, tree) for i, share in enumerate(shares))
        made = (_portion(*one, self.finder) for one in zip(pieces, plan.runs, strict=True))
        if self.schedule.mapping.fallback:
            return tuple(_on_lanes(portion) for portion in made)
        return tuple(made)


def _portion(piece: Piece, run: PassRun, finder: Finder) -> Portion:
    """Return a piece of a block as a portion with these passes."""
    write = piece.extra[1]
    if piece.spills:
        write = write + piece.traffic.psum_write
    return Portion(
        opens=piece.at == 0,
        closes=piece.closes,
        read=piece.read,
        run=run,
        vector_cycles=piece.extra[2],
        write=write if piece.completes else None,
        opens_write=piece.first_to_complete,
        closes_write=piece.completes and piece.closes,
        read_from=finder.loads(piece),
        write_to=finder.stores(piece) if piece.completes else (),
        exchange=piece.exchange,
    )


def _on_lanes(portion: Portion) -> Portion:
    """Put a portion that the array cannot serve on the lanes: a MAC per lane and cycle."""
    cycles = portion.vector_cycles + (portion.run.vectors if portion.run else 0)
    return replace(portion, run=None, vector_cycles=cycles)


def _sum_of(moves: Moves, table: TrafficTable, core: int) -> Transfer:
    mine = table.blocks.cores == core
    return Transfer(int(moves.dram[mine].sum()), int(moves.link[mine].sum()))
