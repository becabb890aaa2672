"""Which code computes a matrix product, and the proof that it may.

Every path gives the bits of the definition, `accelsim.numerics.accumulate`. The
general one does so for any float operands and formats. A faster one is taken
only if its conditions follow from facts about the operands:

(a) every product is exact in float32;
(b) products and sums have at most p significant bits, p <= 11, so that rounding
    to 24 bits first does no harm (24 >= 2 p + 2);
(c) every product is a multiple of the smallest step of the accumulator, so that
    no sum falls between subnormals;
(d) no sum overflows. A rounded addition of P grows a sum by at most 2 P (a step
    of less than half an ulp is lost, a longer one is rounded by at most itself);
    twice over, for the two levels: 4 k max|a| max|b| <= the largest number.

References
----------
S. Figueroa, "When is double rounding innocuous?", SIGNUM Newsletter 30 (1995): (b).
"""

from __future__ import annotations

import math

import numpy as np

from accelsim.formats import FloatFormat, NumberFormat, Rounding
from accelsim.numerics import rules
from accelsim.numerics.carrier_paths import choose_mixed, choose_wide
from accelsim.numerics.chunk_paths import choose_chunk_path, choose_integer_path, level_rules
from accelsim.numerics.conditions import (
    CARRIER32_MAX_PRECISION,
    FLOAT32_LIMIT,
    FLOAT32_MIN_EXPONENT,
    FLOAT32_MIN_LSB,
    bound_of,
    fit_float64,
    holds,
    is_float32,
    no_exact_sums,
    overflow_impossible,
    quantum_exponent,
    random_levels,
    roundings_per_chunk,
    smallest_exponent,
    two_level_reach,
)
from accelsim.numerics.operands import OperandFacts, ProductFacts
from accelsim.numerics.path_choice import PathChoice, PathName
from accelsim.numerics.rule_constants import (
    FLOAT32_BITS,
    RANDOM_BITS,
    grid32,
    split32,
    stochastic32,
    stochastic64,
)
from accelsim.precision import AccumulationMethod, Accumulator, PairRule

__all__ = ["PathChoice", "PathName", "choose_path", "explain_path"]


_ORDERED = rules.Ordered32(np.float32(0.0))


def explain_path(
    a_format: NumberFormat | OperandFacts,
    b_format: NumberFormat | OperandFacts,
    accumulator: Accumulator,
    *,
    amax_a: float | None = None,
    amax_b: float | None = None,
    k: int,
) -> PathChoice:
    """Say which path would run for operands of two formats, and why.

    Parameters
    ----------
    a_format, b_format : NumberFormat or OperandFacts
        What the operands are known to be.
    accumulator : Accumulator
        How products are summed.
    amax_a, amax_b : float, optional
        Largest magnitudes, if known to be below those of the formats.
    k : int
        Length of the reduction.

    Returns
    -------
    PathChoice
        The choice where Numba is installed. A matrix product may do better, as it
        measures its operands; `accelsim.numerics.multiply_matrices` says which path it took.

    Examples
    --------
    >>> from accelsim.formats import get_format
    >>> fp8, acc = get_format("fp8_e5m2"), Accumulator(format="fp16_e6m9", chunk_size=64)
    >>> str(explain_path(fp8, fp8, acc, amax_a=8.0, amax_b=8.0, k=1024).name)
    'fast'
    >>> str(explain_path(fp8, fp8, acc, k=1024).name)
    'bounded'
    """
    facts_a = _facts(a_format, amax_a)
    facts_b = _facts(b_format, amax_b)
    if facts_a is None or facts_b is None:
        return PathChoice(PathName.DEFINITION, ("only the data say what an operand holds",))
    return choose_path(ProductFacts.of(facts_a, facts_b, k), accumulator)


def _facts(source: NumberFormat | OperandFacts, amax: float | None) -> OperandFacts | None:
    if isinstance(source, OperandFacts):
        return source
    return OperandFacts.of_format(source, amax=amax)


def choose_path(products: ProductFacts, accumulator: Accumulator) -> PathChoice:
    """Pick the fastest path whose conditions hold; reasons say what did not."""
    if accumulator.method is AccumulationMethod.INTEGER and accumulator.product is None:
        return choose_integer_path(products, accumulator)
    obstacle = _definition_only(products, accumulator)
    if obstacle:
        return PathChoice(PathName.DEFINITION, (obstacle,))
    inner, outer = accumulator.inner, accumulator.outer
    assert isinstance(inner, FloatFormat)
    assert isinstance(outer, FloatFormat)
    if accumulator.method is AccumulationMethod.TREE:
        return _tree(products, accumulator, inner, outer)
    fused = accumulator.pair is PairRule.FUSED and accumulator.pair_size > 1
    if fused or accumulator.method is not AccumulationMethod.SEQUENTIAL:
        return choose_chunk_path(products, accumulator, inner, outer)
    return _sequential(products, accumulator, inner, outer)


def _sequential(
    products: ProductFacts, accumulator: Accumulator, inner: FloatFormat, outer: FloatFormat
) -> PathChoice:
    """Pick the path of one rounded addition after the other."""
    roundings = {accumulator.rounding, accumulator.resolved_outer_rounding}
    if roundings == {Rounding.STOCHASTIC}:
        return _stochastic(products, accumulator, inner, outer)
    plain = roundings == {Rounding.NEAREST_EVEN} and not accumulator.saturate
    if plain and products.narrow and is_float32(inner) and is_float32(outer):
        reason = "both accumulators are float32: one fused multiply-add rounds as they do"
        return PathChoice(PathName.ORDERED, (reason,), _ORDERED, _ORDERED)
    if roundings == {Rounding.NEAREST_EVEN} and is_float32(inner):
        choice = choose_mixed(products, accumulator, outer)
        if choice is not None:
            return choice
    obstacle = _no_carrier32(products, accumulator, inner, outer)
    if roundings == {Rounding.NEAREST_EVEN}:
        choice = None if obstacle else _nearest_even(products, accumulator, inner, outer)
        if choice is None or choice.name is PathName.GENERAL:
            choice = choose_wide(products, accumulator, inner, outer, obstacle) or choice
        if choice is not None:
            return choice
    if not obstacle and roundings == {Rounding.NEAREST_AWAY}:
        choice = _away(products, accumulator, inner, outer)
        if choice is not None:
            return choice
        obstacle = "ties away from zero needs (c) where underflow is gradual"
    elif not obstacle:
        obstacle = "the roundings have no float32 kernel"
    return _general(products, accumulator, inner, outer, obstacle)


def _tree(
    products: ProductFacts, accumulator: Accumulator, inner: FloatFormat, outer: FloatFormat
) -> PathChoice:
    """Return the kernel of a tree, whose nodes are rounded by the rule of a sequence.

    The general rule needs no proof: it adds any two numbers of float64, and follows the
    format where they overflow. For the others, what is proved of a product and a
    sum must hold of two products too. (a) to (c) name no order, and are true of both addends;
    two sums at their bound are at most twice as large as a sum and a product, and the
    constants of float32 have room for four times. Stochastic sums are multiples of the
    products' lowest bit, as before, and grow by fewer roundings. What does not carry over,
    `_no_rule_of_sequences` says.
    """
    choice = _sequential(products, accumulator, inner, outer)
    obstacle = _no_rule_of_sequences(choice, products, accumulator, inner)
    if obstacle:
        choice = _general(products, accumulator, inner, outer, obstacle)
    reasons = (*choice.reasons, *random_levels(accumulator))
    return PathChoice(PathName.TREE, reasons, rules.TreeSum(choice.inner), choice.outer)


def _no_rule_of_sequences(
    choice: PathChoice, products: ProductFacts, accumulator: Accumulator, inner: FloatFormat
) -> str:
    """Return why a tree may not add by the rule that was chosen for a sequence, or nothing.

    Float32 itself must hold products that are added to each other, which a fused
    multiply-add need not. In a wide carrier, a node of two products has no addend with
    few bits. (d) allows sums within a chunk to double; rounded to nearest in
    each of L levels they grow to at most (1 + 2**-p)**L times.
    """
    rule = choice.inner
    if choice.name is PathName.WIDE:
        return choice.reasons[0]
    if isinstance(rule, rules.Ordered32) and not _exact_in_float32(products):
        return "(a) a product is not exact in float32"
    if isinstance(rule, rules.Rule32) and isinstance(rule.bound, rules.Unbounded):
        levels = roundings_per_chunk(products, accumulator)
        if levels * math.log2(1.0 + 2.0**-inner.precision) > 1.0:
            return "(d) fails: sums of few bits grow in a deep tree"
    return ""


def _exact_in_float32(products: ProductFacts) -> bool:
    """Return whether every finite product is a float32, and none is so by rounding."""
    return (
        products.significant_bits <= FLOAT32_BITS
        and products.lsb_exponent >= FLOAT32_MIN_LSB
        and products.largest < FLOAT32_LIMIT
    )


def _definition_only(products: ProductFacts, accumulator: Accumulator) -> str:
    """Return why only the definition can compute this, or nothing."""
    for fmt in (accumulator.inner, accumulator.outer):
        if not isinstance(fmt, FloatFormat) or not fmt.signed or not fmt.has_zero:
            return f"{fmt.name} is not a signed float format"
    if not fit_float64(accumulator):
        return "significant bits and bits to round by do not fit in float64"
    if accumulator.product is not None and not holds(accumulator.product, products):
        return f"products are rounded to {accumulator.product.name} first"
    return ""


def _no_carrier32(
    products: ProductFacts, accumulator: Accumulator, inner: FloatFormat, outer: FloatFormat
) -> str:
    """Return which of (a), (b) fails, or what else keeps float32 away, or nothing."""
    if not products.finite:
        return "an operand is not finite"
    reach = max(inner.max_finite, outer.max_finite) + products.largest
    scale = 2.0 ** (FLOAT32_BITS - min(inner.precision, outer.precision) + 2)
    if max(inner.precision, outer.precision) > CARRIER32_MAX_PRECISION:
        return f"(b) more than {CARRIER32_MAX_PRECISION} significant bits in an accumulator"
    if products.significant_bits > min(inner.precision, FLOAT32_BITS):
        return f"(b) products have up to {products.significant_bits} significant bits"
    if inner.precision > outer.precision:
        return "(b) chunk sums have more significant bits than the outer accumulator"
    if products.lsb_exponent < FLOAT32_MIN_LSB or products.largest >= FLOAT32_LIMIT:
        return "(a) products leave the range of float32"
    if reach * scale >= FLOAT32_LIMIT:
        return "the rounding constants would leave the range of float32"
    if quantum_exponent(inner) < quantum_exponent(outer):
        return "chunk sums can underflow in the outer accumulator"
    return ""


def _nearest_even(
    products: ProductFacts, accumulator: Accumulator, inner: FloatFormat, outer: FloatFormat
) -> PathChoice:
    """Choose among the nearest-even kernels with a float32 carrier."""
    safe = overflow_impossible(products, inner, outer)
    reasons = ["(a) and (b) hold"]
    reasons.append("(d) holds" if safe else "(d) fails: a sum could overflow")
    gradual = inner.has_subnormals and outer.has_subnormals
    floor = max(smallest_exponent(inner), smallest_exponent(outer))
    inner_bound = bound_of(inner, accumulator, safe)
    outer_bound = bound_of(outer, accumulator, safe)
    if products.lsb_exponent >= floor:
        name = PathName.FAST if safe else PathName.BOUNDED
        reasons.append("(c) holds")
        return PathChoice(
            name,
            tuple(reasons),
            rules.Rule32(split32(inner), inner_bound),
            rules.Rule32(split32(outer), outer_bound),
        )
    reasons.append("(c) fails: a product is finer than the smallest step")
    is_normal = min(inner.emin, outer.emin) >= FLOAT32_MIN_EXPONENT
    if not (gradual and is_normal) or products.lsb_exponent < inner.emin - (FLOAT32_BITS - 1):
        return _general(products, accumulator, inner, outer, reasons[-1])
    return PathChoice(
        PathName.GRID,
        tuple(reasons),
        rules.Rule32(grid32(inner), inner_bound),
        rules.Rule32(grid32(outer), outer_bound),
    )


def _away(
    products: ProductFacts, accumulator: Accumulator, inner: FloatFormat, outer: FloatFormat
) -> PathChoice | None:
    """Return the ties-away kernel if its conditions hold."""
    if products.lsb_exponent < FLOAT32_MIN_EXPONENT:
        return None
    safe = overflow_impossible(products, inner, outer)
    roundings: list[rules.Away | rules.AwayFlushed] = []
    for fmt in (inner, outer):
        cut = FLOAT32_BITS - fmt.precision
        half_ulp, keep = np.int32(1 << (cut - 1)), np.int32(-(1 << cut))
        if products.lsb_exponent >= smallest_exponent(fmt):
            roundings.append(rules.Away(half_ulp, keep))
        elif fmt.has_subnormals:
            return None
        else:
            sign = np.int32(-(2**31) if fmt.signed_zero else 0)
            lowest = np.float32(fmt.min_positive)
            roundings.append(rules.AwayFlushed(half_ulp, keep, lowest, sign))
    reasons = ("(a) and (b) hold", "(d) holds" if safe else "(d) fails: a sum could overflow")
    return PathChoice(
        PathName.AWAY,
        reasons,
        rules.Rule32(roundings[0], bound_of(inner, accumulator, safe)),
        rules.Rule32(roundings[1], bound_of(outer, accumulator, safe)),
    )


def _general(
    products: ProductFacts,
    accumulator: Accumulator,
    inner: FloatFormat,
    outer: FloatFormat,
    obstacle: str,
) -> PathChoice:
    """Return the general path: any float format, any rounding."""
    rules_of_levels = level_rules(products, accumulator, inner, outer)
    return PathChoice(PathName.GENERAL, (obstacle,), *rules_of_levels)


def _stochastic(
    products: ProductFacts, accumulator: Accumulator, inner: FloatFormat, outer: FloatFormat
) -> PathChoice:
    """Choose among the stochastic rules; that of float32 has no kernel but for sequences."""
    obstacle = no_exact_sums(products, accumulator, inner, outer)
    if obstacle:
        return _general(products, accumulator, inner, outer, obstacle)
    names: tuple[str, ...] = (
        "(c) and (d) hold",
        "every sum is exact in float64 before it is rounded",
    )
    count = accumulator.random_bits
    rule_in: rules.Rule = stochastic64(inner, count)
    rule_out: rules.Rule = stochastic64(outer, count)
    reach = two_level_reach(products, accumulator, inner, outer)
    is_sequence = accumulator.method is AccumulationMethod.SEQUENTIAL
    if is_sequence and count == RANDOM_BITS and _in_float32(products, inner, outer, reach):
        rule_in = stochastic32(inner)
        rule_out = stochastic32(outer) if _may_be_cut(outer) else rule_out
        names = (*names, "float32 holds all sums, and tells how most are rounded")
    return PathChoice(PathName.STOCHASTIC, names, rule_in, rule_out)


def _in_float32(
    products: ProductFacts, inner: FloatFormat, outer: FloatFormat, reach: float
) -> bool:
    """Return whether float32 holds operands, products and rounded sums, none of them subnormal."""
    return (
        products.narrow
        and products.significant_bits <= FLOAT32_BITS
        and products.lsb_exponent >= FLOAT32_MIN_EXPONENT
        and reach < FLOAT32_LIMIT
        and _may_be_cut(inner)
        and outer.precision <= FLOAT32_BITS
    )


def _may_be_cut(fmt: FloatFormat) -> bool:
    """Return whether float32 has more bits, but fewer more than are random."""
    return FLOAT32_BITS - RANDOM_BITS < fmt.precision < FLOAT32_BITS
