"""What every way to add loses, counted by hand and beside sums on fractions."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from accelsim.formats import Rounding, get_format
from accelsim.formats.random_bits import StreamKey
from accelsim.formats.scalar import floor_log2
from accelsim.numerics import accumulate, matmul
from accelsim.numerics.scalar import dot_scalar
from accelsim.numerics.telemetry import count_additions
from accelsim.numerics.telemetry_tally import Tally
from accelsim.precision import AccumulationMethod, Accumulator, PairRule
from tests.oracles.dot_products import FAMILIES, adversarial

PLAIN = Accumulator(format="fp16_e6m9")
#: Methods that round.
FLOATING = ("sequential", "tree", "round_once", "aligned", "exact")


def _count(values, accumulator=PLAIN):
    row = np.array([values], np.float64)
    return count_additions(row, np.ones((row.shape[1], 1)), accumulator)


def _fused(size=2, **fields):
    return Accumulator(format="fp16_e6m9", pair=PairRule.FUSED, pair_size=size, **fields)


def _method(method, fmt="fp16_e6m9", **fields):
    return Accumulator(format=fmt, method=AccumulationMethod(method), **fields)


class TestFused:
    """A group of products is one addition."""

    def test_pairs_of_ones_are_lost_from_2048_on(self):
        """To 2048 in 1024 steps of two; there the step is 4, and 2050 a tie to 2048.

        2101 ones are 1050 pairs, of which 26 are lost, and a single one, lost too. Each is
        an addition, and the sum of the only chunk is one more.
        """
        counts = _count([1.0] * 2101, _fused())
        assert (counts.additions, counts.swamped) == (1052, 27)

    def test_a_group_that_cancels_is_not_swamped(self):
        """2048 + 3 - 3 is 2048 exactly; 2048 + 1 + 1 is not, and becomes it."""
        assert _count([2048.0, 0.0, 3.0, -3.0], _fused()).swamped == 0
        assert _count([2048.0, 0.0, 1.0, 1.0], _fused()).swamped == 1
        assert _count([2048.0, 0.0, 0.0, 3.0, -2.0, 1.0], _fused(3)).swamped == 1


class TestTree:
    """A node is an addition."""

    def test_a_large_node_loses_its_small_neighbours(self):
        """2048 and four ones: (2048, 1), (1, 1), (1, -); (2048, 2), (1, -); (2048, 1).

        Six nodes and the only chunk. 2049, 2050 (a tie) and 2049 become 2048 in steps of 4.
        """
        counts = _count([2048.0, 1.0, 1.0, 1.0, 1.0], _method("tree"))
        assert (counts.additions, counts.swamped) == (7, 3)

    def test_either_side_may_be_lost(self):
        """In turn 2048 joins 1, and the sum does not stay 1; in a tree the 1 is lost."""
        assert _count([1.0, 2048.0], _method("tree")).swamped == 1
        assert _count([1.0, 2048.0]).swamped == 0

    def test_nodes_without_a_neighbour_lose_nothing(self):
        """Three leaves: (1, 1), (1, -); (2, 1): three nodes, and the chunk."""
        counts = _count([1.0] * 3, _method("tree"))
        assert (counts.additions, counts.swamped) == (4, 0)


class TestRoundOnce:
    """A chunk is an addition, and its sum another."""

    def test_inside_a_chunk_nothing_is_added_to_a_rounded_sum(self):
        """1024 + 1 becomes 1024 and 1 + 1 is 2, which is not lost: 1026 is a number."""
        counts = _count([1024.0, 1.0, 1.0, 1.0], _method("round_once", chunk_size=2))
        assert (counts.additions, counts.swamped) == (4, 0)

    def test_sums_of_chunks_can_be_lost(self):
        """2048 + 2 is a tie to 2048."""
        counts = _count([2048.0, 0.0, 1.0, 1.0], _method("round_once", chunk_size=2))
        assert (counts.additions, counts.swamped) == (4, 1)


class TestAligned:
    """A product is an addition, in groups that are rounded once."""

    def count(self, values, fmt="fp32", group=4):
        accumulator = _method("aligned", fmt, aligned_group=group, aligned_fraction_bits=13)
        return _count(values, accumulator)

    def test_addends_that_are_shifted_out_are_swamped(self):
        """Beside 1 and 13 fraction bits 2**-13 is one step, 1.5 * 2**-13 too, 2**-14 none."""
        counts = self.count([1.0, 2.0**-13, 1.5 * 2.0**-13, 2.0**-14])
        assert (counts.additions, counts.swamped) == (5, 1)

    def test_the_sum_before_can_be_shifted_out(self):
        """2**-14 by itself is kept; beside the 1 of the next group of two it is not."""
        counts = self.count([2.0**-14, 0.0, 1.0, 0.0], group=2)
        assert (counts.additions, counts.swamped) == (5, 1)

    def test_a_group_that_rounding_loses_is_lost_with_all_its_addends(self):
        """Beside 2048 steps are 1/4: 1 + 1 is kept by the shift, and lost from 2050.

        Halves of a step are lost by the shift; 3 - 3 is nothing to lose.
        """
        for group, lost in (([1.0, 1.0], 2), ([0.125, 0.125], 2), ([3.0, -3.0], 0)):
            assert self.count([2048.0, 0.0, *group], "fp16_e6m9", 2).swamped == lost
        assert self.count([2048.0, 0.0, 1.0, 0.0], "fp16_e6m9", 2).swamped == 1


class TestExact:
    """An output is an addition."""

    def test_nothing_is_swamped(self):
        counts = _count([1.0] * 1100, _method("exact"))
        assert (counts.additions, counts.swamped) == (1, 0)

    def test_only_the_end_can_overflow(self):
        """Twice the largest number less once is the largest; one after the other overflows."""
        values = [4290772992.0, 4290772992.0, -4290772992.0]
        assert _count(values, _method("exact")).overflowed == 0
        assert _count(values).overflowed == 1


def test_products_are_counted_as_they_were_rounded():
    """1024 + 1.125 becomes 1026; 1.125 in e5m2 is a tie to 1, and 1024 + 1 a tie to 1024."""
    assert _count([1024.0, 1.125]).swamped == 0
    rounded = Accumulator(format="fp16_e6m9", product="fp8_e5m2")
    assert _count([1024.0, 1.125], rounded).swamped == 1


@pytest.mark.parametrize("method", [*FLOATING, "fused"])
class TestRange:
    """Each method rounds once at the end of its range, to its chunk's sum or the output's."""

    def count(self, values, method, **fields):
        accumulator = _fused(**fields) if method == "fused" else _method(method, **fields)
        return _count(values, accumulator)

    def test_overflow_and_saturation(self, method):
        """4290772992 + 2097152 is half a step beyond the largest number, a tie to infinity."""
        top = [4290772992.0, 2097152.0]
        assert self.count(top, method).overflowed == 1
        clamped = self.count(top, method, saturate=True)
        assert (clamped.overflowed, clamped.saturated) == (0, 1)
        below = self.count([top[0], top[1] - 1024.0], method, saturate=True)
        assert (below.overflowed, below.saturated) == (0, 0)

    def test_underflow(self, method):
        """2**-40 is half the smallest number of fp16_e6m9, 2**-39: a tie to zero.

        It is an addition of something to zero that left zero, but where no sum was before.
        """
        counts = self.count([2.0**-40, 0.0], method)
        assert (counts.underflowed, self.count([2.0**-39, 0.0], method).underflowed) == (1, 0)
        assert counts.swamped == (0 if method in ("exact", "round_once") else 1)


@pytest.mark.parametrize(
    ("rounding", "addend", "saturated"),
    [
        # 448 = 1.75 * 2**8 is even, the step is 32: 464 is a tie to 448, and no clamp.
        (Rounding.NEAREST_EVEN, 16.0, 0),
        (Rounding.NEAREST_EVEN, 17.0, 1),
        (Rounding.NEAREST_AWAY, 16.0, 1),
        (Rounding.TOWARD_ZERO, 31.0, 0),
        (Rounding.TOWARD_ZERO, 32.0, 1),
        (Rounding.UP, 1.0, 1),
        (Rounding.DOWN, 31.0, 0),
    ],
)
def test_what_is_rounded_into_the_range_was_not_clamped(rounding, addend, saturated):
    accumulator = Accumulator(format="fp8_e4m3fn", rounding=rounding, saturate=True)
    assert _count([448.0, addend], accumulator).saturated == saturated


def test_posits_saturate():
    """The largest of 8 bits without exponent bits is 2**6."""
    posit = Accumulator(format="posit8_es0")
    assert _count([64.0], posit).saturated == 0
    assert _count([64.0, 64.0], posit).saturated == 1


ACCUMULATORS = {
    **{name: {"method": AccumulationMethod(name)} for name in FLOATING},
    "fused_by_2": {"pair": PairRule.FUSED, "pair_size": 2},
    "fused_by_3": {"pair": PairRule.FUSED, "pair_size": 3},
    "rounded_products": {"product": "fp8_e5m2"},
}
E5M2 = get_format("fp8_e5m2").decode(np.arange(256, dtype=np.uint8)).astype(np.float64)


def _operands(family):
    return adversarial(family, E5M2, (3, 29), seed=7), adversarial(family, E5M2, (29, 2), seed=8)


@pytest.mark.parametrize("rounding", list(Rounding))
@pytest.mark.parametrize("method", ACCUMULATORS)
def test_the_counted_sums_are_those_of_the_product(method, rounding):
    """And counting twice, all together or in two samples, gives the same counts."""
    key = StreamKey(seed=5, step=2, op=1)
    fields: dict[str, Any] = {"aligned_group": 4, "rounding": rounding, **ACCUMULATORS[method]}
    for family in FAMILIES:
        a, b = _operands(family)
        for chunk, saturate in ((None, False), (5, True)):
            accumulator = Accumulator(
                inner="fp16_e6m9", outer="fp16_e5m10", chunk_size=chunk, saturate=saturate,
                **fields,
            )  # fmt: skip
            tally = Tally()
            sums = accumulate(a[:, None, :] * b.T, accumulator, key=key, watch=tally)
            expected = matmul(a, b, accumulator, key=key)
            np.testing.assert_array_equal(sums, expected)
            assert not np.any(np.signbit(sums) != np.signbit(expected))
            counts = count_additions(a, b, accumulator, key=key)
            assert {name: getattr(counts, name) for name in tally.counts} == tally.counts


@pytest.mark.parametrize("rounding", [Rounding.NEAREST_EVEN, Rounding.UP, Rounding.STOCHASTIC])
@pytest.mark.parametrize("size", [1, 2, 3])
@pytest.mark.parametrize("family", FAMILIES)
def test_sums_in_turn_are_swamped_where_the_scalar_sum_of_one_more_is_the_same(
    family, size, rounding
):
    """The sum after i groups is a dot product of its own, on fractions."""
    fields: dict[str, Any] = {"pair": PairRule.FUSED, "pair_size": size} if size > 1 else {}
    accumulator = Accumulator(format="fp16_e6m9", rounding=rounding, **fields)
    key = StreamKey(seed=4)
    a, b = (x[:1] if x.shape[0] == 3 else x[:, :1] for x in _operands(family))
    ends = [*range(0, 29, size), 29]
    sums = [dot_scalar(a[0, :end], b[:end, 0], accumulator, key=key) for end in ends]
    swamped = overflowed = underflowed = 0
    for (first, old), (last, new) in pairwise(zip(ends, sums, strict=True)):
        if not math.isfinite(old):
            break
        factors = zip(a[0, first:last], b[first:last, 0], strict=True)
        group = sum(Fraction(x) * Fraction(y) for x, y in factors)
        swamped += group != 0 and old == new
        overflowed += not math.isfinite(new)
        underflowed += new == 0 and Fraction(old) + group != 0
    counts = count_additions(a, b, accumulator, key=key)
    found = counts.swamped, counts.overflowed, counts.underflowed
    assert found == (swamped, overflowed, underflowed)


@pytest.mark.parametrize("rounding", [Rounding.NEAREST_EVEN, Rounding.TOWARD_ZERO])
@pytest.mark.parametrize("family", FAMILIES)
def test_nodes_are_swamped_where_the_scalar_sum_of_two_is_one_of_them(family, rounding):
    """A tree of its own, cut top down at the power of two, of scalar sums of two numbers."""
    accumulator = _method("tree", rounding=rounding)
    a, b = _operands(family)
    swamped = 0

    def node(values):
        nonlocal swamped
        half = 1 << (len(values) - 1).bit_length() - 1 if len(values) > 1 else 1
        left, right = values[:half], values[half:]
        x = node(left) if half > 1 else left[0]
        # A short right side is as deep as the left: lone nodes are rounded with a zero.
        y = node(right + [0.0] * (half - len(right))) if right and half > 1 else (*right, 0.0)[0]
        total = dot_scalar([x, y], [1.0, 1.0], accumulator)
        swamped += math.isfinite(total) and ((y != 0 and total == x) or (x != 0 and total == y))
        return total

    expected = node([float(x) * float(y) for x, y in zip(a[0], b[:, 0], strict=True)])
    assert float(matmul(a[:1], b[:, :1], accumulator)[0, 0]) == expected
    assert count_additions(a[:1], b[:, :1], accumulator).swamped == swamped


@pytest.mark.parametrize("family", FAMILIES)
def test_addends_are_shifted_out_below_the_last_bit_of_the_largest(family):
    """Sums in float32 hold whatever 13 bits keep, so that only the shift loses addends."""
    accumulator = _method("aligned", "fp32", aligned_group=4, aligned_fraction_bits=13)
    a, b = _operands(family)
    products = [Fraction(x) * Fraction(y) for x, y in zip(a[0], b[:, 0], strict=True)]
    swamped, before = 0, Fraction(0)
    for start in range(0, len(products), 4):
        members = [before, *products[start : start + 4]]
        step = Fraction(2) ** (max(floor_log2(abs(x)) for x in members if x) - 13)
        swamped += sum(0 < abs(x) < step for x in members)
        before = sum((math.trunc(x / step) * step for x in members), Fraction(0))
    assert float(matmul(a[:1], b[:, :1], accumulator)[0, 0]) == before
    assert count_additions(a[:1], b[:, :1], accumulator).swamped == swamped
