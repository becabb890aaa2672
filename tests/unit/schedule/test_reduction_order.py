"""Orders of additions, written out by hand."""

from __future__ import annotations

import pytest

from accelsim.formats import get_format
from accelsim.schedule import ReductionOrder

FP16 = get_format("fp16_e6m9")


def order(k: int, chunk_size: int, fused: int = 1) -> ReductionOrder:
    return ReductionOrder(k=k, chunk_size=chunk_size, fused=fused, segments=((0, k),))


def test_worked_example_has_three_chunks_the_last_short() -> None:
    # K = 5, chunk 2: the example of docs/semantics.md, section 12.
    assert order(5, 2).chunks() == ((0, 2), (2, 4), (4, 5))
    assert order(5, 2).additions() == (
        "c0 = ((0 + p0) + p1)",
        "c1 = ((0 + p2) + p3)",
        "c2 = (0 + p4)",
        "sum = (((0 + c0) + c1) + c2)",
    )


def test_chunk_of_the_whole_reduction_is_one_chain() -> None:
    assert order(3, 3).additions() == ("c0 = (((0 + p0) + p1) + p2)", "sum = (0 + c0)")


def test_fused_pairs_enter_one_addition_and_start_anew_in_each_chunk() -> None:
    assert order(5, 4, fused=2).additions() == (
        "c0 = ((0 + p0 + p1) + p2 + p3)",
        "c1 = (0 + p4)",
        "sum = ((0 + c0) + c1)",
    )


def test_long_chains_are_shortened_and_say_by_how_much() -> None:
    lines = order(100, 10).additions(limit=3)
    assert lines[0] == "c0 = ((((0 + p0) + p1) + ...) + p9)  [7 more]"
    assert lines[3] == "... 7 more chunks"
    assert lines[4] == "sum = ((((0 + c0) + c1) + ...) + c9)  [7 more]"


def test_positions_are_ascending_k() -> None:
    assert list(order(6, 4).positions()) == [0, 1, 2, 3, 4, 5]


def test_empty_reduction_has_no_chunk() -> None:
    empty = order(0, 4)
    assert empty.chunks() == ()
    assert empty.additions() == ("sum = 0",)


def test_split_k_starts_chunks_anew_and_ends_in_a_tree_of_cores() -> None:
    split = ReductionOrder(k=5, chunk_size=2, fused=1, segments=((0, 3), (3, 5)), tree_format=FP16)
    assert split.chunks() == ((0, 2), (2, 3), (3, 5))
    assert split.additions() == (
        "c0 = ((0 + p0) + p1)",
        "c1 = (0 + p2)",
        "c2 = ((0 + p3) + p4)",
        "s0 = ((0 + c0) + c1)",
        "s1 = (0 + c2)",
        "sum = (s0 + s1)",
    )
    assert split != order(5, 2)


def test_split_k_without_a_tree_format_is_refused() -> None:
    with pytest.raises(ValueError, match="tree_format"):
        ReductionOrder(k=4, chunk_size=2, fused=1, segments=((0, 2), (2, 4)))


def test_tree_format_without_a_split_is_refused() -> None:
    with pytest.raises(ValueError, match="tree_format"):
        ReductionOrder(k=4, chunk_size=2, fused=1, segments=((0, 4),), tree_format=FP16)


@pytest.mark.parametrize("segments", [((0, 3),), ((0, 2), (3, 4)), ((2, 4), (0, 2)), ()])
def test_segments_must_cover_k_in_order(segments: tuple[tuple[int, int], ...]) -> None:
    with pytest.raises(ValueError, match="do not cover"):
        ReductionOrder(k=4, chunk_size=2, fused=1, segments=segments, tree_format=FP16)


@pytest.mark.parametrize(("k", "chunk", "fused"), [(-1, 1, 1), (4, 0, 1), (4, 1, 0)])
def test_sizes_out_of_range_are_refused(k: int, chunk: int, fused: int) -> None:
    with pytest.raises(ValueError, match="at least"):
        order(k, chunk, fused)
