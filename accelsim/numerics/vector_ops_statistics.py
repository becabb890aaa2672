"""Sums over all rows of a channels-last array: statistics of a batch and their gradients.

Rows are added in index order, each sum rounded, exactly as `Arithmetic.sum` does. Rows of
float32 have a compiled loop; a long sum in another format is a matrix product with a row of
ones, whose kernels round after every addition in that very order.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelsim.formats import FloatFormat
from accelsim.numerics.gemm import has_numba, matmul
from accelsim.numerics.row_blocks import BLOCK_ELEMENTS, fill_rows
from accelsim.numerics.threads import run_tasks
from accelsim.numerics.vector_ops_arithmetic import Arithmetic, is_binary32
from accelsim.precision import Accumulator

Array = NDArray[np.floating[Any]]

#: Rows from which a compiled sum is faster than a loop over rows.
COMPILED_ROWS = 64
#: Blocks of terms that are made before they are added.
BLOCKS_AT_ONCE = 16
#: Columns, a kilobyte of a row, that are read together; threads share the others.
COLUMN_GROUP = 256


def ordered_sum(terms: Array, arithmetic: Arithmetic) -> Array:
    """Return the sum over axis 0 of (n, channels), as `Arithmetic.sum` defines it.

    Without a format the sum is float64's own, in no particular order.
    """
    fmt = arithmetic.format
    if fmt is None:
        return np.asarray(np.sum(terms, axis=0, dtype=np.float64))
    if len(terms) < COMPILED_ROWS or not isinstance(fmt, FloatFormat):
        return arithmetic.sum(terms)
    if _adds_in_place(arithmetic):
        total = np.zeros(terms.shape[1], np.float32)
        _add_rows(total, arithmetic.cast(terms), arithmetic.threads)
        return total
    accumulator = Accumulator(inner=fmt, outer=fmt, rounding=fmt.rounding)
    row = np.ones((1, len(terms)), np.float32)
    return arithmetic.cast(matmul(row, terms, accumulator, threads=arithmetic.threads)[0])


def _sum_of(function: Callable[[slice], Array], rows: Array, arithmetic: Arithmetic) -> Array:
    """Return the ordered sum of what an element-wise function makes of blocks of rows."""
    threads, carrier = arithmetic.threads, arithmetic.carrier
    if len(rows) < COMPILED_ROWS or not _adds_in_place(arithmetic):
        terms = fill_rows(function, np.empty(rows.shape, carrier), threads=threads)
        return ordered_sum(terms, arithmetic)
    total = np.zeros(rows.shape[1], np.float32)
    step = max(1, BLOCKS_AT_ONCE * BLOCK_ELEMENTS // max(1, rows.shape[1]))
    terms = np.empty((min(step, len(rows)), rows.shape[1]), np.float32)
    for start in range(0, len(rows), step):
        part = terms[: len(rows) - start]
        fill_rows(partial(_from, start, function), part, threads=threads)
        _add_rows(total, part, threads)
    return total


def _from(start: int, function: Callable[[slice], Array], part: slice) -> Array:
    """Return what a function makes of rows that are counted from `start`."""
    return function(slice(start + part.start, start + part.stop))


def _adds_in_place(arithmetic: Arithmetic) -> bool:
    return arithmetic.format is not None and is_binary32(arithmetic.format) and has_numba()


def _add_rows(total: Array, rows: Array, threads: int) -> None:
    """Add float32 rows to `total`, one after the other; threads share the columns."""
    from accelsim.numerics.kernels.row_sums import add_rows

    columns = rows.shape[1]
    groups = -(-columns // COLUMN_GROUP)

    def add(first: int, last: int) -> None:
        add_rows(total, rows, first * COLUMN_GROUP, min(last * COLUMN_GROUP, columns))

    run_tasks(add, groups, threads if rows.size > BLOCK_ELEMENTS and groups > 1 else 1)


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
    total = _sum_of(square, rows, arithmetic)
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
    return _sum_of(product, rows, arithmetic)


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
    out = np.empty(rows.shape, arithmetic.carrier)
    return fill_rows(one_block, out, threads=arithmetic.threads).reshape(x.shape)


def _rows(x: Array) -> Array:
    """Return (rows, channels)."""
    return x.reshape(math.prod(x.shape[:-1]), x.shape[-1])
