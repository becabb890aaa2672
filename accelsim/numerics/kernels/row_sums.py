"""Sums of float32 rows in order, one row after the other, where they lie."""

from __future__ import annotations

from typing import Any

from accelsim.numerics.kernels.compile import compiled


@compiled
def add_rows(total: Any, rows: Any, first: int, last: int) -> None:
    """Add the columns from `first` to before `last` of every row to `total`, rounding each sum."""
    for row in range(rows.shape[0]):
        for column in range(first, last):
            total[column] += rows[row, column]
