"""Sums of aligned and truncated terms, as tensor cores form them.

All terms, the running sum among them, are shifted to the exponent of the
largest; bits beyond `fraction_bits` below that exponent are cut off (toward
zero); the rest is added exactly. The exponent of a product is taken from its
value, floor(log2|a*b|); hardware that does not normalise products first may
align one bit higher.

References
----------
M. Fasi, N. Higham, M. Mikaitis, S. Pranesh, "Numerical behavior of NVIDIA
tensor cores", PeerJ Computer Science 7:e330 (2021): alignment and truncation.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from accelsim.numerics.addition import Float64Array, odd_sum

#: Splits an int64 sum into two parts that float64 holds exactly.
_HALF_BITS = 32


def add_aligned(terms: Float64Array, fraction_bits: int) -> Float64Array:
    """Add along the last axis after aligning and truncating.

    Returns the exact sum of the truncated terms with a sticky last bit. A row
    with a NaN or an infinity has the sum that IEEE 754 gives; zeros give +0.

    Examples
    --------
    One is 2**13 times 2**-13, the smallest that 13 fraction bits keep.

    >>> float(add_aligned(np.array([1.0, 2.0**-13, 1.5 * 2.0**-14]), 13))
    1.0001220703125
    """
    values = np.asarray(terms, np.float64)
    finite = np.isfinite(values)
    each, exponent = _steps(np.where(finite, values, 0.0), fraction_bits)
    steps = each.sum(axis=-1)
    high = (steps >> _HALF_BITS).astype(np.float64) * 2.0**_HALF_BITS
    low = (steps & ((1 << _HALF_BITS) - 1)).astype(np.float64)
    total: Float64Array = np.ldexp(odd_sum(high, low), exponent - fraction_bits)
    with np.errstate(invalid="ignore"):
        special = np.where(finite, 0.0, values).sum(axis=-1)
    return np.where(finite.all(axis=-1), total, special)


def shifted_out(terms: Float64Array, fraction_bits: int) -> NDArray[np.bool_]:
    """Return which terms of `add_aligned`, other than zero, leave nothing in the sum.

    In a row with a NaN or an infinity there is none: it is not aligned.

    Examples
    --------
    >>> shifted_out(np.array([1.0, 2.0**-13, 1.5 * 2.0**-14]), 13)
    array([False, False,  True])
    """
    finite = np.isfinite(terms)
    clean = np.where(finite.all(axis=-1, keepdims=True), terms, 0.0)
    lost: NDArray[np.bool_] = (clean != 0) & (_steps(clean, fraction_bits)[0] == 0)
    return lost


def _steps(values: Float64Array, fraction_bits: int) -> tuple[NDArray[np.int64], NDArray[np.intc]]:
    """Return what is left of every value, in steps of its row, and the row's exponent."""
    exponent = np.frexp(np.abs(values).max(axis=-1, initial=0.0))[1] - 1
    shift = np.asarray(fraction_bits - exponent)[..., None]
    return np.trunc(np.ldexp(values, shift)).astype(np.int64), exponent
