"""How many bytes a block keeps in the scratchpad.

Bytes count the stored elements of a tile, each once, halo included: a
convolution re-reads its input at the array's edge, but the scratchpad holds
every element once. Codes are packed; a tile is rounded up to a byte.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

from accelsim.schedule.mapping import Dim
from accelsim.schedule.passes import Range
from accelsim.schedule.schedule import Block, Schedule
from accelsim.workload.ops import Gemm, Operand


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
    out = tile_bytes(op.out, block.groups, block.m, block.n)
    if block.k != (0, op.k):
        out = max(out, packed_bytes(block.outputs, op.accumulator.outer.bits))
    return WorkingSet(
        a=tile_bytes(op.a, block.groups, block.m, block.k),
        b=tile_bytes(op.b, block.groups, block.k, block.n),
        out=out,
    )


def largest_tiles_bytes(schedule: Schedule) -> int:
    """Return the bytes of the largest tiles of a, b and out together: no block needs more.

    Every tile is looked at, but not every block, so that many blocks cost little.
    """
    op = schedule.stored_op
    m, n, k = (schedule.block_ranges(dim) for dim in (Dim.M, Dim.N, Dim.K))
    groups, rows, cols = (
        max(stop - start for start, stop in schedule.block_ranges(dim))
        for dim in (Dim.GROUP, Dim.M, Dim.N)
    )
    psums = packed_bytes(groups * rows * cols, op.accumulator.outer.bits) if len(k) > 1 else 0
    return (
        max(tile_bytes(op.a, groups, *tile) for tile in product(m, k))
        + max(tile_bytes(op.b, groups, *tile) for tile in product(k, n))
        + max(psums, max(tile_bytes(op.out, groups, *tile) for tile in product(m, n)))
    )
