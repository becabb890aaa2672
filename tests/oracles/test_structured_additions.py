"""One addition in every kernel: every exponent difference, both signs, ties, subnormals.

Each accumulator value of a structured set meets each product of another, in the carrier's
own kernel, whichever path the facts about them allow. The oracle adds in float64, which is
exact for operands of few bits less than 40 binades apart, and rounds by its own rules: it
shares nothing with `accelsim` but the published numbers of the formats and the random bits.
Sums of operands further apart are compared with the definition.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from accelsim.formats import Rounding
from accelsim.formats.random_bits import Site, StreamKey, random_bits
from accelsim.numerics import PathName, matmul
from accelsim.numerics.gemm import by_kernel
from accelsim.numerics.operands import ProductFacts
from accelsim.numerics.paths import choose_path
from accelsim.precision import Accumulator

KEY = StreamKey(seed=5)
RANDOM_BITS = 8


@dataclass(frozen=True)
class Format:
    """Significant bits, lowest binade, largest number, what is beyond; from the sources."""

    name: str
    precision: int
    emin: int
    largest: float
    beyond: float = np.inf
    gradual: bool = True

    @property
    def smallest(self) -> float:
        """Smallest number above zero; DLFloat's field 0 has all but the zero fraction."""
        step = 2.0 ** (self.emin - self.precision + 1)
        return step if self.gradual else 2.0**self.emin + step


E6M9 = Format("fp16_e6m9", 10, -30, 4290772992.0)
HALF = Format("fp16_e5m10", 11, -14, 65504.0)
BF16 = Format("bf16", 8, -126, 3.3895313892515355e38)
FP32 = Format("fp32", 24, -126, 3.4028234663852886e38)
E4M3FN = Format("fp8_e4m3fn", 4, -6, 448.0, np.nan)
DLFLOAT = Format("dlfloat16", 10, -31, 8573157376.0, np.nan, gradual=False)


@dataclass(frozen=True)
class Case:
    """An accumulator, whether products may be finer than its steps, and the path for it."""

    format: Format
    path: PathName
    rounding: Rounding = Rounding.NEAREST_EVEN
    saturate: bool = False
    fine: bool = False
    top: bool = True
    extra_bits: int = 0

    @property
    def cap(self) -> float:
        """Largest operand: where no sum may overflow, or must fit float64, less than the format's.

        A sum in (1,6,9), of multiples of 2**-39, fits 53 bits below 2**10, and never overflows.
        """
        if self.path in (PathName.STOCHASTIC, PathName.WIDE) and self.format is E6M9:
            return 2.0**10
        return self.format.largest * (1.0 if self.top else 2.0**-5)

    @property
    def accumulator(self) -> Accumulator:
        return Accumulator(
            format=self.format.name,
            rounding=self.rounding,
            saturate=self.saturate,
            random_bits=RANDOM_BITS,
        )


CASES = (
    Case(E6M9, PathName.FAST, top=False),
    Case(E6M9, PathName.BOUNDED),
    Case(E6M9, PathName.BOUNDED, saturate=True),
    Case(E6M9, PathName.GRID, fine=True),
    Case(HALF, PathName.FAST, top=False),
    Case(HALF, PathName.BOUNDED),
    Case(HALF, PathName.GRID, fine=True),
    Case(HALF, PathName.GRID, fine=True, saturate=True),
    Case(E4M3FN, PathName.BOUNDED),
    Case(E4M3FN, PathName.GRID, fine=True, saturate=True),
    Case(E6M9, PathName.AWAY, Rounding.NEAREST_AWAY),
    Case(DLFLOAT, PathName.AWAY, Rounding.NEAREST_AWAY),
    Case(DLFLOAT, PathName.AWAY, Rounding.NEAREST_AWAY, fine=True),
    Case(FP32, PathName.ORDERED, top=False),
    Case(FP32, PathName.GENERAL, Rounding.TOWARD_ZERO, top=False),
    Case(BF16, PathName.GENERAL, fine=True, top=False),
    Case(E6M9, PathName.STOCHASTIC, Rounding.STOCHASTIC, top=False),
    Case(E6M9, PathName.GENERAL, Rounding.STOCHASTIC, fine=True),
    *(
        Case(fmt, PathName.GENERAL, rounding, fine=fine)
        for fmt in (E6M9, DLFLOAT)
        for rounding in (Rounding.UP, Rounding.DOWN, Rounding.TOWARD_ZERO)
        for fine in (False, True)
    ),
    Case(DLFLOAT, PathName.GENERAL, fine=True),
    Case(E6M9, PathName.WIDE, fine=True, top=False, extra_bits=1),
    Case(HALF, PathName.WIDE, fine=True, top=False, extra_bits=1),
    Case(HALF, PathName.GENERAL, Rounding.NEAREST_AWAY, fine=True),
)


def name_of(case: Case) -> str:
    parts = [case.format.name, case.rounding.value, case.path.value]
    parts += [word for word in ("saturate", "fine", "top") if getattr(case, word)]
    return "-".join(parts)


def accumulator_values(case: Case) -> np.ndarray:
    """Return zero, subnormals, and binades from the lowest to the highest, both signs."""
    fmt, p = case.format, case.format.precision
    ulp = 2.0 ** (1 - p)
    significands = np.array([1.0, 1 + ulp, 1 + 2 * ulp, 1.5, 1.5 - ulp, 2 - 2 * ulp, 2 - ulp])
    highest = int(np.floor(np.log2(fmt.largest))) if case.top else fmt.emin + 2 * p + 16
    if case.format is FP32 or case.format is BF16:
        highest = min(highest, 40)  # what is far from the lowest binade has its own columns
    exponents = [fmt.emin + 1, fmt.emin + p, fmt.emin + p + 1, highest]
    values = [significands * 2.0**e for e in exponents]
    if fmt.gradual:
        steps = np.array([1, 2, 3, 2 ** (p - 1) - 1, 2 ** (p - 1), 2**p - 1])
        values.append(steps * fmt.smallest)
    magnitudes = np.unique(np.concatenate(values))
    magnitudes = magnitudes[magnitudes <= case.cap]
    return np.concatenate([[0.0], magnitudes, -magnitudes])


def products(case: Case, totals: np.ndarray) -> np.ndarray:
    """Return few-bit numbers at every distance from the totals' binades, both signs."""
    fmt, p = case.format, case.format.precision
    bits = min(p, 5)
    significands = 1.0 + np.array([0, 1, 2 ** (bits - 2), 2 ** (bits - 1) - 1]) * 2.0 ** (1 - bits)
    binades = np.unique(np.frexp(totals[totals > 0])[1] - 1)
    gaps = np.arange(-(p + 4), p + 5)
    exponents = np.unique(binades[:, None] + gaps)
    magnitudes = np.unique(significands[:, None] * 2.0 ** exponents.astype(float))
    step = fmt.smallest if fmt.gradual else 2.0 ** (fmt.emin + 1)
    if case.fine:
        magnitudes = magnitudes[magnitudes >= step * 2.0**-6]
    else:
        magnitudes = magnitudes[(magnitudes / step == np.rint(magnitudes / step))]
    magnitudes = magnitudes[magnitudes <= case.cap]
    return np.concatenate([magnitudes, -magnitudes])


def oracle(x: np.ndarray, case: Case) -> np.ndarray:
    """Round exact sums."""
    fmt, magnitude = case.format, np.abs(x)
    exponent = np.frexp(magnitude)[1] - 1
    if fmt.gradual:
        exponent = np.maximum(exponent, fmt.emin)
    step = np.ldexp(1.0, exponent - fmt.precision + 1)
    steps = magnitude / step
    below = np.floor(steps)
    fraction = steps - below
    negative = np.signbit(x)
    match case.rounding:
        case Rounding.NEAREST_EVEN:
            away = (fraction > 0.5) | ((fraction == 0.5) & (below % 2 == 1))
        case Rounding.NEAREST_AWAY:
            away = fraction >= 0.5
        case Rounding.TOWARD_ZERO:
            away = np.zeros(x.shape, bool)
        case Rounding.UP:
            away = (fraction > 0) & ~negative
        case Rounding.DOWN:
            away = (fraction > 0) & negative
        case Rounding.STOCHASTIC:
            rows, columns = np.indices(x.shape)
            noise = random_bits(KEY, Site.INNER, rows, columns, position=1, count=RANDOM_BITS)
            away = np.floor(fraction * 2**RANDOM_BITS) + noise >= 2**RANDOM_BITS
    result = (below + away) * step
    result = np.where(result < fmt.smallest, 0.0, result)
    inward = (case.rounding is Rounding.TOWARD_ZERO) | (
        negative if case.rounding is Rounding.UP else case.rounding is Rounding.DOWN and ~negative
    )
    beyond = np.where(inward | case.saturate, fmt.largest, fmt.beyond)
    return np.copysign(np.where(result > fmt.largest, beyond, result), x)


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_every_difference_of_exponents_both_signs_ties_and_subnormals(case):
    totals = accumulator_values(case)
    addends = products(case, totals)
    both = np.abs(np.concatenate([totals, addends]))
    facts = ProductFacts(
        significant_bits=case.format.precision + case.extra_bits,
        lsb_exponent=int(np.log2(common_step(both))),
        largest=both.max(),
        finite=True,
        k=2,
        narrow=True,
    )
    choice = choose_path(facts, case.accumulator)
    assert choice.name is case.path, choice
    a = np.stack([totals, np.ones_like(totals)], axis=1)
    b = np.stack([np.ones_like(addends), addends])
    found = by_kernel(a[None], b[None], case.accumulator, choice, key=KEY)[0].astype(np.float64)
    definition = matmul(a, b, case.accumulator, key=KEY, path="definition")
    expected = np.where(
        are_near(totals[:, None], addends, case),
        oracle(totals[:, None] + addends, case),
        definition,
    )
    np.testing.assert_array_equal(definition, expected)
    if choice.is_poisoned:
        # A sum that overflows is marked, and computed again by the definition.
        beyond = ~np.isfinite(expected)
        np.testing.assert_array_equal(~np.isfinite(found), beyond)
        found, expected = found[~beyond], expected[~beyond]
    np.testing.assert_array_equal(found, expected)


def are_near(a: np.ndarray, b: np.ndarray, case: Case) -> np.ndarray:
    """Return which sums float64 holds: p bits and a few, so many binades apart."""
    gap = np.abs(np.frexp(a)[1] - np.frexp(b)[1])
    return (a == 0) | (b == 0) | (gap + case.format.precision + 5 <= 52)


def common_step(values: np.ndarray) -> float:
    """Return the largest power of two that divides all of them."""
    steps = np.ldexp(np.frexp(values[values > 0])[0], 24).astype(np.int64)
    exponents = np.frexp(values[values > 0])[1] - 24
    return float((2.0**exponents * (steps & -steps)).min())
