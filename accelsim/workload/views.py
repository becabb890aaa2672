"""How a stored tensor is seen as a stack of matrices, without copies in memory.

A view turns a tensor into an array of shape (groups, rows, columns) for the
arithmetic, and tells how many stored elements a block of that array touches for
the timing and the price: a convolution re-reads its input many times at the
array's edge, but the memory holds each element once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from accelsim.workload.window_footprint import touched_elements

Array = NDArray[np.floating[Any]]
#: A half-open range of rows or columns.
Range = tuple[int, int]


@runtime_checkable
class View(Protocol):
    """A way of seeing a tensor as (groups, rows, columns)."""

    def gather(self, tensor: Array) -> Array:
        """Return the array (groups, rows, columns) that the tensor stands for."""

    def scatter(self, matrices: Array) -> Array:
        """Return the tensor that (groups, rows, columns) stands for."""

    def footprint(self, rows: Range, columns: Range) -> int:
        """Return how many stored elements a block of one group touches, halo included.

        Ranges are half-open.
        """


@dataclass(frozen=True, slots=True)
class MatrixView:
    """A tensor whose elements, in order, are (groups, rows, columns).

    With `transposed`, the stored order is (groups, columns, rows); the rows may then
    consist of `taps` runs that are stored one after the other, (groups, taps, columns,
    rows / taps), which is how the weights of a convolution look to its errors.
    `interleaved` stands for an order whose groups lie between rows and columns,
    (rows, groups, columns), or (columns, groups, rows) with `transposed`, which is how a
    grouped convolution stores its channels; it goes with one tap only.
    """

    shape: tuple[int, ...]
    groups: int
    rows: int
    columns: int
    transposed: bool = False
    interleaved: bool = False
    taps: int = 1

    def gather(self, tensor: Array) -> Array:
        """Return the array (groups, rows, columns) that the tensor stands for."""
        if self.interleaved and self.transposed:
            return tensor.reshape(self.columns, self.groups, self.rows).transpose(1, 2, 0)
        if self.interleaved:
            return tensor.reshape(self.rows, self.groups, self.columns).transpose(1, 0, 2)
        if self.transposed:
            run = self.rows // self.taps
            tapped = tensor.reshape(self.groups, self.taps, self.columns, run)
            return tapped.swapaxes(2, 3).reshape(self.groups, self.rows, self.columns)
        return tensor.reshape(self.groups, self.rows, self.columns)

    def scatter(self, matrices: Array) -> Array:
        """Return the tensor that (groups, rows, columns) stands for."""
        if self.interleaved:
            axes = (2, 0, 1) if self.transposed else (1, 0, 2)
            return np.ascontiguousarray(matrices.transpose(axes)).reshape(self.shape)
        if self.transposed:
            run = self.rows // self.taps
            tapped = matrices.reshape(self.groups, self.taps, run, self.columns)
            return np.ascontiguousarray(tapped.swapaxes(2, 3)).reshape(self.shape)
        return np.ascontiguousarray(matrices).reshape(self.shape)

    def footprint(self, rows: Range, columns: Range) -> int:
        """Return how many stored elements a block of one group touches."""
        return (rows[1] - rows[0]) * (columns[1] - columns[0])


@dataclass(frozen=True, slots=True)
class ConvolutionView:
    """The windows of a convolution over a channels-last tensor.

    Rows are (batch, out_y, out_x), columns (kernel_y, kernel_x, channel within
    the group), last fastest. Padding reads as zero and is not stored.

    Parameters
    ----------
    batch, height, width, channels : int
        Shape of the tensor; `channels` counts all groups.
    kernel, stride, padding, dilation : (int, int)
        Vertical and horizontal extents; `padding` is before the first row and column.
    groups : int
        Divides `channels`.
    padding_end : (int, int), optional
        Padding after the last row and column; as before the first where it is None.
    """

    batch: int
    height: int
    width: int
    channels: int
    kernel: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1
    padding_end: tuple[int, int] | None = None

    @property
    def ends(self) -> tuple[int, int]:
        """Padding after the last row and after the last column."""
        return self.padding if self.padding_end is None else self.padding_end

    @property
    def out_height(self) -> int:
        """Vertical number of windows."""
        reach = self.dilation[0] * (self.kernel[0] - 1) + 1
        return (self.height + self.padding[0] + self.ends[0] - reach) // self.stride[0] + 1

    @property
    def out_width(self) -> int:
        """Horizontal number of windows."""
        reach = self.dilation[1] * (self.kernel[1] - 1) + 1
        return (self.width + self.padding[1] + self.ends[1] - reach) // self.stride[1] + 1

    def gather(self, tensor: Array) -> Array:
        """Return the windows, shape (groups, batch out_y out_x, kernel_y kernel_x channel).

        Where every channel is a group of its own, the rows of a column lie side by side in
        memory: runs of windows are copied, not runs of taps.
        """
        x = tensor.reshape(self.batch, self.height, self.width, self.channels)
        (pad_y, pad_x), (end_y, end_x) = self.padding, self.ends
        is_padded = any((pad_y, pad_x, end_y, end_x))
        if self.kernel == (1, 1) and not is_padded and self.groups == 1:
            x = x[:, :: self.stride[0], :: self.stride[1], :]
            return x.reshape(1, -1, self.channels)
        if is_padded:
            x = np.pad(x, ((0, 0), (pad_y, end_y), (pad_x, end_x), (0, 0)))
        if self.groups == self.channels > 1:
            return self._gather_depthwise(x)
        per_group = self.channels // self.groups
        shape = (
            self.batch, self.out_height, self.out_width,
            *self.kernel, self.groups, per_group,
        )  # fmt: skip
        step = x.strides
        strides = (
            step[0], step[1] * self.stride[0], step[2] * self.stride[1],
            step[1] * self.dilation[0], step[2] * self.dilation[1],
            step[3] * per_group, step[3],
        )  # fmt: skip
        windows = np.lib.stride_tricks.as_strided(x, shape, strides, writeable=False)
        windows = windows.transpose(5, 0, 1, 2, 3, 4, 6)  # (groups, b, oy, ox, ky, kx, c)
        rows = self.batch * self.out_height * self.out_width
        return windows.reshape(self.groups, rows, -1)

    def _gather_depthwise(self, padded: Array) -> Array:
        """Return the windows of single channels, in the order (channel, tap, window) in memory."""
        x = np.ascontiguousarray(padded.transpose(3, 0, 1, 2))  # (c, b, y, x)
        step, taps = x.strides, self.kernel[0] * self.kernel[1]
        shape = (self.channels, *self.kernel, self.batch, self.out_height, self.out_width)
        strides = (
            step[0], step[2] * self.dilation[0], step[3] * self.dilation[1],
            step[1], step[2] * self.stride[0], step[3] * self.stride[1],
        )  # fmt: skip
        windows = np.lib.stride_tricks.as_strided(x, shape, strides, writeable=False)
        return windows.reshape(self.channels, taps, -1).swapaxes(1, 2)

    def scatter(self, matrices: Array) -> Array:
        """Refuse: overlapping windows do not determine a tensor."""
        raise TypeError("a convolution view can only be read")

    def footprint(self, rows: Range, columns: Range) -> int:
        """Return how many stored elements a block of windows touches, each counted once.

        Exact: pixels between strides or dilated taps that no window of the block reads,
        padding, and channels outside the block do not count. An empty range touches 0.
        """
        return touched_elements(self, rows, columns)

    @property
    def raster(self) -> tuple[int, int]:
        """Extents of the raster of rows of one image: (out_height, out_width)."""
        return self.out_height, self.out_width

    def position(self, axis: int, window: int, tap: int) -> int | None:
        """Return where along an axis a window's tap reads; None in the padding."""
        place = window * self.stride[axis] + tap * self.dilation[axis] - self.padding[axis]
        return place if 0 <= place < (self.height, self.width)[axis] else None
