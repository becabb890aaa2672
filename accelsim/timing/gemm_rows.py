"""The rows of a GEMM's blocks, as far as its schedule and the array decide them.

What blocks load, how they are cut into parts and the cycles of their passes depend on no
clock, no bandwidth and no op that shares the write-back. So the rows of one schedule are
found once, for all ops, and all points of a sweep, that have it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from accelsim.arch.chip import Chip
from accelsim.identity import Alike
from accelsim.schedule.kinds import Kind, kind_of
from accelsim.schedule.mapping import Dim
from accelsim.schedule.schedule import Block, Schedule
from accelsim.schedule.traffic import Place
from accelsim.schedule.traffic_table import (
    A_DIMS,
    B_DIMS,
    OUT_DIMS,
    REMEMBERED_BLOCKS,
    Moves,
    TrafficTable,
    traffic_table,
)
from accelsim.timing.mac_array import ArrayModel, Border, Cycles, PassRun
from accelsim.timing.portions import PORTIONS_PER_BLOCK, array_model, cut_along, most_portions
from accelsim.timing.row_moves import Column, Entries, last_part


@dataclass(frozen=True, slots=True)
class Passes:
    """The passes of one block of the first core, after those of the block before it.

    Parameters
    ----------
    parts : int
        Parts into which the block is cut.
    run : PassRun
        The passes.
    border : Border or None
        Between the passes before and these; None on the vector unit.
    """

    parts: int
    run: PassRun
    border: Border | None


@dataclass(frozen=True, slots=True)
class GemmRows:
    """What of the rows of a GEMM follows from its schedule, its places and the array.

    Parameters
    ----------
    table : TrafficTable
        What its blocks move.
    entries : Entries
        Core and row of each block.
    parts, b_parts, out_parts : array, shape (blocks,)
        Parts into which each block is cut; and those into which its right operand and
        its outputs are: 1 where they do not come in parts.
    done : array, shape (blocks + 1,)
        Outputs that are complete before each block.
    load, first_load : Moves
        The left operand and partial sums of each block; and what its first part needs.
    stores : tuple of bool
        Whether each row has results or partial sums to store.
    passes : tuple of Passes
        Of each block of the first core, in order.
    closing : Cycles
        From the start of the last pass to its last stored sum.
    """

    table: TrafficTable
    entries: Entries
    parts: Column
    b_parts: Column
    out_parts: Column
    done: Column
    load: Moves
    first_load: Moves
    stores: tuple[bool, ...]
    passes: tuple[Passes, ...]
    closing: Cycles


def gemm_rows(
    schedule: Schedule, array: Alike[Chip], *, a: Place | None, b: Place | None
) -> GemmRows:
    """Return the rows of a GEMM whose operands are in these places, on such an array.

    `array` is from `with_such_an_array`.
    """
    kind = kind_of(schedule)
    if kind.block_count > REMEMBERED_BLOCKS:
        return _rows(schedule, array.it, traffic_table(schedule, a=a, b=b))
    return _remembered(kind, array, a, b)


def with_such_an_array(chip: Chip) -> Alike[Chip]:
    """Return a key that is equal for chips on which passes take the same cycles."""
    ports = {"read_bytes_per_cycle", "write_bytes_per_cycle"}
    counts = chip.model_dump_json(
        include={"mac_array": True, "accumulator": True, "vector_unit": True, "scratchpad": ports}
    )
    return Alike(counts, chip)


@lru_cache(maxsize=256)
def _remembered(kind: Kind, array: Alike[Chip], a: Place | None, b: Place | None) -> GemmRows:
    return _rows(kind.schedule, array.it, traffic_table(kind.schedule, a=a, b=b))


def _rows(schedule: Schedule, chip: Chip, table: TrafficTable) -> GemmRows:
    blocks = table.blocks
    model = array_model(schedule, chip, blocks.block(0))
    most_parts = 1 if model.distance > 1 else most_portions(schedule, PORTIONS_PER_BLOCK)
    firsts, kinds = blocks.kinds()
    examples = [blocks.block(at) for at in firsts.tolist()]
    cuts = [cut_along(schedule.mapping, block, most_parts) for block in examples]

    def parts_of(dims: Sequence[Dim]) -> Column:
        pieces = [parts if dim in dims else 1 for dim, parts in cuts]
        return np.array(pieces, dtype=np.int64)[kinds]

    out_parts = parts_of(OUT_DIMS)
    entries = Entries.of(blocks.cores, blocks.turns)
    stores = blocks.completes | table.psum_write.bytes.any(axis=0)
    mine = kinds[blocks.cores == 0].tolist()
    passes = _passes(schedule, model, examples, [parts for _, parts in cuts], mine)
    return GemmRows(
        table=table,
        entries=entries,
        parts=parts_of(tuple(Dim)),
        b_parts=parts_of(B_DIMS),
        out_parts=out_parts,
        done=np.concatenate(([0], np.cumsum(np.where(blocks.completes, blocks.outputs, 0)))),
        load=table.a + table.psum_read,
        first_load=last_part(table.a, parts_of(A_DIMS)) + last_part(table.psum_read, out_parts),
        stores=tuple((entries.sums(stores.astype(np.int64)) > 0).tolist()),
        passes=passes,
        closing=model.last(passes[-1].run.last),
    )


def _passes(
    schedule: Schedule,
    model: ArrayModel,
    examples: Sequence[Block],
    parts: Sequence[int],
    kinds: Sequence[int],
) -> tuple[Passes, ...]:
    """Return the passes of blocks of these kinds, one after the other; equal ones are one object.

    `examples` and `parts` are a block of every kind, and into how many parts it is cut.
    """
    runs = {kind: model.run(schedule.block_pattern(examples[kind])) for kind in set(kinds)}
    known: dict[tuple[int | None, int], Passes] = {}
    found = []
    for before, kind in zip((None, *kinds), kinds, strict=False):
        if (before, kind) not in known:
            run = runs[kind]
            border = None
            if not schedule.mapping.fallback:
                border = model.border(None if before is None else runs[before], run)
            known[before, kind] = Passes(parts[kind], run, border)
        found.append(known[before, kind])
    return tuple(found)
