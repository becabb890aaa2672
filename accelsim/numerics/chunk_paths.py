"""Which code sums chunks that are not summed one product after the other.

A sum of multiples of 2**e that stays below 2**(e + 53) is exact in float64, in any
order. Products are multiples of their lowest bit, and so are sums rounded to a
format with subnormals (a rounding only coarsens); elsewhere sums are multiples of
the format's own smallest step.
"""

from __future__ import annotations

import math

import numpy as np

from accelsim.formats import FloatFormat, Rounding
from accelsim.numerics import rules
from accelsim.numerics.conditions import (
    FLOAT32_LIMIT,
    FLOAT32_MIN_EXPONENT,
    quantum_exponent,
    stochastic_reach,
)
from accelsim.numerics.operands import ProductFacts
from accelsim.numerics.path_choice import PathChoice, PathName
from accelsim.numerics.rule_constants import FLOAT32_BITS, FLOAT64_BITS, rule64
from accelsim.precision import AccumulationMethod, Accumulator, IntegerOverflow

#: A size of groups that no chunk exceeds.
MAX_CHUNK = 2**31


def choose_chunk_path(
    products: ProductFacts, accumulator: Accumulator, inner: FloatFormat, outer: FloatFormat
) -> PathChoice:
    """Pick the path of fused products, one rounding per chunk, aligned groups or exact sums."""
    if not products.finite:
        return PathChoice(PathName.DEFINITION, ("an operand is not finite",))
    if accumulator.method is AccumulationMethod.EXACT:
        return _exact(products)
    if accumulator.method is AccumulationMethod.ALIGNED:
        if Rounding.STOCHASTIC in (accumulator.rounding, accumulator.resolved_outer_rounding):
            reason = "stochastic rounding has no kernel for aligned groups"
            return PathChoice(PathName.DEFINITION, (reason,))
        return _aligned(products, accumulator, inner, outer)
    return _grouped(products, accumulator, inner, outer)


def choose_integer_path(products: ProductFacts, accumulator: Accumulator) -> PathChoice:
    """Pick the path of an integer accumulator.

    Wrapping is arithmetic modulo a power of two, so it can wait until the end.
    Saturation cannot, unless no sum reaches the bounds.
    """
    if not products.finite or products.lsb_exponent < 0:
        return PathChoice(PathName.DEFINITION, ("a product could be no integer",))
    reach = products.k * products.largest
    half = 2.0 ** (accumulator.integer_bits - 1)
    wraps = accumulator.integer_overflow is IntegerOverflow.WRAP
    if wraps or reach < half:
        return _exact(products)
    if half + products.largest < 2.0**FLOAT64_BITS:
        rule = rules.ClampedInteger(np.float64(-half), np.float64(half - 1.0))
        return PathChoice(PathName.CLAMPED, ("a sum could saturate",), rule, rule)
    return PathChoice(PathName.DEFINITION, ("a sum could need more bits than float64 has",))


def fits_float32(products: ProductFacts) -> bool:
    """Return whether operands, products and all sums of them are exact in float32."""
    reach = products.k * products.largest
    return (
        products.narrow
        and products.lsb_exponent >= FLOAT32_MIN_EXPONENT
        and reach < min(FLOAT32_LIMIT, 2.0 ** (products.lsb_exponent + FLOAT32_BITS))
    )


def _exact(products: ProductFacts) -> PathChoice:
    """Return BLAS where every sum is exact in float64, else the definition."""
    if products.k * products.largest < 2.0 ** (products.lsb_exponent + FLOAT64_BITS):
        return PathChoice(PathName.BLAS, ("every sum is exact, in any order",))
    return PathChoice(PathName.DEFINITION, ("a sum could need more bits than float64 has",))


def _grouped(
    products: ProductFacts, accumulator: Accumulator, inner: FloatFormat, outer: FloatFormat
) -> PathChoice:
    """Return the kernel that adds groups exactly if float64 holds their sums."""
    chunk = min(accumulator.chunk_length(products.k), max(1, products.k))
    once = accumulator.method is AccumulationMethod.ROUND_ONCE
    size = accumulator.chunk_size or MAX_CHUNK if once else accumulator.pair_size
    floor = products.lsb_exponent
    if not once and not inner.has_subnormals:
        floor = min(floor, quantum_exponent(inner))
    reach = stochastic_reach(products.largest, chunk, inner)
    reach += min(size, chunk) * products.largest
    if reach >= 2.0 ** (floor + FLOAT64_BITS):
        reason = "a sum could need more bits than float64 has"
        return PathChoice(PathName.DEFINITION, (reason,))
    rounding, outer_rounding = _rules(accumulator, inner, outer)
    rule = rules.GroupedSum(rounding, np.int64(size))
    return PathChoice(PathName.GROUPED, ("sums are exact in float64",), rule, outer_rounding)


def _aligned(
    products: ProductFacts, accumulator: Accumulator, inner: FloatFormat, outer: FloatFormat
) -> PathChoice:
    """Return the kernel of aligned groups if its sums fit and none overflows."""
    bits, size = accumulator.aligned_fraction_bits, accumulator.aligned_group
    if bits + 1 + math.ceil(math.log2(size + 1)) > FLOAT64_BITS:
        reason = "aligned sums could need more bits than float64 has"
        return PathChoice(PathName.DEFINITION, (reason,))
    reach = stochastic_reach(products.largest, products.k, inner)
    if reach > min(inner.max_finite, outer.max_finite):
        return PathChoice(PathName.DEFINITION, ("a sum could overflow",))
    rounding, outer_rounding = _rules(accumulator, inner, outer)
    scale = np.float64(2.0**bits)
    rule = rules.AlignedSum(rounding, np.int64(size), scale, np.float64(1.0) / scale)
    return PathChoice(PathName.ALIGNED, ("no sum overflows",), rule, outer_rounding)


def _rules(
    accumulator: Accumulator, inner: FloatFormat, outer: FloatFormat
) -> tuple[rules.Rule, rules.Rule]:
    saturate, count = accumulator.saturate, accumulator.random_bits
    return (
        rule64(inner, accumulator.rounding, saturate=saturate, random_bits=count),
        rule64(outer, accumulator.resolved_outer_rounding, saturate=saturate, random_bits=count),
    )
