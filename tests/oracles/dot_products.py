"""An independent dot product: rational numbers, nearest-even, IEEE-like formats.

It knows nothing of `accelsim`: a format is (significant bits, lowest exponent,
largest number). Adversarial operands for every dot product test are here too.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np


def round_nearest_even(x: Fraction, precision: int, emin: int, largest: float) -> float:
    """Round once; overflow to infinity as in IEEE 754."""
    if x == 0:
        return 0.0
    magnitude = abs(x)
    exponent = max(math.floor(math.log2(magnitude)) - 1, emin)
    while Fraction(2) ** (exponent + 1) <= magnitude:
        exponent += 1
    step = Fraction(2) ** (exponent - precision + 1)
    steps = round(magnitude / step)  # Python rounds fractions half to even.
    value = steps * step
    result = math.inf if value > Fraction(largest) else float(value)
    return math.copysign(result, x)


def chunked_dot(
    a: Sequence[float],
    b: Sequence[float],
    *,
    chunk: int,
    precision: int,
    emin: int,
    largest: float,
) -> float:
    """Sum products in chunks, rounding after every addition."""
    total = 0.0
    for start in range(0, len(a), chunk):
        part = 0.0
        for x, y in zip(a[start : start + chunk], b[start : start + chunk], strict=True):
            part = _add(part, Fraction(x) * Fraction(y), precision, emin, largest)
        total = _add(total, part, precision, emin, largest)
    return total


def _add(
    total: float, addend: Fraction | float, precision: int, emin: int, largest: float
) -> float:
    if not (math.isfinite(total) and math.isfinite(addend)):
        return total + float(addend)
    return round_nearest_even(Fraction(total) + Fraction(addend), precision, emin, largest)


FAMILIES = (
    "all_codes",
    "tiny",
    "dense_ties",
    "swamping",
    "cancellation",
    "one_giant",
    "huge",
)


def adversarial(family: str, codes: np.ndarray, shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Return operands of a family, drawn from the finite values `codes` of a format."""
    rng = np.random.default_rng(seed)
    values = np.unique(codes[np.isfinite(codes)])
    positive = values[values > 0]
    near_one = positive[(positive >= 0.5) & (positive <= 4)]
    match family:
        case "all_codes":
            return rng.choice(values, shape)
        case "tiny":
            return rng.choice(np.concatenate([positive[:8], -positive[:8], [0.0]]), shape)
        case "dense_ties":
            return rng.choice(positive[np.log2(positive) % 1 == 0][5:25], shape)
        case "swamping":
            return rng.choice(near_one, shape)
        case "cancellation":
            half = rng.choice(np.concatenate([near_one, -near_one]), shape)
            half[..., 1::2] = -half[..., 0 : 2 * (shape[-1] // 2) : 2]
            return half
        case "one_giant":
            x = rng.choice(positive[: len(positive) // 2], shape)
            x[..., shape[-1] // 3] = positive[-3]
            return x
        case "huge":
            return rng.choice(np.concatenate([positive[-9:], -positive[-9:]]), shape)
    raise ValueError(family)
