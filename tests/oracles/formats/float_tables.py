"""Binary float formats as explicit lists of values, from the parameters that the standards print.

Nothing of the package is used. A format is enumerated field by field; rounding is
a search in that list, continued by one number beyond the largest so that overflow
is decided as if the range had no end.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np


@dataclass(frozen=True)
class FloatTable:
    """Parameters of a format: e and m bits, bias, what the top codes and field 0 mean.

    `top`: "ieee", "fn" (all-ones is NaN), "fnuz" (the code of -0 is NaN), "none".
    `low`: "gradual", "binade" (field 0 ordinary but for fraction 0), "nozero".
    """

    e: int
    m: int
    bias: int
    top: str = "ieee"
    low: str = "gradual"
    signed: bool = True

    def magnitude(self, field: int, fraction: int) -> float:
        """Value of a field and a fraction that mean a finite number; exact in float64."""
        if field == 0 and self.low == "gradual":
            return math.ldexp(fraction, 1 - self.bias - self.m)
        if field == 0 and fraction == 0 and self.low == "binade":
            return 0.0
        return math.ldexp(2**self.m + fraction, field - self.bias - self.m)

    def decode(self, code: int) -> float:
        """Value of a code, NaN and infinity included."""
        sign, rest = divmod(code, 2 ** (self.e + self.m))
        field, fraction = divmod(rest, 2**self.m)
        all_ones = field == 2**self.e - 1
        if self.top == "ieee" and all_ones:
            return math.nan if fraction else (-math.inf if sign else math.inf)
        if self.top == "fn" and all_ones and fraction == 2**self.m - 1:
            return math.nan
        if self.top == "fnuz" and sign and rest == 0:
            return math.nan
        return math.copysign(self.magnitude(field, fraction), -1.0 if sign else 1.0)

    @cached_property
    def magnitudes(self) -> np.ndarray:
        """All finite magnitudes, rising."""
        values = (self.decode(code) for code in range(2 ** (self.e + self.m)))
        return np.array(sorted({value for value in values if math.isfinite(value)}))

    def round(self, x: np.ndarray, mode: str, noise: np.ndarray | float = 0.0) -> np.ndarray:
        """Round numbers; what overflows is returned as infinity.

        `noise` is r / 2**N for the mode "stochastic", with N = 16. Only for
        formats with gradual underflow and a sign. Every float64 step is exact: the
        distance of a number to the neighbour below is a multiple of its own last
        place and not larger than itself, and neighbours are a power of two apart.
        """
        grid = self.magnitudes
        beyond = 2 * grid[-1] - grid[-2]
        grid = np.append(grid, [beyond, np.inf])
        positive, a = ~np.signbit(x), np.minimum(np.abs(np.nan_to_num(x, nan=0.0)), beyond)
        below = np.searchsorted(grid, a, side="right") - 1
        low, high = grid[below], np.minimum(grid[below + 1], beyond)
        gap = np.where(high > low, high - low, 1.0)
        part = (a - low) / gap
        away = {
            "nearest_even": (part > 0.5) | ((part == 0.5) & (below % 2 == 1)),
            "nearest_away": part >= 0.5,
            "toward_zero": np.zeros(x.shape, bool),
            "up": (part > 0) & positive,
            "down": (part > 0) & ~positive,
            "stochastic": np.floor(part * 2**16) + noise * 2**16 >= 2**16,
        }[mode]
        magnitude = np.where(away, high, low)
        outward = {"toward_zero": False, "up": positive, "down": ~positive}.get(mode, True)
        over = np.where(outward, np.inf, grid[-3])
        magnitude = np.where(magnitude >= beyond, over, magnitude)
        magnitude = np.where(np.isinf(x), np.inf, magnitude)
        return np.where(np.isnan(x), np.nan, np.copysign(magnitude, x))


#: Parameters as printed in the source named beside each.
TABLES = {
    # OCP 8-bit Floating Point Specification (OFP8) 1.0, table 1.
    "fp8_e5m2": FloatTable(5, 2, 15),
    "fp8_e4m3fn": FloatTable(4, 3, 7, "fn"),
    # ml_dtypes README.
    "fp8_e4m3": FloatTable(4, 3, 7),
    "fp8_e3m4": FloatTable(3, 4, 3),
    "fp8_e4m3b11fnuz": FloatTable(4, 3, 11, "fnuz"),
    "fp8_e4m3fnuz": FloatTable(4, 3, 8, "fnuz"),
    "fp8_e5m2fnuz": FloatTable(5, 2, 16, "fnuz"),
    # Intel FP8 Emulation Toolkit.
    "fp8_e3m4fn": FloatTable(3, 4, 3, "fn"),
    # HFP8, NeurIPS 2019.
    "fp8_e4m3b11": FloatTable(4, 3, 11, "none"),
    "fp9_e5m3": FloatTable(5, 3, 15),
    # OCP Microscaling Formats 1.0, section 5.3.
    "fp6_e3m2": FloatTable(3, 2, 3, "none"),
    "fp6_e2m3": FloatTable(2, 3, 1, "none"),
    "fp4_e2m1": FloatTable(2, 1, 1, "none"),
    "e8m0": FloatTable(8, 0, 127, "fn", "nozero", signed=False),
    # Wang et al. 2018; IEEE 754-2019 binary16; bfloat16.
    "fp16_e6m9": FloatTable(6, 9, 31),
    "fp16_e5m10": FloatTable(5, 10, 15),
    "bf16": FloatTable(8, 7, 127),
    # DLFloat, ARITH 2019, and its 8-bit kin: the all-ones code is one symbol.
    "dlfloat16": FloatTable(6, 9, 31, "fn", "binade"),
    "dl8": FloatTable(4, 3, 7, "fn", "binade"),
    # FFP8, arXiv:2104.07329: no sign bit.
    "ufp8_e5m3": FloatTable(5, 3, 15, "none", signed=False),
    "ufp8_e4m4": FloatTable(4, 4, 7, "none", signed=False),
}

#: Formats on which `FloatTable.round` is defined, up to nine bits.
ROUNDABLE = tuple(
    name
    for name, table in TABLES.items()
    if table.signed and table.low == "gradual" and table.e + table.m <= 9
)
