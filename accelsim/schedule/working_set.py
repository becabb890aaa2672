"""How many bytes a block keeps in the scratchpad.

Bytes count the stored elements of a tile, each once, halo included: a
convolution re-reads its input at the array's edge, but the scratchpad holds
every element once. Codes are packed; a tile is rounded up to a byte.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import product

from accelsim.schedule.kinds import Kind, kind_of
from accelsim.schedule.mapping import Dim, Mapping
from accelsim.schedule.passes import Range
from accelsim.schedule.range_classes import cut_of, period_of, range_classes
from accelsim.schedule.schedule import Block, Schedule
from accelsim.workload.ops import Gemm, Operand

Ranges = tuple[Range, ...]


@dataclass(frozen=True, slots=True)
class WorkingSet:
    """What a block keeps in the scratchpad.

    Parameters
    ----------
    a, b : int
        Bytes of the tiles of the left and right operand.
    out : int
        Bytes of the output tile: in the stored format where the block covers the
        whole of k, else the larger of that and the partial sums in the outer
        accumulator's format.
    """

    a: int
    b: int
    out: int

    @property
    def total_bytes(self) -> int:
        """Bytes of all three tiles."""
        return self.a + self.b + self.out


def packed_bytes(elements: int, bits: int) -> int:
    """Return the bytes of `elements` codes of `bits` bits, rounded up.

    Examples
    --------
    >>> packed_bytes(3, 4)
    2
    """
    return -(-elements * bits // 8)


def tile_bytes(operand: Operand, groups: int, rows: Range, columns: Range) -> int:
    """Return the stored bytes that a tile of `groups` matrices touches."""
    return packed_bytes(groups * operand.view.footprint(rows, columns), operand.format.bits)


def working_set(op: Gemm, block: Block) -> WorkingSet:
    """Return what a block keeps in the scratchpad."""
    return WorkingSet(
        a=tile_bytes(op.a, block.groups, block.m, block.k),
        b=tile_bytes(op.b, block.groups, block.k, block.n),
        out=_out_bytes(op, block.groups, block.m, block.n, block.k),
    )


def largest_tiles_bytes(schedule: Schedule) -> int:
    """Return the bytes of the largest tiles of a, b and out together: no block needs more.

    Every kind of tile is looked at, but not every block, so that many blocks cost little.
    """
    return _largest_tiles_bytes(kind_of(schedule))


@lru_cache(maxsize=2**10)
def _largest_tiles_bytes(kind: Kind) -> int:
    op = kind.schedule.stored_op
    groups, m, n, k = _kinds(op, kind.schedule.mapping)
    return (
        max(tile_bytes(op.a, groups, *tile) for tile in product(m, k))
        + max(tile_bytes(op.b, groups, *tile) for tile in product(k, n))
        + max(_out_bytes(op, groups, *tile) for tile in product(m, n, k))
    )


def largest_block_bytes(schedule: Schedule) -> int:
    """Return the most bytes that a block keeps in the scratchpad: the maximum of `working_set`."""
    return _largest_block_bytes(kind_of(schedule))


@lru_cache(maxsize=2**10)
def _largest_block_bytes(kind: Kind) -> int:
    op = kind.schedule.stored_op
    groups, m, n, k = _kinds(op, kind.schedule.mapping)
    largest = 0
    for columns, depth in product(n, k):
        b = tile_bytes(op.b, groups, depth, columns)
        for rows in m:
            a = tile_bytes(op.a, groups, rows, depth)
            largest = max(largest, a + b + _out_bytes(op, groups, rows, columns, depth))
    return largest


def _out_bytes(op: Gemm, groups: int, m: Range, n: Range, k: Range) -> int:
    """Return the bytes of an output tile, or of its partial sums where they are more."""
    out = tile_bytes(op.out, groups, m, n)
    if k == (0, op.k):
        return out
    outputs = groups * (m[1] - m[0]) * (n[1] - n[0])
    return max(out, packed_bytes(outputs, op.accumulator.outer.bits))


def _kinds(op: Gemm, mapping: Mapping) -> tuple[int, Ranges, Ranges, Ranges]:
    """Return the most groups of a block, and a range of every kind of m, n and k."""
    group, m, n, k = (
        tuple(one.range for one in range_classes(cut_of(op, mapping, dim), period_of(op, dim)))
        for dim in Dim
    )
    return max(stop - start for start, stop in group), m, n, k
