"""Footprints of the tiles of a matrix, estimated from a few of them.

Halo makes the tiles of a convolution touch different numbers of stored
elements. The search for tile sizes looks at the first, the last and a few in
between; `validate.check_mapping` then looks at every block of the one chosen.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from accelsim.schedule.range_classes import is_plain
from accelsim.workload.views import View


@dataclass(frozen=True, slots=True)
class Footprints:
    """Stored elements of the tiles that cut a matrix of one group.

    Parameters
    ----------
    worst : int
        Largest number of elements that one of the tiles looked at touches.
    total : int
        Estimated sum over all tiles; exact where no more than four tiles lie along
        each side, and for views without halo.
    """

    worst: int
    total: int


@lru_cache(maxsize=2**16)
def footprints(view: View, rows: int, columns: int, row_tile: int, column_tile: int) -> Footprints:
    """Return the footprints of the tiles of a matrix of `rows` x `columns`."""
    if is_plain(view):
        return Footprints(min(rows, row_tile) * min(columns, column_tile), rows * columns)
    worst = total = 0
    column_picks = _picks(columns, column_tile)
    for row_start, row_weight in _picks(rows, row_tile):
        row_range = (row_start, min(row_start + row_tile, rows))
        for column_start, column_weight in column_picks:
            column_range = (column_start, min(column_start + column_tile, columns))
            touched = view.footprint(row_range, column_range)
            worst = max(worst, touched)
            total += touched * row_weight * column_weight
    return Footprints(worst=worst, total=total)


def _picks(extent: int, tile: int) -> tuple[tuple[int, int], ...]:
    """Return (start, weight) of the tiles to look at; the weights sum to their number."""
    count = -(-extent // tile)
    if count <= 4:
        return tuple((index * tile, 1) for index in range(count))
    middle = count // 2
    return (
        (0, 1),
        (tile, 1),
        (middle * tile, count - 3),
        ((count - 1) * tile, 1),
    )
