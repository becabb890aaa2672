"""Laws of every accumulator, for inputs nobody thought of."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from accelsim.formats import Rounding, get_format
from accelsim.numerics import accumulate, matmul
from accelsim.precision import Accumulator

E5M2 = get_format("fp8_e5m2").decode(np.arange(256, dtype=np.uint8)).astype(np.float64)
FINITE = [float(x) for x in E5M2 if np.isfinite(x)]

vectors = st.lists(st.sampled_from(FINITE), min_size=0, max_size=40)
chunks = st.integers(1, 50)
names = st.sampled_from(["fp16_e6m9", "fp16_e5m10", "bf16", "dlfloat16"])
symmetric = st.sampled_from([Rounding.NEAREST_EVEN, Rounding.NEAREST_AWAY, Rounding.TOWARD_ZERO])
common = settings(max_examples=60, deadline=None)


@common
@given(vectors, vectors, chunks, names, symmetric)
def test_kernel_equals_definition(a, b, chunk, name, rounding):
    k = min(len(a), len(b))
    left, right = np.array([a[:k]]), np.array([b[:k]]).T
    accumulator = Accumulator(format=name, chunk_size=chunk, rounding=rounding)
    np.testing.assert_array_equal(
        matmul(left, right, accumulator), matmul(left, right, accumulator, path="definition")
    )


@common
@given(vectors, chunks, names, symmetric)
def test_negated_products_give_the_negated_sum(a, chunk, name, rounding):
    accumulator = Accumulator(format=name, chunk_size=chunk, rounding=rounding)
    x = np.array(a)
    np.testing.assert_array_equal(accumulate(-x, accumulator), -accumulate(x, accumulator))


@common
@given(vectors, chunks, names)
def test_the_sum_is_a_member_of_the_outer_format(a, chunk, name):
    accumulator = Accumulator(format=name, chunk_size=chunk)
    total = accumulate(np.array(a), accumulator)
    np.testing.assert_array_equal(get_format(name).quantize(total), total)


@common
@given(vectors, chunks)
def test_directed_sums_enclose_the_exact_one(a, chunk):
    """Each rounding up is at least exact, so is a chain of them; likewise down."""
    x = np.array(a)
    up, down = (
        accumulate(x, Accumulator(format="fp16_e6m9", chunk_size=chunk, rounding=rounding))
        for rounding in (Rounding.UP, Rounding.DOWN)
    )
    assert down <= x.sum() <= up  # at most 40 e5m2 numbers: exact in float64


@common
@given(st.lists(st.sampled_from([x for x in FINITE if x > 0]), min_size=1, max_size=40), chunks)
def test_more_positive_products_never_give_less(a, chunk):
    accumulator = Accumulator(format="fp16_e6m9", chunk_size=None)
    x = np.array(a)
    assert accumulate(x[:-1], accumulator) <= accumulate(x, accumulator)


@common
@given(st.lists(st.sampled_from(FINITE), min_size=1, max_size=40), chunks)
def test_the_error_is_within_the_bound_of_blocked_summation(a, chunk):
    """|error| <= (k + chunks) u sum|x| (1 + small): one rounding per addition (Higham 2002)."""
    x = np.array(a)
    accumulator = Accumulator(format="fp16_e6m9", chunk_size=chunk)
    total = float(accumulate(x, accumulator))
    additions = len(a) + -(-len(a) // chunk)
    bound = ((1 + 2.0**-10) ** additions - 1) * np.abs(x).sum()
    assert abs(total - x.sum()) <= bound


@common
@given(vectors, chunks)
def test_zero_products_change_nothing_but_their_places(a, chunk):
    """acc + 0 = acc: skipping zeros inside a chunk is exact."""
    accumulator = Accumulator(format="fp16_e6m9")
    x = np.array(a)
    kept = accumulate(x[x != 0], accumulator)
    np.testing.assert_array_equal(accumulate(x, accumulator), kept)
