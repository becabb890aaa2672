"""An op cut into portions of work for each core.

A block is cut along its outermost pass loop, at pass borders: what that loop
does not index is needed by the first portion already, the rest arrives evenly
with the portions. So transfers and passes of one block overlap, in schedule order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import prod

import numpy as np

from accelsim.arch.chip import Chip
from accelsim.schedule.mapping import Dim, Level
from accelsim.schedule.mapping import Mapping as LoopNest
from accelsim.schedule.passes import Range
from accelsim.schedule.schedule import Block, Schedule
from accelsim.schedule.traffic import Transfer, combining_additions
from accelsim.timing.closed_forms import array_form
from accelsim.timing.core import Portion
from accelsim.timing.mac_array import ArrayModel
from accelsim.timing.memory import Port
from accelsim.timing.pieces import Cut
from accelsim.timing.row_moves import Column, scaled
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

    def different(self) -> Iterator[tuple[Portion, int]]:
        """Yield every object among the portions once, and how often it is there."""
        objects = {id(portion): portion for portion in self.portions}
        for name, times in Counter(map(id, self.portions)).items():
            yield objects[name], times


@dataclass(frozen=True, slots=True)
class Extras:
    """What a whole op moves and computes besides its operands, shared out by outputs done."""

    read: Transfer
    write: Transfer
    lanes: LaneWork
    outputs: int

    def lane_cycles(self, done: Column) -> Column:
        """Return the vector unit's cycles of each entry of `done`; see `row_moves.shared_out`."""
        # Shares of the lanes' work, rounded up: -(-x // y).
        whole = self.outputs * self.lanes.lanes
        return np.diff(-scaled(-self.lanes.lane_cycles, done, whole))


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


def cut_block(mapping: LoopNest, block: Block, limit: int) -> Cut:
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
