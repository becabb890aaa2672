"""One self-contained HTML page for a run: open it offline, zoom into every chart."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from accelsim.report.palette import OKABE_ITO, colors
from accelsim.results import FLOP_PER_MAC, OpResult, RunResult

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

_STYLE = (
    "body{font-family:system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;"
    "color:#222}table{border-collapse:collapse}td,th{padding:.15rem .8rem;text-align:right;"
    "border-bottom:1px solid #ddd}td:first-child,th:first-child{text-align:left}"
    "footer{color:#666;font-size:.85rem;margin-top:3rem}"
)


def run_page(result: RunResult) -> str:
    """Return the page as text; it needs no network and no server."""
    charts = [
        ("Cycles by cause", cycles_chart(result.ops)),
        ("Energy by component", energy_chart(result.ops)),
        ("Utilization", utilization_chart(result.ops)),
        ("Roofline", roofline_chart(result)),
        ("Area", area_chart(result.totals.area_by_component_mm2)),
    ]
    if any(op.error_local is not None for op in result.ops):
        charts.append(("Error against float64", error_chart(result.ops)))
    body = [_heading(result), _totals(result)]
    for position, (title, figure) in enumerate(charts):
        body.append(f"<h2>{html.escape(title)}</h2>")
        # The library goes into the page once, with the first chart.
        script: bool | str = position == 0
        body.append(figure.to_html(full_html=False, include_plotlyjs=script))
    body.append(_footer(result))
    return page(f"{result.workload} on {result.arch}", body)


def page(title: str, body: Sequence[str]) -> str:
    """Return a whole page with the given pieces of HTML in it, in the one style of all pages."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f"<title>{html.escape(title)}</title>"
        f"<style>{_STYLE}</style></head><body>{''.join(body)}</body></html>\n"
    )


def cycles_chart(ops: Sequence[OpResult]) -> Figure:
    """Stack the cycles of each op by cause; ops that ride on another's write-back have none."""
    ops = [op for op in ops if op.cycles]
    parts: dict[str, list[float]] = {"compute": [], "fill_drain": []}
    for cause in dict.fromkeys(cause for op in ops for cause in op.stall_cycles):
        parts[cause] = []
    for op in ops:
        parts["compute"].append(op.compute_cycles)
        parts["fill_drain"].append(op.fill_drain_cycles)
        for cause in parts:
            if cause not in ("compute", "fill_drain"):
                parts[cause].append(op.stall_cycles.get(cause, 0))
    return _stacked(ops, parts, "cycles")


def energy_chart(ops: Sequence[OpResult]) -> Figure:
    """Stack the energy of each op by component."""
    names = dict.fromkeys(name for op in ops for name in op.energy_pj)
    parts = {name: [op.energy_pj.get(name, 0.0) * 1e-6 for op in ops] for name in names}
    return _stacked(ops, parts, "energy, uJ")


def utilization_chart(ops: Sequence[OpResult]) -> Figure:
    """Show the share of the peak MACs that each GEMM reaches."""
    gemms = [op for op in ops if op.kind == "gemm"]
    return _stacked(gemms, {"utilization": [100 * op.utilization for op in gemms]}, "% of peak")


def area_chart(parts: Mapping[str, float]) -> Figure:
    """Show the area of each component."""
    import plotly.graph_objects as go

    chosen = colors(parts)
    bars = go.Bar(x=list(parts), y=list(parts.values()), marker_color=[chosen[p] for p in parts])
    return _finish(go.Figure(bars), "area, mm2")


def error_chart(ops: Sequence[OpResult]) -> Figure:
    """Show the relative error of each op, its own and the one carried along."""
    import plotly.graph_objects as go

    figure = go.Figure()
    for name, pick, color in (
        ("error_local: same inputs", "error_local", OKABE_ITO[4]),
        ("error_total: end to end", "error_total", OKABE_ITO[5]),
    ):
        known = [(op.name, getattr(op, pick).relative) for op in ops if getattr(op, pick)]
        xs, ys = [item[0] for item in known], [item[1] for item in known]
        figure.add_scatter(x=xs, y=ys, name=name, mode="lines+markers", line_color=color)
    figure.update_yaxes(type="log")
    return _finish(figure, "relative error (L2)", from_zero=False)


def roofline_chart(result: RunResult) -> Figure:
    """Place each GEMM under the compute ceiling of its rate and the DRAM slope."""
    import plotly.graph_objects as go

    roofs: Mapping[str, Any] = result.config.get("roofline", {})
    bandwidth = roofs.get("dram_gb_per_s")
    figure = go.Figure()
    points = [op for op in result.ops if op.kind == "gemm" and op.counts.get("dram_bytes")]
    clock_hz = float(roofs.get("clock_mhz", 0.0)) * 1e6
    xs = [FLOP_PER_MAC * op.macs / op.counts["dram_bytes"] for op in points]
    ys = [FLOP_PER_MAC * op.macs * clock_hz / op.cycles * 1e-12 for op in points]
    figure.add_scatter(
        x=xs, y=ys, mode="markers", name="GEMM", text=[op.name for op in points],
        marker_color=OKABE_ITO[4],
    )  # fmt: skip
    span = [min(xs, default=1.0) / 2, max(xs, default=1000.0) * 2]
    for color, (name, peak) in zip(OKABE_ITO[5:], roofs.get("peak_tops", {}).items(), strict=False):
        figure.add_scatter(x=span, y=[peak, peak], mode="lines", name=name, line_color=color)
        if bandwidth:
            knee = peak / (bandwidth * 1e-3)
            figure.add_scatter(
                x=[span[0], knee], y=[span[0] * bandwidth * 1e-3, peak], mode="lines",
                name=f"DRAM {bandwidth:g} GB/s", line_color=OKABE_ITO[0], showlegend=False,
            )  # fmt: skip
    figure.update_xaxes(type="log", title="operational intensity, FLOP per DRAM byte")
    figure.update_yaxes(type="log")
    return _finish(figure, "TFLOP/s", from_zero=False)


def _stacked(ops: Sequence[OpResult], parts: Mapping[str, Sequence[float]], unit: str) -> Figure:
    import plotly.graph_objects as go

    figure = go.Figure()
    names = [op.name for op in ops]
    chosen = colors(parts)
    for part, values in parts.items():
        if any(values):
            label = part.replace("_", " ")
            figure.add_bar(x=names, y=list(values), name=label, marker_color=chosen[part])
    figure.update_layout(barmode="stack")
    return _finish(figure, unit)


def _finish(figure: Figure, unit: str, *, from_zero: bool = True) -> Figure:
    figure.update_layout(template="plotly_white", height=420, margin={"t": 20, "b": 120})
    figure.update_yaxes(title=unit)
    if from_zero:
        figure.update_yaxes(rangemode="tozero")
    return figure


def _heading(result: RunResult) -> str:
    title = html.escape(f"{result.workload} on {result.arch}")
    text = html.escape(
        f"recipe {result.recipe}, {result.phase}, batch {result.batch}, "
        f"numerics {result.numerics}, seed {result.seed}"
    )
    return f"<h1>{title}</h1><p>{text}</p>"


def _totals(result: RunResult) -> str:
    rows = []
    for name, value in result.totals.document().items():
        if isinstance(value, int | float):
            shown = f"{value:,}" if isinstance(value, int) else f"{value:.5g}"
            rows.append(f"<tr><td>{html.escape(name)}</td><td>{shown}</td></tr>")
    return f"<table>{''.join(rows)}</table>"


def _footer(result: RunResult) -> str:
    lines = [f"{key}: {value}" for key, value in result.provenance.items()]
    lines += [f"warning: {text}" for text in result.warnings]
    text = "<br>".join(html.escape(line) for line in lines)
    return f"<footer>accelsim {html.escape(result.version)}<br>{text}</footer>"
