"""Rounding, encoding and decoding of whole arrays, in NumPy alone.

This is the twin of `accelsim.formats.kernels`: the same bits, without Numba.
Large arrays take the compiled loops where Numba is installed; `Engine` lets a
test ask for one or the other. Everything happens in float64, in which every
step below is exact but the one rounding that is asked for; a float32 array is
widened first (exactly) and a float64 array is never narrowed first.
"""

from __future__ import annotations

import sys
from enum import StrEnum
from functools import lru_cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from accelsim.errors import DataError, ShapeError
from accelsim.formats.base import (
    DEFAULT_RANDOM_BIT_COUNT,
    CodeArray,
    FloatArray,
    RandomBits,
)
from accelsim.formats.plan import TINY, RoundingPlan, make_plan, thresholds
from accelsim.formats.rounding import Overflow, Rounding
from accelsim.formats.scalar import check_random_bits

if TYPE_CHECKING:
    from accelsim.formats.float_format import FloatFormat

#: Elements from which a compiled loop is worth the import of Numba.
KERNEL_THRESHOLD = 1 << 14
#: Elements from which it is worth the call, once Numba is there anyway.
LOADED_KERNEL_THRESHOLD = 1 << 7
_KERNELS = "accelsim.formats.kernels"
#: Formats up to this width are decoded through a table.
TABLE_BITS = 16


class Engine(StrEnum):
    """Which of the two twins does the work."""

    #: Numba for large arrays where it is installed, else NumPy.
    AUTO = "auto"
    NUMPY = "numpy"
    NUMBA = "numba"


def quantize(
    x: FloatArray,
    fmt: FloatFormat,
    *,
    rounding: Rounding,
    overflow: Overflow,
    random_bits: RandomBits | None = None,
    random_bit_count: int = DEFAULT_RANDOM_BIT_COUNT,
    engine: Engine = Engine.AUTO,
) -> FloatArray:
    """Round every element of `x` to a member of `fmt`; see `FloatFormat.quantize`."""
    plan = _plan(fmt, rounding, overflow)
    return quantize_to_plan(x, plan, random_bits, random_bit_count, engine)


def quantize_to_plan(
    x: FloatArray,
    plan: RoundingPlan,
    random_bits: RandomBits | None,
    random_bit_count: int,
    engine: Engine = Engine.AUTO,
) -> FloatArray:
    """Round every element of `x` as `plan` says; float32 stays if the plan's format fits."""
    values = as_float_array(x)
    noise = as_random_bits(random_bits, values.shape, plan.rounding, random_bit_count)
    narrow = plan.fits_float32 and values.dtype == np.float32
    if narrow and plan.keeps_float32:
        return values.copy()
    if uses_kernels(values.size, engine):
        from accelsim.formats import kernels

        return kernels.quantize(values, plan, noise, random_bit_count, narrow)
    rounded = round_to_plan(widen(values), plan, noise, random_bit_count)
    return rounded.astype(np.float32) if narrow else rounded


def as_float_array(x: FloatArray) -> FloatArray:
    """Return `x` as float32 if it is, else as float64; refuse what is not real."""
    values = np.asarray(x)
    if values.dtype in (np.float32, np.float64):
        return values
    if values.dtype.kind in "cOSUMm":
        raise DataError(f"Numbers are needed, not {values.dtype}.")
    return widen(values)


def widen(values: FloatArray) -> NDArray[np.float64]:
    """Return `values` as float64, which is exact; a signalling NaN becomes quiet in silence."""
    with np.errstate(invalid="ignore"):
        return values.astype(np.float64)


def as_random_bits(
    random_bits: RandomBits | None, shape: tuple[int, ...], rounding: Rounding, count: int
) -> RandomBits | None:
    """Return the random bits as an array of `shape`, or None where the rounding needs none."""
    check_random_bits(random_bits is not None, rounding, count)
    if rounding is not Rounding.STOCHASTIC or random_bits is None:
        return None
    noise = np.asarray(random_bits)
    if noise.dtype.kind not in "ui":
        raise DataError(f"random_bits must be unsigned integers, not {noise.dtype}.")
    if noise.shape != shape:
        raise ShapeError(f"random_bits have shape {noise.shape}, the numbers {shape}.")
    return noise.astype(np.uint32, copy=False) & np.uint32((1 << count) - 1)


def uses_kernels(size: int, engine: Engine) -> bool:
    """Return whether an array of `size` elements goes to the compiled loops."""
    if engine is Engine.AUTO:
        loaded = _KERNELS in sys.modules
        return size >= (LOADED_KERNEL_THRESHOLD if loaded else KERNEL_THRESHOLD) and _has_numba()
    return engine is Engine.NUMBA


def round_to_plan(
    x: NDArray[np.float64],
    plan: RoundingPlan,
    random_bits: RandomBits | None,
    random_bit_count: int,
) -> NDArray[np.float64]:
    """Round float64 numbers as `plan` says; the definition that the kernels repeat."""
    negative = np.signbit(x)
    magnitude = np.abs(x)
    clamped = np.fmin(np.where(magnitude > 0, np.fmax(magnitude, TINY), 0.0), plan.limit)
    exponent = np.maximum(np.frexp(clamped)[1] - 1, plan.grid_emin)
    steps = np.ldexp(clamped, plan.mantissa_bits - exponent)
    threshold = away_threshold(negative, plan.rounding, random_bits, random_bit_count)
    whole = round_steps(steps, plan.rounding, threshold)
    rounded = np.ldexp(whole, exponent - plan.mantissa_bits)
    rounded = np.where((rounded < plan.min_positive) & (magnitude > 0), plan.below, rounded)
    signed = np.where(negative, -rounded, rounded)
    over = np.where(negative, plan.over_negative, plan.over_positive)
    signed = np.where(rounded > plan.max_finite, over, signed)
    infinity = np.where(negative, plan.infinity_negative, plan.infinity_positive)
    signed = np.where(np.isinf(magnitude), infinity, signed)
    if not plan.signed:
        signed = np.where(negative & (magnitude > 0), plan.negative_value, signed)
    if not plan.signed_zero:
        signed = np.where(signed == 0, 0.0, signed)
    if not plan.has_zero:
        signed = np.where(magnitude == 0, np.nan, signed)
    return np.where(np.isnan(x) | np.isnan(signed), np.copysign(np.nan, x), signed)


def round_steps(
    steps: NDArray[np.float64],
    rounding: Rounding,
    threshold: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Round non-negative magnitudes, counted in steps of a grid, to whole steps."""
    if rounding is Rounding.NEAREST_EVEN:
        return np.rint(steps)
    below = np.floor(steps)
    return below + (steps - below >= threshold)


def away_threshold(
    negative: NDArray[np.bool_],
    rounding: Rounding,
    random_bits: RandomBits | None,
    random_bit_count: int,
) -> NDArray[np.float64]:
    """Return the discarded fraction from which a magnitude grows, element by element."""
    if random_bits is not None:
        # floor(f * 2**N) + r >= 2**N, r whole, is the same as f >= 1 - r / 2**N; all exact.
        return np.asarray(1.0 - random_bits * 2.0**-random_bit_count)
    positive_threshold, negative_threshold = thresholds(rounding)
    return np.where(negative, negative_threshold, positive_threshold)


def encode(x: FloatArray, fmt: FloatFormat) -> CodeArray:
    """Return the codes of `x`; see `FloatFormat.encode`."""
    values = widen(as_float_array(x))
    magnitude = np.abs(values)
    nan, infinite = np.isnan(values), np.isinf(values)
    finite = np.where(nan | infinite, fmt.min_positive, magnitude)
    exponent = np.maximum(np.frexp(finite)[1] - 1, fmt.emin)
    steps = np.ldexp(finite, fmt.mantissa_bits - exponent)
    hidden = 0 if fmt.field_zero_is_special else 1 << fmt.mantissa_bits
    field = (exponent - fmt.emin).astype(np.int64) << fmt.mantissa_bits
    member = (steps == np.floor(steps)) & (finite >= fmt.min_positive)
    member &= finite <= fmt.max_finite
    codes = field + np.where(member, steps, 0.0).astype(np.int64) - hidden
    codes = np.where(finite == 0, 0, codes)
    member |= (finite == 0) & fmt.has_zero
    codes = np.where(infinite, fmt.max_code + 1, codes)
    member &= ~infinite | fmt.has_infinity
    negative = np.signbit(values) & ~nan
    if not fmt.signed_zero:
        member &= ~negative | (magnitude != 0)
    if not fmt.signed:
        member &= ~negative
    codes |= np.where(negative, 1 << (fmt.exponent_bits + fmt.mantissa_bits), 0)
    codes = np.where(nan, fmt.nan_code, codes)
    member &= ~nan | fmt.has_nan
    require_members(values, member, fmt.name)
    return codes.astype(fmt.code_dtype)


def require_members(values: FloatArray, member: NDArray[np.bool_], name: str) -> None:
    """Raise `DataError` that names the first of `values` which is not a member."""
    if np.all(member):
        return
    first = np.unravel_index(int(np.argmin(member)), values.shape)
    place = tuple(int(i) for i in first)
    raise DataError(
        f"Element {place} is {float(values[place])!r}, which is not a member of {name};"
        f" quantize it first."
    )


def as_code_array(codes: CodeArray, bits: int, name: str) -> NDArray[np.int64]:
    """Return `codes` as int64; refuse what is not an integer of `bits` bits."""
    integers = np.asarray(codes)
    if integers.dtype.kind not in "ui":
        raise DataError(f"Codes of {name} are integers, not {integers.dtype}.")
    wide = integers.astype(np.int64)
    if wide.size and (wide.min() < 0 or wide.max() >= 1 << bits):
        raise DataError(f"A code of {name} must be 0 to {(1 << bits) - 1}.")
    return wide


def decode(codes: CodeArray, fmt: FloatFormat) -> FloatArray:
    """Return the values of `codes`; see `FloatFormat.decode`."""
    integers = as_code_array(codes, fmt.bits, fmt.name)
    if fmt.bits <= TABLE_BITS:
        return np.asarray(_value_table(fmt)[integers])
    return _decode(integers, fmt)


def _decode(integers: NDArray[np.int64], fmt: FloatFormat) -> FloatArray:
    """Decode by arithmetic on the fields."""
    magnitude_bits = fmt.exponent_bits + fmt.mantissa_bits
    negative = integers >> magnitude_bits > 0
    magnitude_code = integers & ((1 << magnitude_bits) - 1)
    field = magnitude_code >> fmt.mantissa_bits
    fraction = magnitude_code & ((1 << fmt.mantissa_bits) - 1)
    low = (field == 0) & fmt.field_zero_is_special
    steps = np.where(low, fraction, fraction + (1 << fmt.mantissa_bits))
    if fmt.field_zero_is_special:
        field = np.maximum(field, 1)
        if not fmt.has_subnormals:
            steps = np.where(low, 0, steps)
    elif fmt.has_zero:
        steps = np.where(magnitude_code == 0, 0, steps)
    values = np.ldexp(steps.astype(np.float64), field - fmt.bias - fmt.mantissa_bits)
    values = np.where(magnitude_code > fmt.max_code, np.inf, values)
    values = np.where(negative, -values, values)
    if not fmt.signed_zero:
        values = np.where(values == 0, 0.0, values)
    return np.where(_is_nan_code(integers, magnitude_code, fmt), np.nan, values).astype(
        fmt.value_dtype
    )


def _is_nan_code(
    integers: NDArray[np.int64], magnitude_code: NDArray[np.int64], fmt: FloatFormat
) -> NDArray[np.bool_]:
    """Return which codes mean NaN."""
    if not fmt.has_nan:
        return np.zeros(integers.shape, dtype=np.bool_)
    if fmt.nan_is_negative_zero:
        return np.equal(integers, fmt.nan_code)
    return np.greater(magnitude_code, fmt.max_code + fmt.has_infinity)


@lru_cache(maxsize=64)
def _value_table(fmt: FloatFormat) -> NDArray[Any]:
    """Return the value of every code of a narrow format."""
    table = _decode(np.arange(1 << fmt.bits, dtype=np.int64), fmt)
    table.setflags(write=False)
    return table


@lru_cache(maxsize=256)
def _plan(fmt: FloatFormat, rounding: Rounding, overflow: Overflow) -> RoundingPlan:
    """Return the plan of a rounding, made once."""
    return make_plan(fmt, rounding, overflow)


@lru_cache(maxsize=1)
def _has_numba() -> bool:
    """Return whether Numba is installed, without importing it."""
    return find_spec("numba") is not None
