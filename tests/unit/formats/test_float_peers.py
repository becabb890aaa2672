"""Dense float inputs through this package, ml_dtypes, gfloat and NumPy."""

import gfloat
import numpy as np
import pytest

from accelsim.formats import Rounding, get_format, quantize
from tests.oracles.formats.float_peers import GFLOAT, ML_DTYPES

#: Formats without NaN, in which ml_dtypes makes a number of it.
WITHOUT_NAN = ("fp6_e3m2", "fp6_e2m3", "fp4_e2m1")
#: Formats whose conversion in ml_dtypes follows the same rules for all numbers.
SAME_RULES = tuple(name for name in ML_DTYPES if name not in (*WITHOUT_NAN, "e8m0"))
#: Formats that gfloat rounds to in every mode: those with a sign, and no integers.
SIGNED_FLOATS = tuple(name for name in GFLOAT if name not in ("e8m0", "mx_int8_element"))
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


@pytest.mark.parametrize("name", SAME_RULES)
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
    theirs = x.astype(ML_DTYPES[name]).astype(np.float32)
    assert same(quantize(x, name), theirs).all()


def test_scales_agree_with_ml_dtypes_outside_its_lowest_binade():
    # ml_dtypes rounds everything between its two lowest scales up (0.6.0), nearest or not.
    x = dense_float32()
    with np.errstate(invalid="ignore"):
        x = x[~((np.abs(x) > 2.0**-127) & (np.abs(x) < 2.0**-126))]
        theirs = x.astype(ML_DTYPES["e8m0"]).astype(np.float32)
    assert same(quantize(x, "e8m0"), theirs).all()
    assert quantize([1.25 * 2.0**-127], "e8m0")[0] == 2.0**-127


@pytest.mark.parametrize("mode", GFLOAT_MODES)
@pytest.mark.parametrize("name", SIGNED_FLOATS)
def test_float64_agrees_with_gfloat(name, mode):
    fmt = get_format(name)
    rng = np.random.default_rng(1)
    spread = np.exp2(rng.uniform(-30, 20, 1500))
    members = finite(fmt.decode(rng.integers(0, 1 << fmt.bits, 500).astype(fmt.code_dtype)))
    wide = members.astype(np.float64)
    numbers = np.concatenate([rng.standard_normal(1500) * spread, wide, wide * 1.0625, wide * 0.5])
    numbers = numbers[np.abs(numbers) <= fmt.max_finite]
    theirs = gfloat.round_ndarray(GFLOAT[name], numbers, GFLOAT_MODES[mode])
    ours = quantize(numbers, name, rounding=mode)
    bad = ~same(ours, theirs)
    assert not bad.any(), (numbers[bad][:5], ours[bad][:5], theirs[bad][:5])


def test_fp32_is_the_hardware_conversion():
    rng = np.random.default_rng(2)
    x = rng.standard_normal(20000) * np.exp2(rng.uniform(-160, 130, 20000))
    with np.errstate(over="ignore"):
        hardware = x.astype(np.float32)
    assert same(quantize(x, "fp32"), hardware.astype(np.float64)).all()
