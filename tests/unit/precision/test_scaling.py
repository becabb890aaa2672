"""Scales per tensor, against their definition in exact arithmetic."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from accelsim.precision import amax_scale

magnitudes = st.floats(min_value=2.0**-100, max_value=2.0**100, allow_subnormal=False)


@given(magnitudes, st.sampled_from([448.0, 57344.0, 127.0, 30.0]), st.integers(-3, 3))
def test_power_of_two_scale_is_the_largest_that_fits(
    amax: float, max_finite: float, margin: int
) -> None:
    # floor(log2(max / amax)) - margin, Perez et al., arXiv:2309.17224.
    scale = amax_scale(amax, max_finite, power_of_two=True, margin=margin)
    moved = Fraction(scale) * Fraction(amax) * Fraction(2) ** margin
    assert math.frexp(scale)[0] == 0.5
    assert moved <= Fraction(max_finite) < 2 * moved


@given(magnitudes, st.sampled_from([448.0, 127.0]))
def test_free_scale_is_the_largest_fp32_number_that_fits(amax: float, max_finite: float) -> None:
    scale = np.float32(amax_scale(amax, max_finite, power_of_two=False))
    above = np.nextafter(scale, np.float32(np.inf))
    assert float(scale) * amax <= max_finite < float(above) * amax * (1 + 2**-50)


@pytest.mark.parametrize("amax", [0.0, -0.0, math.nan, math.inf])
def test_a_tensor_without_a_largest_magnitude_is_not_scaled(amax: float) -> None:
    assert amax_scale(amax, 448.0, power_of_two=True) == 1.0
    assert amax_scale(amax, 448.0, power_of_two=False) == 1.0


@pytest.mark.parametrize("power_of_two", [True, False])
@pytest.mark.parametrize("amax", [5e-324, 1e-300, 1e300])
def test_a_scale_is_always_a_normal_fp32_number(amax: float, power_of_two: bool) -> None:
    scale = amax_scale(amax, 448.0, power_of_two=power_of_two)
    assert 2.0**-126 <= scale < 2.0**127
    assert float(np.float32(scale)) == scale
