"""The kernels of chunks that are not summed one by one, of exact sums, and of mixed widths."""

from __future__ import annotations

import numpy as np
import pytest

from accelsim.errors import ConfigError
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


@pytest.mark.parametrize("case", [name for name in CASES if name != "exact"])
@pytest.mark.parametrize("bits", [1, 16, 25])
@pytest.mark.parametrize("chunk", [1, 9, 40])
@pytest.mark.parametrize("outer_rounding", [Rounding.STOCHASTIC, Rounding.NEAREST_EVEN])
def test_sums_are_rounded_at_random_as_the_scalar_oracle_does(case, bits, chunk, outer_rounding):
    """Chunks of nine: groups begin within words; a second panel and a second batch."""
    a, b = _tame(3, 40, 66)
    accumulator = Accumulator(
        format="fp16_e6m9", chunk_size=chunk, rounding=Rounding.STOCHASTIC, random_bits=bits,
        outer_rounding=outer_rounding, **CASES[case][0],
    )  # fmt: skip
    choice = _choice(a, b, accumulator)
    assert (choice.name, choice.is_stochastic, choice.is_wide) == (CASES[case][1], True, True)
    assert choice.reasons[-1].endswith("rounded at random")
    found = matmul(np.stack([a, -a]), b * 1.09375, accumulator, key=KEY)
    for batch, row, column in ((0, 0, 0), (0, 2, 65), (1, 1, 64), (1, 2, 3)):
        left = a[row] if batch == 0 else -a[row]
        expected = dot_scalar(
            left, b[:, column] * 1.09375, accumulator, key=KEY, row=3 * batch + row, column=column
        )
        assert found[batch, row, column] == expected
    assert_is_the_definition(np.stack([a, -a]), b * 1.09375, accumulator, threads=2)


@pytest.mark.parametrize("k", [1, 2, 3, 5, 8, 31, 32, 33, 100])
@pytest.mark.parametrize("case", ["tree", "aligned"])
def test_trees_and_groups_of_any_length_are_named_alike_whatever_the_tasks(case, k):
    """Blocks of 64 rows, the last one ragged and of an odd number; two panels of columns."""
    a, b = _tame(67, k, 40, seed=k)
    for chunk in (None, 7):
        accumulator = Accumulator(
            format="fp16_e6m9", chunk_size=chunk, rounding=Rounding.STOCHASTIC, **CASES[case][0]
        )
        alone = assert_is_the_definition(a, b, accumulator)
        np.testing.assert_array_equal(alone, matmul(a, b, accumulator, key=KEY, threads=3))


@pytest.mark.parametrize(
    ("method", "rounding", "outer_rounding"),
    [
        ("tree", Rounding.NEAREST_EVEN, Rounding.STOCHASTIC),
        ("aligned", Rounding.NEAREST_EVEN, Rounding.STOCHASTIC),
        ("tree", Rounding.UP, Rounding.STOCHASTIC),
    ],
)
def test_sums_of_chunks_alone_may_be_rounded_at_random(method, rounding, outer_rounding):
    a, b = _tame(5, 43, 66)
    for inner in ("fp16_e6m9", "dlfloat16"):
        accumulator = Accumulator(
            inner=inner, outer="fp16_e6m9", chunk_size=8, rounding=rounding,
            outer_rounding=outer_rounding, **CASES[method][0],
        )  # fmt: skip
        choice = _choice(a, b, accumulator)
        assert (choice.name, choice.is_stochastic) == (CASES[method][1], True)
        assert choice.reasons[-1] == "sums over chunks are rounded at random"
        assert_is_the_definition(a, b, accumulator)


def test_more_random_bits_than_float64_has_room_for_are_refused_on_every_path():
    """24 significant bits, 32 random ones and one more are 57."""
    for fields, _ in CASES.values():
        accumulator = Accumulator(
            format="fp32", rounding=Rounding.STOCHASTIC, random_bits=32, **fields
        )
        with pytest.raises(ConfigError, match="cannot be an accumulator here"):
            matmul(np.ones((2, 3)), np.ones((3, 2)), accumulator, key=KEY)


def test_groups_of_tiny_products_that_are_rounded_up_leave_the_range_of_float64():
    """32 pairs of 2**-90 lift the sum by a step of 2**-39 each, to 2**-34: 57 bits apart."""
    a, b = np.full((2, 64), 2.0**-45), np.full((64, 3), 2.0**-45)
    accumulator = Accumulator(
        format="fp16_e6m9", chunk_size=64, rounding=Rounding.UP, pair=PairRule.FUSED, pair_size=2
    )
    assert_is_the_definition(a, b, accumulator)
    np.testing.assert_array_equal(matmul(a, b, accumulator), 2.0**-34)


def test_groups_that_saturate_are_no_multiples_of_their_products():
    """(2 - 2**-10) 2**127 and a step, to the power of 246: more bits than float64 has."""
    a, b = np.array([[2.0**123, 2.0**123, 2.0**123, -(2.0**123)]]), np.full((4, 65), 2.0**123)
    a[0, 3] *= 1.0 + 2.0**-7
    accumulator = Accumulator(
        format="tf32", chunk_size=8, rounding=Rounding.TOWARD_ZERO, saturate=True,
        pair=PairRule.FUSED, pair_size=3,
    )  # fmt: skip
    assert _choice(a, b, accumulator).name is PathName.DEFINITION
    assert_is_the_definition(a, b, accumulator)


def test_aligned_sums_may_saturate_but_not_be_infinite():
    a, b = np.full((2, 20), 192.0), np.full((20, 66), 4.0)
    for saturate, name in ((True, PathName.ALIGNED), (False, PathName.DEFINITION)):
        accumulator = Accumulator(
            inner="fp8_e5m2", outer="fp16_e5m10", chunk_size=16, saturate=saturate, **ALIGNED
        )
        # 16 * 768 = 12288 is within e5m2; ten times that is not.
        assert _choice(a, b, accumulator).name is PathName.ALIGNED
        assert _choice(10.0 * a, b, accumulator).name is name
        assert_is_the_definition(10.0 * a, b, accumulator)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("outer", ["fp32", "fp16_e6m9"])
def test_trees_of_float32(family, outer):
    a, b = _family(family, 5, 43, 66)
    accumulator = Accumulator(
        inner="fp32", outer=outer, chunk_size=16, method=AccumulationMethod.TREE
    )
    choice = _choice(a, b, accumulator)
    assert (choice.name, choice.is_wide) == (PathName.TREE, False)
    assert_is_the_definition(a, b, accumulator)


def test_a_tree_of_products_that_float32_does_not_hold_is_added_in_float64():
    """(1 + 2**-13)**2 - (1 + 2**-12): 2**-26, lost if the square were rounded to 24 bits."""
    a = np.array([[1.0 + 2.0**-13, 1.0]])
    b = np.repeat(np.array([[1.0 + 2.0**-13], [-1.0 - 2.0**-12]]), 64, axis=1)
    accumulator = Accumulator(format="fp32", method=AccumulationMethod.TREE)
    choice = _choice(a, b, accumulator)
    assert (choice.name, choice.reasons[0]) == (
        PathName.TREE, "(a) a product is not exact in float32"
    )  # fmt: skip
    np.testing.assert_array_equal(matmul(a, b, accumulator), 2.0**-26)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("fmt", ["fp8_e5m2", "fp8_e4m3fn", "dlfloat16"])
@pytest.mark.parametrize("rounding", [Rounding.NEAREST_EVEN, Rounding.TOWARD_ZERO])
def test_trees_of_few_bits_take_the_kernel(family, fmt, rounding):
    """Also where sums overflow: the general rule follows the format."""
    a, b = _family(family, 5, 43, 66)
    accumulator = Accumulator(
        format=fmt, chunk_size=16, method=AccumulationMethod.TREE, rounding=rounding
    )
    assert _choice(a, b, accumulator).name is PathName.TREE
    assert_is_the_definition(a, b, accumulator)


def test_a_deep_tree_of_few_bits_may_grow_beyond_twice_its_sum():
    """Three significant bits: (1 + 2**-3)**L is 1.8 for five levels, 2.03 for six."""
    a, b = np.sign(_tame(3, 64, 66)[0]), np.ones((64, 66))
    for chunk, general in ((32, False), (33, True)):
        accumulator = Accumulator(
            format="fp8_e5m2", chunk_size=chunk, method=AccumulationMethod.TREE
        )
        choice = _choice(a, b, accumulator)
        assert (choice.name, choice.is_wide) == (PathName.TREE, general)
        assert_is_the_definition(a, b, accumulator)


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
def test_operands_that_are_not_finite_give_what_the_definition_gives(case, value):
    a, b = _tame(3, 9, 65)
    a[1, 4] = value
    accumulator = Accumulator(format="fp16_e6m9", chunk_size=4, **CASES[case][0])
    assert_is_the_definition(a, b, accumulator)
