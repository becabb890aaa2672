"""The timeline as a Chrome/Perfetto trace: one track per hardware unit.

One cycle is shown as one microsecond, and the trace's metadata says so. The
slices of a track never overlap. A counter track shows the bytes per cycle of DRAM.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Iterator
from typing import Any

from accelsim.results import RunResult
from accelsim.timing import Unit


def trace_events(intervals: Iterable[Any]) -> Iterator[dict[str, Any]]:
    """Yield trace events for busy intervals with `core`, `unit`, `op`, `start`, `end`, `bytes`."""
    tracks: dict[tuple[int, str], int] = {}
    for interval in intervals:
        key = (interval.core, interval.unit)
        if key not in tracks:
            tracks[key] = len(tracks) + 1
            process = "chip" if interval.core < 0 else f"core {interval.core}"
            pid = interval.core + 2
            yield _metadata("process_name", pid, 0, process)
            yield _metadata("thread_name", pid, tracks[key], interval.unit)
        yield {
            "name": interval.op,
            "ph": "X",
            "pid": interval.core + 2,
            "tid": tracks[key],
            "ts": interval.start,
            "dur": interval.end - interval.start,
            "args": {"bytes": interval.bytes} if interval.bytes else {},
        }
        if interval.unit == Unit.DRAM:
            yield from _bandwidth(interval)


def _bandwidth(interval: Any) -> Iterator[dict[str, Any]]:
    """Yield the steps of the DRAM counter: up at the start of an interval, down at its end."""
    rate = interval.bytes / max(1, interval.end - interval.start)
    for cycle, value in ((interval.start, rate), (interval.end, 0)):
        yield {
            "name": "DRAM bytes per cycle",
            "ph": "C",
            "pid": interval.core + 2,
            "ts": cycle,
            "args": {"bytes": value},
        }


def trace_json_gz(result: RunResult) -> bytes:
    """Return the gzipped trace of a run; equal runs give equal bytes."""
    intervals = () if result.timeline is None else result.timeline.intervals()
    document = {
        "traceEvents": list(trace_events(intervals)),
        "displayTimeUnit": "ms",
        "otherData": {
            "workload": result.workload,
            "arch": result.arch,
            "recipe": result.recipe,
            "time_unit": "1 us in this trace is 1 clock cycle",
        },
    }
    text = json.dumps(document, separators=(",", ":"), allow_nan=False).encode()
    return gzip.compress(text, mtime=0)


def _metadata(name: str, pid: int, tid: int, label: str) -> dict[str, Any]:
    return {"name": name, "ph": "M", "pid": pid, "tid": tid, "args": {"name": label}}
