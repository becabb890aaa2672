"""Sums without any rounding: a vectorised Kulisch accumulator.

The terms are cut into limbs of W bits on a common grid. Each limb is summed
exactly in float64, carries are passed up in int64, and the limbs are joined
from the lowest up with a sticky last bit, so that whoever rounds the result
next rounds the exact sum.

References
----------
U. Kulisch, W. Miranker, "The arithmetic of the digital computer: a new
approach", SIAM Review 28 (1986): the long accumulator.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from accelsim.numerics.addition import FLOAT64_PRECISION, Float64Array, odd_sum

_Int64Array = NDArray[np.int64]


def exact_odd_sum(terms: Float64Array) -> Float64Array:
    """Add along the last axis exactly, with a sticky last bit.

    The result is the exact sum rounded to odd in float64: rounding it to 50
    bits or fewer, in any mode, rounds the exact sum. A row that holds a NaN or
    an infinity has the sum that IEEE 754 gives; no terms give +0; an exact zero
    is +0.

    Examples
    --------
    >>> float(exact_odd_sum(np.array([2.0**100, 1.0, -(2.0**100)])))
    1.0
    """
    values = np.asarray(terms, np.float64)
    finite = np.isfinite(values)
    if not finite.all():
        with np.errstate(invalid="ignore"):
            special = np.where(finite, 0.0, values).sum(axis=-1)
        plain = exact_odd_sum(np.where(finite, values, 0.0))
        return np.where(finite.all(axis=-1), plain, special)
    magnitude = np.abs(values)
    if values.size == 0 or not magnitude.any():
        return np.zeros(values.shape[:-1])
    top, bottom = _exponent_range(magnitude)
    width = FLOAT64_PRECISION - 1 - max(1, math.ceil(math.log2(values.shape[-1] + 1)))
    grids = [top - width * (i + 1) for i in range(math.ceil((top - bottom) / width))]
    return _join(_normalize(_limb_sums(values, grids), width), grids)


def _exponent_range(magnitude: Float64Array) -> tuple[int, int]:
    """Return t and b such that every term is below 2**t and a multiple of 2**b."""
    exponents = np.frexp(magnitude[magnitude > 0])[1]
    return int(exponents.max()), int(exponents.min()) - FLOAT64_PRECISION


def _limb_sums(values: Float64Array, grids: list[int]) -> list[_Int64Array]:
    """Return the sum of every limb, highest first, in units of its grid."""
    rest = values
    sums = []
    for grid in grids:
        steps = np.trunc(np.ldexp(rest, -grid))
        rest = rest - np.ldexp(steps, grid)
        sums.append(steps.sum(axis=-1).astype(np.int64))
    return sums


def _carry(limbs: list[_Int64Array], width: int) -> list[_Int64Array]:
    """Return the limbs with all but the highest within 0 .. 2**width - 1."""
    out = list(limbs)
    for i in range(len(out) - 1, 0, -1):
        out[i - 1] = out[i - 1] + (out[i] >> width)
        out[i] = out[i] & ((1 << width) - 1)
    return out


def _normalize(limbs: list[_Int64Array], width: int) -> list[_Int64Array]:
    """Return limbs of one sign each sum: magnitudes, with the sign in every limb.

    With magnitudes there is no cancellation when the limbs are joined.
    """
    carried = _carry(limbs, width)
    negative = carried[0] < 0
    magnitudes = _carry([np.where(negative, -limb, limb) for limb in carried], width)
    return [np.where(negative, -limb, limb) for limb in magnitudes]


def _join(limbs: list[_Int64Array], grids: list[int]) -> Float64Array:
    """Join limbs of one sign, lowest first, with a sticky last bit."""
    total = np.zeros(limbs[0].shape)
    for limb, grid in zip(reversed(limbs), reversed(grids), strict=True):
        total = odd_sum(np.ldexp(limb.astype(np.float64), grid), total)
    return total
