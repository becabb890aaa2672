"""One MX block at a time, with exact fractions, as section 6.3 of the specification says."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

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
    largest = Fraction(float(element.magnitudes[-1]))
    amax = max(abs(Fraction(x)) for x in block)
    exponent = floor_log2(amax) - floor_log2(largest) if amax else -127
    scale = Fraction(2) ** min(max(exponent, -127), 127)
    return [_element(Fraction(x) / scale, x, element) * float(scale) for x in block]


def _element(scaled: Fraction, original: float, element: FloatTable) -> float:
    rounded = element.round(np.array([float(scaled)]), "nearest_even")[0]
    return math.copysign(min(abs(rounded), element.magnitudes[-1]), original)
