"""Counting what additions lose, on sums counted by hand."""

from __future__ import annotations

import numpy as np
import pytest

from accelsim.errors import ShapeError
from accelsim.formats import Rounding, get_format
from accelsim.formats.random_bits import StreamKey
from accelsim.numerics import matmul
from accelsim.numerics.op_telemetry import count_in_order
from accelsim.numerics.telemetry import count_additions
from accelsim.precision import AccumulationMethod, Accumulator, IntegerOverflow
from accelsim.schedule.k_order import KLoop
from accelsim.schedule.reduction_order import ReductionOrder

PLAIN = Accumulator(format="fp16_e6m9")


def _count(values, accumulator=PLAIN, **options):
    row = np.array([values], np.float64)
    return count_additions(row, np.ones((row.shape[1], 1)), accumulator, **options)


def test_swamped_additions_are_those_after_the_stall():
    """1024 ones are counted, 76 more are lost; one addition more is that of the only chunk."""
    counts = _count([1.0] * 1100)
    assert (counts.additions, counts.swamped) == (1101, 76)
    assert counts.swamped_share == 76 / 1101


def test_adding_zero_is_not_swamping():
    counts = _count([1024.0, 0.0, 0.0])
    assert (counts.swamped, counts.zero_products) == (0, 2)


def test_overflow_and_saturation_are_told_apart():
    """4290772992 + 2097152 is half a step beyond the largest number, a tie to infinity."""
    top = [4290772992.0, 2097152.0]
    assert _count(top).overflowed == 1
    clamped = _count(top, Accumulator(format="fp16_e6m9", saturate=True))
    assert (clamped.overflowed, clamped.saturated) == (0, 1)
    assert _count(top[:1], Accumulator(format="fp16_e6m9", saturate=True)).saturated == 0


def test_underflow_is_a_result_of_zero_that_is_not_zero():
    """2**-40 is half the smallest number of fp16_e6m9, 2**-39: a tie to zero."""
    assert _count([2.0**-40]).underflowed == 1
    assert _count([2.0**-39]).underflowed == 0


def test_samples_are_drawn_by_seed():
    a, b = np.ones((30, 5)), np.ones((5, 40))
    counts = count_additions(a, b, PLAIN, sample=100, seed=1)
    assert (counts.outputs, counts.sampled_outputs, counts.additions) == (1200, 100, 600)


def test_operands_that_make_no_product_are_refused():
    with pytest.raises(ShapeError, match=r"is no product of two matrices"):
        count_additions(np.ones((2, 3)), np.ones((2, 3)), PLAIN)


def test_chunks_counted_side_by_side_are_chunks_counted_alone():
    """Ragged, two groups: every chunk alone, as a product of its own, has the same losses.

    2500 ones in chunks of 1100: two chunks lose 76 ones each and one of 300 none. The
    chunk sums 1024, 1024 and 300 lose nothing. Twice, for two groups; per output 2500
    additions of products and 3 of chunks.
    """
    ones = np.ones((2, 1, 2500))
    accumulator = Accumulator(format="fp16_e6m9", chunk_size=1100)
    counts = count_additions(ones, ones.transpose(0, 2, 1), accumulator)
    assert (counts.outputs, counts.additions, counts.swamped) == (2, 2 * 2503, 2 * 2 * 76)


def test_counts_repeat_the_additions_of_the_product():
    """Where nothing is lost the exact sum comes out, chunked or not: no count may be wrong."""
    values = np.arange(1.0, 8.0)
    for chunk_size in (None, 1, 2, 3, 7, 9):
        counts = _count(values, Accumulator(format="fp32", chunk_size=chunk_size))
        chunks = 1 if chunk_size is None else -(-7 // chunk_size)
        assert (counts.additions, counts.swamped) == (7 + chunks, 0)


def test_stochastic_additions_are_those_of_the_product():
    """From 1024 on a one is lost with probability 1/2: the sum of 1500 ones says how often.

    The walk ends at 1024 + 2 ups; each of the 476 further additions is an up or swamped.
    """
    accumulator = Accumulator(format="fp16_e6m9", rounding=Rounding.STOCHASTIC)
    ones, key = np.ones((1, 1500)), StreamKey(seed=3)
    total = float(matmul(ones, ones.T, accumulator, key=key)[0, 0])
    counts = count_additions(ones, ones.T, accumulator, key=key)
    assert counts.swamped == 476 - (total - 1024) / 2


class TestInOrder:
    """Counting in the order of a schedule."""

    KEY = StreamKey(seed=1)

    def count(self, accumulator, order, k=2200, sample=64):
        ones = np.ones((1, 3, k)), np.ones((1, k, 2))
        return count_in_order(*ones, accumulator, order, key=self.KEY, sample=sample)

    def test_chunks_of_the_order_replace_those_of_the_accumulator(self):
        order = ReductionOrder(k=2200, chunk_size=1100, fused=1, segments=((0, 2200),))
        assert self.count(PLAIN, order).swamped == 6 * 2 * 76

    def test_segments_are_counted_each(self):
        segments = ((0, 1100), (1100, 2200))
        fmt = get_format("fp32")
        order = ReductionOrder(2200, chunk_size=2200, fused=1, segments=segments, tree_format=fmt)
        counts = self.count(PLAIN, order)
        assert (counts.swamped, counts.additions) == (6 * 2 * 76, 6 * 2 * 1101)
        assert (counts.outputs, counts.sampled_outputs) == (6, 6)

    def test_the_order_of_k_is_the_order_of_the_schedule(self):
        """1024 then ones: all lost; two ones first make a step, and none is lost."""
        values = np.array([[[1024.0, 1.0, 1.0, 1.0]]])
        nest = (KLoop(2, 2), KLoop(2, 1))
        plain = ReductionOrder(k=4, chunk_size=4, fused=1, segments=((0, 4),), nest=nest)
        assert plain.additions()[0] == "c0 = ((((0 + p0) + p1) + p2) + p3)"
        turned = ReductionOrder(
            k=4, chunk_size=4, fused=1, segments=((0, 4),), nest=(KLoop(2, 1), KLoop(2, 2))
        )
        ones = np.ones((1, 4, 1))
        for order in (plain, turned):
            assert count_in_order(values, ones, PLAIN, order, key=self.KEY).swamped == 3
        # Turned: 1, 1, 1024, 1 give 1, 2, 1026 and, a tie to the even 1028, nothing is lost.
        late = values[..., [1, 0, 2, 3]]
        assert count_in_order(late, ones, PLAIN, turned, key=self.KEY).swamped == 0
        assert count_in_order(late, ones, PLAIN, plain, key=self.KEY).swamped == 2

    def test_fused_products_are_those_of_the_order(self):
        """34 chunks of 32 pairs and one of 12, and 35 chunk sums, in each of six outputs."""
        order = ReductionOrder(k=2200, chunk_size=64, fused=2, segments=((0, 2200),))
        assert self.count(PLAIN, order).additions == 6 * (34 * 32 + 12 + 35)

    def test_exact_sums_are_rounded_once_each(self):
        exact = Accumulator(format="fp32", method=AccumulationMethod.EXACT)
        assert self.count(exact, None).additions == 6

    def test_an_empty_reduction_adds_nothing(self):
        order = ReductionOrder(k=0, chunk_size=64, fused=1, segments=((0, 0),))
        assert self.count(PLAIN, order, k=0).additions == 0


class TestIntegers:
    """An integer register: what wrapped, what was clamped."""

    def count(self, values, **fields):
        accumulator = Accumulator(format="fp32", method=AccumulationMethod.INTEGER, **fields)
        return _count(values, accumulator)

    def test_wrapping_is_overflow(self):
        """In 8 bits 100 + 100 is -56, + 100 is 44; then the only chunk is added to 0."""
        counts = self.count([100.0] * 3, integer_bits=8)
        assert (counts.additions, counts.overflowed, counts.saturated) == (4, 1, 0)

    def test_clamping_is_saturation_and_what_is_added_to_the_bound_is_lost(self):
        """100, then 127 twice: both additions were clamped, the second changed nothing."""
        counts = self.count([100.0] * 3, integer_bits=8, integer_overflow=IntegerOverflow.SATURATE)
        assert (counts.overflowed, counts.saturated, counts.swamped) == (0, 2, 1)

    def test_a_product_wider_than_the_register_wraps(self):
        """1000 in 8 bits is -24, and 256 is 0, as if nothing was added."""
        counts = self.count([1000.0, 256.0], integer_bits=8)
        assert (counts.overflowed, counts.swamped) == (2, 1)

    @pytest.mark.parametrize("overflow", list(IntegerOverflow))
    def test_a_register_of_64_bits_loses_when_it_is_full(self, overflow):
        """2**53 comes 1023 times to 2**63 - 2**53; once more is beyond."""
        full = self.count([2.0**53] * 1023, integer_bits=64, integer_overflow=overflow)
        beyond = self.count([2.0**53] * 1024, integer_bits=64, integer_overflow=overflow)
        assert (full.overflowed, full.saturated) == (0, 0)
        assert beyond.overflowed + beyond.saturated == 1

    def test_a_wide_register_loses_nothing(self):
        counts = self.count([127.0] * 50, integer_bits=32, chunk_size=8)
        assert (counts.additions, counts.overflowed, counts.swamped) == (57, 0, 0)
