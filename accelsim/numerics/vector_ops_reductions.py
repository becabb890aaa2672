"""Pooling, softmax and norms of neighbours on channels-last arrays: sums in a stated order.

Sums run in index order and are rounded after every addition. The loops are over
positions of the window or of the reduced axis; everything else is vectorised.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelsim.numerics.vector_ops_arithmetic import Arithmetic
from accelsim.workload.ops import Attribute

Array = NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True)
class Window:
    """A pooling window: vertical and horizontal extents, in pixels.

    `padding` is before the first row and column, `padding_end` after the last (None for
    as many); a window that would overhang it by more than `overhang` is left out.
    """

    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int] = (0, 0)
    dilation: tuple[int, int] = (1, 1)
    padding_end: tuple[int, int] | None = None
    overhang: tuple[int, int] = (0, 0)

    @property
    def ends(self) -> tuple[int, int]:
        """Pixels that are added after the last row and column, the overhang included."""
        end = self.padding if self.padding_end is None else self.padding_end
        return end[0] + self.overhang[0], end[1] + self.overhang[1]

    def out_extent(self, axis: int, extent: int) -> int:
        """Return the number of windows along `axis` (0 vertical) over `extent` pixels."""
        reach = self.dilation[axis] * (self.kernel[axis] - 1) + 1
        return (extent + self.padding[axis] + self.ends[axis] - reach) // self.stride[axis] + 1

    def views(self, x: Array, fill: float) -> Iterator[Array]:
        """Yield, for each window position in row order, its pixel of every window.

        x (batch, height, width, channels) gives views (batch, out_y, out_x, channels);
        pixels outside the image read as `fill`.
        """
        out = tuple(self.out_extent(axis, x.shape[1 + axis]) for axis in (0, 1))
        pads = ((0, 0), *zip(self.padding, self.ends, strict=True), (0, 0))
        padded = np.pad(x, pads, constant_values=fill) if np.any(pads) else x
        for ky in range(self.kernel[0]):
            top = ky * self.dilation[0]
            rows = slice(top, top + self.stride[0] * (out[0] - 1) + 1, self.stride[0])
            for kx in range(self.kernel[1]):
                left = kx * self.dilation[1]
                columns = slice(left, left + self.stride[1] * (out[1] - 1) + 1, self.stride[1])
                yield padded[:, rows, columns, :]


def attribute_window(attributes: Mapping[str, Attribute]) -> Window:
    """Return the window that the attributes of a lowered pooling op describe."""
    return Window(
        kernel=attribute_pair(attributes["kernel"]),
        stride=attribute_pair(attributes["stride"]),
        padding=attribute_pair(attributes["padding"]),
        dilation=attribute_pair(attributes["dilation"]),
        padding_end=attribute_pair(attributes["padding_end"]),
        overhang=attribute_pair(attributes.get("overhang", (0, 0))),
    )


def attribute_pair(value: Attribute) -> tuple[int, int]:
    """Return the two whole numbers that an attribute of a lowered op holds."""
    assert isinstance(value, tuple), "a lowered window names both directions"
    return int(value[0]), int(value[1])


def attribute_number(value: Attribute) -> float:
    """Return the number that an attribute of a lowered op holds."""
    assert isinstance(value, int | float), "a lowered op says numbers"
    return float(value)


def max_pool(x: Array, window: Window) -> Array:
    """Return the largest element of every window; exact.

    Padding never wins. A NaN in a window makes its result NaN.

    Parameters
    ----------
    x : array (batch, height, width, channels)
    window : Window

    Returns
    -------
    array (batch, out_height, out_width, channels)
    """
    views = window.views(x, -np.inf)
    best = next(views).copy()
    for view in views:
        np.maximum(best, view, out=best)
    return best


def avg_pool(x: Array, window: Window, arithmetic: Arithmetic, *, count_pad: bool = True) -> Array:
    """Return the mean of every window: sum in row order, then one division.

    With `count_pad` the divisor is the number of window positions within the
    padded image, else within the image (PyTorch's ``count_include_pad``); the
    window's overhang never counts.
    Shapes as in `max_pool`.
    """
    views = window.views(arithmetic.cast(x), 0.0)
    total = next(views) + 0.0  # a sum starts from +0, so -0 becomes +0
    for view in views:
        total = arithmetic.add(total, view)
    counts = window_counts(x.shape[1:3], window, count_pad)
    return arithmetic.divide_by_count(total, counts[:, :, None])


def window_counts(extents: tuple[int, ...], window: Window, count_pad: bool) -> NDArray[np.int64]:
    """Return the divisor of every window's mean, (out_height, out_width)."""
    axes = []
    for axis, extent in enumerate(extents):
        pad = window.padding[axis]
        end = window.ends[axis] - window.overhang[axis]
        low, high = (-pad, extent + end) if count_pad else (0, extent)
        starts = np.arange(window.out_extent(axis, extent)) * window.stride[axis] - pad
        taps = np.arange(window.kernel[axis]) * window.dilation[axis]
        places = starts[:, None] + taps
        axes.append(np.sum((places >= low) & (places < high), axis=1))
    return np.asarray(np.multiply.outer(axes[0], axes[1]), dtype=np.int64)


def global_avg_pool(x: Array, arithmetic: Arithmetic) -> Array:
    """Return the mean over all pixels: (batch, height, width, c) to (batch, 1, 1, c).

    The sum runs over (height, width), last fastest; then one division by the count.
    No pixels give NaN.
    """
    batch, height, width, channels = x.shape
    pixels = x.reshape(batch, height * width, channels).swapaxes(0, 1)
    mean = arithmetic.divide_by_count(arithmetic.sum(pixels), height * width)
    return mean.reshape(batch, 1, 1, channels)


def softmax(x: Array, arithmetic: Arithmetic) -> Array:
    """Return the softmax over the last axis.

    Maximum (exact), difference, exponential, sum in index order and quotient are
    each rounded. A row with NaN or +infinity becomes NaN.
    """
    values = arithmetic.cast(x)
    top = np.max(values, axis=-1, keepdims=True) if values.size else values
    powers = arithmetic.exp(arithmetic.subtract(values, top))
    total = arithmetic.sum(np.moveaxis(powers, -1, 0))
    return arithmetic.divide(powers, total[..., None])


@dataclass(frozen=True, slots=True)
class Neighbours:
    """Constants of `local_response_norm`; `size` channels, (size - 1) // 2 before each."""

    size: int
    alpha: float
    beta: float
    k: float


def local_response_norm(x: Array, neighbours: Neighbours, arithmetic: Arithmetic) -> Array:
    """Return round(x / d), d = round((k + alpha / size * s)**beta), channel by channel.

    s is the rounded sum of rounded squares over neighbouring channels, lowest first; the
    power is a float64 number, rounded once. Infinity gives NaN, and so does NaN nearby.
    """
    values, size = arithmetic.cast(x), neighbours.size
    before = (size - 1) // 2
    squares = arithmetic.multiply(values, values)
    pads = [(0, 0)] * (x.ndim - 1) + [(before, size - 1 - before)]
    padded = np.pad(squares, pads)
    windows = np.lib.stride_tricks.sliding_window_view(padded, size, axis=-1)
    total = arithmetic.sum(np.moveaxis(windows, -1, 0)).astype(np.float64)
    with np.errstate(all="ignore"):
        power = (neighbours.k + neighbours.alpha / size * total) ** neighbours.beta
    return arithmetic.divide(values, arithmetic.enter(power))
