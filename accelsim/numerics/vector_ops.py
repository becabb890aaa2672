"""Layer-level functions of the vector unit on channels-last arrays, element by element.

Each takes an `Arithmetic`, which says in what format every single result is
rounded; with ``Arithmetic(None)`` the same functions are the float64 reference.
Reductions are in `accelsim.numerics.vector_ops_reductions`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelsim.formats import FloatFormat, NumberFormat
from accelsim.numerics.vector_ops_arithmetic import Arithmetic

Array = NDArray[np.floating[Any]]

#: Significant bits of a number between two neighbours of the widest compute format, and the
#: bits of a float64 below them.
_BOUNDARY_BITS = 26
_BELOW_BOUNDARIES = 2 ** (53 - _BOUNDARY_BITS) - 1
#: Splits a float64 into two halves of at most 26 significant bits (Dekker 1971).
_SPLITTER = 2.0**27 + 1.0


def relu(x: Array) -> Array:
    """Return x where x > 0, else +0. NaN stays NaN; -0 becomes +0. Exact.

    Examples
    --------
    >>> relu(np.array([-1.0, -0.0, 2.0, np.nan]))
    array([ 0.,  0.,  2., nan])
    """
    result = np.maximum(x, x.dtype.type(0.0))
    result += 0.0  # -0 + 0 is +0
    return result


def batch_norm(x: Array, scale: Array, shift: Array, arithmetic: Arithmetic) -> Array:
    """Return round(round(x * scale) + shift), for x (..., channels) and (channels,) constants.

    ``scale = gamma / sqrt(var + eps)`` and ``shift = beta - mean * scale`` are made when
    the weights are loaded.
    """
    return arithmetic.add(arithmetic.multiply(x, scale), shift)


def largest_finite(x: Array) -> float:
    """Return the largest finite magnitude of `x`; 0 for an array without any."""
    magnitude = np.abs(x)
    top = float(np.max(magnitude, initial=0.0))
    if not math.isfinite(top):
        top = float(np.max(magnitude, initial=0.0, where=np.isfinite(magnitude)))
    return top


def unscale(x: Array, scale_a: Array, scale_b: Array, arithmetic: Arithmetic) -> Array:
    """Return round(x / (scale_a * scale_b)), rounded once from the exact quotient.

    Parameters
    ----------
    x : array
        Members of a format of at most 24 significant bits.
    scale_a, scale_b : array of one element, or of one for each of the last axis of `x`
        Positive FP32 numbers; their product is exact in float64.
    """
    divisor = scale_a.astype(np.float64) * scale_b.astype(np.float64)
    numerator = np.asarray(x, dtype=np.float64)
    with np.errstate(all="ignore"):
        quotient: Array = numerator / divisor
    if arithmetic.format is None:
        return quotient
    if np.any(np.frexp(divisor)[0] != 0.5):  # else the quotient is exact
        doubtful = _may_be_a_boundary(quotient, arithmetic.format)
        divisors = np.broadcast_to(divisor, quotient.shape)[doubtful]
        quotient[doubtful] = _quotient_to_odd(quotient[doubtful], numerator[doubtful], divisors)
    return arithmetic.enter(quotient)


def _may_be_a_boundary(quotient: Array, fmt: NumberFormat) -> NDArray[np.bool_]:
    """Return where a rounded quotient may lie on a number at which the rounding changes.

    Anywhere else it lies strictly between the same two of them as the exact quotient,
    because each of them is a float64 number, and so it rounds like that. In a format of p
    bits they are its numbers and the middles between them: p + 1 bits.
    """
    smallest = 2 * float(np.finfo(np.float64).smallest_normal)
    if (
        not isinstance(fmt, FloatFormat)
        or fmt.precision + 1 > _BOUNDARY_BITS
        or fmt.min_quantum < smallest
    ):
        return np.ones(quotient.shape, dtype=np.bool_)
    is_boundary: NDArray[np.bool_] = (quotient.view(np.int64) & _BELOW_BOUNDARIES) == 0
    return is_boundary


def _quotient_to_odd(quotient: Array, numerator: Array, divisor: Array) -> Array:
    """Return the quotient rounded to odd, so that rounding it once more is correct.

    An inexact float64 quotient with an even last bit moves to its neighbour on the
    side of the exact quotient.

    References
    ----------
    S. Boldo, G. Melquiond, "Emulation of FMA and correctly rounded sums: proved
    algorithms using rounding to odd", IEEE Trans. Computers 57(4), 2008.
    T. J. Dekker, "A floating-point technique for extending the available precision",
    Numerische Mathematik 18, 1971 (the exact product).
    """
    with np.errstate(all="ignore"):
        product = quotient * divisor
        q_high = quotient * _SPLITTER - (quotient * _SPLITTER - quotient)
        d_high = divisor * _SPLITTER - (divisor * _SPLITTER - divisor)
        q_low, d_low = quotient - q_high, divisor - d_high
        rest = ((q_high * d_high - product) + q_high * d_low + q_low * d_high) + q_low * d_low
        remainder = (numerator - product) - rest
    is_even = (quotient.view(np.int64) & 1) == 0
    inexact = np.isfinite(remainder) & (remainder != 0)
    toward = np.nextafter(quotient, np.copysign(np.inf, remainder))
    return np.where(inexact & is_even, toward, quotient)
