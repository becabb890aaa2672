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
    clean = np.where(finite, values, 0.0)
    exponent = np.frexp(np.abs(clean).max(axis=-1, initial=0.0))[1] - 1
    shift = np.asarray(fraction_bits - exponent)[..., None]
    steps = np.trunc(np.ldexp(clean, shift)).astype(np.int64).sum(axis=-1)
    high = (steps >> _HALF_BITS).astype(np.float64) * 2.0**_HALF_BITS
    low = (steps & ((1 << _HALF_BITS) - 1)).astype(np.float64)
    total: Float64Array = np.ldexp(odd_sum(high, low), exponent - fraction_bits)
    with np.errstate(invalid="ignore"):
        special = np.where(finite, 0.0, values).sum(axis=-1)
    return np.where(finite.all(axis=-1), total, special)
