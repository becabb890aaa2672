"""A convolution as rows: what a row-stationary array keeps, adds and reads.

One kernel row of `channels` channels is what one processing element holds: its
products are kernel_width x channels. The rows of a kernel, and of all channels,
are added one after the other: k in the order (channel tile, kernel_y, kernel_x,
channel in the tile). A GEMM whose left operand is no convolution is one of 1 x 1
windows whose output rows are one output wide.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from accelsim.errors import MappingError
from accelsim.schedule.k_order import KNest, k_nest, positions_in_order
from accelsim.workload.error_view import ErrorView
from accelsim.workload.ops import Gemm
from accelsim.workload.views import Array, ConvolutionView, Range, View

#: Views whose columns are (kernel_y, kernel_x, channel).
_Windows = ConvolutionView | ErrorView


@dataclass(frozen=True, slots=True)
class KernelRows:
    """The rows of a convolution.

    Parameters
    ----------
    kernel_height, kernel_width : int
        Extents of the window.
    channels : int
        Channels of a group that a window reads.
    out_width : int
        Outputs of one output row.
    """

    kernel_height: int
    kernel_width: int
    channels: int
    out_width: int

    @staticmethod
    def of(op: Gemm) -> KernelRows:
        """Return the rows of a GEMM's left operand."""
        view = op.a.view
        if not isinstance(view, _Windows):
            return KernelRows(1, 1, op.k, 1)
        height, width = view.kernel
        return KernelRows(height, width, view.channels // view.groups, view.raster[1])

    def nest(self, channel_tile: int) -> KNest:
        """Return the order of additions with `channel_tile` channels in an element."""
        channels = self.channels
        return k_nest(
            (
                (channels // channel_tile, channel_tile),
                (self.kernel_height, self.kernel_width * channels),
                (self.kernel_width, channels),
                (channel_tile, 1),
            )
        )


def activation_reuse(op: Gemm) -> int:
    """Return the products of an output column that use one stored element, at least 1."""
    stored = op.a.view.footprint((0, op.m), (0, op.k))
    return max(1, op.m * op.k // max(1, stored))


@dataclass(frozen=True, slots=True)
class _KernelRowView:
    """The windows of a convolution with their columns in the order of kernel rows."""

    view: _Windows
    channel_tile: int
    nest: KNest

    def gather(self, tensor: Array) -> Array:
        """Return the windows, shape (groups, rows, columns)."""
        windows = self.view.gather(tensor)
        return np.ascontiguousarray(windows[:, :, positions_in_order(self.nest, windows.shape[2])])

    def scatter(self, matrices: Array) -> Array:
        """Refuse, as the view does."""
        return self.view.scatter(matrices)

    def footprint(self, rows: Range, columns: Range) -> int:
        """Return how many stored elements a block touches; exact for whole kernel rows.

        Channel tiles share no element, and all channels of a tile are read alike.
        """
        view, tile = self.view, self.channel_tile
        channels = view.channels // view.groups
        line = view.kernel[1] * tile  # columns of one kernel row
        first, last = columns[0] // line, -(-columns[1] // line)
        height, total = view.kernel[0], 0
        while first < last:
            top = first % height
            bottom = min(height, top + last - first)
            whole = (last - first) // height if top == 0 and bottom == height else 1
            taps = (top * view.kernel[1] * channels, bottom * view.kernel[1] * channels)
            total += whole * (view.footprint(rows, taps) * tile // channels)
            first += whole * (bottom - top)
        return total


def windows_of(view: View) -> View:
    """Return a view with its columns in their own order: what its rows are depends on no order."""
    return view.view if isinstance(view, _KernelRowView) else view


def in_order(op: Gemm, nest: KNest) -> Gemm:
    """Return `op` with its left operand seen in the order of the additions.

    Ranges of k are ranges of positions in that order; the right operand touches as
    many elements in any order.

    Raises
    ------
    MappingError
        If the nest is not one of kernel rows: what other tiles touch is not known.
    """
    if not nest or isinstance(op.a.view, _KernelRowView):
        return op
    rows = KernelRows.of(op)
    tile = nest[0].stride
    if not isinstance(op.a.view, _Windows) or rows.nest(tile) != nest:
        raise MappingError(
            f"{op.name}: k can be added in its own order or kernel row by kernel row,"
            f" (channel tile, kernel_y, kernel_x, channel); {nest} is neither."
        )
    view: View = _KernelRowView(op.a.view, tile, nest)
    return replace(op, a=replace(op.a, view=view))
