"""Two ways to round to nearest-even in a carrier wider than the sums need, and their proofs."""

from __future__ import annotations

import numpy as np

from accelsim.formats import FloatFormat
from accelsim.numerics import rules
from accelsim.numerics.conditions import (
    FLOAT32_LIMIT,
    FLOAT32_MIN_EXPONENT,
    bound_of,
    overflow_impossible,
    quantum_exponent,
    two_level_reach,
)
from accelsim.numerics.operands import ProductFacts
from accelsim.numerics.path_choice import PathChoice, PathName
from accelsim.numerics.rule_constants import FLOAT32_BITS, FLOAT64_BITS, grid32, grid64
from accelsim.precision import Accumulator


def choose_mixed(
    products: ProductFacts, accumulator: Accumulator, outer: FloatFormat
) -> PathChoice | None:
    """Return the kernel of float32 chunks in a narrower outer accumulator, if it may run.

    No sum may leave float32, nor a constant that rounds one; a sum in float32 with a
    sticky last bit may then be rounded again to 22 bits or fewer.
    """
    reach = 4.0 * products.k * products.largest
    scale = 2.0 ** (FLOAT32_BITS - outer.precision + 2)
    if not (products.narrow and products.finite):
        return None
    if not (outer.has_subnormals and outer.signed_zero):
        return None
    if outer.precision > FLOAT32_BITS - 2 or quantum_exponent(outer) < FLOAT32_MIN_EXPONENT:
        return None
    if (reach + outer.max_finite) * scale >= FLOAT32_LIMIT:
        return None
    safe = reach <= outer.max_finite
    return PathChoice(
        PathName.MIXED,
        ("float32 holds every sum of a chunk", "an odd last bit keeps sums over chunks exact"),
        rules.Ordered32(np.float32(0.0)),
        rules.Odd32(grid32(outer), bound_of(outer, accumulator, safe)),
    )


def choose_wide(
    products: ProductFacts,
    accumulator: Accumulator,
    inner: FloatFormat,
    outer: FloatFormat,
    obstacle: str,
) -> PathChoice | None:
    """Return the kernel that rounds in float64 without a sticky bit, if it may run.

    Rounding s + P to 53 bits and then to p must give what one rounding gives, where s
    has p bits and is a multiple of the smallest step Q, and P has q bits. It does if
    the first is exact, or does not end on a tie. Say it ends on a tie t, which is a
    multiple of Q / 2, and loses d, 0 < |d| <= 2**-53 |s + P|. If P is a multiple of
    Q / 2 so is d, and |s + P| >= 2**52 Q. Else |P| <= 2**q |d|, so that s, which is no
    tie, is closer to t than 2**(q - 52) |t|: impossible if p + q < 50.
    """
    bits = max(products.significant_bits, inner.precision) + max(inner.precision, outer.precision)
    if not (products.finite and inner.has_subnormals and outer.has_subnormals):
        return None
    if quantum_exponent(inner) < quantum_exponent(outer) or bits >= FLOAT64_BITS - 3:
        return None
    if not overflow_impossible(products, inner, outer):
        return None
    reach = min(
        4.0 * products.k * products.largest, two_level_reach(products, accumulator, inner, outer)
    )
    if reach >= 2.0 ** (quantum_exponent(inner) + FLOAT64_BITS - 1):
        return None
    unbounded = rules.Unbounded(np.float32(0.0))
    return PathChoice(
        PathName.WIDE,
        (obstacle or "(c) fails", "(d) holds", "rounding to float64 first is innocuous"),
        rules.Rule64(grid64(inner), unbounded),
        rules.Rule64(grid64(outer), unbounded),
    )
