"""What the array code must know to round into one format under one set of rules.

A `RoundingPlan` reduces a format, a rounding mode and an overflow rule to a
handful of numbers, so that one loop without branches serves them all:

* the grid: ``mantissa_bits`` and the exponent below which it stops shrinking;
* the decision: away from zero iff the discarded fraction is at least a
  threshold, which depends on the sign (directed modes) or on the random bits;
* the replacements: beyond the largest number, for infinity, below the smallest.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from accelsim.formats import scalar
from accelsim.formats.rounding import Overflow, Rounding

if TYPE_CHECKING:
    from accelsim.formats.float_format import FloatFormat

#: Magnitudes below this are rounded as if they were this; it is below every grid.
TINY_EXPONENT = -900
TINY = 2.0**TINY_EXPONENT
#: A threshold that no fraction reaches, and one that every non-zero fraction reaches.
NEVER = 2.0
ALWAYS = 2.0**-1000
#: Largest and smallest exponent of a normal float32.
FLOAT32_EMAX = 127
FLOAT32_FRACTION_BITS = 23
FLOAT32_BYTES = 4
FLOAT32_EMIN = -126


@dataclass(frozen=True, slots=True)
class RoundingPlan:
    """The numbers that decide every bit of one kind of rounding.

    Parameters
    ----------
    rounding : Rounding
        Which loop to use.
    mantissa_bits : int
        Fraction bits of the grid.
    grid_emin : int
        Binades below this one share its spacing.
    limit : float
        Power of two beyond the largest number; larger magnitudes round alike.
    max_finite, min_positive : float
        Bounds of the format after rounding.
    below : float
        What a rounded magnitude below `min_positive` becomes.
    over_positive, over_negative : float
        What a finite number beyond the bound becomes.
    infinity_positive, infinity_negative : float
        What an infinity becomes.
    threshold_positive, threshold_negative : float
        Discarded fraction from which a magnitude grows, by sign (not for
        nearest-even and stochastic, which have their own loops).
    signed, signed_zero, has_zero : bool
        As in the format.
    fits_float32 : bool
        Whether float32 holds every value of the format.
    """

    rounding: Rounding
    mantissa_bits: int
    grid_emin: int
    limit: float
    max_finite: float
    min_positive: float
    below: float
    over_positive: float
    over_negative: float
    infinity_positive: float
    infinity_negative: float
    threshold_positive: float
    threshold_negative: float
    signed: bool
    signed_zero: bool
    has_zero: bool
    fits_float32: bool

    @property
    def negative_value(self) -> float:
        """What a negative number becomes in an unsigned format."""
        return 0.0 if self.has_zero else math.nan

    @property
    def fits_float32_loop(self) -> bool:
        """Whether the magic-constant loop in float32 gives the same bits.

        Adding and subtracting ``1.5 * 2**(e + 23 - mantissa_bits)`` rounds to
        the grid, if that constant and its sum with the number neither overflow
        nor leave the normal numbers of float32. Formats that flush, or that have
        one zero only, take the general loop.
        """
        shift = FLOAT32_FRACTION_BITS - self.mantissa_bits
        top = math.frexp(self.limit)[1] - 1
        return (
            self.rounding is Rounding.NEAREST_EVEN
            and self.signed
            and self.signed_zero
            and self.grid_emin > TINY_EXPONENT
            and 0 < self.mantissa_bits <= FLOAT32_FRACTION_BITS - 2
            and top + shift < FLOAT32_EMAX
            and self.grid_emin + shift > FLOAT32_EMIN
        )

    @property
    def cuts_float32_patterns(self) -> bool:
        """Whether the format is float32 with fewer fraction bits (bfloat16, TF32).

        Nearest-even is then one addition to the bit pattern, whose carry moves
        into the exponent by itself.
        """
        return (
            self.rounding is Rounding.NEAREST_EVEN
            and self._has_float32_exponents
            and 0 < self.mantissa_bits < FLOAT32_FRACTION_BITS
        )

    @property
    def keeps_float32(self) -> bool:
        """Whether every float32, infinity included, is a member."""
        return (
            self._has_float32_exponents
            and self.mantissa_bits == FLOAT32_FRACTION_BITS
            and math.isinf(self.infinity_positive)
        )

    @property
    def _has_float32_exponents(self) -> bool:
        same_range = self.limit == 2.0 ** (FLOAT32_EMAX + 1) and self.grid_emin == FLOAT32_EMIN
        return same_range and self.signed and self.signed_zero


def thresholds(rounding: Rounding) -> tuple[float, float]:
    """Return the discarded fraction from which a positive and a negative magnitude grow."""
    return {
        Rounding.NEAREST_AWAY: (0.5, 0.5),
        Rounding.UP: (ALWAYS, NEVER),
        Rounding.DOWN: (NEVER, ALWAYS),
    }.get(rounding, (NEVER, NEVER))


def make_plan(fmt: FloatFormat, rounding: Rounding, overflow: Overflow) -> RoundingPlan:
    """Reduce a format and two rules to a `RoundingPlan`."""
    threshold_positive, threshold_negative = thresholds(rounding)
    return RoundingPlan(
        rounding=rounding,
        mantissa_bits=fmt.mantissa_bits,
        grid_emin=fmt.emin if fmt.has_subnormals else TINY_EXPONENT,
        limit=2.0 ** (max(fmt.emax, fmt.emin) + 1),
        max_finite=fmt.max_finite,
        min_positive=fmt.min_positive,
        below=0.0 if fmt.has_zero else fmt.min_positive,
        over_positive=scalar.overflow_value(fmt, False, rounding, overflow, finite=True),
        over_negative=scalar.overflow_value(fmt, True, rounding, overflow, finite=True),
        infinity_positive=scalar.overflow_value(fmt, False, rounding, overflow, finite=False),
        infinity_negative=scalar.overflow_value(fmt, True, rounding, overflow, finite=False),
        threshold_positive=threshold_positive,
        threshold_negative=threshold_negative,
        signed=fmt.signed,
        signed_zero=fmt.signed_zero,
        has_zero=fmt.has_zero,
        fits_float32=fmt.value_dtype.itemsize == FLOAT32_BYTES,
    )
