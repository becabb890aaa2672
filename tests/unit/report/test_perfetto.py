"""Tracks and counters of the trace, from intervals written by hand and from a run."""

from __future__ import annotations

import gzip
import json
from itertools import pairwise
from typing import Any

import pytest

from accelsim import run
from accelsim.report.perfetto import trace_events, trace_json_gz
from accelsim.timing import CHIP, Buffer, Interval, Level, Unit


def test_dram_counter_rises_and_falls_with_every_interval() -> None:
    """100 bytes in 10 cycles are 10 bytes a cycle."""
    events = list(trace_events([Interval(Unit.DRAM, CHIP, "op", 5, 15, 100)]))
    steps = [(e["ts"], e["args"]["bytes"]) for e in events if e["ph"] == "C"]
    assert steps == [(5, 10.0), (15, 0)]


def test_units_other_than_dram_have_a_track_and_no_counter() -> None:
    events = list(trace_events([Interval(Unit.ARRAY, 0, "op", 0, 7)]))
    assert [e["ph"] for e in events] == ["M", "M", "X"]
    assert events[-1]["dur"] == 7


def test_every_buffer_of_every_core_has_a_counter() -> None:
    levels = [
        Level(Buffer.OPERANDS, 0, 3, 64),
        Level(Buffer.RESULTS, 0, 9, 16),
        Level(Buffer.OPERANDS, 1, 4, 32),
    ]
    counters = [e for e in trace_events([], levels) if e["ph"] == "C"]
    assert [(e["pid"], e["name"], e["ts"], e["args"]["bytes"]) for e in counters] == [
        (2, "scratchpad bytes: operands", 3, 64),
        (2, "scratchpad bytes: results", 9, 16),
        (3, "scratchpad bytes: operands", 4, 32),
    ]


@pytest.fixture(scope="module")
def document() -> Any:
    result = run("cifar10_cnn", arch="fp8_chunk64", numerics="off")
    return json.loads(gzip.decompress(trace_json_gz(result)))


def test_a_trace_keeps_the_rules_of_its_format(document: Any) -> None:
    """Those of the Trace Event Format for the kinds of events that are used."""
    assert set(document) == {"traceEvents", "displayTimeUnit", "otherData"}
    assert document["displayTimeUnit"] in ("ms", "ns")
    named: set[tuple[int, int]] = set()
    for event in document["traceEvents"]:
        assert isinstance(event["name"], str)
        assert isinstance(event["pid"], int)
        if event["ph"] == "M":
            assert event["name"] in ("process_name", "thread_name")
            assert isinstance(event["args"]["name"], str)
            assert (event["pid"], event["tid"]) not in named
            named.add((event["pid"], event["tid"]))
        elif event["ph"] == "X":
            assert (event["pid"], event["tid"]) in named
            assert event["ts"] >= 0
            assert event["dur"] > 0
        else:
            assert event["ph"] == "C"
            assert all(isinstance(value, int | float) for value in event["args"].values())
            assert (event["pid"], 0) in named


def test_slices_of_a_track_follow_each_other(document: Any) -> None:
    tracks: dict[tuple[int, int], list[Any]] = {}
    for event in document["traceEvents"]:
        if event["ph"] == "X":
            tracks.setdefault((event["pid"], event["tid"]), []).append(event)
    assert len(tracks) > 4
    for events in tracks.values():
        for one, two in pairwise(sorted(events, key=lambda event: event["ts"])):
            assert one["ts"] + one["dur"] <= two["ts"]


def test_buffers_fill_and_are_empty_at_the_end(document: Any) -> None:
    """No more than the scratchpad's 2 MiB, and nothing left behind."""
    last: dict[tuple[int, str], tuple[int, float]] = {}
    for event in document["traceEvents"]:
        if event["ph"] == "C" and event["name"].startswith("scratchpad"):
            held = event["args"]["bytes"]
            assert 0 <= held <= 2 * 2**20
            key = (event["pid"], event["name"])
            last[key] = max(last.get(key, (-1, 0)), (event["ts"], held))
    assert len(last) == 2 * 4
    assert {held for _, held in last.values()} == {0}
