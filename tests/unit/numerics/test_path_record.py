"""Which path ran, and why: said by the product itself, and foretold from formats of every kind."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from accelsim.errors import ConfigError
from accelsim.formats import Rounding, get_format, list_formats
from accelsim.formats.random_bits import StreamKey
from accelsim.numerics import explain_path, matmul, multiply_matrices
from accelsim.numerics.operands import OperandFacts
from accelsim.precision import (
    AccumulationMethod,
    Accumulator,
    IntegerOverflow,
    TensorStorage,
    stored_format,
)

E5M2, INT8 = get_format("fp8_e5m2"), get_format("int8")
CHUNKED = Accumulator(format="fp16_e6m9", chunk_size=64)
STOCHASTIC = Accumulator(format="fp16_e6m9", chunk_size=64, rounding=Rounding.STOCHASTIC)
INT32 = Accumulator(format="fp32", method=AccumulationMethod.INTEGER)
CLAMPED = Accumulator(
    format="fp32",
    method=AccumulationMethod.INTEGER,
    integer_bits=16,
    integer_overflow=IntegerOverflow.SATURATE,
)
KEY = StreamKey(seed=2)


def _fp8(*shape, seed=0):
    x = np.random.default_rng(seed).standard_normal(shape)
    return E5M2.quantize(x.astype(np.float32))


def _ran(a, b, accumulator, **options):
    """Return the path that ran, having checked that it gave the bits of the definition."""
    product = multiply_matrices(a, b, accumulator, key=KEY, **options)
    expected = matmul(a, b, accumulator, key=KEY, path="definition")
    np.testing.assert_array_equal(product.values, expected)
    return product.path


def test_a_product_says_its_path_and_why():
    path = _ran(_fp8(9, 70), _fp8(70, 60, seed=1), CHUNKED)
    assert str(path) == "fast path; (a) and (b) hold; (d) holds; (c) holds"
    stochastic = _ran(_fp8(9, 70), _fp8(70, 60, seed=1), STOCHASTIC)
    assert (stochastic.name, stochastic.is_stochastic) == ("stochastic", True)


@pytest.mark.parametrize(
    ("shapes", "options", "name", "reason"),
    [
        (((9, 70), (70, 60)), {"path": "definition"}, "definition", "asked for"),
        (((9, 70), (70, 60)), {"path": "tiled"}, "tiled", "asked for"),
        (((9, 0), (0, 60)), {}, "definition", "nothing is added"),
        (((0, 70), (70, 60)), {}, "definition", "nothing is added"),
    ],
)
def test_what_ran_instead_of_the_fastest_is_said(shapes, options, name, reason):
    path = multiply_matrices(*(_fp8(*shape) for shape in shapes), CHUNKED, **options).path
    assert (path.name, path.reasons[-1]) == (name, reason)


def test_a_path_that_does_not_exist_is_refused():
    with pytest.raises(ConfigError, match=r"'fastest' is no path. Known: fast, bounded, "):
        matmul([[1.0]], [[1.0]], CHUNKED, path="fastest")


def test_skipped_zeros_are_said():
    a = _fp8(70, 130)
    a[np.random.default_rng(2).random(a.shape) < 0.9] = 0.0
    assert _ran(a, _fp8(130, 512, seed=1), CHUNKED).reasons[-1] == "zero operands are skipped"


def test_sums_that_overflow_are_counted():
    """57344 * 57344 is 3.29e9; two of them pass the largest number, 4.29e9, two zeros do not."""
    a = np.array([[57344.0, 57344.0], [0.0, 0.0]])
    path = _ran(a, np.full((2, 60), 57344.0), CHUNKED)
    assert path.name == "bounded"
    assert path.reasons[-1] == "60 sums that overflow came from the definition"


def test_without_numba_the_twin_is_said(monkeypatch):
    monkeypatch.setattr(sys.modules["accelsim.numerics.gemm"], "has_numba", lambda: False)
    a, b = _fp8(9, 70), _fp8(70, 60, seed=1)
    path = _ran(a, b, CHUNKED)
    assert (path.name, path.reasons[-1]) == ("tiled", "Numba is not installed")
    path = _ran(a, b, STOCHASTIC)
    assert (path.name, path.reasons) == ("definition", ("Numba is not installed",))


@pytest.mark.parametrize(
    ("accumulator", "k", "name"),
    [
        (INT32, 4096, "blas"),
        # 64 * 128 * 128 = 2**20 passes 2**15: it could saturate. 1 * 2**14 cannot.
        (CLAMPED, 64, "clamped"),
        (CLAMPED, 1, "blas"),
        (Accumulator(format="fp16_e6m9", method=AccumulationMethod.EXACT), 64, "blas"),
        (Accumulator(format="fp32"), 64, "ordered"),
    ],
)
def test_integers_are_explained_and_run_as_explained(accumulator, k, name):
    explained = explain_path(INT8, INT8, accumulator, k=k)
    assert explained.name == name
    rng = np.random.default_rng(k)
    a, b = (rng.integers(-128, 128, shape).astype(float) for shape in ((3, k), (k, 50)))
    a[0, 0] = b[0, 0] = -128.0
    assert _ran(a, b, accumulator, a_format=INT8, b_format=INT8).name == name


@pytest.mark.parametrize("rounding", list(Rounding))
@pytest.mark.parametrize("method", list(AccumulationMethod))
@pytest.mark.parametrize("operand", ["fp8_e5m2", "int8", "posit8_es1", "dynamic8", "uint4"])
def test_every_mode_has_a_path_with_a_reason(rounding, method, operand):
    fmt = get_format(operand)
    accumulator = Accumulator(format="fp16_e6m9", chunk_size=64, rounding=rounding, method=method)
    choice = explain_path(fmt, fmt, accumulator, k=100)
    assert choice.reasons
    assert all(choice.reasons)


def test_a_format_promises_what_holds_for_all_its_values():
    """Every value is a multiple of the promised step and has no more bits than promised."""
    for fmt in (get_format(name) for name in list_formats()):
        if fmt.bits > 16:
            continue
        codes = np.arange(1 << fmt.bits, dtype=fmt.code_dtype)
        values = np.asarray(fmt.decode(codes), np.float64)
        values = values[np.isfinite(values)]
        promised = OperandFacts.of_format(fmt)
        assert promised.amax == np.abs(values).max(), fmt.name
        steps = np.ldexp(values, -promised.lsb_exponent)
        np.testing.assert_array_equal(steps, np.rint(steps), fmt.name)
        significands = np.ldexp(np.frexp(values)[0], promised.significant_bits)
        np.testing.assert_array_equal(significands, np.rint(significands), fmt.name)


def test_what_a_scaled_tensor_holds_only_the_data_say():
    mx = stored_format("mx_fp8_e4m3")
    assert isinstance(mx, TensorStorage)
    choice = explain_path(mx, mx, CHUNKED, k=64)
    assert str(choice) == "definition path; only the data say what an operand holds"


def test_a_posit_accumulator_says_why_it_is_slow():
    posit = get_format("posit16_es1")
    choice = explain_path(E5M2, E5M2, Accumulator(format=posit), k=64)
    assert choice.reasons == ("posit16_es1 is not a signed float format",)
