"""Figures on paper: vector files, one colour per thing, bars from zero."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from accelsim.explore.sweep import SweepResult
from accelsim.files import atomic_write
from accelsim.report.palette import OKABE_ITO, colors
from accelsim.results import Comparison
from accelsim.timing import Interval

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_INCHES = (7.0, 4.5)
_UNITS = {
    "time_ms": "time, ms",
    "energy_pj": "energy, pJ",
    "area_mm2": "area, mm2",
    "power_mw": "power, mW",
    "error": "relative error",
    "sqnr_db": "SQNR, dB",
    "edp_pj_s": "energy x delay, pJ s",
}


def write_pareto_figure(result: SweepResult, path: Path) -> None:
    """Draw all points and the front in the first two metrics of a sweep."""
    x, y = result.metrics[:2]
    figure = new_figure()
    axes = figure.subplots()
    feasible = [row for row in result.rows if row["status"] == "ok"]
    axes.scatter(
        [row[x] for row in feasible], [row[y] for row in feasible],
        s=14, color=OKABE_ITO[1], label="points",
    )  # fmt: skip
    front = sorted(result.pareto, key=lambda row: row[x])
    axes.scatter(
        [row[x] for row in front], [row[y] for row in front],
        s=22, color=OKABE_ITO[5], label=f"Pareto front of {', '.join(result.metrics)}",
    )  # fmt: skip
    axes.set(xlabel=_UNITS.get(x, x), ylabel=_UNITS.get(y, y), xscale="log", yscale="log")
    axes.legend()
    save_figure(figure, path)


def write_comparison_figure(comparison: Comparison, path: Path) -> None:
    """Draw stacked energy, stacked area and speed-up of every run."""
    figure = new_figure(width=12.0)
    energy, area, speed = figure.subplots(1, 3)
    results = [row.result for row in comparison.rows]
    names = [f"{result.workload}\n{result.arch}" for result in results]
    stacks = (
        (energy, [r.totals.energy_by_component_pj for r in results], 1e-9, "energy, mJ"),
        (area, [r.totals.area_by_component_mm2 for r in results], 1.0, "area, mm2"),
    )
    for axes, parts, unit, label in stacks:
        floor = [0.0] * len(results)
        for component, color in colors(name for part in parts for name in part).items():
            heights = [part.get(component, 0.0) * unit for part in parts]
            text = component.replace("_", " ")
            axes.bar(range(len(names)), heights, bottom=floor, color=color, label=text)
            floor = [low + height for low, height in zip(floor, heights, strict=True)]
        axes.set_ylabel(label)
    speed.bar(range(len(names)), [row.speedup for row in comparison.rows], color=OKABE_ITO[4])
    speed.set_ylabel(f"speed-up over {comparison.baseline}")
    for axes in (energy, area, speed):
        axes.set_xticks(range(len(names)), names, rotation=60, ha="right", fontsize=7)
    figure.legend(*energy.get_legend_handles_labels(), loc="outside lower center", ncols=8)
    figure.suptitle(f"held equal: {comparison.held}")
    save_figure(figure, path)


def write_gantt_figure(intervals: Sequence[Interval], path: Path, *, title: str) -> None:
    """Draw when every unit of every core was busy, one lane each, the chip's at the top."""
    lanes = sorted({(one.core, one.unit.value) for one in intervals}, reverse=True)
    figure = new_figure(width=10.0, height=1.2 + 0.3 * len(lanes))
    axes = figure.subplots()
    shades = colors(unit for _, unit in lanes)
    for at, (core, unit) in enumerate(lanes):
        bars = [(o.start, o.end - o.start) for o in intervals if (o.core, o.unit) == (core, unit)]
        axes.broken_barh(bars, (at - 0.4, 0.8), color=shades[unit], linewidth=0)
    names = [f"{'chip' if core < 0 else f'core {core}'} {unit}" for core, unit in lanes]
    axes.set_yticks(range(len(lanes)), [name.replace("_", " ") for name in names], fontsize=8)
    axes.set(xlabel="cycle", title=title)
    save_figure(figure, path)


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure atomically; the suffix names the format, and equal figures equal bytes."""
    from matplotlib import rc_context

    data = io.BytesIO()
    suffix = path.suffix.removeprefix(".")
    # A date would make two equal figures differ.
    metadata = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(suffix, {})
    # Without a salt the identifiers inside an SVG are random.
    with rc_context({"svg.hashsalt": "accelsim"}):
        figure.savefig(data, format=suffix, metadata=metadata)
    atomic_write(path, data.getvalue())


def figure_svg(figure: Figure) -> str:
    """Return a figure as SVG text; equal figures give equal texts."""
    from matplotlib import rc_context

    data = io.BytesIO()
    with rc_context({"svg.hashsalt": "accelsim"}):
        figure.savefig(data, format="svg", metadata={"Date": None})
    return data.getvalue().decode()


def new_figure(width: float = _INCHES[0], height: float = _INCHES[1]) -> Figure:
    """Return an empty figure of that size in inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")
