"""Integers, fixed point, and tensors of integers with scale and zero point."""

from fractions import Fraction

import numpy as np
import pytest

from accelsim.errors import ConfigError, DataError
from accelsim.formats import (
    IntegerFormat,
    IntegerScaling,
    IntegerTensorFormat,
    Rounding,
    get_format,
    get_tensor_format,
    quantize,
)

HALVES = np.array([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 0.25, -0.25])


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        # Worked by hand for each half and quarter above.
        (Rounding.NEAREST_EVEN, [-2, -2, 0, 0, 2, 2, 0, 0]),
        (Rounding.NEAREST_AWAY, [-3, -2, -1, 1, 2, 3, 0, 0]),
        (Rounding.TOWARD_ZERO, [-2, -1, 0, 0, 1, 2, 0, 0]),
        (Rounding.UP, [-2, -1, 0, 1, 2, 3, 1, 0]),
        (Rounding.DOWN, [-3, -2, -1, 0, 1, 2, 0, -1]),
    ],
)
def test_roundings_by_hand(mode, expected):
    got = quantize(HALVES, "int8", rounding=mode)
    assert got.tolist() == expected
    assert not np.signbit(got[got == 0]).any()


@pytest.mark.parametrize(
    ("name", "low", "high"), [("int8", -128, 127), ("uint4", 0, 15), ("int2", -2, 1)]
)
def test_range_saturates(name, low, high):
    x = np.array([-1e300, -np.inf, high + 0.5, 1e300, np.inf])
    assert quantize(x, name).tolist() == [low, low, high, high, high]


@pytest.mark.parametrize("name", ["int2", "int4", "int8", "int16", "uint2", "uint8", "uint16"])
def test_every_code_is_twos_complement(name):
    fmt = get_format(name)
    codes = np.arange(1 << fmt.bits).astype(fmt.code_dtype)
    signed = codes.astype(np.int64)
    if fmt.signed:
        signed = np.where(signed >= 1 << (fmt.bits - 1), signed - (1 << fmt.bits), signed)
    assert np.array_equal(fmt.decode(codes), signed)
    assert np.array_equal(fmt.encode(signed.astype(np.float64)), codes)


def test_fixed_point_element_of_mx():
    # OCP MX 1.0, section 5.3.4: two's complement with an implied scale of 2**-6.
    fmt = get_format("mx_int8_element")
    assert fmt.max_finite == 127 / 64
    assert fmt.decode(np.array([1, 127, 255], np.uint8)).tolist() == [1 / 64, 127 / 64, -1 / 64]


def test_wide_integers_keep_float64():
    int32 = get_format("int32")
    assert int32.value_dtype == np.float64
    assert int32.quantize(np.float32([3e9])).tolist() == [2**31 - 1]
    assert get_format("int16").quantize(np.ones(1, np.float32)).dtype == np.float32


@pytest.mark.parametrize(
    "fields",
    [{"integer_bits": 1}, {"integer_bits": 49}, {"integer_bits": 8, "fraction_bits": -1}],
)
def test_absurd_widths_are_refused(fields):
    with pytest.raises(ConfigError, match="must be"):
        IntegerFormat("bad", **fields)


def test_symmetric_scale_is_amax_over_127():
    encoded = get_tensor_format("int8_symmetric").encode([1.0, -2.0, 0.25, 0.0])
    assert encoded.scale == np.float32(2 / 127)
    # 63.5 ties to 64 in the real numbers; the float32 scale is a little below 2 / 127.
    assert encoded.codes.view(np.int8).tolist() == [64, -127, 16, 0]


def test_affine_zero_is_exact_and_the_ends_are_used():
    fmt = get_tensor_format("int8_affine")
    x = np.array([-1.0, 0.0, 0.5, 3.0])
    encoded = fmt.encode(x)
    # Range 4 over 255 steps: scale 4/255; zero point round(-128 + 255/4) = -64.
    assert encoded.scale == np.float32(4 / 255)
    assert encoded.zero_point == -64
    codes = encoded.codes.view(np.int8)
    assert (codes.min(), codes.max()) == (-128, 127)
    assert fmt.decode(encoded)[1] == 0.0


@pytest.mark.parametrize("name", ["int4_symmetric", "int8_symmetric", "int4_affine", "int8_affine"])
def test_error_is_at_most_half_a_step_as_exact_fractions_say(name):
    fmt = get_tensor_format(name)
    x = np.random.default_rng(0).standard_normal(500)
    encoded = fmt.encode(x)
    back = fmt.decode(encoded)
    step = Fraction(float(encoded.scale))
    slack = Fraction(1, 2**20)  # zero point and scale are rounded themselves
    for a, b in zip(x, back, strict=True):
        inner = abs(Fraction(a) - Fraction(b)) <= step * (Fraction(1, 2) + slack)
        assert inner or abs(Fraction(a) - Fraction(b)) <= step  # an end moved by the zero point


def test_one_scale_for_each_channel():
    fmt = IntegerTensorFormat("w", get_format("int8"), IntegerScaling.SYMMETRIC, axis=0)
    x = np.array([[1.0, 0.5], [100.0, 50.0]])
    assert fmt.encode(x).scale.shape == (2, 1)
    assert fmt.encode(x).codes[0].tolist() == fmt.encode(x).codes[1].tolist()


def test_zeros_have_scale_one_and_nan_is_refused():
    fmt = get_tensor_format("int8_symmetric")
    assert fmt.encode(np.zeros(3)).scale == 1
    with pytest.raises(DataError, match="nan"):
        fmt.quantize([1.0, np.nan])
    # Infinity saturates; the scale comes from the finite elements.
    assert fmt.quantize([np.inf, 1.0])[0] == pytest.approx(1.0, rel=1e-6)


def test_unsigned_integers_cannot_be_symmetric():
    with pytest.raises(ConfigError, match="signed integers"):
        IntegerTensorFormat("bad", get_format("uint8"))
