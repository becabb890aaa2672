"""Every path against exact rational arithmetic, on operands made to hurt."""

from __future__ import annotations

import numpy as np
import pytest

from accelsim.formats import Rounding, get_format
from accelsim.formats.random_bits import StreamKey
from accelsim.numerics import matmul
from accelsim.numerics.scalar import dot_scalar
from accelsim.precision import Accumulator
from tests.oracles.dot_products import FAMILIES, adversarial, chunked_dot

KEY = StreamKey(seed=7, step=3, op=11)
K = 37
#: name, exponent of the lowest binade, significant bits, largest number: from the standards.
IEEE_LIKE = {
    "fp16_e6m9": (-30, 10, 4290772992.0),
    "fp16_e5m10": (-14, 11, 65504.0),
    "bf16": (-126, 8, 3.3895313892515355e38),
    "fp32": (-126, 24, 3.4028234663852886e38),
}


def _codes(name):
    return get_format(name).decode(np.arange(256, dtype=np.uint8)).astype(np.float64)


def _operands(family, operand, m=3, n=4, k=K, seed=0):
    codes = _codes(operand)
    a = adversarial(family, codes, (m, k), seed)
    b = adversarial(family, codes, (n, k), seed + 1)
    if family == "cancellation":
        b[:, 1::2] = b[:, 0 : 2 * (k // 2) : 2]
    return a, b.T


def assert_same_bits(found, expected):
    np.testing.assert_array_equal(found, expected)
    finite = ~np.isnan(expected)
    np.testing.assert_array_equal(np.signbit(found)[finite], np.signbit(expected)[finite])


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("operand", ["fp8_e5m2", "fp8_e4m3fn"])
@pytest.mark.parametrize("name", IEEE_LIKE)
@pytest.mark.parametrize("chunk", [1, 16])
def test_nearest_even_equals_an_independent_rational_model(family, operand, name, chunk):
    emin, precision, largest = IEEE_LIKE[name]
    a, b = _operands(family, operand)
    expected = np.array(
        [
            [
                chunked_dot(r, c, chunk=chunk, precision=precision, emin=emin, largest=largest)
                for c in b.T
            ]
            for r in a
        ]
    )
    accumulator = Accumulator(format=name, chunk_size=chunk)
    assert_same_bits(matmul(a, b, accumulator), expected)
    assert_same_bits(matmul(a, b, accumulator, path="definition"), expected)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("rounding", list(Rounding))
@pytest.mark.parametrize("saturate", [False, True])
@pytest.mark.parametrize(
    ("operand", "inner", "outer"),
    [
        ("fp8_e5m2", "fp16_e6m9", "fp16_e6m9"),
        ("fp8_e5m2", "dlfloat16", "dlfloat16"),
        ("fp8_e4m3fn", "fp16_e5m10", "bf16"),
        ("fp8_e5m2", "fp8_e4m3fn", "fp8_e5m2"),
    ],
)
def test_every_rounding_equals_the_scalar_oracle(family, rounding, saturate, operand, inner, outer):
    a, b = _operands(family, operand, m=2, n=2, k=19)
    accumulator = Accumulator(
        inner=inner, outer=outer, chunk_size=7, rounding=rounding, saturate=saturate
    )
    expected = np.array(
        [
            [dot_scalar(r, c, accumulator, key=KEY, row=i, column=j) for j, c in enumerate(b.T)]
            for i, r in enumerate(a)
        ]
    )
    assert_same_bits(matmul(a, b, accumulator, key=KEY), expected)
    assert_same_bits(matmul(a, b, accumulator, key=KEY, path="definition"), expected)


@pytest.mark.parametrize("rounding", [Rounding.NEAREST_EVEN, Rounding.NEAREST_AWAY, Rounding.UP])
def test_special_operands_give_what_ieee_gives(rounding):
    a = np.array([[np.inf, 1.0, 2.0], [np.inf, -np.inf, 1.0], [0.0, np.nan, 1.0], [0.0, -0.0, 0.0]])
    b = np.array([[1.0, 0.0], [1.0, 1.0], [-1.0, 1.0]])
    accumulator = Accumulator(format="fp16_e6m9", rounding=rounding)
    # inf + 1 - 2; inf * 0 is NaN; inf - inf; NaN; and +0 + 0 - 0 + 0 is +0.
    expected = np.array([[np.inf, np.nan], [np.nan, np.nan], [np.nan, np.nan], [0.0, 0.0]])
    assert_same_bits(matmul(a, b, accumulator), expected)
    assert_same_bits(matmul(a, b, accumulator, path="definition"), expected)


@pytest.mark.parametrize("k", [0, 1, 2, 63, 64, 65, 130])
@pytest.mark.parametrize("chunk", [1, 64, 200, None])
def test_kernel_equals_definition_for_any_length(k, chunk):
    rng = np.random.default_rng(k)
    codes = _codes("fp8_e5m2")
    finite = codes[np.isfinite(codes) & (np.abs(codes) < 100)]
    a, b = rng.choice(finite, (6, k)), rng.choice(finite, (k, 70))
    accumulator = Accumulator(format="fp16_e6m9", chunk_size=chunk)
    assert_same_bits(matmul(a, b, accumulator), matmul(a, b, accumulator, path="definition"))
    if k == 0:
        assert not matmul(a, b, accumulator).any()
