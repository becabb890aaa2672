"""Kernels at shapes and fillings that their inner order of work depends on."""

from __future__ import annotations

import numpy as np
import pytest

from accelsim.formats import get_format
from accelsim.numerics import multiply_matrices
from accelsim.precision import Accumulator


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
