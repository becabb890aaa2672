"""Rows, masks and norms, number by number against the formats' own definition."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

from accelsim.formats import get_format
from accelsim.numerics import vector_ops_transformer as transformer
from accelsim.numerics.normal_distribution import normal_density, normal_distribution
from accelsim.numerics.vector_ops_arithmetic import Arithmetic
from accelsim.numerics.vector_ops_reductions import softmax

FP16 = get_format("fp16_e6m9")
NARROW = Arithmetic(FP16)
EXACT = Arithmetic(None)


def members(*shape: int, seed: int = 0) -> np.ndarray:
    x = np.random.default_rng(seed).standard_normal(shape)
    return FP16.quantize(x.astype(np.float32))


def rounded(value: Fraction | float) -> Fraction:
    return Fraction(FP16.round_scalar(Fraction(value)))


def ordered_sum(terms: list[Fraction]) -> Fraction:
    total = Fraction(0)
    for term in terms:
        total = rounded(total + term)
    return total


def root(value: Fraction) -> Fraction:
    return rounded(Fraction(math.sqrt(float(value))))  # 10 bits: float64's own rounding is harmless


def normalized(row: list[Fraction], eps: float) -> tuple[list[Fraction], Fraction]:
    mean = rounded(ordered_sum(row) / len(row))
    centred = [rounded(value - mean) for value in row]
    variance = rounded(ordered_sum([rounded(one * one) for one in centred]) / len(row))
    inverse = rounded(1 / root(rounded(variance + Fraction(eps))))
    return [rounded(one * inverse) for one in centred], inverse


def test_layer_norm_rounds_every_step() -> None:
    x, gain, bias = members(2, 9), members(9, seed=1), members(9, seed=2)
    got = transformer.layer_norm(x, gain, bias, 1e-3, NARROW)
    for row, values in zip(x, got, strict=True):
        normal, _ = normalized([Fraction(float(one)) for one in row], 1e-3)
        want = [
            float(rounded(rounded(one * Fraction(float(g))) + Fraction(float(b))))
            for one, g, b in zip(normal, gain, bias, strict=True)
        ]
        assert values.tolist() == want


def test_layer_norm_errors_round_every_step() -> None:
    x, gain, error = members(1, 6), members(6, seed=1), members(1, 6, seed=2)
    normal, inverse = normalized([Fraction(float(one)) for one in x[0]], 1e-3)
    weighted = [
        rounded(Fraction(float(e)) * Fraction(float(g)))
        for e, g in zip(error[0], gain, strict=True)
    ]
    mean = rounded(ordered_sum(weighted) / 6)
    products = [rounded(w * n) for w, n in zip(weighted, normal, strict=True)]
    product_mean = rounded(ordered_sum(products) / 6)
    want = [
        float(rounded(rounded(rounded(w - mean) - rounded(n * product_mean)) * inverse))
        for w, n in zip(weighted, normal, strict=True)
    ]
    assert transformer.layer_norm_backward(error, x, gain, 1e-3, NARROW)[0].tolist() == want
    got = transformer.layer_norm_weight_gradient(error, x, 1e-3, NARROW)
    terms = [rounded(Fraction(float(e)) * n) for e, n in zip(error[0], normal, strict=True)]
    assert got.tolist() == [float(one) for one in terms]


def test_softmax_backward_rounds_every_step() -> None:
    error, y = members(1, 5), np.abs(members(1, 5, seed=1))
    errors, shares = ([Fraction(float(one)) for one in row] for row in (error[0], y[0]))
    total = ordered_sum([rounded(e * p) for e, p in zip(errors, shares, strict=True)])
    factor = rounded(Fraction(0.3))
    want = [
        float(rounded(rounded(rounded(e - total) * p) * factor))
        for e, p in zip(errors, shares, strict=True)
    ]
    assert transformer.softmax_backward(error, y, 0.3, NARROW)[0].tolist() == want


def test_scaled_softmax_is_the_softmax_of_scaled_numbers() -> None:
    x = members(2, 3, 4, 70)
    scaled = NARROW.multiply(x, NARROW.enter(np.array([0.3])))
    got = transformer.scaled_softmax(x, None, 0.3, NARROW, causal=False)
    np.testing.assert_array_equal(got, softmax(scaled, NARROW))


def test_hidden_keys_change_no_bit_of_the_others() -> None:
    x = members(2, 3, 4, 6)
    got = transformer.scaled_softmax(x, None, 0.5, NARROW, causal=True)
    for query in range(4):
        seen = query + 3  # the last of 4 queries sees all 6 keys
        alone = transformer.scaled_softmax(
            x[:, :, query : query + 1, :seen], None, 0.5, NARROW, causal=False
        )
        np.testing.assert_array_equal(got[:, :, query : query + 1, :seen], alone)
        assert not got[:, :, query, seen:].any()
        assert not np.signbit(got[:, :, query, seen:]).any()


@pytest.mark.parametrize("hidden", [-np.inf, -10000.0])
def test_a_mask_hides_keys_for_all_heads_and_queries(hidden: float) -> None:
    x = members(2, 3, 4, 6)
    mask = np.zeros((2, 1, 6), np.float32)
    mask[1, 0, 4:] = hidden
    got = transformer.scaled_softmax(x, mask, 1.0, NARROW, causal=False)
    free = transformer.scaled_softmax(x, None, 1.0, NARROW, causal=False)
    np.testing.assert_array_equal(got[0], free[0])
    assert not got[1, :, :, 4:].any()
    short = transformer.scaled_softmax(x[1:, :, :, :4], None, 1.0, NARROW, causal=False)
    np.testing.assert_array_equal(got[1, :, :, :4], short[0])


def test_a_row_that_sees_nothing_or_holds_nan_is_nan() -> None:
    x = np.zeros((1, 1, 2, 3))
    x[0, 0, 0, 1] = np.nan
    mask = np.array([[[0.0, 0.0, 0.0], [-np.inf] * 3]])
    assert np.isnan(transformer.scaled_softmax(x, mask, 1.0, EXACT, causal=False)).all()
    assert np.isnan(transformer.layer_norm(x, np.ones(3), np.zeros(3), 1e-5, EXACT)[0, 0, 0]).all()


def test_normal_distribution_is_that_of_the_standard_library() -> None:
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.uniform(-36, 9, 5000), rng.standard_normal(5000)])
    want = np.array([0.5 * math.erfc(-one / math.sqrt(2)) for one in x])
    # erfc's argument is rounded: x**2 / 2 times 2^-53 is up to 1e-13 of the result.
    np.testing.assert_allclose(normal_distribution(x), want, rtol=1e-12, atol=0)


def test_normal_distribution_at_its_ends() -> None:
    x = np.array([-np.inf, -40.0, 0.0, 9.0, np.inf])
    assert normal_distribution(x).tolist() == [0.0, 0.0, 0.5, 1.0, 1.0]
    assert math.isnan(normal_distribution(np.array([np.nan]))[0])
    assert normal_distribution(np.empty((0, 3))).shape == (0, 3)
    assert normal_density(np.array([0.0]))[0] == pytest.approx(1 / math.sqrt(2 * math.pi))


@pytest.mark.parametrize("is_tanh", [False, True])
def test_gelu_slope_is_the_difference_of_gelu(is_tanh: bool) -> None:
    x = np.linspace(-9, 9, 181)
    step = 1e-6
    rise = transformer.gelu(x + step, is_tanh=is_tanh) - transformer.gelu(x - step, is_tanh=is_tanh)
    slope = transformer.gelu_slope(x, is_tanh=is_tanh)
    np.testing.assert_allclose(slope, rise / (2 * step), rtol=1e-7, atol=1e-9)
    ends = np.array([-np.inf, np.inf])
    assert transformer.gelu(ends, is_tanh=is_tanh).tolist() == [0.0, math.inf]
    assert transformer.gelu_slope(ends, is_tanh=is_tanh).tolist() == [0.0, 1.0]


def test_rows_by_hand() -> None:
    x = np.arange(8.0).reshape(2, 2, 2)
    row, table = np.array([9.0, 8.0]), np.array([[1.0, 2.0], [10.0, 20.0], [100.0, 200.0]])
    assert transformer.prepend_row(x, row)[1].tolist() == [[9, 8], [4, 5], [6, 7]]
    assert transformer.append_rows(x, x[:, :1])[0].tolist() == [[0, 1], [2, 3], [0, 1]]
    assert transformer.drop_rows(x, 1).tolist() == [[[2, 3]], [[6, 7]]]
    assert transformer.first_row_sum(x, EXACT).tolist() == [4, 6]
    assert transformer.position_add(x, table, 1, 2.0, EXACT)[0].tolist() == [[10, 22], [104, 206]]
    gradient = transformer.position_gradient(x, 1, 4, EXACT)
    assert gradient.tolist() == [[0, 0], [4, 6], [8, 10], [0, 0]]
