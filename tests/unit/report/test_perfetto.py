"""Tracks and counters of the trace, from intervals written by hand."""

from __future__ import annotations

from accelsim.report.perfetto import trace_events
from accelsim.timing import CHIP, Interval, Unit


def test_dram_counter_rises_and_falls_with_every_interval() -> None:
    """100 bytes in 10 cycles are 10 bytes a cycle."""
    events = list(trace_events([Interval(Unit.DRAM, CHIP, "op", 5, 15, 100)]))
    steps = [(e["ts"], e["args"]["bytes"]) for e in events if e["ph"] == "C"]
    assert steps == [(5, 10.0), (15, 0)]


def test_units_other_than_dram_have_a_track_and_no_counter() -> None:
    events = list(trace_events([Interval(Unit.ARRAY, 0, "op", 0, 7)]))
    assert [e["ph"] for e in events] == ["M", "M", "X"]
    assert events[-1]["dur"] == 7
