"""Facts about formats and sums from which the proofs of `accelsim.numerics.paths` are made."""

from __future__ import annotations

import math

import numpy as np

from accelsim.formats import FloatFormat, NumberFormat, Overflow, Specials, Subnormals
from accelsim.numerics import rules
from accelsim.numerics.operands import ProductFacts
from accelsim.numerics.rule_constants import FLOAT64_BITS
from accelsim.precision import Accumulator

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
    clamps = fmt.overflow is Overflow.SATURATE or not (fmt.has_infinity or fmt.has_nan)
    if accumulator.saturate or clamps:
        return rules.Clamped(np.float32(fmt.max_finite))
    return rules.Poisoned(np.float32(fmt.max_finite))


def smallest_exponent(fmt: FloatFormat) -> int:
    """Return e such that multiples of 2**e never underflow: they need no rounding near zero."""
    if fmt.has_subnormals:
        return quantum_exponent(fmt)
    return math.ceil(math.log2(fmt.min_positive))


def stochastic_reach(largest: float, count: int, fmt: FloatFormat) -> float:
    """Bound the magnitude of a sum of `count` terms under stochastic rounding."""
    growth = count * math.log2(1.0 + 2.0 ** (1 - fmt.precision))
    return math.inf if growth > FLOAT64_BITS else count * largest * 2.0**growth * 1.001


def two_level_reach(
    products: ProductFacts, accumulator: Accumulator, inner: FloatFormat, outer: FloatFormat
) -> float:
    """Bound the magnitude of every sum, whatever the rounding."""
    chunk = max(1, accumulator.chunk_length(products.k))
    reach = stochastic_reach(products.largest, min(chunk, products.k), inner)
    return stochastic_reach(reach, -(-products.k // chunk), outer)


def overflow_impossible(products: ProductFacts, inner: FloatFormat, outer: FloatFormat) -> bool:
    """Return whether (d) holds."""
    reach = 4.0 * products.k * products.largest
    return reach <= min(inner.max_finite, outer.max_finite)
