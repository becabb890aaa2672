"""Error figures and event counts against hand counts and plain formulas."""

from __future__ import annotations

import math

import numpy as np
import pytest

from accelsim.errors import ShapeError
from accelsim.formats import Overflow, get_format
from accelsim.numerics.errors_report import (
    BLOCK_ELEMENTS,
    EventCounts,
    count_events,
    measure,
    zero_product_share,
)

E5M2 = get_format("fp8_e5m2")
FP16 = get_format("fp16_e6m9")


def test_figures_of_a_hand_computed_pair() -> None:
    # Errors 0, 0.5, -1 against 3, 4, 12: norms sqrt(1.25) and 13. The spacing of e5m2 is
    # 0.5 at 3, 1 at 4 and 2 at 12, so both errors are half an ulp.
    figures = measure(np.array([3.0, 4.5, 11.0]), np.array([3.0, 4.0, 12.0]), E5M2)
    assert figures.elements == 3
    assert figures.relative == pytest.approx(math.sqrt(1.25) / 13, rel=1e-8)
    assert figures.sqnr_db == pytest.approx(-20 * math.log10(math.sqrt(1.25) / 13), rel=1e-8)
    assert figures.max_abs == 1.0
    assert figures.max_ulp == 0.5


@pytest.mark.parametrize("size", [1, BLOCK_ELEMENTS - 1, BLOCK_ELEMENTS, 3 * BLOCK_ELEMENTS + 5])
def test_figures_do_not_depend_on_blocks(size: int) -> None:
    rng = np.random.default_rng(size)
    exact = rng.normal(size=size)
    values = FP16.quantize(exact)
    figures = measure(values.reshape(1, -1), exact.reshape(1, -1), FP16)
    error = values - exact
    assert figures.relative == pytest.approx(
        np.linalg.norm(error) / np.linalg.norm(exact), rel=1e-8
    )
    ulps = [abs(e) / FP16.ulp(x) for e, x in zip(error[:500], exact[:500], strict=True)]  # type: ignore[attr-defined]
    assert figures.max_ulp is not None
    assert max(ulps) - 1e-8 <= figures.max_ulp <= 0.5


def test_subnormal_references_are_measured_in_the_spacing_of_the_lowest_binade() -> None:
    smallest = FP16.min_positive
    figures = measure(np.array([smallest]), np.array([0.75 * smallest]), FP16)
    assert figures.max_ulp == 0.25


def test_no_error_no_signal_and_no_elements() -> None:
    same = measure(np.ones(3), np.ones(3))
    assert (same.relative, same.sqnr_db, same.max_ulp) == (0.0, math.inf, None)
    lost = measure(np.ones(3), np.zeros(3))
    assert (lost.relative, lost.sqnr_db) == (math.inf, -math.inf)
    empty = measure(np.empty((0, 2)), np.empty((0, 2)), FP16)
    assert (empty.elements, empty.relative, empty.max_ulp) == (0, 0.0, 0.0)


def test_elements_that_are_not_finite_are_counted_and_left_out() -> None:
    values = np.array([np.inf, np.nan, 1.0, 3.0])
    exact = np.array([5.0, 1.0, np.inf, 4.0])
    figures = measure(values, exact)
    assert (figures.elements, figures.nonfinite) == (4, 3)
    assert figures.relative == 0.25


def test_shapes_must_agree() -> None:
    with pytest.raises(ShapeError, match=r"^Values have shape \(2,\), their reference \(3,\)\.$"):
        measure(np.ones(2), np.ones(3))


def test_events_of_a_rounding() -> None:
    # e5m2: largest 57344; 61440 is the tie beyond it; smallest 2**-16, half of it is a tie.
    exact = np.array([1e6, -1e6, 57344.0, 61439.0, 2.0**-17, -(2.0**-18), 0.0, np.nan, np.inf])
    values = E5M2.quantize(exact)
    assert count_events(values, exact, E5M2) == EventCounts(
        elements=9, overflow=2, saturation=0, underflow=2, nan=1, zero=3
    )
    clamped = E5M2.quantize(exact, overflow=Overflow.SATURATE)
    counts = count_events(clamped, exact, E5M2)
    assert counts.overflow == 0
    assert counts.saturation == 3, "two large ones and the infinity; 61439 is merely rounded"


def test_a_sum_that_cancels_is_no_underflow() -> None:
    assert count_events(np.zeros(1), np.full(1, 1e-3), FP16).underflow == 0
    assert count_events(np.zeros(1), np.full(1, 2.0**-41), FP16).underflow == 1


def test_overflow_in_a_format_without_infinity_is_nan_and_counted() -> None:
    e4m3 = get_format("fp8_e4m3fn")
    exact = np.array([1000.0, 1.0])
    counts = count_events(e4m3.quantize(exact, overflow=Overflow.TO_INFINITY), exact, e4m3)
    assert (counts.overflow, counts.nan) == (1, 1)


def test_share_of_zero_products_counts_every_pair() -> None:
    rng = np.random.default_rng(5)
    a = rng.integers(0, 3, size=(2, 5, 7)).astype(np.float32)
    b = rng.integers(0, 2, size=(2, 7, 4)).astype(np.float32)
    zero = sum(
        (a[g, m, k] * b[g, k, n] == 0)
        for g in range(2) for m in range(5) for n in range(4) for k in range(7)
    )  # fmt: skip
    assert zero_product_share(a, b) == pytest.approx(zero / (2 * 5 * 4 * 7), rel=1e-12)
    assert zero_product_share(a[:, :0], b) == 0.0
