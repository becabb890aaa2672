"""Counting what additions lose, on sums counted by hand."""

from __future__ import annotations

import numpy as np
import pytest

from accelsim.errors import ConfigError, ShapeError
from accelsim.numerics.telemetry import count_additions
from accelsim.precision import AccumulationMethod, Accumulator

PLAIN = Accumulator(format="fp16_e6m9")


def _count(values, accumulator=PLAIN, **options):
    row = np.array([values], np.float64)
    return count_additions(row, np.ones((row.shape[1], 1)), accumulator, **options)


def test_swamped_additions_are_those_after_the_stall():
    """1024 ones are counted, 76 more are lost; one addition more is that of the only chunk."""
    counts = _count([1.0] * 1100)
    assert (counts.additions, counts.swamped) == (1101, 76)
    assert counts.swamped_share == 76 / 1101


def test_adding_zero_is_not_swamping():
    counts = _count([1024.0, 0.0, 0.0])
    assert (counts.swamped, counts.zero_products) == (0, 2)


def test_overflow_and_saturation_are_told_apart():
    """4290772992 + 4194304 is half a step beyond the largest number, a tie to infinity."""
    top = [4290772992.0, 4194304.0]
    assert _count(top).overflowed == 1
    clamped = _count(top, Accumulator(format="fp16_e6m9", saturate=True))
    assert (clamped.overflowed, clamped.saturated) == (0, 1)
    assert _count(top[:1], Accumulator(format="fp16_e6m9", saturate=True)).saturated == 0


def test_underflow_is_a_result_of_zero_that_is_not_zero():
    """2**-40 is half the smallest number of fp16_e6m9, 2**-39: a tie to zero."""
    assert _count([2.0**-40]).underflowed == 1
    assert _count([2.0**-39]).underflowed == 0


def test_samples_are_drawn_by_seed():
    a, b = np.ones((30, 5)), np.ones((5, 40))
    counts = count_additions(a, b, PLAIN, sample=100, seed=1)
    assert (counts.outputs, counts.sampled_outputs, counts.additions) == (1200, 100, 600)


def test_what_cannot_be_counted_is_refused():
    with pytest.raises(ConfigError, match=r"^Additions are counted for accumulators that add one"):
        _count([1.0], Accumulator(format="fp32", method=AccumulationMethod.TREE))
    with pytest.raises(ShapeError, match=r"is no product of two matrices"):
        count_additions(np.ones((2, 3)), np.ones((2, 3)), PLAIN)
