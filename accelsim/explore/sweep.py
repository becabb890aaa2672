"""A sweep: many runs, streamed to disk, resumable after any kind of end.

Finished points are appended to ``points.jsonl``, one line each, by the parent
process alone. A line that a kill cut short is dropped when the sweep starts
again, and only what is missing runs. At the end the lines are sorted by key and
written to ``results.csv`` and ``pareto.csv``, so the same sweep leaves the same
bytes whatever happened on the way.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from accelsim.errors import OutputError
from accelsim.explore.pareto import pareto_front
from accelsim.files import atomic_write, csv_text

STREAM, MANIFEST, RESULTS, PARETO = "points.jsonl", "sweep.json", "results.csv", "pareto.csv"
SWEEP_SCHEMA = "accelsim.sweep/1"

Row = dict[str, Any]

#: Most points of a sweep of quick ones that a worker takes, and hands back, at once.
_MOST_AT_ONCE = 16
#: Times that every worker comes for more, at least, so that none is left with nothing.
_ROUNDS = 4
#: Fields that schedules look at late, or not at all; the later the less.
_LATE_FIELDS = ("arch.scratchpad", "arch.interconnect", "arch.dram", "arch.clock_mhz")


@dataclass(frozen=True, slots=True)
class Point:
    """One run of a sweep.

    `key` is the hash of everything that decides the result; `settings` are the
    varied keys with their values.
    """

    key: str
    settings: Mapping[str, str]
    job: Any


@dataclass(frozen=True, slots=True)
class SweepResult:
    """Rows sorted by key, and which of them are on the Pareto front."""

    rows: tuple[Row, ...]
    metrics: tuple[str, ...]
    pareto: tuple[Row, ...]

    def document(self) -> dict[str, Any]:
        """Return the JSON document ``accelsim.sweep/1``."""
        return {
            "schema": SWEEP_SCHEMA,
            "metrics": list(self.metrics),
            "rows": list(self.rows),
            "pareto": list(self.pareto),
        }


def run_points(
    points: Sequence[Point],
    evaluate: Callable[[Any], Row],
    *,
    metrics: Sequence[str],
    folder: Path | None = None,
    manifest: Mapping[str, Any] | None = None,
    processes: int = 1,
    quick: bool = False,
    on_progress: Callable[[str], None] = lambda _stage: None,
) -> SweepResult:
    """Run what is missing and return all rows.

    Parameters
    ----------
    points : sequence of Point
        Points with equal keys are run once.
    evaluate : callable
        Turns a job into a row; must be importable by other processes.
    metrics : sequence of str
        Of the Pareto front.
    folder : Path, optional
        Where rows are streamed and results are written.
    manifest : mapping, optional
        What the sweep is; a folder that holds another sweep is refused.
    processes : int
        Worker processes.
    quick : bool
        Whether a point takes a fraction of a second, so that a worker may hand back the
        rows of several neighbours at once: what they share it then finds once.
    on_progress : callable
        Called with a line of text after every point.

    Raises
    ------
    OutputError
        If the folder belongs to another sweep or cannot be written to.
    """
    unique = {point.key: point for point in points}
    done = {} if folder is None else _resume(folder, manifest or {})
    rows = {key: row for key, row in done.items() if key in unique}
    missing = sorted((point for point in unique.values() if point.key not in rows), key=_likeness)
    stream = None if folder is None else (folder / STREAM).open("ab")
    try:
        for row in _evaluate(missing, evaluate, processes, quick=quick):
            rows[row["key"]] = row
            if stream is not None:
                stream.write(json.dumps(row, allow_nan=False).encode() + b"\n")
                stream.flush()
            on_progress(f"{len(rows)} of {len(unique)} points")
    finally:
        if stream is not None:
            stream.close()
    ordered = tuple(rows[key] for key in sorted(rows))
    front = tuple(ordered[position] for position in pareto_front(ordered, metrics))
    if folder is not None:
        atomic_write(folder / RESULTS, rows_csv(ordered))
        atomic_write(folder / PARETO, rows_csv(front or ordered[:0], heads_of=ordered))
    return SweepResult(rows=ordered, metrics=tuple(metrics), pareto=front)


def rows_csv(rows: Sequence[Row], *, heads_of: Sequence[Row] | None = None) -> str:
    """Return rows as CSV; the columns are those of all rows, in order of appearance."""
    return csv_text(rows, list(dict.fromkeys(name for row in heads_of or rows for name in row)))


def _evaluate(
    points: Sequence[Point], evaluate: Callable[[Any], Row], processes: int, *, quick: bool
) -> Iterable[Row]:
    if processes == 1 or len(points) < 2:
        return (_row(point, evaluate) for point in points)
    from joblib import Parallel, delayed

    at_once = max(1, min(_MOST_AT_ONCE, len(points) // (_ROUNDS * processes)))
    parallel = Parallel(
        n_jobs=processes,
        batch_size=at_once if quick else "auto",
        return_as="generator_unordered",
    )
    tasks = (delayed(_row)(point, evaluate) for point in points)
    rows: Iterable[Row] = parallel(tasks)
    return rows


def _likeness(point: Point) -> tuple[str, ...]:
    """Return what to sort points by so that those with much in common follow each other.

    A schedule rests on the network, the formats and the array first, then on the scratchpad,
    and hardly on how fast memories and links are: what neighbours share is found once.
    """
    names = sorted(point.settings, key=_lateness)
    return tuple(point.settings[name] for name in names)


def _lateness(name: str) -> int:
    """Return how late a schedule looks at a field; 0 for those that it begins with."""
    found = (rank for rank, start in enumerate(_LATE_FIELDS, 1) if name.startswith(start))
    return next(found, 0)


def _row(point: Point, evaluate: Callable[[Any], Row]) -> Row:
    return {"key": point.key, **point.settings, **evaluate(point.job)}


def _resume(folder: Path, manifest: Mapping[str, Any]) -> dict[str, Row]:
    """Return the finished rows of `folder`, its torn last line cut off."""
    text = json.dumps(manifest, indent=1, sort_keys=True) + "\n"
    marker, stream = folder / MANIFEST, folder / STREAM
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not marker.exists():
            if any(folder.iterdir()):
                raise OutputError(f"{folder} is not empty and holds no sweep. Name another folder.")
            atomic_write(marker, text)
        elif marker.read_text(encoding="utf-8") != text:
            raise OutputError(
                f"{folder} holds another sweep ({MANIFEST} differs). Name another folder."
            )
        lines = stream.read_bytes().splitlines(keepends=True) if stream.exists() else []
    except OSError as error:
        raise OutputError(f"{folder} cannot be used: {error.strerror}.") from error
    rows = {line: _parsed(line) for line in lines}
    if not all(rows.values()):
        atomic_write(stream, b"".join(line for line, row in rows.items() if row))
    return {row["key"]: row for row in rows.values() if row}


def _parsed(line: bytes) -> Row:
    """Return a finished row, or nothing for what a kill or a full disk left of one."""
    try:
        row = json.loads(line) if line.endswith(b"\n") else {}
    except ValueError:
        return {}
    return row if isinstance(row, dict) and "key" in row else {}
