"""Sweeps: what they leave on disk, whatever happens on the way."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from itertools import product
from pathlib import Path

import pytest

import accelsim
from accelsim.errors import ConfigError, OutputError
from accelsim.explore.sweep import RESULTS, STREAM, Point, run_points

AXES = ("arch.mac_array.rows=8,16,32", "recipe.accumulator.chunk_size=16:128:x2")


def table(folder: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((folder / RESULTS).read_text().splitlines()))


def test_every_point_is_a_run_of_its_own(tmp_path: Path) -> None:
    accelsim.sweep("tiny", vary=AXES, folder=tmp_path)
    rows = table(tmp_path)
    assert len(rows) == 3 * 4
    assert [row["key"] for row in rows] == sorted(row["key"] for row in rows)
    for row in rows:
        settings = [f"{key}={row[key]}" for key in row if "." in key]
        alone = accelsim.run("tiny", numerics="off", mode="analytic", overrides=settings)
        assert int(row["cycles"]) == alone.totals.cycles
        assert float(row["energy_pj"]) == alone.totals.energy_pj


def test_a_point_that_cannot_run_is_a_row_with_its_reason(tmp_path: Path) -> None:
    """With 32 rows of two a k tile has 64 positions, and conv1 36: 24 is no divisor."""
    result = accelsim.sweep("tiny", vary=["accumulator.chunk_size=24,64"], folder=tmp_path)
    by_chunk = {row["accumulator.chunk_size"]: row for row in result.rows}
    assert by_chunk["24"]["status"] == "infeasible"
    assert "k tile" in by_chunk["24"]["reason"]
    assert by_chunk["64"]["status"] == "ok"
    assert len(table(tmp_path)) == 2


def test_values_are_swept_with_numerics() -> None:
    result = accelsim.sweep(
        "tiny",
        vary=["accumulator.chunk_size=1,64"],
        numerics="full",
        metrics=["error", "energy_pj"],
    )
    errors = {row["accumulator.chunk_size"]: row["error"] for row in result.rows}
    assert errors["1"] != errors["64"]


def test_processes_do_not_change_a_byte(tmp_path: Path) -> None:
    accelsim.sweep("tiny", vary=AXES, folder=tmp_path / "one")
    accelsim.sweep("tiny", vary=AXES, folder=tmp_path / "two", processes=2)
    for name in (RESULTS, "pareto.csv"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_a_torn_line_is_run_again_and_nothing_else(tmp_path: Path) -> None:
    accelsim.sweep("tiny", vary=AXES, folder=tmp_path)
    whole = (tmp_path / RESULTS).read_bytes()
    lines = (tmp_path / STREAM).read_bytes().splitlines(keepends=True)
    (tmp_path / STREAM).write_bytes(b"".join(lines[:5]) + lines[5][:40])
    (tmp_path / RESULTS).unlink()
    told: list[str] = []
    accelsim.sweep("tiny", vary=AXES, folder=tmp_path, on_progress=told.append)
    assert (tmp_path / RESULTS).read_bytes() == whole
    assert len(told) == len(lines) - 5
    keys = [json.loads(line)["key"] for line in (tmp_path / STREAM).read_text().splitlines()]
    assert len(keys) == len(set(keys)) == len(lines)


def test_killed_and_started_again_it_ends_with_the_same_bytes(tmp_path: Path) -> None:
    axis = "arch.dram.bandwidth_gb_per_s=" + ",".join(str(value) for value in range(50, 250))
    command = [sys.executable, "-m", "accelsim", "sweep", "tiny", "-q", "--vary", axis, "-o"]
    killed, stream = tmp_path / "killed", tmp_path / "killed" / STREAM
    process = subprocess.Popen(
        [*command, str(killed)], stdout=subprocess.DEVNULL, env=dict(os.environ)
    )
    while not stream.exists() or stream.stat().st_size < 2000:
        assert process.poll() is None, "the sweep ended before it could be killed"
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (killed / RESULTS).exists()
    accelsim.sweep("tiny", vary=[axis], folder=killed)
    accelsim.sweep("tiny", vary=[axis], folder=tmp_path / "whole")
    assert (killed / RESULTS).read_bytes() == (tmp_path / "whole" / RESULTS).read_bytes()


def test_a_folder_of_another_sweep_is_refused(tmp_path: Path) -> None:
    accelsim.sweep("tiny", vary=["arch.cores=1,2"], folder=tmp_path)
    with pytest.raises(OutputError, match="another sweep"):
        accelsim.sweep("tiny", vary=["arch.cores=1,4"], folder=tmp_path)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match="holds no sweep"):
        accelsim.sweep("tiny", vary=["arch.cores=1,2"], folder=tmp_path / "mine")


def test_a_wrong_value_is_told_before_anything_runs(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"arch\.cores"):
        accelsim.sweep("tiny", vary=["arch.cores=1,0"], folder=tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_points_with_the_same_array_follow_each_other() -> None:
    """Whichever axis is named first: what their schedules share is found once."""
    seen = []
    axes = [("arch.dram.bandwidth_gb_per_s", "12"), ("arch.scratchpad.capacity_kib", "34"),
            ("arch.mac_array.cols", "56")]  # fmt: skip
    for fast, big, wide in product(*(values for _, values in axes)):
        settings = dict(zip((name for name, _ in axes), (fast, big, wide), strict=True))
        seen.append(Point(fast + big + wide, settings, fast + big + wide))
    order: list[str] = []

    def evaluate(job: str) -> dict[str, float]:
        order.append(job)
        return {"time_ms": 1.0, "energy_pj": 1.0}

    run_points(seen, evaluate, metrics=("time_ms", "energy_pj"))
    # Columns change last, bandwidth at every point.
    assert order == ["135", "235", "145", "245", "136", "236", "146", "246"]
