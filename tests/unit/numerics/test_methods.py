"""Every way to sum a chunk, against fractions, integers and closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest

from accelsim.errors import ConfigError, DataError
from accelsim.formats import Rounding, get_format
from accelsim.formats.random_bits import StreamKey
from accelsim.numerics import accumulate, accumulate_chunked, matmul
from accelsim.numerics.exact_sum import exact_odd_sum
from accelsim.numerics.integer import accumulator_bits_needed
from accelsim.numerics.scalar import dot_scalar
from accelsim.precision import AccumulationMethod, Accumulator, IntegerOverflow, PairRule
from tests.oracles.dot_products import FAMILIES, adversarial

KEY = StreamKey(seed=3, op=1)
METHODS = {
    "tree": {"method": AccumulationMethod.TREE},
    "round_once": {"method": AccumulationMethod.ROUND_ONCE},
    "exact": {"method": AccumulationMethod.EXACT},
    "aligned": {
        "method": AccumulationMethod.ALIGNED,
        "aligned_group": 4,
        "aligned_fraction_bits": 13,
    },
    "fused_by_2": {"pair": PairRule.FUSED, "pair_size": 2},
    "fused_by_3": {"pair": PairRule.FUSED, "pair_size": 3},
}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("operand", ["fp8_e5m2", "fp16_e6m9"])
@pytest.mark.parametrize("rounding", [Rounding.NEAREST_EVEN, Rounding.UP, Rounding.STOCHASTIC])
def test_every_method_equals_the_scalar_oracle(method, family, operand, rounding):
    fmt = get_format(operand)
    codes = fmt.decode(np.arange(2**fmt.bits, dtype=np.uint16)).astype(np.float64)
    a = adversarial(family, codes, (2, 13), seed=5)
    b = adversarial(family, codes, (13,), seed=6)[:, None]
    for chunk in (None, 5):
        accumulator = Accumulator(
            inner="fp16_e6m9", outer="fp16_e5m10", chunk_size=chunk, rounding=rounding,
            **METHODS[method],
        )  # fmt: skip
        expected = [
            [dot_scalar(row, b[:, 0], accumulator, key=KEY, row=i)] for i, row in enumerate(a)
        ]
        np.testing.assert_array_equal(matmul(a, b, accumulator, key=KEY), expected)


def test_float32_inside_a_chunk_and_one_rounding_per_chunk():
    """1 + 2**-20 sixteen times: float32 keeps 2**-20, fp16_e6m9 keeps nothing below 2**-9."""
    products = np.full(16, 1 + 2.0**-20)
    kept = accumulate_chunked(products, chunk_size=16, inner="fp32", outer="fp32")
    assert float(kept) == 16 + 2.0**-16
    rounded = accumulate_chunked(products, chunk_size=16, inner="fp32", outer="fp16_e6m9")
    assert float(rounded) == 16.0


def test_exact_sums_are_those_of_fsum():
    """`math.fsum` rounds the exact sum to nearest float64; ours only differs by stickiness."""
    rng = np.random.default_rng(0)
    terms = rng.standard_normal((50, 30)) * 2.0 ** rng.integers(-200, 200, (50, 30))
    terms[:, 1::2] = -terms[:, ::2] * (1 + 2.0**-50 * rng.integers(-3, 4, (50, 15)))
    found = exact_odd_sum(terms)
    for row, value in zip(terms, found, strict=True):
        nearest = math.fsum(row)
        assert value in (nearest, np.nextafter(nearest, np.inf), np.nextafter(nearest, -np.inf))


@pytest.mark.parametrize(
    ("terms", "expected"),
    [
        ([], 0.0),
        ([-0.0], 0.0),
        ([1e300, 1.0, -1e300], 1.0),
        ([2.0**-500, 2.0**400, -(2.0**400)], 2.0**-500),
        ([np.inf, 1.0], np.inf),
        ([np.inf, -np.inf], np.nan),
    ],
)
def test_exact_sums_of_special_rows(terms, expected):
    np.testing.assert_array_equal(exact_odd_sum(np.array(terms)), expected)


@pytest.mark.parametrize("bits", [2, 8, 16, 32])
@pytest.mark.parametrize("overflow", list(IntegerOverflow))
def test_integer_accumulators_wrap_and_saturate_as_python_integers_do(bits, overflow):
    rng = np.random.default_rng(bits)
    a, b = rng.integers(-128, 128, (3, 20)), rng.integers(-128, 128, (20, 4))
    accumulator = Accumulator(
        format="fp32",
        method=AccumulationMethod.INTEGER,
        integer_bits=bits,
        integer_overflow=overflow,
        chunk_size=6,
    )
    half = 2 ** (bits - 1)

    def fit(x):
        if overflow is IntegerOverflow.WRAP:
            return (x + half) % (2 * half) - half
        return max(-half, min(half - 1, x))

    for i in range(3):
        for j in range(4):
            total = 0
            for start in range(0, 20, 6):
                part = 0
                for k in range(start, min(20, start + 6)):
                    part = fit(part + int(a[i, k]) * int(b[k, j]))
                total = fit(total + part)
            assert matmul(a, b, accumulator)[i, j] == total
            assert dot_scalar(a[i].astype(float), b[:, j].astype(float), accumulator) == total


def test_integer_accumulator_refuses_fractions():
    accumulator = Accumulator(format="fp32", method=AccumulationMethod.INTEGER)
    with pytest.raises(DataError, match=r"^An integer accumulator needs integer products"):
        accumulate(np.array([0.5]), accumulator)


@pytest.mark.parametrize(
    ("norm", "bits", "signed", "needed"),
    [
        # 2**7 * 1 = 128 needs 9 bits signed: 8 bits end at 127.
        (1, 8, True, 9),
        # 127 * 1 = 127 fits 8 bits: the largest activation of 7 unsigned bits is 127.
        (1, 7, False, 8),
        (0, 8, True, 1),
    ],
)
def test_accumulator_bound_is_tight(norm, bits, signed, needed):
    assert accumulator_bits_needed(norm, bits, signed=signed) == needed


def test_stochastic_rounding_without_a_key_is_refused():
    accumulator = Accumulator(format="fp16_e6m9", rounding=Rounding.STOCHASTIC)
    with pytest.raises(ConfigError, match=r"^Stochastic rounding needs a key"):
        accumulate(np.ones(3), accumulator)
    with pytest.raises(ConfigError, match=r"^Stochastic rounding needs a key"):
        matmul(np.ones((1, 3)), np.ones((3, 1)), accumulator)


def test_too_wide_an_accumulator_is_refused():
    with pytest.raises(ConfigError, match="cannot be an accumulator here"):
        accumulate(
            np.ones(3), Accumulator(format="fp32", rounding=Rounding.STOCHASTIC, random_bits=30)
        )


@pytest.mark.parametrize("overflow", list(IntegerOverflow))
@pytest.mark.parametrize("bits", [54, 62, 63, 64])
def test_wide_registers_wrap_and_saturate_as_python_integers_do(bits, overflow):
    """Products of 53 bits fill 64 in 2**11 additions; sums are compared as nearest float64."""
    rng = np.random.default_rng(bits)
    terms = rng.integers(2**52, 2**53, 1500) * np.where(np.arange(1500) < 1200, 1, -1)
    accumulator = Accumulator(
        format="fp32", method=AccumulationMethod.INTEGER, chunk_size=700,
        integer_bits=bits, integer_overflow=overflow,
    )  # fmt: skip
    expected = dot_scalar(terms.astype(float), np.ones(1500), accumulator)
    assert float(accumulate(terms.astype(np.float64), accumulator)) == expected
