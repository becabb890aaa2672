"""A view with rows and columns exchanged."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelsim.workload.views import ConvolutionView, MatrixView, View

Array = NDArray[np.floating[Any]]
Range = tuple[int, int]


@dataclass(frozen=True, slots=True)
class TransposedView:
    """The windows of a convolution as columns: (groups, kernel_y kernel_x channel, pixels).

    Parameters
    ----------
    view : ConvolutionView
        The windows as rows.
    """

    view: ConvolutionView

    def gather(self, tensor: Array) -> Array:
        """Return the array (groups, rows, columns) that the tensor stands for."""
        return self.view.gather(tensor).swapaxes(1, 2)

    def scatter(self, matrices: Array) -> Array:
        """Refuse: overlapping windows do not determine a tensor."""
        raise TypeError("a convolution view can only be read")

    def footprint(self, rows: Range, columns: Range) -> int:
        """Return how many stored elements a block touches, each counted once."""
        return self.view.footprint(columns, rows)


def transposed(view: MatrixView | ConvolutionView) -> View:
    """Return a view of the same tensor with rows and columns exchanged.

    Examples
    --------
    >>> transposed(MatrixView((2, 3), 1, 2, 3)).gather(np.arange(6)).tolist()
    [[[0, 3], [1, 4], [2, 5]]]
    """
    if isinstance(view, ConvolutionView):
        return TransposedView(view)
    return replace(view, rows=view.columns, columns=view.rows, transposed=not view.transposed)
