"""Busy spans, against a walk over the cycles."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from accelsim.timing.spans import Span, joined, joined_each

SPANS = st.lists(
    st.builds(
        lambda start, length, size: Span(start, start + length, size),
        st.integers(0, 40), st.integers(1, 6), st.integers(0, 9),
    ),
    max_size=12,
)  # fmt: skip


def stretches(spans: list[Span]) -> list[tuple[int, int]]:
    """Return where some span is, cycle by cycle: spans that touch are one stretch."""
    busy = sorted({cycle for one in spans for cycle in range(one.start, one.end)})
    starts = [cycle for cycle in busy if cycle - 1 not in busy]
    ends = [cycle + 1 for cycle in busy if cycle + 1 not in busy]
    return list(zip(starts, ends, strict=True))


@given(units=st.lists(SPANS, min_size=1, max_size=4))
def test_units_are_joined_apart_from_each_other(units: list[list[Span]]) -> None:
    for spans, found in zip(units, joined_each(units), strict=True):
        assert [(one.start, one.end) for one in found] == stretches(spans)
        assert sum(one.bytes for one in found) == sum(one.bytes for one in spans)
        assert found == joined(spans)


def test_only_a_unit_with_too_many_spans_has_neighbours_joined() -> None:
    many = [Span(4 * at, 4 * at + 1, 1) for at in range(5)]
    few = [Span(0, 1, 7), Span(9, 10, 7)]
    assert joined_each([many, few], limit=3) == (
        (Span(0, 5, 2), Span(8, 13, 2), Span(16, 17, 1)),
        tuple(few),
    )


def test_a_span_without_length_stays_only_where_it_touches_another() -> None:
    assert joined([Span(5, 5, 3), Span(0, 2, 1), Span(2, 2, 4)]) == (Span(0, 2, 5),)
    assert joined_each([[], [Span(3, 3, 1)]]) == ((), ())
