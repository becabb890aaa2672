"""The definition of every binary float format: exact, on integers and fractions, and slow.

Nothing here rounds by accident. A number is a `fractions.Fraction`; a format
is a grid of multiples of a power of two in every binade; rounding picks one of
the two neighbours on that grid. The array code must give the same bits.

References
----------
IEEE Std 754-2019, sections 4.3 (rounding) and 7.4 (overflow).
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING

from accelsim.errors import ConfigError, DataError
from accelsim.formats.base import DEFAULT_RANDOM_BIT_COUNT, NumberFormat
from accelsim.formats.rounding import Overflow, Rounding

if TYPE_CHECKING:
    from accelsim.formats.float_format import FloatFormat

#: Most random bits that a stochastic rounding may use.
MAX_RANDOM_BIT_COUNT = 32


def round_scalar(
    x: Fraction | float,
    fmt: NumberFormat,
    *,
    rounding: Rounding | None = None,
    overflow: Overflow | None = None,
    random_bits: int | None = None,
    random_bit_count: int = DEFAULT_RANDOM_BIT_COUNT,
    negative_zero: bool = False,
) -> float:
    """Round one exact number to a member of `fmt`.

    Parameters
    ----------
    x : Fraction or float
        The number. A float may be NaN, infinite or -0; a fraction may not.
    fmt : NumberFormat
        Where to.
    rounding, overflow : optional
        Override the rules that the format names.
    random_bits : int, optional
        Needed by stochastic rounding; only its lowest `random_bit_count` bits count.
    random_bit_count : int
        Bits that the random source has, 1 to 32.
    negative_zero : bool
        Whether a fraction that is zero stands for -0.

    Returns
    -------
    float
        A member of the format, or NaN. A NaN stays NaN even where the format has no code for it.

    Examples
    --------
    >>> from fractions import Fraction
    >>> from accelsim.formats import get_format, round_scalar
    >>> round_scalar(Fraction(1, 3), get_format("fp8_e5m2"))
    0.3125
    """
    return fmt.round_scalar(
        x,
        rounding=rounding,
        overflow=overflow,
        random_bits=random_bits,
        random_bit_count=random_bit_count,
        negative_zero=negative_zero,
    )


def encode_scalar(value: float, fmt: NumberFormat) -> int:
    """Return the code of one member of `fmt`."""
    return fmt.encode_scalar(value)


def decode_scalar(code: int, fmt: NumberFormat) -> float:
    """Return the value of one code of `fmt`."""
    return fmt.decode_scalar(code)


def check_code(code: int, fmt: NumberFormat) -> None:
    """Refuse what is no code of as many bits as a format has."""
    if not 0 <= code < 1 << fmt.bits:
        raise DataError(f"{code} is no code of {fmt.name}: it has {fmt.bits} bits.")


def not_a_member(value: float, fmt: NumberFormat) -> DataError:
    """Return the error of a number that has no code in a format."""
    return DataError(f"{value!r} is not a member of {fmt.name}; quantize it first.")


def check_random_bits(given: bool, rounding: Rounding, random_bit_count: int) -> None:
    """Refuse a stochastic rounding without random bits, or with an absurd number of them."""
    if rounding is not Rounding.STOCHASTIC:
        return
    if not given:
        raise ConfigError("Stochastic rounding needs random_bits: randomness is always explicit.")
    if not 1 <= random_bit_count <= MAX_RANDOM_BIT_COUNT:
        raise ConfigError(
            f"random_bit_count is {random_bit_count}; it must be 1 to {MAX_RANDOM_BIT_COUNT}."
        )


def round_to_integer(
    magnitude: Fraction,
    negative: bool,
    rounding: Rounding,
    random_bits: int | None = None,
    random_bit_count: int = DEFAULT_RANDOM_BIT_COUNT,
) -> int:
    """Round a non-negative magnitude, whose sign is given apart, to an integer magnitude.

    Stochastic rounding goes away from zero iff ``floor(f * 2**N) + r >= 2**N``
    with f the discarded fraction and r the random bits, so with probability
    ``floor(f * 2**N) / 2**N``: never more than f, less by under ``2**-N``.
    """
    below = math.floor(magnitude)
    rest = magnitude - below
    half = Fraction(1, 2)
    match rounding:
        case Rounding.NEAREST_EVEN:
            away = rest > half or (rest == half and below % 2 == 1)
        case Rounding.NEAREST_AWAY:
            away = rest >= half
        case Rounding.TOWARD_ZERO:
            away = False
        case Rounding.UP:
            away = rest > 0 and not negative
        case Rounding.DOWN:
            away = rest > 0 and negative
        case Rounding.STOCHASTIC:
            check_random_bits(random_bits is not None, rounding, random_bit_count)
            span = 1 << random_bit_count
            away = math.floor(rest * span) + ((random_bits or 0) % span) >= span
    return below + away


def floor_log2(magnitude: Fraction) -> int:
    """Return the largest e with 2**e <= magnitude, for a positive magnitude."""
    e = magnitude.numerator.bit_length() - magnitude.denominator.bit_length()
    return e if power_of_two(e) <= magnitude else e - 1


def power_of_two(e: int) -> Fraction:
    """Return 2**e as a fraction."""
    return Fraction(1 << e) if e >= 0 else Fraction(1, 1 << -e)


def overflow_value(
    fmt: FloatFormat, negative: bool, rounding: Rounding, overflow: Overflow, *, finite: bool
) -> float:
    """Return what a magnitude beyond the largest finite number becomes.

    A directed rounding that points back at the finite numbers never overflows
    a finite number (IEEE 754-2019, 7.4); an infinity is not rounded at all.
    """
    largest = -fmt.max_finite if negative else fmt.max_finite
    inward = (
        rounding is Rounding.TOWARD_ZERO
        or (rounding is Rounding.UP and negative)
        or (rounding is Rounding.DOWN and not negative)
    )
    if overflow is Overflow.SATURATE or (finite and inward):
        return largest
    if fmt.has_infinity:
        return -math.inf if negative else math.inf
    return math.nan if fmt.has_nan else largest


def round_float(
    x: Fraction | float,
    fmt: FloatFormat,
    rounding: Rounding,
    overflow: Overflow,
    random_bits: int | None,
    random_bit_count: int,
    negative_zero: bool,
) -> float:
    """Round one exact number to a binary float format: the definition of `FloatFormat.quantize`."""
    if isinstance(x, float):
        if math.isnan(x):
            return math.nan
        negative_zero = math.copysign(1.0, x) < 0
    negative = negative_zero if x == 0 else x < 0
    if (negative and x != 0 and not fmt.signed) or (x == 0 and not fmt.has_zero):
        return 0.0 if fmt.has_zero else math.nan
    if isinstance(x, float) and math.isinf(x):
        return overflow_value(fmt, negative, rounding, overflow, finite=False)
    magnitude = abs(Fraction(x))
    if magnitude != 0:
        magnitude = _round_magnitude(
            magnitude, fmt, negative, rounding, random_bits, random_bit_count
        )
    if magnitude > Fraction(fmt.max_finite):
        return overflow_value(fmt, negative, rounding, overflow, finite=True)
    if magnitude == 0 and not fmt.signed_zero:
        negative = False
    return math.copysign(float(magnitude), -1.0 if negative else 1.0)


def _round_magnitude(
    magnitude: Fraction,
    fmt: FloatFormat,
    negative: bool,
    rounding: Rounding,
    random_bits: int | None,
    random_bit_count: int,
) -> Fraction:
    """Round a positive magnitude on the format's grid, continued beyond its largest number."""
    e = floor_log2(magnitude)
    if fmt.has_subnormals:
        e = max(e, fmt.emin)
    quantum = power_of_two(e - fmt.mantissa_bits)
    steps = round_to_integer(magnitude / quantum, negative, rounding, random_bits, random_bit_count)
    rounded = steps * quantum
    if rounded < Fraction(fmt.min_positive):
        return Fraction(0) if fmt.has_zero else Fraction(fmt.min_positive)
    return rounded


def decode_float(code: int, fmt: FloatFormat) -> float:
    """Return the value of one code of a binary float format."""
    check_code(code, fmt)
    magnitude_bits = fmt.exponent_bits + fmt.mantissa_bits
    magnitude_code = code % (1 << magnitude_bits)
    sign = -1.0 if code >> magnitude_bits else 1.0
    if fmt.is_nan_code(code):
        return math.nan
    if magnitude_code > fmt.max_code:
        return sign * math.inf
    value = fmt.magnitude_of(magnitude_code)
    if value == 0 and not fmt.signed_zero:
        return 0.0
    return math.copysign(value, sign)


def encode_float(value: float, fmt: FloatFormat) -> int:
    """Return the code of one member of a binary float format."""
    if math.isnan(value):
        if not fmt.has_nan:
            raise DataError(f"{fmt.name} has no code for NaN.")
        return fmt.nan_code
    negative = math.copysign(1.0, value) < 0
    sign_bit = 1 << (fmt.exponent_bits + fmt.mantissa_bits) if negative else 0
    refused = not_a_member(value, fmt)
    if negative and not (fmt.signed and (value != 0 or fmt.signed_zero)):
        raise refused
    if math.isinf(value):
        if not fmt.has_infinity:
            raise refused
        return sign_bit | (fmt.max_code + 1)
    magnitude = abs(Fraction(value))
    if magnitude == 0:
        if not fmt.has_zero:
            raise refused
        return sign_bit
    e = max(floor_log2(magnitude), fmt.emin)
    steps = magnitude / power_of_two(e - fmt.mantissa_bits)
    if steps.denominator != 1 or not fmt.min_positive <= magnitude <= fmt.max_finite:
        raise refused
    # A normal significand carries its leading one into the exponent field; where
    # field 0 is an ordinary binade, the field counts from emin itself.
    hidden = 0 if fmt.field_zero_is_special else 1 << fmt.mantissa_bits
    return sign_bit | (((e - fmt.emin) << fmt.mantissa_bits) + int(steps) - hidden)
