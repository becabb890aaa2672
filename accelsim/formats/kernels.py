"""Compiled loops that round whole arrays, bit for bit as `accelsim.formats.array` does.

Numba is imported here and nowhere else in this package, and this module is
imported only when a large array is at hand. `fastmath` is never set: it would
let the compiler cancel ``(x + magic) - magic``, which is the rounding itself.

One loop serves float32 into a narrow format, nearest-even: adding and
subtracting ``magic = 1.5 * 2**(max(e, emin) + 23 - mantissa_bits)`` leaves the
nearest multiple of the format's spacing at exponent e. Another cuts fraction bits
off float32 (bfloat16). Three serve everything else in float64, counting whole
steps of the grid.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numba import njit

from accelsim.formats.base import FloatArray, RandomBits
from accelsim.formats.plan import TINY, RoundingPlan
from accelsim.formats.rounding import Rounding

_FRACTION_BITS_32 = 23
_BIAS_32 = 127


def quantize(
    x: FloatArray,
    plan: RoundingPlan,
    random_bits: RandomBits | None,
    random_bit_count: int,
    narrow: bool,
) -> FloatArray:
    """Round `x` as `plan` says; float32 out if `narrow`, else float64."""
    flat = np.ascontiguousarray(x).reshape(-1)
    out = np.empty(flat.shape, dtype=np.float32 if narrow else np.float64)
    if narrow and plan.fits_float32_loop:
        _nearest_float32(flat.view(np.int32), out.view(np.int32), *_float32_terms(plan))
        return out.reshape(x.shape)
    if narrow and plan.cuts_float32_patterns:
        cut = np.int32(_FRACTION_BITS_32 - plan.mantissa_bits)
        bounds = (_bits_of(plan.max_finite), _bits_of(plan.over_positive))
        _nearest_cut(flat.view(np.int32), out.view(np.int32), cut, *bounds)
        return out.reshape(x.shape)
    if random_bits is not None:
        noise = np.ascontiguousarray(random_bits).reshape(-1)
        _stochastic(flat, noise, 2.0**-random_bit_count, out, *_terms(plan))
    elif plan.rounding is Rounding.NEAREST_EVEN:
        _nearest(flat, out, *_terms(plan))
    else:
        thresholds = (plan.threshold_positive, plan.threshold_negative)
        _threshold(flat, *thresholds, out, *_terms(plan))
    return out.reshape(x.shape)


@lru_cache(maxsize=64)
def _float32_terms(plan: RoundingPlan) -> tuple[Any, ...]:
    """Return the bit patterns that `_nearest_float32` needs, in its order."""
    shift = _FRACTION_BITS_32 - plan.mantissa_bits
    lowest = max(plan.grid_emin + _BIAS_32, 0)
    return (
        _bits_of(plan.limit),
        np.int32(lowest << _FRACTION_BITS_32),
        np.int32((shift << _FRACTION_BITS_32) + (1 << (_FRACTION_BITS_32 - 1))),
        _bits_of(plan.max_finite),
        _bits_of(plan.over_positive),
    )


def _bits_of(value: float) -> np.int32:
    return np.int32(np.float32(value).view(np.int32))


@lru_cache(maxsize=64)
def _terms(plan: RoundingPlan) -> tuple[Any, ...]:
    """Return the grid and the rules as the float64 loops unpack them."""
    grid = (plan.mantissa_bits, plan.grid_emin, plan.limit)
    rules = (
        plan.max_finite,
        plan.min_positive,
        plan.below,
        (plan.over_positive, plan.over_negative),
        (plan.infinity_positive, plan.infinity_negative),
        plan.signed,
        plan.negative_value,
        (plan.signed_zero, 0.0 if plan.has_zero else np.nan),
    )
    return grid, rules


@njit(cache=True, nogil=True)
def _nearest_float32(
    bits: Any, out_bits: Any, limit: Any, lowest: Any, magic_offset: Any, largest: Any, over: Any
) -> None:
    """Round float32 bit patterns to a grid, nearest-even, with gradual underflow.

    Bit patterns of non-negative floats sort like the floats, so bounds are
    compared as integers; the constants are patterns, too.
    """
    sign_bit, infinity, quiet_nan = np.int32(-(2**31)), np.int32(0x7F800000), np.int32(0x7FC00000)
    for i in range(bits.size):
        magnitude = np.int32(bits[i] & np.int32(0x7FFFFFFF))
        clamped = min(magnitude, limit)
        magic = np.int32(max(clamped & infinity, lowest) + magic_offset).view(np.float32)
        rounded = np.float32((np.int32(clamped).view(np.float32) + magic) - magic).view(np.int32)
        bounded = np.int32(over if rounded > largest else rounded)
        kept = np.int32(quiet_nan if magnitude > infinity else bounded)
        out_bits[i] = kept | (bits[i] & sign_bit)


@njit(cache=True, nogil=True)
def _nearest_cut(bits: Any, out_bits: Any, cut: Any, largest: Any, over: Any) -> None:
    """Round float32 bit patterns to fewer fraction bits, nearest-even."""
    sign_bit, infinity, quiet_nan = np.int32(-(2**31)), np.int32(0x7F800000), np.int32(0x7FC00000)
    one = np.int32(1)
    below_half = np.int32((one << (cut - one)) - one)
    kept_bits = np.int32(-(one << cut))
    for i in range(bits.size):
        # An infinite or NaN pattern would carry into the sign; both are replaced below.
        magnitude = np.int32(bits[i] & np.int32(0x7FFFFFFF))
        finite = min(magnitude, infinity)
        odd = np.int32((finite >> cut) & one)
        rounded = np.int32((finite + below_half + odd) & kept_bits)
        bounded = np.int32(over if rounded > largest else rounded)
        kept = np.int32(quiet_nan if magnitude > infinity else bounded)
        out_bits[i] = kept | (bits[i] & sign_bit)


@njit(inline="always")
def _power_of_two(exponent: Any) -> Any:
    """Return 2.0**exponent for a normal float64."""
    return np.int64((exponent + 1023) << 52).view(np.float64)


@njit(inline="always")
def _exponent(clamped: Any, grid_emin: Any) -> Any:
    """Return the exponent whose spacing applies to a magnitude; zero has the lowest."""
    return max((np.float64(clamped).view(np.int64) >> 52) - 1023, grid_emin)


@njit(inline="always")
def _clamp(magnitude: Any, limit: Any) -> Any:
    """Bring a magnitude between the tiniest that differs and the limit; NaN becomes the limit."""
    raised = magnitude if magnitude > TINY else (TINY if magnitude > 0.0 else 0.0)
    return raised if magnitude < limit else limit


@njit
def _finish(x: Any, rounded: Any, rules: Any) -> Any:
    """Put the sign back and replace what lies outside the format."""
    max_finite, min_positive, below, over, infinity, signed, negative_value, zeros = rules
    negative = np.signbit(x)
    magnitude = abs(x)
    inner = below if rounded < min_positive else rounded
    value = np.copysign(inner, x)
    value = (over[1] if negative else over[0]) if rounded > max_finite else value
    value = (infinity[1] if negative else infinity[0]) if magnitude == np.inf else value
    value = negative_value if (negative and not signed) else value
    value = abs(value) if (value == 0.0 and not zeros[0]) else value
    value = zeros[1] if magnitude == 0.0 and zeros[1] != 0.0 else value
    value = np.nan if magnitude != magnitude else value
    return np.copysign(np.nan, x) if value != value else value


@njit(cache=True, nogil=True)
def _nearest(
    x: Any,
    out: Any,
    grid: Any,
    rules: Any,
) -> None:
    """Round to the nearest step, ties to even."""
    mantissa_bits, grid_emin, limit = grid
    for i in range(x.size):
        value = np.float64(x[i])
        clamped = _clamp(abs(value), limit)
        shift = _exponent(clamped, grid_emin) - mantissa_bits
        steps = clamped * _power_of_two(-shift)
        whole = np.rint(steps)
        out[i] = _finish(value, whole * _power_of_two(shift), rules)


@njit(cache=True, nogil=True)
def _threshold(
    x: Any,
    threshold_positive: Any,
    threshold_negative: Any,
    out: Any,
    grid: Any,
    rules: Any,
) -> None:
    """Round away from zero where the discarded fraction reaches the threshold of the sign."""
    mantissa_bits, grid_emin, limit = grid
    for i in range(x.size):
        value = np.float64(x[i])
        clamped = _clamp(abs(value), limit)
        shift = _exponent(clamped, grid_emin) - mantissa_bits
        steps = clamped * _power_of_two(-shift)
        threshold = threshold_negative if np.signbit(value) else threshold_positive
        below = np.floor(steps)
        whole = below + (1.0 if steps - below >= threshold else 0.0)
        out[i] = _finish(value, whole * _power_of_two(shift), rules)


@njit(cache=True, nogil=True)
def _stochastic(
    x: Any,
    random_bits: Any,
    unit: Any,
    out: Any,
    grid: Any,
    rules: Any,
) -> None:
    """Round away from zero where fraction plus noise reaches one; see `round_to_plan`."""
    mantissa_bits, grid_emin, limit = grid
    for i in range(x.size):
        value = np.float64(x[i])
        clamped = _clamp(abs(value), limit)
        shift = _exponent(clamped, grid_emin) - mantissa_bits
        steps = clamped * _power_of_two(-shift)
        below = np.floor(steps)
        threshold = 1.0 - random_bits[i] * unit
        whole = below + (1.0 if steps - below >= threshold else 0.0)
        out[i] = _finish(value, whole * _power_of_two(shift), rules)
