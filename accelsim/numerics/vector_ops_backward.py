"""Errors of layers and of the loss, on channels-last arrays.

What they compute is in `accelsim.workload.training_functions`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelsim.numerics.vector_ops_arithmetic import Arithmetic
from accelsim.numerics.vector_ops_reductions import Window, window_counts
from accelsim.numerics.vector_ops_statistics import ordered_sum

Array = NDArray[np.floating[Any]]


def relu_backward(error: Array, y: Array) -> Array:
    """Return the error where y > 0, else +0; exact.

    Bits are kept or cleared, which takes a tenth of the time of a choice.

    Examples
    --------
    >>> relu_backward(np.array([1.0, 2.0, 3.0]), np.array([0.5, 0.0, np.nan]))
    array([1., 0., 0.])
    """
    bits = error.view(f"i{error.itemsize}")
    kept: Array = (bits & -(y > 0).astype(bits.dtype)).view(error.dtype)
    return kept


def max_pool_backward(error: Array, x: Array, window: Window, arithmetic: Arithmetic) -> Array:
    """Send each window's error to the first of its largest elements, or to every NaN.

    Parameters
    ----------
    error : array (batch, out_height, out_width, channels)
    x : array (batch, height, width, channels)
        What was pooled.
    window : Window
    arithmetic : Arithmetic
        An element that is the largest of several windows adds their errors in the
        order of its place in them.

    Returns
    -------
    array (batch, height, width, channels)
    """
    views = list(window.views(x, -np.inf))
    best = views[0].copy()
    for view in views[1:]:
        np.maximum(best, view, out=best)
    total = _Overlay(x.shape, window, arithmetic)
    errors = arithmetic.cast(error)
    is_open = np.ones(best.shape, dtype=bool)
    for place, view in enumerate(views):
        hit = is_open & (view == best)
        is_open &= ~hit
        total.add(place, np.where(hit | np.isnan(view), errors, errors.dtype.type(0.0)))
    return total.result


def largest_place(x: Array, window: Window) -> Array:
    """Return for each window the place of its first largest element, of its first NaN if any.

    Places count from 0 in (ky, kx) order; padding never wins. Shapes as in
    `vector_ops_reductions.max_pool`; float32.

    Examples
    --------
    >>> x = np.array([3.0, 5.0, 5.0, 1.0]).reshape(1, 1, 4, 1)
    >>> largest_place(x, Window((1, 2), (1, 2))).reshape(-1)
    array([1., 0.], dtype=float32)
    """
    views = list(window.views(x, -np.inf))
    best, places = views[0].copy(), np.zeros(views[0].shape, np.float32)
    for place, view in enumerate(views[1:], start=1):
        wins = (view > best) | (np.isnan(view) & ~np.isnan(best))
        places[wins] = place
        np.copyto(best, view, where=wins)
    return places


def place_backward(
    error: Array, places: Array, extents: tuple[int, int], window: Window, arithmetic: Arithmetic
) -> Array:
    """Send each window's error to the element at its place; sums as in `max_pool_backward`.

    `extents` are those of the map that was pooled.
    """
    total = _Overlay((error.shape[0], *extents, error.shape[3]), window, arithmetic)
    errors = arithmetic.cast(error)
    for place in range(window.kernel[0] * window.kernel[1]):
        total.add(place, np.where(places == place, errors, errors.dtype.type(0.0)))
    return total.result


def avg_pool_backward(
    error: Array,
    extents: tuple[int, int],
    window: Window,
    arithmetic: Arithmetic,
    *,
    count_pad: bool = True,
) -> Array:
    """Return round(error / count) for every element of a window, added over windows.

    The count is that of `vector_ops_reductions.avg_pool`.
    """
    counts = window_counts(extents, window, count_pad)
    share = arithmetic.divide_by_count(error, counts[:, :, None])
    total = _Overlay((error.shape[0], *extents, error.shape[3]), window, arithmetic)
    for place in range(window.kernel[0] * window.kernel[1]):
        total.add(place, share)
    return total.result


def global_avg_pool_backward(
    error: Array, extents: tuple[int, int], arithmetic: Arithmetic
) -> Array:
    """Return round(error / pixels) for every pixel: (batch, 1, 1, c) to (batch, h, w, c)."""
    share = arithmetic.divide_by_count(error, extents[0] * extents[1])
    shape = (error.shape[0], *extents, error.shape[3])
    return np.ascontiguousarray(np.broadcast_to(share, shape))


def cross_entropy(x: Array, labels: Array, arithmetic: Arithmetic) -> Array:
    """Return the mean over rows of -log softmax(x)[label], one element.

    A label that is no column of x gives NaN. No rows give NaN.
    """
    values = _rows(arithmetic.cast(x))
    shifted = arithmetic.subtract(values, np.max(values, axis=-1, keepdims=True))
    total = arithmetic.sum(np.moveaxis(arithmetic.exp(shifted), -1, 0))
    chosen, known = _columns(labels, values.shape[-1])
    picked = np.take_along_axis(shifted, chosen[:, None], axis=-1)[:, 0]
    picked = np.where(known, picked, np.nan)
    losses = arithmetic.subtract(arithmetic.log(total), picked)
    return arithmetic.divide_by_count(ordered_sum(losses[:, None], arithmetic), len(losses))


def cross_entropy_backward(
    p: Array, labels: Array, loss_scale: Array, arithmetic: Arithmetic
) -> Array:
    """Return round(round(p - [column is the label]) * round(loss_scale / rows)).

    The error of the logits of which `p` is the softmax. A label that is no column
    is nobody's.
    """
    rows = _rows(p)
    chosen, known = _columns(labels, rows.shape[-1])
    wanted = (np.arange(rows.shape[-1]) == chosen[:, None]) & known[:, None]
    factor = arithmetic.divide_by_count(loss_scale, len(rows))
    difference = arithmetic.subtract(rows, wanted.astype(arithmetic.carrier))
    return arithmetic.multiply(difference, factor).reshape(p.shape)


def binary_cross_entropy(x: Array, target: Array, arithmetic: Arithmetic) -> Array:
    """Return the mean of -log sigmoid(x) where the target is 1, -log(1 - sigmoid(x)) where 0.

    In the form max(x, 0) - x * target + log(1 + exp(-|x|)), which never overflows; the
    logarithm is that of the exact sum, rounded once. One element; NaN where there are none.

    Examples
    --------
    >>> binary_cross_entropy(np.array([0.0, 800.0]), np.array([1.0, 1.0]), Arithmetic(None))
    array([0.34657359])
    """
    values = arithmetic.cast(x)
    with np.errstate(all="ignore"):
        tail = arithmetic.enter(np.log1p(np.exp(-np.abs(values.astype(np.float64)))))
    picked = arithmetic.multiply(values, target)
    losses = arithmetic.add(arithmetic.subtract(np.maximum(values, 0), picked), tail)
    rows = losses.reshape(-1, 1)
    return arithmetic.divide_by_count(ordered_sum(rows, arithmetic), len(rows))


def binary_cross_entropy_backward(
    x: Array, target: Array, loss_scale: Array, arithmetic: Arithmetic
) -> Array:
    """Return round(round(round(sigmoid(x)) - target) * round(loss_scale / elements))."""
    with np.errstate(all="ignore"):
        share = arithmetic.enter(1.0 / (1.0 + np.exp(-x.astype(np.float64))))
    factor = arithmetic.divide_by_count(loss_scale, x.size)
    return arithmetic.multiply(arithmetic.subtract(share, target), factor)


def squared_error(x: Array, target: Array, arithmetic: Arithmetic) -> Array:
    """Return the mean of round(d * d), d = round(x - target), one element."""
    difference = arithmetic.subtract(x, target).reshape(-1, 1)
    total = ordered_sum(arithmetic.multiply(difference, difference), arithmetic)
    return arithmetic.divide_by_count(total, len(difference))


def squared_error_backward(
    x: Array, target: Array, loss_scale: Array, arithmetic: Arithmetic
) -> Array:
    """Return round(round(x - target) * round(2 * loss_scale / elements))."""
    doubled = np.asarray(loss_scale, dtype=np.float64) * 2.0
    factor = arithmetic.divide_by_count(doubled, x.size)
    return arithmetic.multiply(arithmetic.subtract(x, target), factor)


class _Overlay:
    """A map, a border around it, and window elements that are added onto it."""

    def __init__(self, shape: tuple[int, ...], window: Window, arithmetic: Arithmetic) -> None:
        batch, height, width, channels = shape
        (pad_y, pad_x), (end_y, end_x) = window.padding, window.ends
        self._window, self._arithmetic = window, arithmetic
        self._map = np.zeros(
            (batch, pad_y + height + end_y, pad_x + width + end_x, channels), arithmetic.carrier
        )
        self._inside = (
            slice(None), slice(pad_y, pad_y + height), slice(pad_x, pad_x + width)
        )  # fmt: skip

    def add(self, place: int, values: Array) -> None:
        """Add the element at one place of every window, rounding each sum."""
        tap_y, tap_x = divmod(place, self._window.kernel[1])
        part = (slice(None), self._span(0, tap_y, values), self._span(1, tap_x, values))
        self._map[part] = self._arithmetic.add(self._map[part], values)

    @property
    def result(self) -> Array:
        """The map without its border."""
        return np.ascontiguousarray(self._map[self._inside])

    def _span(self, axis: int, tap: int, values: Array) -> slice:
        start, stride = tap * self._window.dilation[axis], self._window.stride[axis]
        return slice(start, start + stride * (values.shape[1 + axis] - 1) + 1, stride)


def _rows(x: Array) -> Array:
    return x.reshape(math.prod(x.shape[:-1]), x.shape[-1])


def _columns(labels: Array, columns: int) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Return labels as whole columns, and whether each is one."""
    flat = labels.reshape(-1)
    known = (flat >= 0) & (flat < columns) & (flat == np.floor(flat))
    return np.where(known, flat, 0).astype(np.intp), known
