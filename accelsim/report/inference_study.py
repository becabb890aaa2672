"""The inference study for people: tables, CSV files, a figure and a page."""

from __future__ import annotations

import html
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from accelsim.explore.inference_study import InferenceRow, InferenceStudy, LayerError
from accelsim.files import csv_text, json_text, write_files
from accelsim.report.figures import figure_svg, new_figure
from accelsim.report.page import page
from accelsim.report.palette import OKABE_ITO
from accelsim.report.tables import plain_table
from accelsim.report.training import html_table

if TYPE_CHECKING:
    from rich.table import Table

_PJ_PER_MJ = 1e9


def inference_table(study: InferenceStudy) -> Table:
    """Return one row per variant: scores, agreement with float32, error, cost of a sample."""
    return plain_table(_title(study), inference_heads(study), inference_cells(study))


def inference_heads(study: InferenceStudy) -> tuple[str, ...]:
    """Return what stands over the columns of a study's table."""
    scores = study.rows[0].scores if study.rows else ()
    return (
        "variant", *scores, "agreement, %", "output error", "cycles", "energy, mJ", "area, mm2",
    )  # fmt: skip


def inference_cells(study: InferenceStudy) -> list[tuple[str, ...]]:
    """Return a study's table: one row per variant, in words; empty where nothing was measured."""
    return [
        (
            row.variant,
            *(f"{score:.4f}" for score in row.scores.values()),
            f"{100 * row.agreement:.2f}",
            "" if row.output_error is None else f"{row.output_error:.3g}",
            "" if row.cycles is None else f"{row.cycles:,.0f}",
            "" if row.energy_pj is None else f"{row.energy_pj / _PJ_PER_MJ:.4g}",
            "" if row.area_mm2 is None else f"{row.area_mm2:.2f}",
        )
        for row in study.rows
    ]


def write_inference_folder(study: InferenceStudy, folder: Path) -> tuple[Path, ...]:
    """Write the study, each file atomically.

    ``result.json``, ``variants.csv``, ``layers.csv``, ``study.svg`` and ``report.html``.
    """
    figure = inference_figure(study)
    rows = [asdict(row) for row in study.rows]
    scores = list(study.rows[0].scores) if study.rows else []
    heads = [name for name in InferenceRow.__dataclass_fields__ if name != "scores"]
    flat = [{**{head: row[head] for head in heads}, **row["scores"]} for row in rows]
    files = {
        "result.json": json_text(study.document()),
        "variants.csv": csv_text(flat, [*heads[:2], *scores, *heads[2:]]),
        "layers.csv": csv_text(
            (asdict(error) for error in study.layers), list(LayerError.__dataclass_fields__)
        ),
        "study.svg": figure,
        "report.html": _page(study, figure),
    }
    return write_files(folder, files)


def inference_figure(study: InferenceStudy) -> str:
    """Return a figure as SVG text: agreement by variant, and the error along the network."""
    figure = new_figure(width=12.0, height=4.5)
    bars, lines = figure.subplots(1, 2)
    names = [row.variant for row in study.rows]
    bars.barh(names, [100 * row.agreement for row in study.rows], color=OKABE_ITO[1])
    bars.invert_yaxis()
    bars.set_xlabel("agreement with float32, %")
    for position, name in enumerate(names):
        errors = [
            error.total
            for error in study.layers
            if error.variant == name and error.function == "gemm" and error.total
        ]
        color = OKABE_ITO[position % len(OKABE_ITO)]
        style = ("-", "--", ":")[position // len(OKABE_ITO) % 3]
        lines.plot(range(len(errors)), errors, color=color, linestyle=style, label=name,
                   linewidth=1.0)  # fmt: skip
    lines.set(xlabel="GEMM, in order", ylabel="relative error to float64", yscale="log")
    lines.legend(fontsize=6, ncols=2)
    figure.suptitle(_title(study))
    return figure_svg(figure)


def _page(study: InferenceStudy, figure: str) -> str:
    body = [
        f"<h1>{html.escape(_title(study))}</h1>",
        f"<p>{html.escape(study.provenance)}; calibrated on {study.calibration_samples} other"
        f" samples; chip {html.escape(study.arch)}, its arithmetic exchanged where a recipe"
        " needs that</p>",
        html_table(inference_heads(study), inference_cells(study)),
        figure[figure.index("<svg") :],
    ]
    return page(_title(study), body)


def _title(study: InferenceStudy) -> str:
    return f"{study.task}, {study.samples} samples"
