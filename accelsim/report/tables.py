"""Tables for a terminal. Each function returns something that rich can print."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from accelsim.explore.sweep import SweepResult
from accelsim.results import Comparison, OpResult, RunResult

if TYPE_CHECKING:
    from rich.table import Table

#: Rows of the per-op table unless all are asked for.
DEFAULT_ROWS = 12


def totals_table(result: RunResult) -> Table:
    """Return the totals of a run, one quantity a row."""
    totals = result.totals
    table = _table(f"{result.workload} on {result.arch}", ("quantity", "value", "unit"))
    memory = sum(totals.stall_cycles.values())
    for name, value, unit in (
        ("MACs", f"{totals.macs:,}", ""),
        ("cycles", f"{totals.cycles:,}", ""),
        ("  compute", f"{totals.compute_cycles:,}", ""),
        ("  fill and drain", f"{totals.fill_drain_cycles:,}", ""),
        ("  stalls", f"{memory:,}", ""),
        ("time", f"{totals.time_ms:.4g}", "ms"),
        ("utilization", f"{100 * totals.utilization:.1f}", "%"),
        ("throughput", f"{totals.tops:.4g}", "TFLOP/s"),
        ("energy", f"{totals.energy_pj * 1e-9:.4g}", "mJ"),
        ("energy x time", f"{totals.edp_pj_s * 1e-6:.4g}", "mJ ms"),
        ("average power", f"{totals.power_mw * 1e-3:.4g}", "W"),
        ("highest power of an op", f"{totals.peak_power_mw * 1e-3:.4g}", "W"),
        ("efficiency", f"{totals.tops_per_w:.4g}", "TFLOP/s/W"),
        ("area", f"{totals.area_mm2:.4g}", "mm2"),
        ("throughput per area", f"{totals.tops_per_mm2:.4g}", "TFLOP/s/mm2"),
    ):
        table.add_row(name, value, unit)
    for name, error in result.output_error.items():
        table.add_row(f"error of {name}", f"{error.relative:.3g}", "relative")
        table.add_row("  as SQNR", f"{error.sqnr_db:.1f}", "dB")
    return table


def shares_table(title: str, parts: Mapping[str, float], unit: str) -> Table:
    """Return the parts of a total with their shares, largest first."""
    table = _table(title, ("component", unit, "share %"))
    whole = sum(parts.values())
    for name, value in sorted(parts.items(), key=lambda item: (-item[1], item[0])):
        share = 100 * value / whole if whole else 0.0
        table.add_row(name.replace("_", " "), f"{value:.4g}", f"{share:.1f}")
    return table


def ops_table(ops: Sequence[OpResult], *, limit: int | None = DEFAULT_ROWS) -> Table:
    """Return the ops that take most cycles, or with `limit` None all in trace order.

    All of them come with the path of their arithmetic; swamped additions are shown
    wherever they were counted.
    """
    with_paths = limit is None
    with_telemetry = any("additions" in op.counts for op in ops)
    chosen = list(ops)
    title = "ops in order"
    if limit is not None and len(chosen) > limit:
        chosen = sorted(chosen, key=lambda op: (-op.cycles, op.start_cycle))[:limit]
        title = f"the {limit} longest of {len(ops)} ops"
    heads = (
        "op",
        "m x n x k",
        "cycles",
        "compute",
        "fill/drain",
        "stalls",
        "util %",
        "nJ",
        "error",
        *(("arithmetic",) if with_paths else ()),
        *(("swamped %",) if with_telemetry else ()),
    )
    table = _table(title, heads)
    for op in chosen:
        table.add_row(
            op.name,
            _shape(op),
            f"{op.cycles:,}",
            f"{op.compute_cycles:,}",
            f"{op.fill_drain_cycles:,}",
            _stalls(op.stall_cycles),
            f"{100 * op.utilization:.1f}",
            f"{sum(op.energy_pj.values()) * 1e-3:.4g}",
            "" if op.error_local is None else f"{op.error_local.relative:.2g}",
            *((op.arithmetic or "",) if with_paths else ()),
            *((_swamped(op),) if with_telemetry else ()),
        )
    return table


def comparison_table(comparison: Comparison) -> Table:
    """Return every run beside the baseline; the title says what was held equal."""
    title = f"baseline {comparison.baseline}, held equal: {comparison.held}"
    heads = (
        "workload", "chip", "recipe", "util %", "time ms", "energy mJ", "area mm2",
        "speed-up", "energy ratio", "area ratio", "error",
    )  # fmt: skip
    table = _table(title, heads)
    for row in comparison.rows:
        result, totals = row.result, row.result.totals
        errors = [error.relative for error in result.output_error.values()]
        table.add_row(
            result.workload,
            result.arch,
            result.recipe,
            f"{100 * totals.utilization:.1f}",
            f"{totals.time_ms:.4g}",
            f"{totals.energy_pj * 1e-9:.4g}",
            f"{totals.area_mm2:.4g}",
            f"{row.speedup:.2f}",
            f"{row.energy_ratio:.2f}",
            f"{row.area_ratio:.2f}",
            f"{errors[0]:.2g}" if errors else "",
        )
    return table


def sweep_table(result: SweepResult, *, limit: int = DEFAULT_ROWS) -> Table:
    """Return the points of the Pareto front, best first in its first metric."""
    settings = [name for name in (result.rows[0] if result.rows else {}) if "." in name]
    infeasible = sum(row["status"] != "ok" for row in result.rows)
    title = (
        f"{len(result.pareto)} of {len(result.rows)} points are on the Pareto front of"
        f" {', '.join(result.metrics)}; {infeasible} infeasible"
    )
    rows = sorted(result.pareto, key=lambda row: row[result.metrics[0]])[:limit]
    cells = [
        [*(row[name] for name in settings), *(f"{row[name]:.4g}" for name in result.metrics)]
        for row in rows
    ]
    return plain_table(title, (*settings, *result.metrics), cells)


def means_table(comparison: Comparison) -> Table:
    """Return the geometric mean of each ratio over the workloads, by chip."""
    table = _table("geometric mean", ("chip", "speed-up", "energy ratio", "area ratio"))
    for arch, means in comparison.geometric_means().items():
        table.add_row(arch, *(f"{value:.2f}" for value in means.values()))
    return table


def names_table(title: str, names: Mapping[str, str]) -> Table:
    """Return names with one line about each."""
    return plain_table(title, ("name", "what it is"), list(names.items()))


def plain_table(title: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    """Return rows of words under their heads, all left-justified."""
    table = _table(title, heads)
    for column in table.columns:
        column.justify = "left"
        column.no_wrap = False
    for row in rows:
        table.add_row(*row)
    return table


def _shape(op: OpResult) -> str:
    if op.m is None:
        return f"{op.elements:,} el"
    groups = f"{op.groups} x " if op.groups and op.groups > 1 else ""
    return f"{groups}{op.m} x {op.n} x {op.k}"


def _swamped(op: OpResult) -> str:
    additions = op.counts.get("additions", 0)
    return f"{100 * op.counts['additions_swamped'] / additions:.2g}" if additions else ""


def _stalls(stalls: Mapping[str, int]) -> str:
    present = {cause: count for cause, count in stalls.items() if count}
    if not present:
        return "0"
    main = max(present, key=lambda cause: present[cause])
    return f"{sum(present.values()):,} ({main})"


def _table(title: str, heads: Sequence[str]) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for position, head in enumerate(heads):
        table.add_column(head, justify="left" if position == 0 else "right", no_wrap=True)
    return table
