"""S2FP8: statistics, edge cases and the way there and back."""

import numpy as np
import pytest

from accelsim.errors import ConfigError
from accelsim.formats import S2fp8Format, get_format, get_tensor_format, s2fp8_statistics


@pytest.fixture
def tensor():
    rng = np.random.default_rng(0)
    return rng.standard_normal(4000) * np.exp2(rng.uniform(-20, -10, 4000))


def test_paper_example_of_converged_statistics():
    # mu = -4.2, m = -1.2 (section 2 of the appendix): alpha = 15 / 3 = 5, beta = 5 * 4.2 = 21.
    # Five magnitudes with that mean and that maximum, all in log2.
    logs = np.array([-1.2, -4.2, -4.2, -4.2, -7.2])
    statistics = s2fp8_statistics(np.exp2(logs))
    assert statistics.mean == pytest.approx(-4.2)
    assert statistics.maximum == pytest.approx(-1.2)
    assert statistics.alpha == pytest.approx(5.0, rel=1e-6)
    assert statistics.beta == pytest.approx(21.0, rel=1e-6)


def test_transformed_tensor_has_mean_zero_and_maximum_fifteen(tensor):
    statistics = s2fp8_statistics(tensor)
    y = statistics.alpha * np.log2(np.abs(tensor)) + statistics.beta
    assert y.mean() == pytest.approx(0.0, abs=1e-4)  # equation 2; beta is a float32
    assert y.max() == pytest.approx(15.0, abs=1e-4)


def test_equations_one_to_five_step_by_step(tensor):
    fmt = get_tensor_format("s2fp8")
    s = s2fp8_statistics(tensor)
    y = np.sign(tensor) * np.exp2(s.beta) * np.abs(tensor) ** s.alpha
    stored = get_format("fp8_e5m2").quantize(y)
    back = np.sign(stored) * (np.exp2(-s.beta) * np.abs(stored)) ** (1 / s.alpha)
    got = fmt.quantize(tensor)
    # The powers above round differently in the last places of float64, so a few
    # elements may sit on the other side of a tie; nothing else may differ.
    assert np.mean(np.isclose(got, back, rtol=1e-6, atol=0)) > 0.999


def test_zero_and_signs_are_kept():
    got = get_tensor_format("s2fp8").quantize([0.0, -0.0, -0.25, 0.5])
    assert got[0] == got[1] == 0
    assert np.signbit(got).tolist() == [False, True, True, False]


def test_all_zero():
    statistics = s2fp8_statistics(np.zeros(4))
    assert (statistics.alpha, statistics.beta) == (1.0, 0.0)
    assert not get_tensor_format("s2fp8").quantize(np.zeros(4)).any()


def test_equal_magnitudes_are_exact_powers_of_two():
    # alpha = 1, beta = -mu: Y = 1, and back to 2**mu, here exactly.
    statistics = s2fp8_statistics([0.125, -0.125])
    assert (statistics.alpha, statistics.beta) == (1.0, 3.0)
    assert get_tensor_format("s2fp8").quantize([0.125, -0.125]).tolist() == [0.125, -0.125]


def test_equal_magnitudes_that_are_no_powers_of_two_do_not_explode():
    statistics = s2fp8_statistics(np.full(3001, 0.3))
    assert statistics.alpha == 1.0


def test_nearly_equal_magnitudes_are_capped():
    statistics = s2fp8_statistics([1.0, 1.0 + 1e-9])
    assert statistics.alpha == 64.0


def test_nan_and_infinity_stay_and_do_not_enter_the_statistics():
    got = get_tensor_format("s2fp8").quantize([1.0, 2.0, np.nan, -np.inf])
    assert np.isnan(got[2])
    assert got[3] == -np.inf
    assert s2fp8_statistics([1.0, 2.0, np.nan, np.inf]) == s2fp8_statistics([1.0, 2.0])


def test_values_are_float32(tensor):
    got = get_tensor_format("s2fp8").quantize(tensor)
    assert np.array_equal(got, got.astype(np.float32))
    assert get_tensor_format("s2fp8").quantize(tensor.astype(np.float32)).dtype == np.float32


def test_relative_error_is_that_of_three_bits_unsqueezed(tensor):
    # log2 Y is off by at most log2(1 + 2**-3), so log2 X by that over alpha, in the normal range.
    s = s2fp8_statistics(tensor)
    got = get_tensor_format("s2fp8").quantize(tensor)
    normal = s.alpha * np.log2(np.abs(tensor)) + s.beta > -13
    error = np.abs(np.log2(np.abs(got[normal])) - np.log2(np.abs(tensor[normal])))
    assert error.max() <= -np.log2(1 - 2.0**-3) / s.alpha + 1e-5


def test_an_element_that_cannot_reach_the_target_is_refused():
    with pytest.raises(ConfigError, match="reach"):
        S2fp8Format("bad", get_format("fp8_e4m3fn"))
