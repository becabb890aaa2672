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

Array = NDArray[np.floating[Any]]


@runtime_checkable
class View(Protocol):
    """A way of seeing a tensor as (groups, rows, columns)."""

    def gather(self, tensor: Array) -> Array:
        """Return the array (groups, rows, columns) that the tensor stands for."""

    def scatter(self, matrices: Array) -> Array:
        """Return the tensor that (groups, rows, columns) stands for."""

    def footprint(self, rows: tuple[int, int], columns: tuple[int, int]) -> int:
        """Return how many stored elements a block of one group touches, halo included.

        Ranges are half-open.
        """


@dataclass(frozen=True, slots=True)
class MatrixView:
    """A tensor whose elements, in order, are (groups, rows, columns).

    With `transposed`, the stored order is (groups, columns, rows). `interleaved`
    stands for the order (rows, groups, columns), which is how a grouped
    convolution stores its channels.
    """

    shape: tuple[int, ...]
    groups: int
    rows: int
    columns: int
    transposed: bool = False
    interleaved: bool = False

    def gather(self, tensor: Array) -> Array:
        """Return the array (groups, rows, columns) that the tensor stands for."""
        if self.interleaved:
            return tensor.reshape(self.rows, self.groups, self.columns).transpose(1, 0, 2)
        if self.transposed:
            return tensor.reshape(self.groups, self.columns, self.rows).transpose(0, 2, 1)
        return tensor.reshape(self.groups, self.rows, self.columns)

    def scatter(self, matrices: Array) -> Array:
        """Return the tensor that (groups, rows, columns) stands for."""
        if self.interleaved:
            return np.ascontiguousarray(matrices.transpose(1, 0, 2)).reshape(self.shape)
        if self.transposed:
            return np.ascontiguousarray(matrices.transpose(0, 2, 1)).reshape(self.shape)
        return np.ascontiguousarray(matrices).reshape(self.shape)

    def footprint(self, rows: tuple[int, int], columns: tuple[int, int]) -> int:
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
        Vertical and horizontal extents; `padding` is on each side.
    groups : int
        Divides `channels`.
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

    @property
    def out_height(self) -> int:
        """Vertical number of windows."""
        reach = self.dilation[0] * (self.kernel[0] - 1) + 1
        return (self.height + 2 * self.padding[0] - reach) // self.stride[0] + 1

    @property
    def out_width(self) -> int:
        """Horizontal number of windows."""
        reach = self.dilation[1] * (self.kernel[1] - 1) + 1
        return (self.width + 2 * self.padding[1] - reach) // self.stride[1] + 1

    def gather(self, tensor: Array) -> Array:
        """Return the windows, shape (groups, batch out_y out_x, kernel_y kernel_x channel)."""
        x = tensor.reshape(self.batch, self.height, self.width, self.channels)
        if self.kernel == (1, 1) and self.padding == (0, 0) and self.groups == 1:
            x = x[:, :: self.stride[0], :: self.stride[1], :]
            return x.reshape(1, -1, self.channels)
        (pad_y, pad_x), (dil_y, dil_x) = self.padding, self.dilation
        x = np.pad(x, ((0, 0), (pad_y, pad_y), (pad_x, pad_x), (0, 0)))
        per_group = self.channels // self.groups
        shape = (
            self.batch, self.out_height, self.out_width,
            *self.kernel, self.groups, per_group,
        )  # fmt: skip
        step = x.strides
        strides = (
            step[0], step[1] * self.stride[0], step[2] * self.stride[1],
            step[1] * dil_y, step[2] * dil_x, step[3] * per_group, step[3],
        )  # fmt: skip
        windows = np.lib.stride_tricks.as_strided(x, shape, strides, writeable=False)
        windows = windows.transpose(5, 0, 1, 2, 3, 4, 6)  # (groups, b, oy, ox, ky, kx, c)
        rows = self.batch * self.out_height * self.out_width
        return windows.reshape(self.groups, rows, -1)

    def scatter(self, matrices: Array) -> Array:
        """Refuse: overlapping windows do not determine a tensor."""
        raise TypeError("a convolution view can only be read")

    def footprint(self, rows: tuple[int, int], columns: tuple[int, int]) -> int:
        """Return how many stored elements a block of windows touches, halo included.

        Rows that span several images touch whole images; a row range inside one
        image touches full-width bands of the output rows that it meets.
        """
        per_group = self.channels // self.groups
        area = self._touched_pixels(rows)
        channels = min(columns[1] - columns[0], per_group)
        taps = self.kernel[0] * self.kernel[1]
        if channels < per_group:
            first_tap, last_tap = columns[0] // per_group, (columns[1] - 1) // per_group
            if first_tap != last_tap:
                channels = per_group
        return area * channels if taps > 0 else 0

    def _touched_pixels(self, rows: tuple[int, int]) -> int:
        image = self.out_height * self.out_width
        first, last = rows[0], rows[1] - 1
        if first // image != last // image:
            images = last // image - first // image + 1
            return images * self.height * self.width
        y0, y1 = (first % image) // self.out_width, (last % image) // self.out_width
        reach = self.dilation[0] * (self.kernel[0] - 1) + 1
        top = max(0, y0 * self.stride[0] - self.padding[0])
        bottom = min(self.height, y1 * self.stride[0] - self.padding[0] + reach)
        return max(0, bottom - top) * self.width
