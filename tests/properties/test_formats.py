"""Laws of rounding that hold for any number and any format."""

import math
from fractions import Fraction

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from accelsim.formats import (
    FloatFormat,
    Overflow,
    Rounding,
    Specials,
    get_format,
    list_formats,
)
from accelsim.formats.array import Engine, quantize

DETERMINISTIC = [mode for mode in Rounding if mode is not Rounding.STOCHASTIC]
CATALOG = [get_format(name) for name in list_formats()]

numbers = st.floats(allow_nan=False) | st.floats(-100, 100) | st.floats(width=16, allow_nan=False)


@st.composite
def float_formats(draw):
    """Any float format with gradual underflow and a sign, up to 21 bits."""
    exponent_bits = draw(st.integers(2, 8))
    specials = draw(st.sampled_from([Specials.IEEE, Specials.NAN_ONLY, Specials.NONE]))
    return FloatFormat(
        "any",
        exponent_bits,
        draw(st.integers(1, 12)),
        (1 << (exponent_bits - 1)) - 1 + draw(st.integers(-3, 3)),
        specials,
    )


anything = st.sampled_from(CATALOG) | float_formats()


@given(anything, numbers, st.sampled_from(DETERMINISTIC), st.sampled_from(list(Overflow)))
@settings(max_examples=200)
def test_idempotent(fmt, x, mode, overflow):
    once = fmt.quantize(np.array([x]), rounding=mode, overflow=overflow)
    twice = fmt.quantize(once, rounding=mode, overflow=overflow)
    assert np.array_equal(once, twice, equal_nan=True)


@given(anything, numbers, numbers, st.sampled_from(DETERMINISTIC))
@settings(max_examples=200)
def test_monotone(fmt, x, y, mode):
    low, high = sorted((x, y))
    a, b = fmt.quantize(np.array([low, high]), rounding=mode, overflow=Overflow.SATURATE)
    assume(not (math.isnan(a) or math.isnan(b)))  # no number where the format has no sign
    assert a <= b


@given(float_formats(), numbers, st.sampled_from(DETERMINISTIC))
@settings(max_examples=200)
def test_sign_symmetric(fmt, x, mode):
    mirrored = {Rounding.UP: Rounding.DOWN, Rounding.DOWN: Rounding.UP}.get(mode, mode)
    a = fmt.quantize(np.array([x]), rounding=mode)
    b = fmt.quantize(np.array([-x]), rounding=mirrored)
    assert np.array_equal(a, -b, equal_nan=True)
    assert np.isnan(a) or np.signbit(a) != np.signbit(b)


@given(float_formats(), numbers, st.sampled_from(DETERMINISTIC))
@settings(max_examples=200)
def test_error_is_below_one_ulp_and_half_for_nearest(fmt, x, mode):
    assume(abs(x) <= fmt.max_finite)
    y = float(fmt.quantize(np.array([x]), rounding=mode)[0])
    error = abs(Fraction(y) - Fraction(x))  # the difference of the floats would be rounded
    ulp = Fraction(fmt.ulp(x))
    nearest = mode in (Rounding.NEAREST_EVEN, Rounding.NEAREST_AWAY)
    assert error <= ulp / 2 if nearest else error < ulp
    if mode is Rounding.UP:
        assert y >= x
    if mode is Rounding.DOWN:
        assert y <= x
    if mode is Rounding.TOWARD_ZERO:
        assert abs(y) <= abs(x)


@given(float_formats(), numbers, st.integers(0, 2**16 - 1))
@settings(max_examples=200)
def test_stochastic_gives_a_neighbour_and_grows_with_the_noise(fmt, x, noise):
    bits = np.array([0, noise, 2**16 - 1], dtype=np.uint32)
    rules = {"rounding": Rounding.STOCHASTIC, "overflow": Overflow.SATURATE}
    least, middle, most = np.abs(fmt.quantize(np.full(3, x), random_bits=bits, **rules))
    assert least <= middle <= most
    truncated = fmt.quantize(
        np.array([x]), rounding=Rounding.TOWARD_ZERO, overflow=Overflow.SATURATE
    )
    assert least == np.abs(truncated[0])


@given(float_formats(), numbers, st.sampled_from(list(Rounding)), st.sampled_from(list(Overflow)))
@settings(max_examples=200)
def test_both_engines_equal_the_exact_definition(fmt, x, mode, overflow):
    noise = np.array([12345], dtype=np.uint32)
    rules = {
        "rounding": mode,
        "overflow": overflow,
        "random_bits": noise if mode is Rounding.STOCHASTIC else None,
    }
    expected = fmt.round_scalar(x, rounding=mode, overflow=overflow, random_bits=12345)
    for engine in (Engine.NUMPY, Engine.NUMBA):
        got = quantize(np.array([x]), fmt, engine=engine, **rules)
        assert np.array_equal(got, [expected], equal_nan=True)
        assert math.isnan(expected) or np.signbit(got[0]) == np.signbit(expected)


@given(anything, st.data())
@settings(max_examples=200)
def test_codes_come_back(fmt, data):
    code = data.draw(st.integers(0, (1 << fmt.bits) - 1))
    value = fmt.decode(np.array([code], dtype=fmt.code_dtype))
    again = fmt.decode(fmt.encode(value))
    assert np.array_equal(value, again, equal_nan=True)
