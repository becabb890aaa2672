"""How the heads of an attention are seen in a tensor that holds them side by side."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]
Range = tuple[int, int]


@dataclass(frozen=True, slots=True)
class HeadsView:
    """A tensor (batch, length, heads, features) as one matrix for every sample and group of heads.

    The groups are (batch, head); `repeats` heads that follow each other share a group, as
    query heads share a key head, and their rows (repeat, length) stand one below the other.

    Parameters
    ----------
    batch, length, heads, features : int
        Of the tensor; the last two may be one axis.
    repeats : int
        Divides `heads`.
    transposed : bool
        Rows are the features, columns (repeat, length).
    """

    batch: int
    length: int
    heads: int
    features: int
    repeats: int = 1
    transposed: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the tensor, heads side by side."""
        return (self.batch, self.length, self.heads * self.features)

    @property
    def extents(self) -> tuple[int, int, int]:
        """(groups, rows, columns)."""
        rows, columns = self.repeats * self.length, self.features
        if self.transposed:
            rows, columns = columns, rows
        return self.batch * (self.heads // self.repeats), rows, columns

    def gather(self, tensor: Array) -> Array:
        """Return the array (groups, rows, columns) that the tensor stands for."""
        stored = tensor.reshape(
            self.batch, self.length, self.heads // self.repeats, self.repeats, self.features
        )
        axes = (0, 2, 4, 3, 1) if self.transposed else (0, 2, 3, 1, 4)
        return stored.transpose(axes).reshape(self.extents)

    def scatter(self, matrices: Array) -> Array:
        """Return the tensor that (groups, rows, columns) stands for."""
        if self.transposed:
            matrices = matrices.swapaxes(1, 2)
        groups = self.heads // self.repeats
        apart = matrices.reshape(self.batch, groups, self.repeats, self.length, self.features)
        return np.ascontiguousarray(apart.transpose(0, 3, 1, 2, 4)).reshape(self.shape)

    def footprint(self, rows: Range, columns: Range) -> int:
        """Return how many stored elements a block of one group touches."""
        return math.prod(stop - start for start, stop in (rows, columns))
