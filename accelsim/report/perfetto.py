"""The timeline as a Chrome/Perfetto trace: one track per hardware unit.

One cycle is shown as one microsecond, and the trace's metadata says so. The
slices of a track never overlap. Counter tracks show the bytes per cycle of DRAM, and how
many bytes each buffer of each core's scratchpad holds.

References
----------
"Trace Event Format", the JSON object format: complete events (X) with ``ts`` and ``dur``
in microseconds on a thread of a process, counter events (C) on a process, metadata (M).
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Iterator
from typing import Any

from accelsim.results import RunResult
from accelsim.timing import Unit


def trace_events(intervals: Iterable[Any], levels: Iterable[Any] = ()) -> Iterator[dict[str, Any]]:
    """Yield the trace events of busy intervals and of buffers' levels.

    Parameters
    ----------
    intervals : iterable
        With `core`, `unit`, `op`, `start`, `end`, `bytes`, such as `Interval`.
    levels : iterable
        With `core`, `buffer`, `cycle`, `bytes`, such as `Level`.
    """
    processes: set[int] = set()
    tracks: dict[tuple[int, str], int] = {}
    for interval in intervals:
        yield from _process(interval.core, processes)
        key = (interval.core, interval.unit)
        if key not in tracks:
            tracks[key] = len(tracks) + 1
            yield _metadata("thread_name", _pid(interval.core), tracks[key], interval.unit)
        yield {
            "name": interval.op,
            "ph": "X",
            "pid": _pid(interval.core),
            "tid": tracks[key],
            "ts": interval.start,
            "dur": interval.end - interval.start,
            "args": {"bytes": interval.bytes} if interval.bytes else {},
        }
        if interval.unit == Unit.DRAM:
            yield from _bandwidth(interval)
    for level in levels:
        yield from _process(level.core, processes)
        yield _counter(f"scratchpad bytes: {level.buffer}", level.core, level.cycle, level.bytes)


def _bandwidth(interval: Any) -> Iterator[dict[str, Any]]:
    """Yield the steps of the DRAM counter: up at the start of an interval, down at its end."""
    rate = interval.bytes / max(1, interval.end - interval.start)
    yield _counter("DRAM bytes per cycle", interval.core, interval.start, rate)
    yield _counter("DRAM bytes per cycle", interval.core, interval.end, 0)


def trace_json_gz(result: RunResult) -> bytes:
    """Return the gzipped trace of a run; equal runs give equal bytes."""
    timeline = result.timeline
    intervals = () if timeline is None else timeline.intervals()
    levels = () if timeline is None else timeline.levels()
    document = {
        "traceEvents": list(trace_events(intervals, levels)),
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


def _pid(core: int) -> int:
    """Return the process that stands for a core, or for what all cores share."""
    return core + 2


def _process(core: int, known: set[int]) -> Iterator[dict[str, Any]]:
    """Yield the name of a core's process where it is new."""
    if core not in known:
        known.add(core)
        name = "chip" if core < 0 else f"core {core}"
        yield _metadata("process_name", _pid(core), 0, name)


def _counter(name: str, core: int, cycle: int, value: float) -> dict[str, Any]:
    return {"name": name, "ph": "C", "pid": _pid(core), "ts": cycle, "args": {"bytes": value}}


def _metadata(name: str, pid: int, tid: int, label: str) -> dict[str, Any]:
    return {"name": name, "ph": "M", "pid": pid, "tid": tid, "args": {"name": label}}
