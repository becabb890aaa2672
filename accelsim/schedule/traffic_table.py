"""What all blocks of a schedule move, as columns of numbers.

`traffic.block_traffic` says the same one block at a time and is the definition; a test
holds the two together. What tiles touch is looked up once for every class of ranges.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from accelsim.schedule.block_table import BlockTable, Column, Flags, block_table
from accelsim.schedule.kinds import Kind, kind_of
from accelsim.schedule.mapping import Dim
from accelsim.schedule.range_classes import column_period, is_plain, row_period
from accelsim.schedule.schedule import Schedule
from accelsim.schedule.traffic import Place, Transfer
from accelsim.workload.ops import Operand

_BITS = 8
#: Tables of up to so many blocks are kept: time and price both read them.
REMEMBERED_BLOCKS = 1024
#: Dimensions that index a GEMM's operands and results.
A_DIMS, B_DIMS, OUT_DIMS = (
    (Dim.GROUP, Dim.M, Dim.K),
    (Dim.GROUP, Dim.K, Dim.N),
    (Dim.GROUP, Dim.M, Dim.N),
)


@dataclass(frozen=True, slots=True)
class Moves:
    """Bytes of one kind of transfer for every block, as in `Transfer`.

    Parameters
    ----------
    bytes : array, shape (2, blocks)
        To or from DRAM, and over the interconnect.
    """

    bytes: Column

    @staticmethod
    def of(dram: Column, link: Column) -> Moves:
        """Return transfers of so many bytes each, shape (blocks,)."""
        return Moves(np.array((dram, link)))

    @property
    def dram(self) -> Column:
        """Bytes to or from DRAM, shape (blocks,)."""
        dram: Column = self.bytes[0]
        return dram

    @property
    def link(self) -> Column:
        """Bytes over the interconnect, shape (blocks,)."""
        link: Column = self.bytes[1]
        return link

    @property
    def total(self) -> Transfer:
        """All blocks together."""
        return Transfer(*self.bytes.sum(axis=1).tolist())

    def __add__(self, other: Moves) -> Moves:
        """Return both together."""
        return Moves(self.bytes + other.bytes)

    def __sub__(self, other: Moves) -> Moves:
        """Return what is left without a part of it."""
        return Moves(self.bytes - other.bytes)


@dataclass(frozen=True, slots=True)
class TrafficTable:
    """The blocks of a schedule and the operands and partial sums that they move."""

    blocks: BlockTable
    a: Moves
    b: Moves
    psum_read: Moves
    psum_write: Moves

    @property
    def read(self) -> Moves:
        """Everything that is loaded."""
        return self.a + self.b + self.psum_read


def traffic_table(schedule: Schedule, *, a: Place | None, b: Place | None) -> TrafficTable:
    """Return the traffic of every block.

    Parameters
    ----------
    schedule : Schedule
        One GEMM.
    a, b : Place or None
        Where its operands are; None is in DRAM.
    """
    kind = kind_of(schedule)
    if kind.block_count > REMEMBERED_BLOCKS:
        return _table(block_table(schedule), a, b)
    return _remembered(kind, a, b)


@lru_cache(maxsize=256)
def _remembered(kind: Kind, a: Place | None, b: Place | None) -> TrafficTable:
    return _table(_blocks(kind), a, b)


@lru_cache(maxsize=128)
def _blocks(kind: Kind) -> BlockTable:
    return block_table(kind.schedule)


def _table(blocks: BlockTable, a: Place | None, b: Place | None) -> TrafficTable:
    op = blocks.schedule.stored_op
    return TrafficTable(
        blocks=blocks,
        a=_loads(blocks, op.a, A_DIMS, a),
        b=_loads(blocks, op.b, B_DIMS, b),
        psum_read=_psums(blocks, ~blocks.axes[Dim.K].firsts & ~blocks.same_as_before(OUT_DIMS)),
        psum_write=_psums(blocks, ~blocks.completes & ~blocks.same_as_after(OUT_DIMS))
        + _to_tree(blocks),
    )


def _loads(
    blocks: BlockTable, operand: Operand, dims: tuple[Dim, ...], place: Place | None
) -> Moves:
    """Return what each block loads of an operand: nothing where the one before had the same."""
    size = np.where(blocks.same_as_before(dims), 0, _tile_bytes(blocks, operand, dims))
    cores = blocks.schedule.cores
    if place is Place.SCRATCHPAD:
        return Moves.of(np.zeros_like(size), size - size // cores)
    position, sharers = _sharers(blocks, dims)
    dram = size * (position + 1) // sharers - size * position // sharers
    return Moves.of(dram, size if cores > 1 else np.zeros_like(size))


def _tile_bytes(blocks: BlockTable, operand: Operand, dims: tuple[Dim, ...]) -> Column:
    """Return the stored bytes that each block's tile of an operand touches."""
    group, rows, columns = (blocks.axes[dim] for dim in dims)
    view = operand.view
    if is_plain(view):
        touched = rows.lengths * columns.lengths
    else:
        row_ranges, row_at = rows.classes(row_period(view))
        column_ranges, column_at = columns.classes(column_period(view))
        table = [[view.footprint(one, two) for two in column_ranges] for one in row_ranges]
        touched = np.array(table, dtype=np.int64)[row_at, column_at]
    return -(-group.lengths * touched * operand.format.bits // _BITS)


def _sharers(blocks: BlockTable, dims: tuple[Dim, ...]) -> tuple[Column, Column]:
    """Return (position among, number of) the cores that load the same part at the same time."""
    if blocks.schedule.mapping.cores_used == 1:
        return np.zeros(len(blocks), np.int64), np.ones(len(blocks), np.int64)
    code = blocks.turns
    for dim in dims:
        axis = blocks.axes[dim]
        code = code * len(axis.starts) + axis.at
    order = np.argsort(code, kind="stable")
    _, firsts, inverse, counts = np.unique(
        code[order], return_index=True, return_inverse=True, return_counts=True
    )
    position, sharers = np.empty_like(order), np.empty_like(order)
    position[order] = np.arange(len(order)) - firsts[inverse]
    sharers[order] = counts[inverse]
    return position, sharers


def _psums(blocks: BlockTable, spills: Flags) -> Moves:
    """Return the partial sums of the blocks that read or write them."""
    bits = blocks.schedule.op.accumulator.outer.bits
    size = np.where(spills, -(-blocks.outputs * bits // _BITS), 0)
    return Moves.of(size, size if blocks.schedule.cores > 1 else np.zeros_like(size))


def _to_tree(blocks: BlockTable) -> Moves:
    """Return the sums that each block gives to other cores, where cores divide k."""
    schedule, outputs = blocks.schedule, blocks.outputs
    splits, nothing = schedule.k_splits, np.zeros(len(blocks), np.int64)
    if splits == 1:
        return Moves.of(nothing, nothing)
    at = blocks.cores % splits
    mine = outputs * (at + 1) // splits - outputs * at // splits
    size = -(-(outputs - mine) * schedule.op.accumulator.outer.bits // _BITS)
    return Moves.of(nothing, np.where(blocks.completes, size, 0))
