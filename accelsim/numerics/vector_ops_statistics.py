"""Sums over all rows of a channels-last array: statistics of a batch and their gradients.

Rows are added in index order, each sum rounded, exactly as `Arithmetic.sum` does. A long
sum is a matrix product with a row of ones, whose kernels round after every addition in
that very order.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelsim.formats import FloatFormat
from accelsim.numerics.gemm import matmul
from accelsim.numerics.vector_ops_arithmetic import Arithmetic
from accelsim.precision import Accumulator

Array = NDArray[np.floating[Any]]

#: Rows from which the matrix product is faster than a loop over rows.
PRODUCT_ROWS = 64
#: Elements that element-wise steps work on at a time, in the second-level cache.
BLOCK_ELEMENTS = 1 << 16


def ordered_sum(terms: Array, arithmetic: Arithmetic) -> Array:
    """Return the sum over axis 0 of (n, channels), as `Arithmetic.sum` defines it.

    Without a format the sum is float64's own, in no particular order.
    """
    fmt = arithmetic.format
    if fmt is None:
        return np.asarray(np.sum(terms, axis=0, dtype=np.float64))
    if len(terms) < PRODUCT_ROWS or not isinstance(fmt, FloatFormat):
        return arithmetic.sum(terms)
    accumulator = Accumulator(inner=fmt, outer=fmt, rounding=fmt.rounding)
    return arithmetic.cast(matmul(np.ones((1, len(terms)), np.float32), terms, accumulator)[0])


def channel_sum(x: Array, arithmetic: Arithmetic) -> Array:
    """Return the ordered rounded sum over all but the last axis: (..., c) gives (c,).

    Examples
    --------
    >>> channel_sum(np.array([[1.0, 2.0], [3.0, 4.0]]), Arithmetic(None))
    array([4., 6.])
    """
    return ordered_sum(arithmetic.cast(_rows(x)), arithmetic)


def channel_mean(x: Array, arithmetic: Arithmetic) -> Array:
    """Return round(channel_sum / count); no rows give NaN."""
    return arithmetic.divide_by_count(channel_sum(x, arithmetic), len(_rows(x)))


def channel_variance(x: Array, mean: Array, arithmetic: Arithmetic) -> Array:
    """Return the mean of round(d * d), d = round(x - mean), per channel; no rows give NaN."""

    def square(part: slice) -> Array:
        difference = arithmetic.subtract(rows[part], mean)
        return arithmetic.multiply(difference, difference)

    rows = _rows(x)
    total = ordered_sum(_by_blocks(square, rows, arithmetic), arithmetic)
    return arithmetic.divide_by_count(total, len(rows))


def normalized_sum(
    error: Array, x: Array, mean: Array, inverse_deviation: Array, arithmetic: Arithmetic
) -> Array:
    """Return the ordered sum of round(error * n), n = round(round(x - mean) * inverse_deviation).

    It is the gradient of batch norm's weight.
    """

    def product(part: slice) -> Array:
        normal = arithmetic.multiply(arithmetic.subtract(rows[part], mean), inverse_deviation)
        return arithmetic.multiply(errors[part], normal)

    rows, errors = _rows(x), _rows(error)
    return ordered_sum(_by_blocks(product, rows, arithmetic), arithmetic)


def inverse_deviation(variance: Array, eps: float, arithmetic: Arithmetic) -> Array:
    """Return round(1 / round(sqrt(round(variance + eps)))), eps exact."""
    with np.errstate(all="ignore"):
        total = arithmetic.enter(np.asarray(variance, dtype=np.float64) + eps)
    one = np.ones(1, arithmetic.carrier)
    return arithmetic.divide(one, arithmetic.sqrt(total))


def batch_norm_backward(
    error: Array,
    x: Array,
    constants: tuple[Array, Array, Array, Array, Array],
    arithmetic: Arithmetic,
) -> Array:
    """Return the error of batch norm's input.

    Parameters
    ----------
    error, x : array (..., channels)
        Error of the output; the input.
    constants : five arrays (channels,)
        mean, inverse_deviation, scale, error_mean, product_mean; see
        `accelsim.workload.training_functions`.
    arithmetic : Arithmetic
    """
    mean, inverse, scale, error_mean, product_mean = constants

    def one_block(part: slice) -> Array:
        normal = arithmetic.multiply(arithmetic.subtract(rows[part], mean), inverse)
        centred = arithmetic.subtract(errors[part], error_mean)
        rest = arithmetic.subtract(centred, arithmetic.multiply(normal, product_mean))
        return arithmetic.multiply(rest, scale)

    rows, errors = _rows(x), _rows(error)
    return _by_blocks(one_block, rows, arithmetic).reshape(x.shape)


def _rows(x: Array) -> Array:
    """Return (rows, channels)."""
    return x.reshape(math.prod(x.shape[:-1]), x.shape[-1])


def _by_blocks(function: Callable[[slice], Array], rows: Array, arithmetic: Arithmetic) -> Array:
    """Apply an element-wise function to blocks of rows; temporaries then stay in the cache."""
    out = np.empty(rows.shape, arithmetic.carrier)
    for part in _blocks(*rows.shape):
        out[part] = function(part)
    return out


def _blocks(rows: int, columns: int) -> Iterator[slice]:
    step = max(1, BLOCK_ELEMENTS // max(1, columns))
    for start in range(0, rows, step):
        yield slice(start, start + step)
