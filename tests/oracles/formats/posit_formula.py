"""Posits by the formula of the 2022 standard, on the pattern as it stands."""

from __future__ import annotations

import math
from fractions import Fraction
from functools import lru_cache


def posit_value(code: int, bits: int, es: int) -> float:
    """Value of a code; NaN for NaR.

    ``((1 - 3 S) + F) * 2**((1 - 2 S) * (2**es * R + E + S))`` with the sign bit S
    and the fields R, E, F read from the pattern as it stands, not negated
    (Standard for Posit Arithmetic 2022, section 3.3, with es for 2).
    """
    if code == 0:
        return 0.0
    if code == 1 << (bits - 1):
        return math.nan
    pattern = [(code >> (bits - 1 - i)) & 1 for i in range(bits)]
    sign, rest = pattern[0], pattern[1:]
    run = next((i for i, bit in enumerate(rest) if bit != rest[0]), len(rest))
    regime = -run if rest[0] == 0 else run - 1
    tail = rest[run + 1 :]
    exponent_field = tail[:es] + [0] * (es - len(tail[:es]))
    exponent = sum(bit << (es - 1 - i) for i, bit in enumerate(exponent_field))
    fraction_field = tail[es:]
    fraction = sum(bit << (len(fraction_field) - 1 - i) for i, bit in enumerate(fraction_field))
    scale = (1 - 2 * sign) * ((1 << es) * regime + exponent + sign)
    significand = ((1 - 3 * sign) << len(fraction_field)) + fraction
    return math.ldexp(significand, scale - len(fraction_field))  # exact in float64


@lru_cache(maxsize=8)
def positive_posits(bits: int, es: int) -> list[tuple[Fraction, int]]:
    """All positive posits with their codes, rising."""
    codes = range(1, 1 << (bits - 1))
    return [(Fraction(posit_value(code, bits, es)), code) for code in codes]


def round_posit(x: Fraction, bits: int, es: int) -> Fraction:
    """Round to nearest as section 4.1 of the standard says, by walking all codes."""
    if x == 0:
        return Fraction(0)
    values = positive_posits(bits, es)
    a = abs(x)
    sign = 1 if x > 0 else -1
    if a >= values[-1][0]:
        return sign * values[-1][0]
    if a <= values[0][0]:
        return sign * values[0][0]
    below = max(i for i, (value, _) in enumerate(values) if value <= a)
    (u, code), (w, _) = values[below], values[below + 1]
    if u == a:
        return sign * u
    between = Fraction(posit_value(2 * code + 1, bits + 1, es))
    takes_lower = a < between or (a == between and code % 2 == 0)
    return sign * (u if takes_lower else w)
