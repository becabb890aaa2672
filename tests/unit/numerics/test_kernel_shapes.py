"""Kernels at shapes and fillings that their inner order of work depends on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from accelsim.formats import Rounding, get_format
from accelsim.formats.random_bits import StreamKey
from accelsim.numerics import PathName, multiply_matrices
from accelsim.numerics.compiled_product import by_kernel
from accelsim.numerics.rule_constants import stochastic64
from accelsim.numerics.rules import Stochastic32
from accelsim.precision import Accumulator

KEY = StreamKey(seed=7)


def _fp8(*shape, seed):
    x = np.random.default_rng(seed).standard_normal(shape)
    return np.asarray(get_format("fp8_e5m2").quantize(x), np.float32)


def assert_is_the_definition(a, b, accumulator, **options):
    """Compare values and signs; return the path that ran."""
    found = multiply_matrices(a, b, accumulator, **options)
    expected = multiply_matrices(
        a, b, accumulator, path="definition", key=options.get("key")
    ).values
    np.testing.assert_array_equal(found.values, expected)
    np.testing.assert_array_equal(np.signbit(found.values), np.signbit(expected))
    return found.path


@pytest.mark.parametrize("chunk", [64, 7, None])
def test_rows_with_any_part_of_zeros_may_share_the_skipping_kernel(chunk):
    """Lists of every length from none to all, in two blocks of rows, the second one ragged."""
    a, b = _fp8(70, 150, seed=1), _fp8(150, 300, seed=2)
    part = np.random.default_rng(3).permutation(np.linspace(0.4, 1.0, len(a)))
    a[np.random.default_rng(4).random(a.shape) < part[:, None]] = 0.0
    a[5] = 0.0
    a[69, :100] = 0.0
    path = assert_is_the_definition(a, b, Accumulator(format="fp16_e6m9", chunk_size=chunk))
    assert "zero operands are skipped" in path.reasons


@pytest.mark.parametrize("spread", [0, 14, 17, 20])
@pytest.mark.parametrize("fmt", ["fp16_e6m9", "fp16_e5m10", "float_e8m8", "float_e8m14"])
def test_sums_that_float32_does_not_hold_go_up_as_often_as_in_float64(fmt, spread):
    """A million sums, most of them with bits below float32's last: some 50 hang on these.

    The float64 kernel holds all bits, and is itself held against the definition.
    """
    rng = np.random.default_rng(spread)
    a = np.asarray(get_format("fp8_e5m2").quantize(rng.uniform(1.0, 2.0, (65, 130))), np.float32)
    b = np.asarray(get_format("fp8_e5m2").quantize(rng.uniform(1.0, 2.0, (130, 128))), np.float32)
    b[1::2] *= np.float32(2.0**-spread)
    b[::3] *= np.float32(-1.0)
    accumulator = Accumulator(
        inner=fmt, outer=fmt, chunk_size=37, rounding=Rounding.STOCHASTIC, random_bits=16
    )
    product = multiply_matrices(a, b, accumulator, key=KEY)
    assert isinstance(product.path.inner, Stochastic32)
    assert isinstance(product.path.outer, Stochastic32)
    wide = replace(
        product.path,
        inner=stochastic64(accumulator.inner, 16),
        outer=stochastic64(accumulator.outer, 16),
    )
    expected = by_kernel(a[None], b[None], accumulator, wide, key=KEY)[0]
    np.testing.assert_array_equal(product.values, expected)


def test_a_kernel_that_cuts_off_leaves_the_rounding_of_others_alone():
    accumulator = Accumulator(format="fp16_e6m9", rounding=Rounding.STOCHASTIC)
    multiply_matrices(_fp8(3, 8, seed=0), _fp8(8, 70, seed=1), accumulator, key=KEY)
    assert np.float32(1.0) + np.float32(1.5 * 2.0**-24) == np.float32(1.0 + 2.0**-23)


@pytest.mark.parametrize("n", [1, 3, 63, 64, 65, 130])
@pytest.mark.parametrize("m", [1, 2, 3, 4])
def test_few_rows_are_multiplied_by_b_where_it_lies(m, n):
    """Vectors that reach into the next row, that end with the last column, and whole ones."""
    a, b = _fp8(2, m, 300, seed=1), _fp8(2, 300, n, seed=2)
    for accumulator in (
        Accumulator(format="fp16_e6m9", chunk_size=64),
        Accumulator(format="fp16_e6m9", rounding=Rounding.UP),
    ):
        assert_is_the_definition(a, b, accumulator, threads=2)
        transposed = np.ascontiguousarray(b.swapaxes(1, 2)).swapaxes(1, 2)
        assert_is_the_definition(a, transposed, accumulator)


def test_a_nan_beside_short_rows_of_b_stays_in_its_column():
    a, b = np.ones((1, 5), np.float32), np.ones((5, 3), np.float32)
    b[4, 2] = np.nan
    found = multiply_matrices(a, b, Accumulator(format="fp32")).values
    np.testing.assert_array_equal(found, [[5.0, 5.0, np.nan]])


def test_overflow_of_a_few_rows_follows_the_format():
    a, b = _fp8(2, 40, seed=1) * 2.0**13, _fp8(40, 70, seed=2) * 2.0**13
    path = assert_is_the_definition(a, b, Accumulator(format="fp16_e6m9", chunk_size=8))
    assert path.name is PathName.BOUNDED
