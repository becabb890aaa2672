"""How a stored tensor is seen as a stack of matrices, without copies in memory.

A view turns a tensor into an array of shape (groups, rows, columns) for the
arithmetic, and tells how many stored elements a block of that array touches for
the timing and the price: a convolution re-reads its input many times at the
array's edge, but the memory holds each element once.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

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
        if pad_y or pad_x:
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

    def footprint(self, rows: Range, columns: Range) -> int:
        """Return how many stored elements a block of windows touches, each counted once.

        Exact: pixels between strides or dilated taps that no window of the block reads,
        padding, and channels outside the block do not count. An empty range touches 0.
        """
        if rows[0] >= rows[1] or columns[0] >= columns[1]:
            return 0
        windows = self.out_height * self.out_width
        images = _split(rows, windows)
        return sum(
            channels * sum(count * _touched_pixels(self, span, taps) for span, count in images)
            for taps, channels in _channel_classes(columns, self.channels // self.groups)
        )


def _split(span: Range, period: int) -> list[tuple[Range, int]]:
    """Cut a range at multiples of `period`; return (range within a period, how often)."""
    (first, start), (last, stop) = divmod(span[0], period), divmod(span[1] - 1, period)
    if first == last:
        return [((start, stop + 1), 1)]
    parts = [((start, period), 1), ((0, stop + 1), 1)]
    if last - first > 1:
        parts.append(((0, period), last - first - 1))
    return parts


def _channel_classes(columns: Range, per_group: int) -> list[tuple[Range, int]]:
    """Return which taps a column range takes, and for how many channels.

    Column ``tap * per_group + channel``: channels below the first column's begin one
    tap later, channels above the last column's end one tap earlier.
    """
    (first, low), (last, high) = divmod(columns[0], per_group), divmod(columns[1] - 1, per_group)
    edges = sorted({0, low, high + 1, per_group})
    classes = []
    for start, stop in pairwise(edges):
        taps = (first + (start < low), last + (start <= high))
        if taps[0] < taps[1]:
            classes.append((taps, stop - start))
    return classes


@lru_cache(maxsize=2**14)
def _touched_pixels(view: ConvolutionView, windows: Range, taps: Range) -> int:
    """Count the pixels of one image that some of the windows read through some of the taps.

    Both ranges are in raster order, so each is at most three rectangles, and the pixels
    read through a pair of rectangles are rows x columns; sets of rows and of columns are
    the bits of a whole number.
    """
    bands: list[tuple[int, int]] = []  # disjoint sets of rows, each with its columns
    for window_rows, window_columns in _rectangles(windows, view.out_width):
        for tap_rows, tap_columns in _rectangles(taps, view.kernel[1]):
            ys = _positions(view, 0, window_rows, tap_rows)
            xs = _positions(view, 1, window_columns, tap_columns)
            overlaid = [(rows & ys, columns | xs) for rows, columns in bands]
            kept = [(rows & ~ys, columns) for rows, columns in bands]
            for rows, _ in bands:
                ys &= ~rows
            bands = [band for band in (*overlaid, *kept, (ys, xs)) if band[0]]
    return sum(rows.bit_count() * columns.bit_count() for rows, columns in bands)


def _rectangles(span: Range, width: int) -> list[tuple[Range, Range]]:
    """Cut a range in raster order over rows of `width` into (rows, columns) rectangles."""
    (first, start), (last, stop) = divmod(span[0], width), divmod(span[1] - 1, width)
    stop += 1
    if first == last:
        return [((first, first + 1), (start, stop))]
    found = []
    if start > 0:
        found.append(((first, first + 1), (start, width)))
        first += 1
    if stop < width:
        found.append(((last, last + 1), (0, stop)))
        last -= 1
    if first <= last:
        found.append(((first, last + 1), (0, width)))
    return found


@lru_cache(maxsize=2**14)
def _positions(view: ConvolutionView, axis: int, windows: Range, taps: Range) -> int:
    """Return the positions along an axis that windows read through taps, as a set of bits.

    Positions in the padding are left out.
    """
    extent = (view.height, view.width)[axis]
    found = 0
    for tap in range(*taps):
        offset = tap * view.dilation[axis] - view.padding[axis]
        for window in range(*windows):
            position = window * view.stride[axis] + offset
            if 0 <= position < extent:
                found |= 1 << position
    return found
