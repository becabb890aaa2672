"""An op cut into portions of work for each core.

A block is cut along its outermost pass loop, at pass borders: what that loop
does not index is needed by the first portion already, the rest arrives evenly
with the portions. So transfers and passes of one block overlap, in schedule order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod

from accelsim.arch.chip import Chip
from accelsim.schedule.mapping import Dim, Level
from accelsim.schedule.mapping import Mapping as LoopNest
from accelsim.schedule.passes import Range
from accelsim.schedule.prefetch import early_part, first_weights
from accelsim.schedule.schedule import Block, Schedule
from accelsim.schedule.traffic import (
    Place,
    Transfer,
    block_traffic,
    combining_additions,
)
from accelsim.timing.closed_forms import array_form
from accelsim.timing.core import Portion
from accelsim.timing.mac_array import ArrayModel, PassRun
from accelsim.timing.memory import Port
from accelsim.timing.pieces import Cut, Finder, Piece, outputs_of
from accelsim.timing.vector_unit import LaneWork, lane_work
from accelsim.workload.ops import VectorOp

#: Portions of a core beyond which blocks are no longer cut: with that many blocks the
#: overlap of the first and the last with its transfers is no longer worth the events.
MAX_PORTIONS = 128
#: Parts of a block whose transfers and passes may overlap, unless asked otherwise.
PORTIONS_PER_BLOCK = 8

_NOTHING = Transfer()


@dataclass(frozen=True, slots=True)
class CoreWork:
    """What one core does for an op, in order; `array` is None if only the vector unit works.

    `early` is what the op before has loaded for it.
    """

    portions: tuple[Portion, ...]
    array: ArrayModel | None
    early: Transfer = _NOTHING


@dataclass(frozen=True, slots=True)
class Extras:
    """What a whole op moves and computes besides its operands, shared out by outputs done."""

    read: Transfer
    write: Transfer
    lanes: LaneWork
    outputs: int

    def part(self, done: int, count: int) -> tuple[Transfer, Transfer, int]:
        """Return (read, write, vector cycles) of outputs `done` to `done + count`."""
        return (
            _between(self.read, done, done + count, self.outputs),
            _between(self.write, done, done + count, self.outputs),
            self.lanes.before(done + count, self.outputs) - self.lanes.before(done, self.outputs),
        )


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
    """
    first = first_weights(schedule, places) if ahead else 0
    extras = gemm_extras(schedule, chip, fused=fused, read=read, write=write)
    finder = Finder.of(schedule, chip, read=read, write=write)
    trees = _trees(schedule)
    done = 0
    most = most_portions(schedule, limit)
    portions: dict[int, list[Portion]] = {}
    early: dict[int, Transfer] = {}
    models: dict[int, ArrayModel] = {}
    runs: dict[tuple[int, ...], PassRun] = {}
    for traffic in block_traffic(schedule, places=places):
        block = traffic.block
        mine = portions.setdefault(block.core, [])
        if not mine and ahead:
            early[block.core] = early_part(traffic.b, ahead, first)
            traffic = replace(traffic, b=traffic.b - early[block.core])
        if block.core not in models:
            models[block.core] = array_model(schedule, chip, block)
        # Partial sums that come back after several passes are followed within a whole block.
        whole = models[block.core].distance > 1
        cut = _cut(schedule.mapping, block, 1 if whole else most)
        tree = trees.get(outputs_of(block)) if block.last_k else None
        for at, part in enumerate(cut.parts):
            key = run_key(part)
            if key not in runs:
                runs[key] = models[block.core].run(schedule.block_pattern(part))
            count = part.outputs if part.last_k else 0
            if tree is not None:
                count = block.outputs if at == len(cut.parts) - 1 else 0
            piece = Piece(traffic, cut, at, extras.part(done, count), tree)
            mine.append(_gemm_portion(piece, runs[key], finder))
            done += count
    return {
        core: _fallback(
            CoreWork(tuple(mine), models[core], early.get(core, _NOTHING)), schedule.mapping
        )
        for core, mine in portions.items()
    }


def most_portions(schedule: Schedule, limit: int) -> int:
    """Return into how many portions a block may be cut, at most `limit`."""
    per_core = -(-schedule.block_count // schedule.mapping.cores_used)
    return max(1, min(limit, MAX_PORTIONS // per_core))


def gemm_extras(
    schedule: Schedule,
    chip: Chip,
    *,
    fused: Sequence[VectorOp],
    read: Transfer,
    write: Transfer,
) -> Extras:
    """Return what a GEMM moves and computes besides its operands.

    Where cores divide k, each completes its sums of all outputs, and the lanes add
    them up, core by core, before the fused ops; the cores work through the same blocks
    side by side, so that all sums of an output are there at about the same time.
    """
    op, unit = schedule.op, chip.vector_unit
    lanes = lane_work(fused, unit)
    combining = combining_additions(schedule) * unit.cycles_per_element.get("add", 1)
    return Extras(
        read=read,
        write=write,
        lanes=replace(lanes, lane_cycles=lanes.lane_cycles + combining),
        outputs=op.groups * op.m * op.n * schedule.k_splits,
    )


def _fallback(work: CoreWork, mapping: LoopNest) -> CoreWork:
    """Put a GEMM that the array cannot serve on the lanes: a MAC per lane and cycle."""
    if not mapping.fallback:
        return work
    portions = tuple(
        replace(
            portion,
            run=None,
            vector_cycles=portion.vector_cycles + (portion.run.vectors if portion.run else 0),
        )
        for portion in work.portions
    )
    return CoreWork(portions, None, work.early)


def array_model(schedule: Schedule, chip: Chip, block: Block) -> ArrayModel:
    """Return the array of a core for the passes of `block` and of blocks like it."""
    mapping = schedule.mapping
    inner: list[Dim] = []
    order = mapping.order(Level.PASS)
    if Dim.K in order:
        inner = list(order[order.index(Dim.K) + 1 :])
    return ArrayModel(
        form=array_form(chip, mapping, k=schedule.op.k),
        port=Port.of(schedule.op, mapping.stationary, chip.scratchpad),
        distance=prod(_tiles(mapping, block, dim) for dim in inner),
    )


def cut_along(mapping: LoopNest, block: Block, limit: int) -> tuple[Dim | None, int]:
    """Return the dimension along which a block is cut, and into how many parts.

    It is that of the outermost pass loop of several tiles; None where there is none.
    """
    if limit > 1:
        for loop in mapping.at(Level.PASS):
            tiles = _tiles(mapping, block, loop.dim)
            if tiles > 1:
                return loop.dim, min(limit, tiles)
    return None, 1


def _cut(mapping: LoopNest, block: Block, limit: int) -> Cut:
    """Cut a block along its outermost pass loop of several tiles, at most `limit` parts."""
    dim, count = cut_along(mapping, block, limit)
    if dim is None:
        return Cut(None, (block,))
    tile = mapping.tile(Level.PASS, dim) or 1
    tiles = _tiles(mapping, block, dim)
    start, stop = block.range(dim)
    parts = []
    for at in range(count):
        first = start + tiles * at // count * tile
        last = min(stop, start + tiles * (at + 1) // count * tile)
        one = _narrowed(block, dim, (first, last))
        if dim is Dim.K:
            one = replace(
                one,
                first_k=block.first_k and at == 0,
                last_k=block.last_k and at == count - 1,
            )
        parts.append(one)
    return Cut(dim, tuple(parts))


def _gemm_portion(piece: Piece, run: PassRun, finder: Finder) -> Portion:
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


def _trees(schedule: Schedule) -> dict[tuple[Range, ...], tuple[int, ...]]:
    """Return, by outputs, the cores that have sums of them, where cores divide k."""
    if schedule.k_splits == 1:
        return {}
    cores: dict[tuple[Range, ...], tuple[int, ...]] = {}
    for block in schedule.blocks():
        if block.last_k:
            outputs = outputs_of(block)
            cores[outputs] = (*cores.get(outputs, ()), block.core)
    return cores


def _narrowed(block: Block, dim: Dim, extent: Range) -> Block:
    if dim is Dim.GROUP:
        return replace(block, group=extent)
    if dim is Dim.M:
        return replace(block, m=extent)
    return replace(block, n=extent) if dim is Dim.N else replace(block, k=extent)


def _tiles(mapping: LoopNest, block: Block, dim: Dim) -> int:
    start, stop = block.range(dim)
    tile = mapping.tile(Level.PASS, dim)
    return 1 if tile is None else -(-(stop - start) // tile)


def run_key(part: Block) -> tuple[int, ...]:
    """Return what the passes of a part depend on: its extents and its place in k."""
    return (part.groups, part.m[1] - part.m[0], part.n[1] - part.n[0], *part.k, part.core)


def _between(whole: Transfer, start: int, stop: int, of: int) -> Transfer:
    if of == 0:
        return Transfer()
    return Transfer(
        whole.dram_bytes * stop // of - whole.dram_bytes * start // of,
        whole.link_bytes * stop // of - whole.link_bytes * start // of,
    )
