"""The compiled loops and their NumPy twin give the same bits, and either can be missing."""

import itertools
import subprocess
import sys

import numpy as np
import pytest

from accelsim.formats import Overflow, Rounding, get_format, list_formats
from accelsim.formats.array import Engine, quantize
from accelsim.formats.float_format import FloatFormat
from accelsim.formats.plan import make_plan

FLOATS = [
    get_format(name) for name in list_formats() if isinstance(get_format(name), FloatFormat)
] + [
    get_format("float_e5m2_flushed"),
    get_format("float_e4m3_onezero"),
    get_format("float_e8m0"),
    get_format("float_e10m40"),
]


@pytest.fixture(scope="module")
def numbers():
    """Float32 and float64 patterns of every kind, subnormals and specials included."""
    rng = np.random.default_rng(3)
    spread = rng.standard_normal(1000) * np.exp2(rng.uniform(-45, 35, 1000))
    special = [0.0, -0.0, np.inf, -np.inf, np.nan, 5e-324, -1e-310, 1e300]
    patterns = rng.integers(0, 1 << 64, 2000, dtype=np.uint64).view(np.float64)
    wide = np.concatenate([spread, np.round(spread, 2), special, patterns])
    narrow = rng.integers(0, 1 << 32, 4000, dtype=np.uint32).view(np.float32)
    with np.errstate(all="ignore"):
        return np.concatenate([narrow, wide.astype(np.float32)]), wide


@pytest.mark.parametrize("fmt", FLOATS, ids=lambda fmt: fmt.name)
def test_kernels_and_numpy_give_the_same_bits(fmt, numbers):
    rng = np.random.default_rng(4)
    for rounding, overflow, x in itertools.product(Rounding, Overflow, numbers):
        noise = rng.integers(0, 1 << 16, x.size, dtype=np.uint32)
        rules = {
            "rounding": rounding,
            "overflow": overflow,
            "random_bits": noise if rounding is Rounding.STOCHASTIC else None,
        }
        plain = quantize(x, fmt, engine=Engine.NUMPY, **rules)
        compiled = quantize(x, fmt, engine=Engine.NUMBA, **rules)
        assert plain.dtype == compiled.dtype
        unsigned = np.uint32 if plain.dtype == np.float32 else np.uint64
        assert np.array_equal(plain.view(unsigned), compiled.view(unsigned)), (rounding, overflow)


def test_which_formats_take_the_float32_loop():
    nearest = Rounding.NEAREST_EVEN
    fast = {
        fmt.name
        for fmt in FLOATS
        if make_plan(fmt, nearest, Overflow.TO_INFINITY).fits_float32_loop
    }
    # Top binades of bf16 and tf32 would overflow the constant; the rest flush or have one zero.
    assert fast == {
        "fp8_e5m2",
        "fp8_e4m3fn",
        "fp8_e4m3",
        "fp8_e3m4",
        "fp8_e3m4fn",
        "fp8_e4m3b11",
        "fp9_e5m3",
        "fp16_e6m9",
        "fp16_e5m10",
        "fp6_e3m2",
        "fp6_e2m3",
        "fp4_e2m1",
    }


def test_which_formats_are_float32_with_fewer_bits():
    plans = {
        fmt.name: make_plan(fmt, Rounding.NEAREST_EVEN, Overflow.TO_INFINITY) for fmt in FLOATS
    }
    assert {name for name, plan in plans.items() if plan.cuts_float32_patterns} == {"bf16", "tf32"}
    assert {name for name, plan in plans.items() if plan.keeps_float32} == {"fp32"}
    saturating = make_plan(get_format("fp32"), Rounding.NEAREST_EVEN, Overflow.SATURATE)
    assert not saturating.keeps_float32  # infinity becomes the largest number


def test_strides_and_shapes_do_not_matter():
    rng = np.random.default_rng(5)
    x = rng.standard_normal((40, 50, 30)).astype(np.float32)
    fmt = get_format("fp8_e5m2")
    view = x[::2, ::-1, 3:17].transpose(2, 0, 1)
    assert np.array_equal(fmt.quantize(view), fmt.quantize(view.copy()))
    assert fmt.quantize(view).shape == view.shape


def test_everything_works_without_numba():
    code = """
import sys
sys.modules["numba"] = None
import importlib.util
find = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name == "numba" else find(name, *rest)
import numpy as np
from accelsim.formats import quantize
x = np.linspace(-9, 9, 100_000, dtype=np.float32)
assert quantize(x, "fp8_e5m2").dtype == np.float32
assert "accelsim.formats.kernels" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_importing_formats_loads_neither_numba_nor_ml_dtypes():
    code = """
import sys
from accelsim.formats import quantize
quantize([1.0], "fp8_e5m2")
assert not {"numba", "ml_dtypes", "matplotlib"} & set(sys.modules), "heavy import"
"""
    subprocess.run([sys.executable, "-c", code], check=True)
