"""The kernels of chunks that are not summed one by one, of exact sums, and of mixed widths."""

from __future__ import annotations

import numpy as np
import pytest

from accelsim.formats import Rounding, get_format
from accelsim.formats.random_bits import StreamKey
from accelsim.numerics import PathName, matmul
from accelsim.numerics.operands import OperandFacts, ProductFacts
from accelsim.numerics.paths import choose_path
from accelsim.numerics.scalar import dot_scalar
from accelsim.precision import AccumulationMethod, Accumulator, IntegerOverflow, PairRule
from tests.oracles.dot_products import FAMILIES, adversarial

KEY = StreamKey(seed=3)
ALIGNED = {
    "method": AccumulationMethod.ALIGNED,
    "aligned_group": 8,
    "aligned_fraction_bits": 13,
}
#: name: fields of the accumulator, the path for tame operands.
CASES = {
    "round_once": ({"method": AccumulationMethod.ROUND_ONCE}, PathName.GROUPED),
    "fused": ({"pair": PairRule.FUSED, "pair_size": 2}, PathName.GROUPED),
    "fused_by_4": ({"pair": PairRule.FUSED, "pair_size": 4}, PathName.GROUPED),
    "aligned": (ALIGNED, PathName.ALIGNED),
    "tree": ({"method": AccumulationMethod.TREE}, PathName.TREE),
    "exact": ({"method": AccumulationMethod.EXACT}, PathName.BLAS),
}


def _choice(a, b, accumulator):
    facts = ProductFacts.of(OperandFacts.of_data(a), OperandFacts.of_data(b), a.shape[-1])
    return choose_path(facts, accumulator)


def _family(family, m, k, n, operand="fp8_e5m2"):
    codes = get_format(operand).decode(np.arange(256, dtype=np.uint8)).astype(np.float64)
    a, b = adversarial(family, codes, (m, k), 1), adversarial(family, codes, (n, k), 2)
    a[:, ::5] *= -1.0
    return a, b.T


def _tame(m, k, n, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(-7, 8, (m, k)) / 8.0, rng.integers(-7, 8, (k, n)) / 4.0


def assert_is_the_definition(a, b, accumulator, **options):
    found = matmul(a, b, accumulator, key=KEY, **options)
    expected = matmul(a, b, accumulator, key=KEY, path="definition")
    np.testing.assert_array_equal(found, expected)
    ordinary = ~np.isnan(expected)
    np.testing.assert_array_equal(np.signbit(found)[ordinary], np.signbit(expected)[ordinary])
    return found


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("outer", ["fp16_e6m9", "dlfloat16"])
@pytest.mark.parametrize(
    "rounding", [Rounding.NEAREST_EVEN, Rounding.TOWARD_ZERO, Rounding.STOCHASTIC]
)
def test_kernels_give_the_bits_of_the_definition(case, family, outer, rounding):
    a, b = _family(family, 5, 43, 70)
    accumulator = Accumulator(
        inner="fp16_e6m9", outer=outer, chunk_size=16, rounding=rounding, **CASES[case][0]
    )
    assert_is_the_definition(a, b, accumulator, threads=2)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("saturate", [False, True])
def test_tame_operands_take_the_kernel_whatever_the_chunk(case, saturate):
    fields, name = CASES[case]
    for k in (1, 2, 7, 33):
        a, b = _tame(3, k, 66, seed=k)
        for chunk in (1, 5, 8, None):
            accumulator = Accumulator(
                format="fp16_e6m9", chunk_size=chunk, saturate=saturate, **fields
            )
            assert _choice(a, b, accumulator).name is name
            assert_is_the_definition(a, b, accumulator)


@pytest.mark.parametrize("case", CASES)
def test_kernels_equal_the_scalar_oracle(case):
    a, b = _tame(2, 21, 2)
    accumulator = Accumulator(format="fp16_e5m10", chunk_size=9, **CASES[case][0])
    expected = [[dot_scalar(x, y, accumulator) for y in b.T] for x in a]
    np.testing.assert_array_equal(matmul(a, b, accumulator), expected)


@pytest.mark.parametrize("case", ["round_once", "fused", "fused_by_4"])
@pytest.mark.parametrize("bits", [1, 16, 25])
@pytest.mark.parametrize("outer_rounding", [Rounding.STOCHASTIC, Rounding.NEAREST_EVEN])
def test_groups_are_rounded_at_random_as_the_scalar_oracle_does(case, bits, outer_rounding):
    """Chunks of nine: groups begin within words; a second panel and a second batch."""
    a, b = _tame(3, 40, 66)
    accumulator = Accumulator(
        format="fp16_e6m9", chunk_size=9, rounding=Rounding.STOCHASTIC, random_bits=bits,
        outer_rounding=outer_rounding, **CASES[case][0],
    )  # fmt: skip
    assert _choice(a, b, accumulator).name is PathName.GROUPED
    found = matmul(np.stack([a, -a]), b * 1.09375, accumulator, key=KEY)
    for batch, row, column in ((0, 0, 0), (0, 2, 65), (1, 1, 64), (1, 2, 3)):
        left = a[row] if batch == 0 else -a[row]
        expected = dot_scalar(
            left, b[:, column] * 1.09375, accumulator, key=KEY, row=3 * batch + row, column=column
        )
        assert found[batch, row, column] == expected
    assert_is_the_definition(np.stack([a, -a]), b * 1.09375, accumulator, threads=2)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("outer", ["fp16_e6m9", "fp16_e5m10", "fp8_e5m2", "fp8_e4m3fn"])
@pytest.mark.parametrize("saturate", [False, True])
def test_float32_chunks_in_a_narrow_accumulator(family, outer, saturate):
    """E4M3 operands with e5m2: float32 sums that need all of their bits."""
    a, _ = _family(family, 4, 50, 66, "fp8_e4m3fn")
    _, b = _family(family, 4, 50, 66, "fp8_e5m2")
    accumulator = Accumulator(inner="fp32", outer=outer, chunk_size=16, saturate=saturate)
    assert _choice(a, b, accumulator).name is PathName.MIXED
    assert_is_the_definition(a, b, accumulator)


def test_a_float32_chunk_just_above_a_tie_is_rounded_up():
    """1 + (2**-10 + 2**-30): float32 would round the sum to the tie, and that to even, 1."""
    accumulator = Accumulator(inner="fp32", outer="fp16_e6m9", chunk_size=1)
    a = np.array([[1.0, 2.0**-10 + 2.0**-30]])
    found = matmul(a, np.ones((2, 64)), accumulator)
    np.testing.assert_array_equal(found, 1.0 + 2.0**-9)


def test_wide_operands_are_not_squeezed_into_float32():
    """1 + 2**-24 is no float32; times 1 + 2**-23 it rounds to 1 + 2**-22."""
    accumulator = Accumulator(format="fp32")
    a, b = np.array([[1.0 + 2.0**-24]]), np.array([[1.0 + 2.0**-23]])
    assert matmul(a, b, accumulator)[0, 0] == 1.0 + 2.0**-22


@pytest.mark.parametrize("rounding", list(Rounding))
def test_exact_sums_are_rounded_once_in_any_mode(rounding):
    a, b = _tame(4, 90, 5)
    accumulator = Accumulator(
        format="fp8_e4m3fn", method=AccumulationMethod.EXACT, rounding=rounding
    )
    assert _choice(a, b, accumulator).name is PathName.BLAS
    assert_is_the_definition(a, b, accumulator)


@pytest.mark.parametrize("overflow", list(IntegerOverflow))
@pytest.mark.parametrize(
    ("bits", "chunk"), [(32, None), (18, 7), (16, None), (12, 5), (64, None), (50, None)]
)
def test_integer_accumulators_by_blas_or_clamping(overflow, bits, chunk):
    rng = np.random.default_rng(bits)
    a, b = rng.integers(-128, 128, (5, 40)), rng.integers(-128, 128, (40, 66))
    a[0], b[:, 0] = 127, 127
    accumulator = Accumulator(
        format="fp32", method=AccumulationMethod.INTEGER, integer_bits=bits,
        integer_overflow=overflow, chunk_size=chunk,
    )  # fmt: skip
    # 40 * 2**14 < 2**20: only registers below 21 bits can saturate.
    clamps = overflow is IntegerOverflow.SATURATE and bits < 21
    name = PathName.CLAMPED if clamps else PathName.BLAS
    np.testing.assert_array_equal(
        matmul(a, b, accumulator, path=name), matmul(a, b, accumulator, path="definition")
    )


def test_sums_of_negative_zeros_keep_the_sign_that_the_definition_gives():
    a, b = np.full((2, 8), -0.0), np.ones((8, 65))
    for fields, _ in CASES.values():
        assert_is_the_definition(a, b, Accumulator(format="fp16_e6m9", chunk_size=4, **fields))


@pytest.mark.parametrize("value", [np.inf, np.nan])
@pytest.mark.parametrize("case", CASES)
def test_operands_that_are_not_finite_take_the_definition(case, value):
    a, b = _tame(3, 9, 65)
    a[1, 4] = value
    accumulator = Accumulator(format="fp16_e6m9", chunk_size=4, **CASES[case][0])
    assert_is_the_definition(a, b, accumulator)
