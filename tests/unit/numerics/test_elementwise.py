"""Element-wise arithmetic: one rounding of the exact result, from both twins."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from accelsim.errors import ConfigError, SelfTestError
from accelsim.formats import Rounding, get_format
from accelsim.formats.array import Engine
from accelsim.formats.random_bits import Site, StreamKey, random_bits
from accelsim.numerics import elementwise
from accelsim.numerics.elementwise import add, axpy, multiply, subtract
from accelsim.numerics.kernels import elementwise as kernel

FP16 = get_format("fp16_e6m9")
KEY = StreamKey(seed=4, step=2, op=9)


def _operands(count, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(count) * 2.0 ** rng.integers(-36, 30, count)
    x[::13] = 0.0
    x[::17] = -0.0
    return np.asarray(FP16.quantize(x.astype(np.float32)), np.float32)


def assert_same_bits(found, expected):
    np.testing.assert_array_equal(found, expected)
    ordinary = ~np.isnan(expected)
    np.testing.assert_array_equal(np.signbit(found)[ordinary], np.signbit(expected)[ordinary])


@pytest.mark.parametrize("engine", [Engine.NUMPY, Engine.NUMBA])
@pytest.mark.parametrize("rounding", list(Rounding))
def test_axpy_is_the_exact_result_rounded_once(engine, rounding):
    x, y = _operands(60), _operands(60, seed=1)
    alpha = 0.010009765625  # 1025 * 2**-... is a member: ten bits
    alpha = float(FP16.quantize(np.array([alpha]))[0])
    found = axpy(alpha, x, y, FP16, rounding=rounding, key=KEY, engine=engine)
    for i, (u, v) in enumerate(zip(x.tolist(), y.tolist(), strict=True)):
        exact = Fraction(alpha) * Fraction(u) + Fraction(v)
        bits = int(random_bits(KEY, Site.UPDATE, 0, i))
        assert found[i] == FP16.round_scalar(exact, rounding=rounding, random_bits=bits)


@pytest.mark.parametrize("rounding", list(Rounding))
@pytest.mark.parametrize("name", ["fp16_e6m9", "dlfloat16", "fp8_e4m3fn", "fp32"])
@pytest.mark.parametrize("operation", [add, subtract, multiply])
def test_compiled_and_plain_twins_agree(rounding, name, operation):
    x, y = _operands(2100), _operands(2100, seed=1)
    x[5], y[6], x[7], y[7] = np.inf, np.nan, np.inf, -np.inf
    options = {"rounding": rounding, "key": KEY, "saturate": name == "fp32"}
    plain = operation(x, y, get_format(name), engine=Engine.NUMPY, **options)
    assert_same_bits(operation(x, y, get_format(name), engine=Engine.NUMBA, **options), plain)


def test_a_product_with_more_bits_than_float64_is_still_rounded_once():
    """0.1 has 53 bits: 0.1 * 0.1 + y is formed exactly, not in float64."""
    tie = 1.0 + 2.0**-10  # halfway between 1 and the next fp16_e6m9 number
    tiny = -Fraction(0.1) * Fraction(0.1) + Fraction(float(0.1 * 0.1))
    assert tiny != 0
    found = axpy(0.1, [0.1], [tie - 0.1 * 0.1], FP16)
    exact = Fraction(0.1) * Fraction(0.1) + Fraction(tie - 0.1 * 0.1)
    assert float(found[0]) == FP16.round_scalar(exact)


def test_zeros_keep_the_signs_of_ieee():
    assert np.signbit(multiply([-0.0], [1.0], FP16))[0]
    assert np.signbit(add([-0.0], [-0.0], FP16))[0]
    assert not np.signbit(add([-0.0], [0.0], FP16))[0]
    assert not np.signbit(subtract([1.0], [1.0], FP16))[0]


def test_shapes_broadcast_and_empty_stays_empty():
    assert axpy(np.ones((3, 1)), np.ones(4), 0.0, FP16).shape == (3, 4)
    assert add(np.zeros((0, 2)), np.zeros(2), FP16).shape == (0, 2)


def test_stochastic_rounding_needs_a_key():
    with pytest.raises(ConfigError, match=r"^Stochastic rounding needs a key"):
        axpy(1.0, [1.0], [1.0], FP16, rounding=Rounding.STOCHASTIC)


@pytest.mark.parametrize("count", [1, 31, 32, 33, 100])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("rounding", [Rounding.NEAREST_EVEN, Rounding.STOCHASTIC])
def test_last_elements_of_a_compiled_array_are_named_as_the_others(count, dtype, rounding):
    """A vector has 32 elements; operands may be scalars, and of either width."""
    x, y = _operands(count).astype(dtype), _operands(count, seed=1)
    for terms in ((0.5, x, y), (x, 0.5, y), (x, y.astype(np.float64), 1.0), (y, x, x)):
        options = {"rounding": rounding, "key": KEY}
        plain = axpy(*terms, FP16, engine=Engine.NUMPY, **options)
        assert_same_bits(axpy(*terms, FP16, engine=Engine.NUMBA, **options), plain)


def test_an_empty_compiled_array_stays_empty():
    assert axpy(1.0, 1.0, np.zeros(0), FP16, engine=Engine.NUMBA).shape == (0,)


def test_a_loop_whose_rounding_was_optimised_away_is_refused(monkeypatch):
    """Without its rounding the loop is a plain multiplication and addition."""

    def broken(rule, a, x, y, out, *_):
        out[:] = a * x + y

    monkeypatch.setattr(kernel, "multiply_add_arrays", broken)
    elementwise._trust.cache_clear()
    with pytest.raises(SelfTestError, match=r"of 1024 results in fp16_e6m9 differ"):
        add([1.0], [2.0], FP16, engine=Engine.NUMBA)
    elementwise._trust.cache_clear()
