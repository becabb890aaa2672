"""The constants of the rounding rules, from formats.

What each means is in `accelsim.numerics.rules`; when each may be used, in
`accelsim.numerics.paths`.
"""

from __future__ import annotations

import math

import numpy as np

from accelsim.formats import FloatFormat, Overflow, Rounding
from accelsim.formats.plan import make_plan
from accelsim.numerics import rules

#: Significant bits of the carriers.
FLOAT32_BITS = 24
FLOAT64_BITS = 53
#: Random bits of a stochastic addition in float32.
RANDOM_BITS = 16


def split32(fmt: FloatFormat) -> rules.Split:
    """Return the constants of the rounding by splitting."""
    scale = 2.0 ** (FLOAT32_BITS - fmt.precision)
    return rules.Split(np.float32(1.0 - scale), np.float32(scale))


def grid32(fmt: FloatFormat) -> rules.Grid:
    """Return the constants of the rounding on a subnormal grid."""
    scale, smallest = 2.0 ** (FLOAT32_BITS - fmt.precision), 1.5 * 2.0**fmt.emin
    field, half = np.int32(0x7F800000), np.int32(1 << (FLOAT32_BITS - 2))
    return rules.Grid(field, half, np.float32(scale), np.float32(smallest))


def grid64(fmt: FloatFormat) -> rules.Grid:
    """Return the constants of the rounding on a subnormal grid in float64."""
    scale, smallest = 2.0 ** (FLOAT64_BITS - fmt.precision), math.ldexp(1.5, fmt.emin)
    field, half = np.int64(0x7FF0000000000000), np.int64(1 << (FLOAT64_BITS - 2))
    return rules.Grid(field, half, np.float64(scale), np.float64(smallest))


def stochastic64(fmt: FloatFormat, count: int) -> rules.Stochastic64:
    """Return the constants of the stochastic rounding with `count` random bits."""
    top = FLOAT64_BITS - fmt.precision
    mask = ((1 << count) - 1) << (top - count)
    return rules.Stochastic64(np.int64(top), np.int64(mask), np.int64(-(1 << top)))


def stochastic32(fmt: FloatFormat) -> rules.Stochastic32:
    """Return the constants of the stochastic rounding in float32."""
    cut = FLOAT32_BITS - fmt.precision
    return rules.Stochastic32(
        shift=np.int32(RANDOM_BITS - cut),
        mask=np.int32((1 << cut) - 1),
        keep=np.int32(-(1 << cut)),
        exact=stochastic64(fmt, RANDOM_BITS),
    )


def rule64(
    fmt: FloatFormat, rounding: Rounding, *, saturate: bool = False, random_bits: int = 16
) -> rules.Rule:
    """Return the constants of the float64 rounding into `fmt`."""
    plan = make_plan(fmt, rounding, Overflow.SATURATE if saturate else fmt.overflow)
    scale = 1.5 * 2.0 ** (FLOAT64_BITS - fmt.precision)
    base = rules.Nearest64(
        scale=np.float64(scale),
        smallest=np.float64(math.ldexp(scale, plan.grid_emin)),
        min_positive=np.float64(plan.min_positive),
        max_finite=np.float64(plan.max_finite),
        over_positive=np.float64(plan.over_positive),
        over_negative=np.float64(plan.over_negative),
        infinity_positive=np.float64(plan.infinity_positive),
        infinity_negative=np.float64(plan.infinity_negative),
        keeps_negative_zero=np.int64(-1 if fmt.signed_zero else 2**63 - 1),
    )
    if rounding is Rounding.NEAREST_EVEN:
        return base
    spacing = np.float64(2.0**-fmt.mantissa_bits)
    spacing_min = np.float64(math.ldexp(spacing, plan.grid_emin))
    if rounding is Rounding.STOCHASTIC:
        top = FLOAT64_BITS - 1
        mask = np.int64(((1 << random_bits) - 1) << (top - random_bits))
        return rules.StochasticThreshold64(base, spacing, spacing_min, np.int64(top), mask)
    return rules.Threshold64(
        base,
        spacing,
        spacing_min,
        np.float64(plan.threshold_positive),
        np.float64(plan.threshold_negative),
    )
