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
    clamps,
    longest_chunk,
    no_exact_sums,
    quantum_exponent,
    random_levels,
    roundings_per_chunk,
    stochastic_reach,
)
from accelsim.numerics.operands import ProductFacts
from accelsim.numerics.path_choice import PathChoice, PathName
from accelsim.numerics.rule_constants import (
    FLOAT32_BITS,
    FLOAT64_BITS,
    grid64,
    rule64,
    stochastic64,
)
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
    """Return the kernel that adds groups exactly if float64 holds their sums.

    What a rounding near zero adds is at most the smallest number.
    """
    chunk = longest_chunk(products, accumulator)
    once = accumulator.method is AccumulationMethod.ROUND_ONCE
    size = accumulator.chunk_size or MAX_CHUNK if once else accumulator.pair_size
    floor = products.lsb_exponent
    if not once and not inner.has_subnormals:
        floor = min(floor, quantum_exponent(inner))
    roundings = roundings_per_chunk(products, accumulator)
    reach = min(size, chunk) * products.largest
    if roundings > 1:
        reach += stochastic_reach(products.largest + inner.min_positive, chunk, inner, roundings)
    if reach > inner.max_finite:
        # What saturates becomes a number that no product may be a multiple of.
        floor = min(floor, inner.emax - inner.mantissa_bits)
    if reach >= 2.0 ** (floor + FLOAT64_BITS):
        reason = "a sum could need more bits than float64 has"
        return PathChoice(PathName.DEFINITION, (reason,))
    rounding, outer_rounding = level_rules(products, accumulator, inner, outer)
    rule = rules.GroupedSum(rounding, np.int64(size))
    reasons = ("sums are exact in float64", *random_levels(accumulator))
    return PathChoice(PathName.GROUPED, reasons, rule, outer_rounding)


def _aligned(
    products: ProductFacts, accumulator: Accumulator, inner: FloatFormat, outer: FloatFormat
) -> PathChoice:
    """Return the kernel of aligned groups if its sums fit and stay finite within a chunk.

    Terms are aligned to the largest of them, so none may be infinite. Terms that are cut off
    are multiples of the products' lowest bit still.
    """
    bits, size = accumulator.aligned_fraction_bits, accumulator.aligned_group
    if bits + 1 + math.ceil(math.log2(size + 1)) > FLOAT64_BITS:
        reason = "aligned sums could need more bits than float64 has"
        return PathChoice(PathName.DEFINITION, (reason,))
    chunk = longest_chunk(products, accumulator)
    roundings = roundings_per_chunk(products, accumulator)
    largest = products.largest + inner.min_positive
    safe = stochastic_reach(largest, chunk, inner, roundings) <= inner.max_finite
    if not safe and not clamps(inner, accumulator):
        return PathChoice(PathName.DEFINITION, ("a sum could overflow",))
    reasons = ("no sum overflows" if safe else "sums saturate", *random_levels(accumulator))
    rounding, outer_rounding = level_rules(products, accumulator, inner, outer)
    scale = np.float64(2.0**bits)
    rule = rules.AlignedSum(rounding, np.int64(size), scale, np.float64(1.0) / scale)
    return PathChoice(PathName.ALIGNED, reasons, rule, outer_rounding)


def level_rules(
    products: ProductFacts, accumulator: Accumulator, inner: FloatFormat, outer: FloatFormat
) -> tuple[rules.Rule, rules.Rule]:
    """Return how sums within and over chunks are rounded in float64.

    The general rules serve any sum. Where all sums are exact and stay in range, random
    bits are added to theirs, and nearest numbers found on a grid.
    """
    is_exact = not no_exact_sums(products, accumulator, inner, outer)
    saturate, count = accumulator.saturate, accumulator.random_bits

    def rule_of(fmt: FloatFormat, rounding: Rounding) -> rules.Rule:
        if is_exact and rounding is Rounding.STOCHASTIC:
            return stochastic64(fmt, count)
        if is_exact and rounding is Rounding.NEAREST_EVEN and fmt.has_subnormals:
            return rules.Rule64(grid64(fmt), rules.Unbounded(np.float32(0.0)))
        return rule64(fmt, rounding, saturate=saturate, random_bits=count)

    return (
        rule_of(inner, accumulator.rounding),
        rule_of(outer, accumulator.resolved_outer_rounding),
    )
