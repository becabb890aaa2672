"""From names and mappings to formats, and back."""

import numpy as np
import pytest

from accelsim.errors import ConfigError, UnknownNameError
from accelsim.formats import (
    FloatFormat,
    Overflow,
    Rounding,
    Specials,
    Subnormals,
    decode,
    encode,
    get_format,
    get_tensor_format,
    list_formats,
    list_tensor_formats,
    quantize,
)


def test_the_catalog_has_every_family():
    names = set(list_formats())
    assert {"fp8_e5m2", "fp8_e4m3fn", "fp8_e3m4", "fp8_e4m3b11", "fp16_e6m9", "dlfloat16"} <= names
    assert {"fp16_e5m10", "bf16", "fp32", "int8", "posit8_es0", "posit16_es2", "e8m0"} <= names
    tensors = set(list_tensor_formats())
    assert {"mx_fp8_e4m3", "mx_fp8_e5m2", "mx_fp6_e3m2", "mx_fp6_e2m3", "mx_fp4"} <= tensors
    assert {"mx_int8", "s2fp8", "dynamic8_block", "int8_symmetric", "int8_affine"} <= tensors


def test_every_format_has_a_source_and_its_own_name():
    for name in list_formats():
        fmt = get_format(name)
        assert fmt.name == name
        assert fmt.source


def test_a_format_stands_for_itself():
    fmt = get_format("bf16")
    assert get_format(fmt) is fmt
    mx = get_tensor_format("mx_fp4")
    assert get_tensor_format(mx) is mx


def test_an_unknown_name_has_a_near_miss():
    with pytest.raises(UnknownNameError, match="Did you mean fp8_e5m2"):
        get_format("fp8_e5m22")
    with pytest.raises(UnknownNameError, match="Did you mean mx_fp4"):
        get_tensor_format("mx_fp44")


def test_a_tensor_format_is_not_an_element_format():
    with pytest.raises(ConfigError, match="'mx_fp4' is a tensor format"):
        get_format("mx_fp4")
    assert quantize([7.0, 0.3], "mx_fp4").tolist() == [6.0, 0.5]
    with pytest.raises(ConfigError, match="its own rounding"):
        quantize([7.0], "mx_fp4", rounding=Rounding.UP)


def test_inline_fields_give_the_usual_bias_and_a_name():
    fmt = get_format({"exponent_bits": 5, "mantissa_bits": 6})
    assert (fmt.name, fmt.bias, fmt.bits) == ("float_e5m6", 15, 12)
    assert fmt == get_format("float_e5m6")


def test_inline_fields_are_all_honoured():
    fmt = get_format(
        {
            "name": "mine",
            "exponent_bits": 4,
            "mantissa_bits": 3,
            "bias": 9,
            "specials": "none",
            "subnormals": "flushed",
            "signed": False,
            "overflow": "saturate",
            "rounding": "toward_zero",
        }
    )
    assert fmt == FloatFormat(
        "mine",
        4,
        3,
        9,
        Specials.NONE,
        Subnormals.FLUSHED,
        signed=False,
        signed_zero=False,
        overflow=Overflow.SATURATE,
        rounding=Rounding.TOWARD_ZERO,
        source="inline",
    )


@pytest.mark.parametrize(
    "fields",
    [
        {"exponent_bits": 4, "mantissa_bits": 3, "bias": 11, "specials": "negative_zero_nan"},
        {
            "exponent_bits": 6,
            "mantissa_bits": 9,
            "specials": "merged",
            "subnormals": "normal_binade",
        },
        {"exponent_bits": 5, "mantissa_bits": 3, "signed": False, "specials": "none"},
        {"exponent_bits": 5, "mantissa_bits": 2, "signed_zero": False, "overflow": "saturate"},
        {"exponent_bits": 5, "mantissa_bits": 2, "rounding": "stochastic", "bias": -3},
    ],
)
def test_the_name_of_an_unnamed_format_says_all_its_fields(fields):
    fmt = get_format(fields)
    assert get_format(fmt.name) == fmt


@pytest.mark.parametrize(
    ("name", "bits", "lowest", "highest"),
    [("int3", 3, -4, 3), ("uint5", 5, 0, 31), ("int48", 48, -(2**47), 2**47 - 1)],
)
def test_integers_of_any_width_have_a_name(name, bits, lowest, highest):
    fmt = get_format(name)
    assert (fmt.bits, fmt.min_finite, fmt.max_finite) == (bits, lowest, highest)


def test_posits_of_any_width_have_a_name():
    """The largest posit of n bits is (2**2**es)**(n - 2)."""
    for bits, es in ((3, 0), (6, 1), (12, 2)):
        assert get_format(f"posit{bits}_es{es}").max_finite == 2.0 ** (2**es * (bits - 2))


@pytest.mark.parametrize("name", ["int1", "int49", "uint99", "posit2_es1", "posit17_es2"])
def test_a_width_that_cannot_be_is_refused(name):
    with pytest.raises(ConfigError, match=r"it must be"):
        get_format(name)


def test_all_problems_of_a_mapping_are_reported_at_once():
    with pytest.raises(ConfigError) as caught:
        get_format({"exponent_bit": 4, "mantissa_bits": "3", "specials": "iee", "signed": 1})
    text = str(caught.value)
    assert "Did you mean exponent_bits?" in text
    assert "needs it" in text
    assert "whole number" in text
    assert "Did you mean ieee?" in text
    assert "true or false" in text
    assert len(caught.value.problems) == 5


@pytest.mark.parametrize("name", ["", 3, "  "])
def test_a_bad_name_is_refused(name):
    with pytest.raises(ConfigError, match="not empty"):
        get_format({"exponent_bits": 5, "mantissa_bits": 2, "name": name})


def test_a_taken_name_is_refused():
    with pytest.raises(ConfigError, match="belongs to another format"):
        get_format({"exponent_bits": 5, "mantissa_bits": 2, "name": "fp8_e5m2"})


def test_what_is_neither_name_nor_mapping_is_refused():
    with pytest.raises(ConfigError, match="not int"):
        get_format(8)


def test_the_three_verbs():
    x = quantize([1.1, -3.3], "fp8_e5m2")
    codes = encode(x, "fp8_e5m2")
    assert codes.dtype == np.uint8
    assert np.array_equal(decode(codes, "fp8_e5m2"), x)
