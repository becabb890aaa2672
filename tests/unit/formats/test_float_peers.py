"""Dense float inputs through this package, ml_dtypes, gfloat and NumPy."""

import gfloat
import gfloat.formats as gf
import ml_dtypes
import numpy as np
import pytest

from accelsim.formats import Rounding, get_format, quantize

#: Formats whose conversion in ml_dtypes follows the same overflow rule.
ML_DTYPES = {
    "fp8_e5m2": ml_dtypes.float8_e5m2,
    "fp8_e4m3fn": ml_dtypes.float8_e4m3fn,
    "fp8_e4m3": ml_dtypes.float8_e4m3,
    "fp8_e3m4": ml_dtypes.float8_e3m4,
    "fp8_e4m3b11fnuz": ml_dtypes.float8_e4m3b11fnuz,
    "fp8_e4m3fnuz": ml_dtypes.float8_e4m3fnuz,
    "fp8_e5m2fnuz": ml_dtypes.float8_e5m2fnuz,
    "bf16": ml_dtypes.bfloat16,
    "fp16_e5m10": np.float16,
}
#: Formats without NaN, in which ml_dtypes makes a number of it.
WITHOUT_NAN = {
    "fp6_e3m2": ml_dtypes.float6_e3m2fn,
    "fp6_e2m3": ml_dtypes.float6_e2m3fn,
    "fp4_e2m1": ml_dtypes.float4_e2m1fn,
}
GFLOAT_FORMATS = {
    "fp8_e5m2": gf.format_info_ocp_e5m2,
    "fp8_e4m3fn": gf.format_info_ocp_e4m3,
    "fp6_e3m2": gf.format_info_ocp_e3m2,
    "fp6_e2m3": gf.format_info_ocp_e2m3,
    "fp4_e2m1": gf.format_info_ocp_e2m1,
    "fp16_e5m10": gf.format_info_binary16,
    "bf16": gf.format_info_bfloat16,
}
GFLOAT_MODES = {
    Rounding.NEAREST_EVEN: gfloat.RoundMode.TiesToEven,
    Rounding.NEAREST_AWAY: gfloat.RoundMode.TiesToAway,
    Rounding.TOWARD_ZERO: gfloat.RoundMode.TowardZero,
    Rounding.UP: gfloat.RoundMode.TowardPositive,
    Rounding.DOWN: gfloat.RoundMode.TowardNegative,
}


def dense_float32():
    """Every 8209th of the 2**32 float32 patterns (an odd prime stride), all upper halves, ties."""
    strided = np.arange(0, 1 << 32, 8209, dtype=np.uint64).astype(np.uint32)
    upper = np.arange(1 << 16, dtype=np.uint32) << np.uint32(16)
    return np.concatenate([strided, upper, upper | np.uint32(0x8000), upper + 1]).view(np.float32)


def finite(x):
    return x[np.isfinite(x)]


def same(a, b):
    """Equal, NaN to NaN, and +0 not to -0."""
    return (np.isnan(a) & np.isnan(b)) | ((a == b) & (np.signbit(a) == np.signbit(b)))


@pytest.mark.parametrize("name", ML_DTYPES)
def test_float32_agrees_with_ml_dtypes(name):
    x = dense_float32()
    with np.errstate(over="ignore", invalid="ignore"):
        theirs = x.astype(ML_DTYPES[name]).astype(np.float32)
    ours = quantize(x, name)
    bad = ~same(ours, theirs)
    assert not bad.any(), (x[bad][:5], ours[bad][:5], theirs[bad][:5])


@pytest.mark.parametrize("name", WITHOUT_NAN)
def test_formats_without_nan_agree_with_ml_dtypes_on_numbers(name):
    x = dense_float32()
    x = x[~np.isnan(x)]
    theirs = x.astype(WITHOUT_NAN[name]).astype(np.float32)
    assert same(quantize(x, name), theirs).all()


def test_scales_agree_with_ml_dtypes_outside_its_lowest_binade():
    # ml_dtypes rounds everything between its two lowest scales up (0.6.0), nearest or not.
    x = dense_float32()
    with np.errstate(invalid="ignore"):
        x = x[~((np.abs(x) > 2.0**-127) & (np.abs(x) < 2.0**-126))]
        theirs = x.astype(ml_dtypes.float8_e8m0fnu).astype(np.float32)
    assert same(quantize(x, "e8m0"), theirs).all()
    assert quantize([1.25 * 2.0**-127], "e8m0")[0] == 2.0**-127


@pytest.mark.parametrize("mode", GFLOAT_MODES)
@pytest.mark.parametrize("name", GFLOAT_FORMATS)
def test_float64_agrees_with_gfloat(name, mode):
    fmt = get_format(name)
    rng = np.random.default_rng(1)
    spread = np.exp2(rng.uniform(-30, 20, 1500))
    members = finite(fmt.decode(rng.integers(0, 1 << fmt.bits, 500).astype(fmt.code_dtype)))
    wide = members.astype(np.float64)
    numbers = np.concatenate([rng.standard_normal(1500) * spread, wide, wide * 1.0625, wide * 0.5])
    numbers = numbers[np.abs(numbers) <= fmt.max_finite]
    theirs = gfloat.round_ndarray(GFLOAT_FORMATS[name], numbers, GFLOAT_MODES[mode])
    ours = quantize(numbers, name, rounding=mode)
    bad = ~same(ours, theirs)
    assert not bad.any(), (numbers[bad][:5], ours[bad][:5], theirs[bad][:5])


def test_fp32_is_the_hardware_conversion():
    rng = np.random.default_rng(2)
    x = rng.standard_normal(20000) * np.exp2(rng.uniform(-160, 130, 20000))
    with np.errstate(over="ignore"):
        hardware = x.astype(np.float32)
    assert same(quantize(x, "fp32"), hardware.astype(np.float64)).all()
