"""Constants of the float formats against the tables that their sources print."""

import math

import numpy as np
import pytest

from accelsim.errors import ConfigError
from accelsim.formats import FloatFormat, Specials, Subnormals, get_format

# name: (max finite, min normal, min positive), from the source in the comment.
CONSTANTS = {
    # OCP OFP8 1.0, table 1.
    "fp8_e5m2": (57344.0, 2.0**-14, 2.0**-16),
    "fp8_e4m3fn": (448.0, 2.0**-6, 2.0**-9),
    # ml_dtypes README; 240 = 1.875 * 2**7, 15.5 = 1.9375 * 2**3.
    "fp8_e4m3": (240.0, 2.0**-6, 2.0**-9),
    "fp8_e3m4": (15.5, 2.0**-2, 2.0**-6),
    # Intel FP8 Emulation Toolkit, table of formats.
    "fp8_e3m4fn": (30.0, 2.0**-2, 2.0**-6),
    # Perez et al., arXiv:2309.17224, table 7 (biases 8 and 16).
    "fp8_e4m3fnuz": (240.0, 2.0**-7, 2.0**-10),
    "fp8_e5m2fnuz": (57344.0, 2.0**-15, 2.0**-17),
    # HFP8: top binade 2**(15 - 11), all fractions in use: 1.875 * 16.
    "fp8_e4m3b11": (30.0, 2.0**-10, 2.0**-13),
    "fp8_e4m3b11fnuz": (30.0, 2.0**-10, 2.0**-13),
    # (1, 6, 9) with IEEE rules: (2 - 2**-9) * 2**31, 2**-30, 2**-39.
    "fp16_e6m9": (4290772992.0, 2.0**-30, 2.0**-39),
    # IEEE 754-2019, binary16 and binary32.
    "fp16_e5m10": (65504.0, 2.0**-14, 2.0**-24),
    "fp32": (float(np.finfo(np.float32).max), 2.0**-126, 2.0**-149),
    # OCP MX 1.0, tables 3 to 5.
    "fp6_e3m2": (28.0, 0.25, 0.0625),
    "fp6_e2m3": (7.5, 1.0, 0.125),
    "fp4_e2m1": (6.0, 1.0, 0.5),
    "e8m0": (2.0**127, 2.0**-127, 2.0**-127),
    # DLFloat16: IBM zDNN's constants; DL8: the constant of fms-model-optimizer.
    "dlfloat16": (8573157376.0, 4.665707820095122e-10, 4.665707820095122e-10),
    "dl8": (448.0, 0.0087890625, 0.0087890625),
}


@pytest.mark.parametrize("name", CONSTANTS)
def test_constants_are_those_of_the_source(name):
    fmt = get_format(name)
    assert (fmt.max_finite, fmt.min_normal, fmt.min_positive) == CONSTANTS[name]


def test_bf16_is_the_upper_half_of_binary32():
    fmt = get_format("bf16")
    assert fmt.max_finite == np.array([0x7F7F0000], np.uint32).view(np.float32)[0]
    assert fmt.min_subnormal == np.array([0x00010000], np.uint32).view(np.float32)[0]


@pytest.mark.parametrize(
    ("name", "bits", "precision"),
    [
        ("fp8_e5m2", 8, 3),
        ("fp9_e5m3", 9, 4),
        ("fp16_e6m9", 16, 10),
        ("tf32", 19, 11),
        ("e8m0", 8, 1),
    ],
)
def test_widths(name, bits, precision):
    assert (get_format(name).bits, get_format(name).precision) == (bits, precision)


# OCP OFP8 1.0, table 2 (codes of special values).
@pytest.mark.parametrize(
    ("name", "code", "value"),
    [
        ("fp8_e5m2", 0b0_11110_11, 57344.0),
        ("fp8_e5m2", 0b0_11111_00, math.inf),
        ("fp8_e5m2", 0b1_11111_00, -math.inf),
        ("fp8_e5m2", 0b0_11111_01, math.nan),
        ("fp8_e5m2", 0b1_11111_11, math.nan),
        ("fp8_e5m2", 0b0_00000_11, 0.75 * 2.0**-14),
        ("fp8_e5m2", 0b1_00000_00, -0.0),
        ("fp8_e4m3fn", 0b0_1111_110, 448.0),
        ("fp8_e4m3fn", 0b0_1111_111, math.nan),
        ("fp8_e4m3fn", 0b1_1111_111, math.nan),
        ("fp8_e4m3fn", 0b0_0000_111, 0.875 * 2.0**-6),
        ("fp8_e4m3fn", 0b0_0000_001, 2.0**-9),
        ("fp8_e4m3fnuz", 0b1_0000_000, math.nan),
        ("fp8_e4m3b11", 0b1_0000_000, -0.0),
        ("dlfloat16", 0xFFFF, math.nan),
        ("dlfloat16", 0x0001, 2.0**-31 * (1 + 2.0**-9)),
        ("dlfloat16", 0xFE00, -(2.0**32)),
        ("e8m0", 0x00, 2.0**-127),
        ("e8m0", 0xFF, math.nan),
    ],
)
def test_special_codes(name, code, value):
    decoded = get_format(name).decode_scalar(code)
    assert decoded == value or (math.isnan(decoded) and math.isnan(value))
    assert math.copysign(1.0, decoded) == math.copysign(1.0, value) or math.isnan(value)


def test_ulp_is_the_distance_to_the_next_member():
    fmt = get_format("fp16_e6m9")  # ten significant bits
    assert fmt.ulp(4096.0) == 8.0
    assert fmt.ulp(4095.0) == 4.0
    assert fmt.ulp(-1.0) == 2.0**-9
    assert fmt.ulp(0.0) == fmt.ulp(2.0**-35) == fmt.min_subnormal
    assert math.isnan(fmt.ulp(math.inf))
    assert math.isnan(fmt.ulp(math.nan))


def test_unit_roundoff_of_dlfloat16_is_two_to_minus_ten():
    assert get_format("dlfloat16").unit_roundoff == 2.0**-10


@pytest.mark.parametrize(
    ("fields", "part"),
    [
        ({"exponent_bits": 0, "mantissa_bits": 3, "bias": 0}, "exponent_bits is 0"),
        ({"exponent_bits": 11, "mantissa_bits": 52, "bias": 1023}, "exponent_bits is 11"),
        ({"exponent_bits": 5, "mantissa_bits": -1, "bias": 15}, "mantissa_bits is -1"),
        ({"exponent_bits": 5, "mantissa_bits": 2, "bias": 4000}, "bias 4000"),
        ({"exponent_bits": 5, "mantissa_bits": 2, "bias": -100}, "bias -100"),
        (
            {"exponent_bits": 4, "mantissa_bits": 3, "bias": 7, "signed": False},
            "signed_zero needs a sign bit",
        ),
        (
            {
                "exponent_bits": 4,
                "mantissa_bits": 3,
                "bias": 7,
                "specials": Specials.NEGATIVE_ZERO_NAN,
            },
            "signed_zero needs",
        ),
        (
            {
                "exponent_bits": 4,
                "mantissa_bits": 3,
                "bias": 7,
                "specials": Specials.NEGATIVE_ZERO_NAN,
                "signed": False,
                "signed_zero": False,
            },
            "needs a sign bit",
        ),
        (
            {
                "exponent_bits": 4,
                "mantissa_bits": 3,
                "bias": 7,
                "subnormals": Subnormals.NO_ZERO,
            },
            "no_zero needs an unsigned format",
        ),
        ({"exponent_bits": 1, "mantissa_bits": 0, "bias": 0}, "no finite non-zero number"),
    ],
)
def test_contradictory_fields_are_refused(fields, part):
    with pytest.raises(ConfigError, match=part):
        FloatFormat("bad", **fields)


def test_equal_formats_are_one_key():
    a = FloatFormat("x", 5, 2, 15)
    b = FloatFormat("x", 5, 2, 15)
    assert a == b
    assert len({a, b}) == 1
    assert a != FloatFormat("x", 5, 2, 16)
