"""Facts about formats and sums from which the proofs of `accelsim.numerics.paths` are made."""

from __future__ import annotations

import math

import numpy as np

from accelsim.formats import (
    FloatFormat,
    NumberFormat,
    Overflow,
    Rounding,
    Specials,
    Subnormals,
)
from accelsim.numerics import rules
from accelsim.numerics.operands import ProductFacts
from accelsim.numerics.rule_constants import FLOAT64_BITS
from accelsim.precision import AccumulationMethod, Accumulator, PairRule

#: Exponent range of float32.
FLOAT32_MIN_EXPONENT = -126
FLOAT32_MIN_LSB = -149
FLOAT32_LIMIT = 2.0**127
#: Most significant bits of a sum in a float32 carrier: 24 >= 2 p + 2.
CARRIER32_MAX_PRECISION = 11
#: Products outside 2**-900 .. 2**900 are refused: float64 must hold them exactly.
FLOAT64_SAFE_EXPONENT = 900


def holds(fmt: NumberFormat, products: ProductFacts) -> bool:
    """Return whether every product is a finite member of `fmt` already."""
    return (
        isinstance(fmt, FloatFormat)
        and fmt.signed
        and fmt.signed_zero
        and fmt.has_subnormals
        and products.finite
        and products.significant_bits <= fmt.precision
        and products.lsb_exponent >= quantum_exponent(fmt)
        and products.largest <= fmt.max_finite
    )


def is_float32(fmt: FloatFormat) -> bool:
    """Return whether `fmt` is IEEE binary32 under another or its own name."""
    return (fmt.exponent_bits, fmt.mantissa_bits, fmt.bias) == (8, 23, 127) and (
        fmt.specials is Specials.IEEE
        and fmt.subnormals is Subnormals.GRADUAL
        and fmt.signed_zero
        and fmt.overflow is Overflow.TO_INFINITY
    )


def quantum_exponent(fmt: FloatFormat) -> int:
    """Return e such that every number of `fmt` is a multiple of 2**e."""
    return fmt.emin - fmt.mantissa_bits


def bound_of(fmt: FloatFormat, accumulator: Accumulator, safe: bool) -> rules.Bound:
    """Return what happens to a sum beyond the largest number."""
    if safe:
        return rules.Unbounded(np.float32(0.0))
    if clamps(fmt, accumulator):
        return rules.Clamped(np.float32(fmt.max_finite))
    return rules.Poisoned(np.float32(fmt.max_finite))


def clamps(fmt: FloatFormat, accumulator: Accumulator) -> bool:
    """Return whether a sum that overflows becomes the largest number, so stays finite."""
    never_special = not (fmt.has_infinity or fmt.has_nan)
    return accumulator.saturate or fmt.overflow is Overflow.SATURATE or never_special


def smallest_exponent(fmt: FloatFormat) -> int:
    """Return e such that multiples of 2**e never underflow: they need no rounding near zero."""
    if fmt.has_subnormals:
        return quantum_exponent(fmt)
    return math.ceil(math.log2(fmt.min_positive))


def stochastic_reach(
    largest: float, count: int, fmt: FloatFormat, roundings: int | None = None
) -> float:
    """Bound the magnitude of a sum of `count` terms under any rounding.

    A term goes through at most `roundings` of them, by default all; each may add an ulp,
    which is at most 2**(1 - p) of the sum unless that underflows.
    """
    growth = (count if roundings is None else roundings) * math.log2(
        1.0 + 2.0 ** (1 - fmt.precision)
    )
    return math.inf if growth > FLOAT64_BITS else count * largest * 2.0**growth * 1.001


def longest_chunk(products: ProductFacts, accumulator: Accumulator) -> int:
    """Return the products of the longest chunk, at least one."""
    return max(1, min(accumulator.chunk_length(products.k), products.k))


def roundings_per_chunk(products: ProductFacts, accumulator: Accumulator) -> int:
    """Return through how many roundings a product goes at most within its chunk."""
    chunk = longest_chunk(products, accumulator)
    match accumulator.method:
        case AccumulationMethod.TREE:
            return max(1, (chunk - 1).bit_length())
        case AccumulationMethod.ALIGNED:
            return -(-chunk // accumulator.aligned_group)
        case AccumulationMethod.ROUND_ONCE:
            return 1
    return -(-chunk // (accumulator.pair_size if accumulator.pair is PairRule.FUSED else 1))


def two_level_reach(
    products: ProductFacts, accumulator: Accumulator, inner: FloatFormat, outer: FloatFormat
) -> float:
    """Bound the magnitude of every sum, whatever the rounding, if none underflows."""
    chunk = longest_chunk(products, accumulator)
    roundings = roundings_per_chunk(products, accumulator)
    reach = stochastic_reach(products.largest, chunk, inner, roundings)
    return stochastic_reach(reach, -(-products.k // chunk), outer)


def no_exact_sums(
    products: ProductFacts, accumulator: Accumulator, inner: FloatFormat, outer: FloatFormat
) -> str:
    """Return why a sum could be inexact in float64, underflow or overflow, or nothing.

    It is exact if its range fits 53 bits. Then its bits alone say how it is rounded.
    """
    reach = two_level_reach(products, accumulator, inner, outer)
    if not products.finite:
        return "an operand is not finite"
    if products.lsb_exponent < max(smallest_exponent(inner), smallest_exponent(outer)):
        return "(c) fails: a product is finer than the smallest step"
    if reach > min(inner.max_finite, outer.max_finite):
        return "(d) fails: a sum could overflow"
    if reach >= 2.0 ** (products.lsb_exponent + FLOAT64_BITS - 1):
        return "a sum could need more bits than float64 has"
    return ""


def fit_float64(accumulator: Accumulator) -> bool:
    """Return whether float64 has all bits that float accumulators keep and round by."""
    levels = (
        (accumulator.inner, accumulator.rounding),
        (accumulator.outer, accumulator.resolved_outer_rounding),
    )
    spare = {Rounding.STOCHASTIC: accumulator.random_bits}
    return all(
        not isinstance(fmt, FloatFormat)
        or fmt.precision + spare.get(rounding, 1) + 1 <= FLOAT64_BITS
        for fmt, rounding in levels
    )


def random_levels(accumulator: Accumulator) -> tuple[str, ...]:
    """Say which sums are rounded at random."""
    levels = {
        "sums within chunks": accumulator.rounding,
        "sums over chunks": accumulator.resolved_outer_rounding,
    }
    random = [name for name, rounding in levels.items() if rounding is Rounding.STOCHASTIC]
    return (f"{' and '.join(random)} are rounded at random",) if random else ()


def overflow_impossible(products: ProductFacts, inner: FloatFormat, outer: FloatFormat) -> bool:
    """Return whether (d) holds."""
    reach = 4.0 * products.k * products.largest
    return reach <= min(inner.max_finite, outer.max_finite)
