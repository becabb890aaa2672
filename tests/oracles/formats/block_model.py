"""One MX block at a time, with exact fractions, as section 6.3 of the specification says."""

from __future__ import annotations

import math
from fractions import Fraction

from tests.oracles.formats.float_tables import FloatTable


def floor_log2(value: Fraction) -> int:
    """Largest e with 2**e <= value."""
    e = 0
    while Fraction(2) ** (e + 1) <= value:
        e += 1
    while Fraction(2) ** e > value:
        e -= 1
    return e


def mx_block(block: list[float], element: FloatTable) -> list[float]:
    """Quantize one block: floor rule, e8m0 clamp, nearest-even, saturating."""
    largest = Fraction(finite_magnitudes(element)[-1])
    amax = max(abs(Fraction(x)) for x in block)
    exponent = floor_log2(amax) - floor_log2(largest) if amax else -127
    scale = Fraction(2) ** min(max(exponent, -127), 127)
    return [_element(Fraction(x) / scale, x, element) * float(scale) for x in block]


def finite_magnitudes(element: FloatTable) -> list[float]:
    """All finite magnitudes of an element, rising."""
    return element.magnitudes


def _element(scaled: Fraction, original: float, element: FloatTable) -> float:
    largest = finite_magnitudes(element)[-1]
    rounded = element.round(float(scaled), "nearest_even")
    bounded = min(abs(rounded), largest)
    return math.copysign(bounded, original)
