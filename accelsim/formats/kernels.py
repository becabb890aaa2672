"""Compiled loops that round whole arrays, bit for bit as `accelsim.formats.array` does.

Numba is imported here and nowhere else in this package, and this module is
imported only when a large array is at hand. `fastmath` is never set: it would
let the compiler cancel ``(x + magic) - magic``, which is the rounding itself.

Adding and subtracting ``magic = 1.5 * 2**(max(e, emin) + f - mantissa_bits)``, with f the
fraction bits of the carrier, leaves the nearest multiple of the format's spacing at
exponent e, ties to even. One loop does so in float32, for formats that fit there with
infinities and signed zeros like its own; another in float64 for all others. One cuts
fraction bits off float32 (bfloat16). Two count whole steps of the grid, for the other
roundings. Bounds and special values are compared and put in as bit patterns: those of
non-negative floats sort like the floats.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from accelsim.formats.array import round_to_plan
from accelsim.formats.base import FloatArray, RandomBits
from accelsim.formats.plan import TINY, RoundingPlan
from accelsim.formats.rounding import Rounding
from accelsim.formats.selftest import RANDOM_BIT_COUNT, Loop, check_loop

_FRACTION_BITS_32, _BIAS_32 = 23, 127
_FRACTION_BITS_64, _BIAS_64 = 52, 1023
_SIGN_64 = -(2**63)
_NO_NOISE = np.empty(0, np.uint32)
_TINY_PATTERN = int(np.float64(TINY).view(np.int64))


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
    noise = _NO_NOISE if random_bits is None else np.ascontiguousarray(random_bits).reshape(-1)
    _checked_loop(plan, flat.dtype, narrow)(flat, out, noise, 2.0**-random_bit_count)
    return out.reshape(x.shape)


@lru_cache(maxsize=256)
def _checked_loop(plan: RoundingPlan, dtype: np.dtype[Any], narrow: bool) -> Loop:
    """Return the loop for a plan, once it was seen to round."""
    loop = _loop(plan, narrow)

    def twin(x: NDArray[np.float64], noise: RandomBits) -> NDArray[np.float64]:
        bits = noise if plan.rounding is Rounding.STOCHASTIC else None
        return round_to_plan(x, plan, bits, RANDOM_BIT_COUNT)

    check_loop(loop, twin, plan, (dtype, np.dtype(np.float32 if narrow else np.float64)))
    return loop


def _loop(plan: RoundingPlan, narrow: bool) -> Loop:
    """Return the loop for a plan, with its constants."""
    if narrow and plan.fits_float32_loop:
        return partial(_in_float32, _nearest_float32, _float32_terms(plan))
    if narrow and plan.cuts_float32_patterns:
        return partial(_in_float32, _nearest_cut, _cut_terms(plan))
    terms = _terms(plan)
    if plan.rounding is Rounding.STOCHASTIC:
        return lambda x, out, noise, unit: _stochastic(x, noise, unit, out, terms)
    if plan.rounding is Rounding.NEAREST_EVEN:
        return lambda x, out, noise, unit: _nearest(x, out, terms)
    positive, negative = plan.threshold_positive, plan.threshold_negative
    return lambda x, out, noise, unit: _threshold(x, positive, negative, out, terms)


def _in_float32(
    function: Callable[..., None],
    terms: NDArray[np.int32],
    x: FloatArray,
    out: FloatArray,
    noise: RandomBits,
    unit: float,
) -> None:
    """Run a loop over the bit patterns of float32 numbers; it has no use for noise."""
    del noise, unit
    function(x.view(np.int32), out.view(np.int32), terms)


def _float32_terms(plan: RoundingPlan) -> NDArray[np.int32]:
    """Return the bit patterns that `_nearest_float32` needs, in its order."""
    shift = _FRACTION_BITS_32 - plan.mantissa_bits
    lowest = max(plan.grid_emin + _BIAS_32, 0)
    return np.array(
        [
            _pattern_32(plan.max_finite),
            _pattern_32(plan.over_positive),
            _pattern_32(plan.limit),
            lowest << _FRACTION_BITS_32,
            (shift << _FRACTION_BITS_32) + (1 << (_FRACTION_BITS_32 - 1)),
        ],
        np.int32,
    )


def _cut_terms(plan: RoundingPlan) -> NDArray[np.int32]:
    """Return the bit patterns that `_nearest_cut` needs, in its order."""
    cut = _FRACTION_BITS_32 - plan.mantissa_bits
    return np.array([_pattern_32(plan.max_finite), _pattern_32(plan.over_positive), cut], np.int32)


def _terms(plan: RoundingPlan) -> NDArray[np.int64]:
    """Return the bit patterns of the grid and the rules as the float64 loops unpack them."""
    nowhere = math.nan if not plan.has_zero else 0.0
    return np.array(
        [
            _pattern(plan.limit),
            (plan.grid_emin + _BIAS_64) << _FRACTION_BITS_64,
            plan.mantissa_bits,
            _pattern(plan.min_positive),
            _pattern(plan.below),
            _pattern(plan.max_finite),
            _pattern(plan.over_positive),
            _pattern(plan.over_negative),
            _pattern(plan.infinity_positive),
            _pattern(plan.infinity_negative),
            _pattern(nowhere),
            # What a negative magnitude keeps of its bits, and what it gets.
            -1 if plan.signed else 0,
            0 if plan.signed else _pattern(plan.negative_value),
            _SIGN_64 if plan.signed_zero else 0,
        ],
        np.int64,
    )


def _pattern_32(value: float) -> int:
    return int(np.float32(value).view(np.int32))


def _pattern(value: float) -> int:
    """Return the bits of a magnitude; those of the quiet NaN for any NaN."""
    return int(np.float64(math.nan if math.isnan(value) else abs(value)).view(np.int64))


@njit(inline="always")
def _finish_float32(bits: Any, rounded: Any, largest: Any, over: Any) -> Any:
    """Return a rounded pattern with the sign of `bits`, overflow and NaN put in."""
    sign_bit, infinity, quiet_nan = np.int32(-(2**31)), np.int32(0x7F800000), np.int32(0x7FC00000)
    magnitude = np.int32(bits & np.int32(0x7FFFFFFF))
    bounded = np.int32(over if rounded > largest else rounded)
    kept = np.int32(quiet_nan if magnitude > infinity else bounded)
    return kept | (bits & sign_bit)


@njit(cache=True, nogil=True)
def _nearest_float32(bits: Any, out_bits: Any, terms: Any) -> None:
    """Round float32 bit patterns to a grid, nearest-even, with gradual underflow."""
    largest, over, limit, lowest, magic_offset = terms[0], terms[1], terms[2], terms[3], terms[4]
    infinity = np.int32(0x7F800000)
    for i in range(bits.size):
        clamped = min(np.int32(bits[i] & np.int32(0x7FFFFFFF)), limit)
        magic = np.int32(max(clamped & infinity, lowest) + magic_offset).view(np.float32)
        rounded = np.float32((np.int32(clamped).view(np.float32) + magic) - magic).view(np.int32)
        out_bits[i] = _finish_float32(bits[i], rounded, largest, over)


@njit(cache=True, nogil=True)
def _nearest_cut(bits: Any, out_bits: Any, terms: Any) -> None:
    """Round float32 bit patterns to fewer fraction bits, nearest-even."""
    largest, over, cut = terms[0], terms[1], terms[2]
    one = np.int32(1)
    below_half = np.int32((one << np.int32(cut - one)) - one)
    kept_bits = np.int32(-(one << cut))
    for i in range(bits.size):
        # An infinite or NaN pattern would carry into the sign; both are replaced at the end.
        finite = min(np.int32(bits[i] & np.int32(0x7FFFFFFF)), np.int32(0x7F800000))
        odd = np.int32((finite >> cut) & one)
        rounded = np.int32((finite + below_half + odd) & kept_bits)
        out_bits[i] = _finish_float32(bits[i], rounded, largest, over)


@njit(inline="always")
def _finish(bits: Any, rounded: Any, terms: Any) -> Any:
    """Return a rounded float64 pattern with its sign, and all that is outside the format."""
    (_, _, _, smallest, below, largest, over_positive, over_negative, infinity_positive,
     infinity_negative, zero, kept_negative, put_negative, zero_sign) = terms  # fmt: skip
    infinity, quiet_nan = np.int64(0x7FF0000000000000), np.int64(0x7FF8000000000000)
    magnitude = bits & np.int64(0x7FFFFFFFFFFFFFFF)
    negative = bits < 0
    kept = below if rounded < smallest else rounded
    kept = (over_negative if negative else over_positive) if rounded > largest else kept
    infinite = infinity_negative if negative else infinity_positive
    kept = infinite if magnitude == infinity else kept
    kept = ((kept & kept_negative) | put_negative) if negative else kept
    kept = zero if magnitude == 0 else kept
    kept = quiet_nan if magnitude > infinity else kept
    sign = zero_sign if kept == 0 else np.int64(-(2**63))
    return np.int64(kept | (bits & sign)).view(np.float64)


@njit(cache=True, nogil=True)
def _nearest(x: Any, out: Any, terms: Any) -> None:
    """Round to the nearest step, ties to even."""
    constants = _unpacked(terms)
    limit, lowest, mantissa_bits = constants[0], constants[1], constants[2]
    offset = ((_FRACTION_BITS_64 - mantissa_bits) << _FRACTION_BITS_64) + (
        np.int64(1) << (_FRACTION_BITS_64 - 1)
    )
    for i in range(x.size):
        bits = np.float64(x[i]).view(np.int64)
        clamped = min(bits & np.int64(0x7FFFFFFFFFFFFFFF), limit)
        magic = np.int64(max(clamped & np.int64(0x7FF0000000000000), lowest) + offset)
        shifted = np.int64(clamped).view(np.float64) + magic.view(np.float64)
        rounded = np.float64(shifted - magic.view(np.float64)).view(np.int64)
        out[i] = _finish(bits, rounded, constants)


@njit(inline="always")
def _unpacked(terms: Any) -> Any:
    """Return the terms as a tuple, to be kept in registers."""
    return (
        terms[0], terms[1], terms[2], terms[3], terms[4], terms[5], terms[6], terms[7],
        terms[8], terms[9], terms[10], terms[11], terms[12], terms[13],
    )  # fmt: skip


@njit(inline="always")
def _round_up_from(threshold: Any, bits: Any, constants: Any) -> Any:
    """Return the pattern of a magnitude rounded away from zero from a discarded fraction on."""
    limit, lowest, mantissa_bits = constants[0], constants[1], constants[2]
    magnitude = bits & np.int64(0x7FFFFFFFFFFFFFFF)
    raised = max(magnitude, _TINY_PATTERN) if magnitude != 0 else magnitude
    clamped = min(raised, limit)
    exponent = (
        max(clamped & np.int64(0x7FF0000000000000), lowest) >> _FRACTION_BITS_64
    ) - mantissa_bits
    steps = np.int64(clamped).view(np.float64) * _power_of_two(_BIAS_64 - exponent)
    below = np.floor(steps)
    whole = below + (1.0 if steps - below >= threshold else 0.0)
    return np.float64(whole * _power_of_two(exponent - _BIAS_64)).view(np.int64)


@njit(inline="always")
def _power_of_two(exponent: Any) -> Any:
    """Return 2.0**exponent for a normal float64."""
    return np.int64((exponent + _BIAS_64) << _FRACTION_BITS_64).view(np.float64)


@njit(cache=True, nogil=True)
def _threshold(
    x: Any, threshold_positive: Any, threshold_negative: Any, out: Any, terms: Any
) -> None:
    """Round away from zero where the discarded fraction reaches the threshold of the sign."""
    constants = _unpacked(terms)
    for i in range(x.size):
        bits = np.float64(x[i]).view(np.int64)
        threshold = threshold_negative if bits < 0 else threshold_positive
        out[i] = _finish(bits, _round_up_from(threshold, bits, constants), constants)


@njit(cache=True, nogil=True)
def _stochastic(x: Any, random_bits: Any, unit: Any, out: Any, terms: Any) -> None:
    """Round away from zero where fraction plus noise reaches one; see `round_to_plan`."""
    constants = _unpacked(terms)
    for i in range(x.size):
        bits = np.float64(x[i]).view(np.int64)
        threshold = 1.0 - random_bits[i] * unit
        out[i] = _finish(bits, _round_up_from(threshold, bits, constants), constants)
