"""Backward and statistics functions, element by element against the formats' own definition."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from accelsim.formats import get_format
from accelsim.numerics import vector_ops_backward as backward
from accelsim.numerics import vector_ops_statistics as statistics
from accelsim.numerics.clipping import cosine, direction_factor, least_turning_scale
from accelsim.numerics.vector_ops_arithmetic import Arithmetic
from accelsim.numerics.vector_ops_reductions import Window

NAME = "fp16_e6m9"
FP16 = get_format(NAME)
NARROW = Arithmetic(FP16)
EXACT = Arithmetic(None)


def members(*shape: int, seed: int = 0, scale: float = 1.0) -> np.ndarray:
    x = np.random.default_rng(seed).standard_normal(shape) * scale
    return FP16.quantize(x.astype(np.float32))


def rounded(value: Fraction) -> Fraction:
    return Fraction(FP16.round_scalar(value))


def exact(x: np.ndarray) -> list[Fraction]:
    return [Fraction(float(one)) for one in x.reshape(-1)]


@pytest.mark.parametrize("rows", [3, 200])
@pytest.mark.parametrize("name", [NAME, "fp32", "bf16"])
def test_ordered_sum_is_the_loop_over_rows(rows: int, name: str) -> None:
    fmt = get_format(name)
    x = fmt.quantize(np.random.default_rng(1).standard_normal((rows, 5)).astype(np.float32) + 1)
    arithmetic = Arithmetic(fmt)
    got = statistics.ordered_sum(x, arithmetic)
    total = np.zeros(5, arithmetic.carrier)
    for row in x:
        total = arithmetic.add(total, row)
    np.testing.assert_array_equal(got, total)


def test_variance_and_normalized_sum_round_every_step() -> None:
    x, error = members(7, 1), members(7, 1, seed=1)
    mean, inverse = members(1, seed=2), members(1, seed=3)
    squares = products = Fraction(0)
    for value, wrong in zip(exact(x), exact(error), strict=True):
        difference = rounded(value - exact(mean)[0])
        squares = rounded(squares + rounded(difference * difference))
        normal = rounded(difference * exact(inverse)[0])
        products = rounded(products + rounded(wrong * normal))
    assert statistics.channel_variance(x, mean, NARROW)[0] == float(rounded(squares / 7))
    assert statistics.normalized_sum(error, x, mean, inverse, NARROW)[0] == float(products)


def test_batch_norm_backward_rounds_every_step() -> None:
    x, error = members(40, 1), members(40, 1, seed=1)
    constants = tuple(members(1, seed=2 + index) for index in range(5))
    mean, inverse, scale, error_mean, product_mean = (exact(one)[0] for one in constants)
    got = statistics.batch_norm_backward(error, x, constants, NARROW)  # type: ignore[arg-type]
    for index, (value, wrong) in enumerate(zip(exact(x), exact(error), strict=True)):
        normal = rounded(rounded(value - mean) * inverse)
        rest = rounded(rounded(wrong - error_mean) - rounded(normal * product_mean))
        assert got[index, 0] == float(rounded(rest * scale))


def test_max_pool_backward_by_hand() -> None:
    # Windows of 2 at stride 1 over 1, 3, 3, 2: 3 (second), the first of two 3s, 3 (third).
    x = np.array([1.0, 3.0, 3.0, 2.0], np.float32).reshape(1, 1, 4, 1)
    error = np.array([10.0, 20.0, 40.0], np.float32).reshape(1, 1, 3, 1)
    window = Window(kernel=(1, 2), stride=(1, 1))
    got = backward.max_pool_backward(error, x, window, EXACT)
    np.testing.assert_array_equal(got.reshape(-1), [0.0, 30.0, 40.0, 0.0])


def test_max_pool_backward_sends_the_error_to_every_nan() -> None:
    x = np.array([1.0, np.nan], np.float32).reshape(1, 1, 2, 1)
    error = np.full((1, 1, 1, 1), 5.0, np.float32)
    got = backward.max_pool_backward(error, x, Window((1, 2), (1, 2)), EXACT)
    np.testing.assert_array_equal(got.reshape(-1), [0.0, 5.0])


def test_overlapping_windows_add_in_the_order_of_their_places() -> None:
    # Pixel 1 is the last of window 0, the second of window 1 (if it were) and so on: with
    # 2048, 1, 1 the order decides the bits of (1,6,9), whose spacing at 2048 is 4.
    x = np.array([0.0, 0.0, 9.0, 0.0, 0.0], np.float32).reshape(1, 1, 5, 1)
    error = np.array([2048.0, 1.0, 1.0], np.float32).reshape(1, 1, 3, 1)
    # Place 0 belongs to window 2, place 1 to window 1, place 2 to window 0: 1 + 1 + 2048,
    # and 2050 is a tie between 2048 and 2052 that goes to the even 2048.
    got = backward.max_pool_backward(error, x, Window((1, 3), (1, 1)), NARROW)
    assert got[0, 0, 2, 0] == 2048.0
    error = np.array([2048.0, 2.0, 2.0], np.float32).reshape(1, 1, 3, 1)
    got = backward.max_pool_backward(error, x, Window((1, 3), (1, 1)), NARROW)
    assert got[0, 0, 2, 0] == 2052.0  # the other way round it would be 2048 + 2 + 2 = 2048


def test_cross_entropy_of_known_probabilities() -> None:
    p = np.array([[0.5, 0.25, 0.25], [0.1, 0.1, 0.8]])
    labels = np.array([1.0, 2.0])
    want = -(np.log(0.25) + np.log(0.8)) / 2
    got = backward.cross_entropy(np.log(p), labels, EXACT)
    assert got[0] == pytest.approx(want, rel=1e-14)
    error = backward.cross_entropy_backward(p, labels, np.array([1000.0]), EXACT)
    np.testing.assert_allclose(error, [[250, -375, 125], [50, 50, -100]], rtol=1e-12)


def test_a_label_that_is_no_class_makes_the_loss_nan() -> None:
    got = backward.cross_entropy(np.zeros((1, 3)), np.array([3.0]), EXACT)
    assert np.isnan(got[0])


def test_clipping_keeps_the_direction_of_a_long_tailed_error() -> None:
    # One outlier of 60 among 100,000 numbers of size 1: up to it a step is 0.47, whose
    # rounding is 0.02 of each square; clipping all of it off is 0.036 of the whole.
    x = np.random.default_rng(0).standard_normal(100_000)
    x[0] = 60.0
    int8 = get_format("int8")

    def scale_of(amax: float) -> float:
        return 127.0 / amax

    best = least_turning_scale(x, int8, 60.0, scale_of)
    assert best > scale_of(60.0)
    kept = [cosine(x, int8.quantize(np.clip(x * s, -127, 127))) for s in (scale_of(60.0), best)]
    assert kept[1] > kept[0]


def test_direction_factor_by_its_formula() -> None:
    # Orthogonal: d = 1, exp(-20) is below the floor. Parallel: d = 0.
    assert direction_factor(np.array([1.0, 0.0]), np.array([0.0, 1.0]), 20.0, 0.1) == 0.1
    assert direction_factor(np.array([1.0, 2.0]), np.array([2.0, 4.0]), 20.0, 0.1) == pytest.approx(
        1.0
    )
