"""Shapes, strides, threads, refusals and the choice of path."""

from __future__ import annotations

import builtins
import subprocess
import sys

import numpy as np
import pytest

from accelsim.errors import ConfigError, DataError, ShapeError
from accelsim.formats import Rounding, get_format
from accelsim.formats.random_bits import StreamKey
from accelsim.numerics import PathName, explain_path, matmul
from accelsim.numerics.operands import OperandFacts
from accelsim.numerics.panels import THREADED_PACKING
from accelsim.precision import Accumulator

CHUNKED = Accumulator(format="fp16_e6m9", chunk_size=64)
E5M2 = get_format("fp8_e5m2")
KEY = StreamKey(seed=9)


def _fp8(*shape, seed=0, scale=1.0):
    x = np.random.default_rng(seed).standard_normal(shape) * scale
    return E5M2.quantize(x.astype(np.float32))


def _definition(a, b, accumulator=CHUNKED, **options):
    return matmul(a, b, accumulator, path="definition", **options)


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("rounding", [Rounding.NEAREST_EVEN, Rounding.STOCHASTIC])
@pytest.mark.parametrize(("m", "n"), [(1, 1), (3, 65), (130, 5), (67, 129), (1, 300)])
def test_threads_and_blocks_never_change_a_bit(threads, rounding, m, n):
    a, b = _fp8(m, 70), _fp8(70, n, seed=1)
    accumulator = Accumulator(format="fp16_e6m9", chunk_size=16, rounding=rounding)
    found = matmul(a, b, accumulator, threads=threads, key=KEY)
    np.testing.assert_array_equal(found, _definition(a, b, accumulator, key=KEY))


def test_k_blocks_never_change_a_bit():
    a, b = _fp8(5, 3000), _fp8(3000, 70, seed=1)
    for chunk in (7, 1000, 2000, None):
        accumulator = Accumulator(format="fp16_e6m9", chunk_size=chunk)
        np.testing.assert_array_equal(matmul(a, b, accumulator), _definition(a, b, accumulator))


def test_batches_broadcast_and_strides_do_not_matter():
    a, b = _fp8(2, 1, 5, 20), _fp8(3, 20, 7, seed=1)
    found = matmul(a, b, CHUNKED)
    assert found.shape == (2, 3, 5, 7)
    for i in range(2):
        for j in range(3):
            np.testing.assert_array_equal(found[i, j], _definition(a[i, 0], b[j]))
    transposed = np.asfortranarray(b[0])
    np.testing.assert_array_equal(matmul(a[0, 0, ::-2], transposed, CHUNKED), found[0, 0, ::-2])
    np.testing.assert_array_equal(matmul(b[0].T, a[0, 0].T, CHUNKED), found[0, 0].T)


def test_float64_and_integer_operands_give_the_same_bits():
    a, b = _fp8(5, 20), _fp8(20, 7, seed=1)
    np.testing.assert_array_equal(
        matmul(a.astype(np.float64), b.astype(np.float64), CHUNKED), matmul(a, b, CHUNKED)
    )
    assert matmul([[1, 2]], [[3], [4]], CHUNKED) == 11


def test_known_formats_choose_the_same_bits():
    a, b = _fp8(5, 20), _fp8(20, 7, seed=1)
    found = matmul(a, b, CHUNKED, a_format=E5M2, b_format=E5M2)
    np.testing.assert_array_equal(found, matmul(a, b, CHUNKED))


@pytest.mark.parametrize("shape", [(0, 3, 2), (2, 0, 3), (2, 3, 0)])
def test_empty_operands_give_empty_or_zero_results(shape):
    m, k, n = shape
    found = matmul(np.ones((m, k)), np.ones((k, n)), CHUNKED)
    assert found.shape == (m, n)
    assert not found.any()


def test_result_is_float32_where_that_holds_it():
    assert matmul([[1.0]], [[1.0]], CHUNKED).dtype == np.float32
    wide = Accumulator(format={"exponent_bits": 8, "mantissa_bits": 30})
    assert matmul([[1.0]], [[1.0]], wide).dtype == np.float64


def test_overflowed_outputs_follow_the_format_and_leave_the_others_alone():
    """A poisoned sum is computed again: infinity may come back as -infinity only as NaN."""
    a, b = _fp8(9, 40, scale=20000.0), _fp8(40, 70, seed=1, scale=20000.0)
    found, expected = matmul(a, b, CHUNKED), _definition(a, b)
    np.testing.assert_array_equal(found, expected)
    assert np.isinf(expected).any()
    assert np.isfinite(expected).any()


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        (np.ones((2, 3)), np.ones((2, 3)), r"^\(2, 3\) @ \(2, 3\): 3 columns on the left, 2 rows"),
        (np.ones(3), np.ones((3, 1)), "^Operands are matrices or batches"),
        (np.ones((2, 1, 3)), np.ones((3, 3, 1)), "^Batches"),
    ],
)
def test_operands_that_do_not_multiply_are_refused(a, b, message):
    with pytest.raises(ShapeError, match=message):
        matmul(a, b, CHUNKED)


def test_operands_whose_products_are_not_exact_are_refused():
    with pytest.raises(DataError, match=r"not exact in float64"):
        matmul([[0.1]], [[0.1]], CHUNKED)
    with pytest.raises(DataError, match=r"^Operands are real numbers"):
        matmul([[1j]], [[1.0]], CHUNKED)


def test_a_path_that_may_not_run_is_refused():
    with pytest.raises(ConfigError, match=r"^Path fast may not run here; wide would"):
        matmul([[1.0009765625]], [[1.0009765625]], CHUNKED, path="fast")


def _name(a, b, accumulator, k=1000, **amax):
    return explain_path(get_format(a), get_format(b), accumulator, k=k, **amax).name


def test_paths_are_chosen_on_the_conditions_alone():
    small = {"amax_a": 8.0, "amax_b": 8.0}
    half = Accumulator(format="fp16_e5m10")
    assert _name("fp8_e5m2", "fp8_e5m2", CHUNKED, **small) is PathName.FAST
    # (d) 4 * 1000 * 57344**2 is more than 2**32.
    assert _name("fp8_e5m2", "fp8_e5m2", CHUNKED) is PathName.BOUNDED
    # (c) e5m2 products reach down to 2**-32, binary16 to 2**-24; e4m3 products only to 2**-18.
    assert _name("fp8_e5m2", "fp8_e5m2", half, **small) is PathName.GRID
    assert _name("fp8_e4m3fn", "fp8_e4m3fn", half, k=100, **small) is PathName.FAST
    # (b) twenty significant bits.
    assert _name("fp16_e6m9", "fp16_e6m9", CHUNKED, **small) is PathName.GENERAL
    away = Accumulator(format="dlfloat16", rounding=Rounding.NEAREST_AWAY)
    assert _name("fp8_e5m2", "fp8_e5m2", away, **small) is PathName.AWAY
    assert _name("fp32", "fp32", Accumulator(format="fp32")) is PathName.ORDERED
    assert _name("int8", "fp32", CHUNKED) is PathName.GENERAL
    stochastic = Accumulator(format="fp16_e6m9", chunk_size=64, rounding=Rounding.STOCHASTIC)
    assert _name("fp8_e5m2", "fp8_e5m2", stochastic, **small) is PathName.STOCHASTIC


def test_condition_d_is_tight():
    """k = 1 and 4 * 2**30 = 2**32, just above the largest number 4290772992 = 2**32 - 2**22."""
    at = {"amax_a": 32768.0, "amax_b": 32768.0}
    below = {"amax_a": 32768.0, "amax_b": 28672.0}
    assert _name("fp8_e5m2", "fp8_e5m2", CHUNKED, k=1, **at) is PathName.BOUNDED
    assert _name("fp8_e5m2", "fp8_e5m2", CHUNKED, k=1, **below) is PathName.FAST


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_facts_about_data_are_what_they_say(dtype):
    """1.25 = 101b * 2**-2 and 48 = 11b * 2**4: three bits, multiples of 2**-2."""
    facts = OperandFacts.of_data(np.array([1.25, -48.0, 0.0, 0.0], dtype))
    assert facts == OperandFacts(3, -2, 48.0, True, 0.5)
    assert not OperandFacts.of_data(np.array([1.0, np.inf], dtype)).finite
    assert not OperandFacts.of_data(np.array([np.nan], dtype)).finite
    assert OperandFacts.of_data(np.zeros(0, dtype)).amax == 0.0


def test_compiled_and_plain_facts_agree():
    x = _fp8(300, 300)
    x[x < 0.25] = 0.0
    assert OperandFacts.of_data(x) == OperandFacts.of_data(x.astype(np.float64))


def test_matmul_works_without_numba(monkeypatch):
    def refuse(name, *arguments, **options):
        if name.split(".")[0] in ("numba", "llvmlite"):
            raise ImportError(name)
        return real(name, *arguments, **options)

    real = builtins.__import__
    a, b = _fp8(20, 130), _fp8(130, 30, seed=1)
    expected = matmul(a, b, CHUNKED)
    monkeypatch.setattr(builtins, "__import__", refuse)
    monkeypatch.setattr(sys.modules["accelsim.numerics.gemm"], "has_numba", lambda: False)
    np.testing.assert_array_equal(matmul(a, b, CHUNKED), expected)


@pytest.mark.parametrize("scale", [2.0**-10, 1.0, 2.0**13])
@pytest.mark.parametrize("saturate", [False, True])
@pytest.mark.parametrize(
    ("name", "rounding"),
    [
        ("fp16_e6m9", Rounding.NEAREST_EVEN),
        ("fp16_e5m10", Rounding.NEAREST_EVEN),
        ("dlfloat16", Rounding.NEAREST_AWAY),
    ],
)
def test_the_tiled_twin_gives_the_bits_of_the_kernels(scale, saturate, name, rounding):
    a, b = _fp8(5, 70, scale=scale), _fp8(70, 9, seed=1, scale=scale)
    accumulator = Accumulator(format=name, chunk_size=16, rounding=rounding, saturate=saturate)
    expected = _definition(a, b, accumulator)
    np.testing.assert_array_equal(matmul(a, b, accumulator, path="tiled"), expected)
    np.testing.assert_array_equal(matmul(a, b, accumulator), expected)


@pytest.mark.parametrize("zeros", [0.3, 0.6, 1.0])
@pytest.mark.parametrize(("m", "k", "n"), [(70, 130, 256), (3, 65, 500)])
def test_skipping_zeros_never_changes_a_bit(zeros, m, k, n):
    a, b = _fp8(m, k), _fp8(k, n, seed=1)
    a[np.random.default_rng(2).random(a.shape) < zeros] = 0.0
    np.testing.assert_array_equal(matmul(a, b, CHUNKED, threads=2), _definition(a, b))


@pytest.mark.parametrize("n", [1, 5])
def test_few_columns_are_computed_transposed_with_the_same_bits(n):
    a, b = _fp8(2, 100, 30), _fp8(2, 30, n, seed=1)
    np.testing.assert_array_equal(matmul(a, b, CHUNKED), _definition(a, b))


def test_import_does_not_load_numba():
    code = "import sys, accelsim.numerics; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_kernels_run_where_nothing_can_be_written():
    """A source tree and a home that are read-only cost compilation, not results."""
    code = (
        "import numba.core.caching as c\n"
        "c.CacheImpl._locator_classes = []\n"
        "from accelsim.numerics.kernels.compile import compiled\n"
        "f = compiled(lambda x: x + 1)\n"
        "assert f(2) == 3\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("chunk", [1, 3, 4, 64, None])
@pytest.mark.parametrize("name", ["fp16_e6m9", "fp16_e5m10", "bf16"])
@pytest.mark.parametrize("spread", [0, 9])
def test_stochastic_sums_in_float32_are_those_of_the_definition(chunk, name, spread):
    """Where operands differ by 2**9, sums need more bits than float32 has, and float64 helps."""
    a, b = _fp8(6, 203), _fp8(203, 130, seed=1)
    a[:, ::3] *= 2.0**-spread
    b[:, 7] = 0.0
    accumulator = Accumulator(format=name, chunk_size=chunk, rounding=Rounding.STOCHASTIC)
    found = matmul(a, b, accumulator, key=KEY)
    np.testing.assert_array_equal(found, _definition(a, b, accumulator, key=KEY))


@pytest.mark.parametrize("scale", [2.0**-20, 2.0**-10, 1.0])
@pytest.mark.parametrize("outer", ["fp16_e6m9", "fp32"])
def test_products_with_twenty_bits_are_rounded_in_float64(scale, outer):
    wide = get_format("fp16_e6m9")
    rng = np.random.default_rng(0)
    a, b = wide.quantize(rng.standard_normal((9, 200)) * scale), rng.standard_normal((200, 70))
    a[:, ::3] *= 2.0**-9
    a, b = wide.quantize(a), wide.quantize(b / 8.0)
    accumulator = Accumulator(inner="fp16_e6m9", outer=outer, chunk_size=16)
    found = matmul(a, b, accumulator, path="wide")
    np.testing.assert_array_equal(found, _definition(a, b, accumulator))


def test_a_sum_beside_a_tie_is_not_rounded_twice():
    """512 + 1/2 is a tie in ten bits, and 2**-39, the smallest number, is 2**-48 of it.

    One product has nine bits and ends on the tie, 512.5; the sum before it was 2**-39.
    """
    accumulator = Accumulator(format="fp16_e6m9")
    a, b = np.array([[2.0**-20, 1025.0]]), np.array([[2.0**-19], [0.5]])
    for sign in (1.0, -1.0):
        found = matmul(a * [[sign, 1.0]], np.tile(b, 64), accumulator, path="wide")
        np.testing.assert_array_equal(found, 513.0 if sign > 0 else 512.0)


def test_a_large_operand_packed_by_threads_gives_the_same_bits():
    a, b = _fp8(3, 530), _fp8(530, 515, seed=1)
    assert b.size > THREADED_PACKING
    np.testing.assert_array_equal(matmul(a, b, CHUNKED, threads=2), matmul(a, b, CHUNKED))
    np.testing.assert_array_equal(matmul(a, b, CHUNKED, threads=2)[0], _definition(a[:1], b)[0])
