"""How a sum is rounded, as constants: what a kernel must know and nothing more.

A rule is a named tuple. Its type says which code runs; `accelsim.numerics.paths`
picks it and fills it in. The float32 rules are valid only under the conditions
that are proved there; under these the sign of a zero inside a chunk is
immaterial, and a sum that overflows is poisoned: the result is not finite, and
that output is computed again by the definition. The float64 rules need no
condition but exact products.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np


class Split(NamedTuple):
    """Nearest-even in two operations, for p <= 11 significant bits; no smallest number.

    With s = 24 - p, the difference g = 2**s x - x, rounded to float32, is a multiple
    of u = 2**s ulp(x), the step of p bits at x, and so is 2**s x; so r = 2**s x - g is
    exact, and is x rounded to a multiple of u. A tie goes to even: there x is an
    even number of ulps, so 2**s x is an even number of u. Where g falls into the
    binade below, its grid is twice as fine; but x is then within 2**-s of a power
    of two, which is nearest on either grid.
    """

    #: 1 - 2**(24 - p).
    splitter: np.float32
    #: 2**(24 - p).
    scale: np.float32


class Grid(NamedTuple):
    """Nearest-even on the format's own grid: (x + M) - M with M by binade.

    M is 2**s times one and a half times the binade's power of two, which bits alone give;
    the multiplication is exact, so it is part of the additions.
    """

    #: The exponent field of the carrier's bits.
    exponent_field: np.int32 | np.int64
    #: The bit below it, which turns a power of two into one and a half times itself.
    half: np.int32 | np.int64
    #: 2**s: s is 23 - m, or 52 - m.
    scale: np.float32 | np.float64
    #: One and a half times the lowest binade's power of two.
    smallest: np.float32 | np.float64


class Away(NamedTuple):
    """Nearest, ties away from zero: half an ulp added to the bits, the rest cut off."""

    half_ulp: np.int32
    keep: np.int32


class AwayFlushed(NamedTuple):
    """As `Away`; then magnitudes below the smallest number become zero."""

    half_ulp: np.int32
    keep: np.int32
    min_positive: np.float32
    #: The sign bit where the format has -0, else 0.
    zero_bits: np.int32


class Unbounded(NamedTuple):
    """No bound: it has been proved that no sum overflows."""

    unused: np.float32


class Clamped(NamedTuple):
    """Saturation at the largest finite number."""

    max_finite: np.float32


class Poisoned(NamedTuple):
    """A magnitude above the largest finite number becomes infinite."""

    max_finite: np.float32


class Rule32(NamedTuple):
    """How a float32 carrier is rounded and bounded after each fused multiply-add."""

    rounding: Any
    bound: Any


class Rule64(NamedTuple):
    """As `Rule32`, in float64: for products with too many bits for float32."""

    rounding: Grid
    bound: Unbounded


class Ordered32(NamedTuple):
    """Float32 itself: one fused multiply-add per product, always with one rounding."""

    unused: np.float32


class Nearest64(NamedTuple):
    """Any format, nearest-even, in float64 with a sticky last bit."""

    #: 1.5 * 2**(52 - m).
    scale: np.float64
    smallest: np.float64
    min_positive: np.float64
    max_finite: np.float64
    over_positive: np.float64
    over_negative: np.float64
    infinity_positive: np.float64
    infinity_negative: np.float64
    #: All ones where the format has -0, else all but the sign bit of a zero.
    keeps_negative_zero: np.int64


class Threshold64(NamedTuple):
    """As `Nearest64`, for the other roundings: away from zero from a threshold on.

    The threshold of the discarded fraction depends on the sign.
    """

    base: Nearest64
    #: 2**-m: scales a power of two to the spacing of its binade.
    spacing_scale: np.float64
    spacing_min: np.float64
    threshold_positive: np.float64
    threshold_negative: np.float64


class Stochastic64(NamedTuple):
    """Stochastic rounding of sums that float64 holds exactly, by an addition to the bits.

    Valid where no sum falls between subnormals or overflows.
    """

    #: Random bits are moved to just below this bit, the lowest that is kept.
    top: np.int64
    #: The places of the random bits.
    mask: np.int64
    #: The bits that are kept.
    keep: np.int64


class Stochastic32(NamedTuple):
    """As `Stochastic64`, in float32 that rounds toward zero, where that tells enough.

    There are 16 random bits; those below float32's last bit seldom make a difference.
    """

    #: 16 minus the bits of float32 that are cut off.
    shift: np.int32
    #: The places of the random bits, the bits that are cut off.
    mask: np.int32
    #: The bits that are kept.
    keep: np.int32
    #: The rule where float32 does not tell which way a sum goes.
    exact: Stochastic64


class StochasticThreshold64(NamedTuple):
    """Any format, stochastic, with a sticky last bit: a random threshold per sum."""

    base: Nearest64
    spacing_scale: np.float64
    spacing_min: np.float64
    top: np.int64
    mask: np.int64


class ClampedInteger(NamedTuple):
    """Integers that float64 holds exactly, saturated after every addition."""

    low: np.float64
    high: np.float64


class Odd32(NamedTuple):
    """Sums of any float32 numbers, rounded to odd and then as the rule says.

    For an outer accumulator with at most 22 bits over float32 sums of chunks.
    """

    rounding: Any
    bound: Any


class GroupedSum(NamedTuple):
    """`size` products at a time are added exactly to the sum of a chunk, then it is rounded."""

    rounding: Any
    size: np.int64


class AlignedSum(NamedTuple):
    """As `GroupedSum`, with all terms cut off below a fraction bit of the largest."""

    rounding: Any
    size: np.int64
    #: 2**fraction_bits, and its reciprocal.
    scale: np.float64
    spacing: np.float64


class TreeSum(NamedTuple):
    """Neighbours are added pairwise, level by level, each node rounded."""

    rounding: Any


#: Every rule that a kernel can be compiled for.
Rule = (
    Rule32
    | Rule64
    | Ordered32
    | Odd32
    | Nearest64
    | Threshold64
    | Stochastic64
    | Stochastic32
    | StochasticThreshold64
    | ClampedInteger
    | GroupedSum
    | AlignedSum
    | TreeSum
)
#: The rules that say how a whole chunk is summed.
ChunkRule = GroupedSum | AlignedSum | TreeSum
#: What may follow the rounding of a float32 rule.
Bound = Unbounded | Clamped | Poisoned
