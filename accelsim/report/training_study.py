"""The training study for people: a table, a CSV file, a figure and a page."""

from __future__ import annotations

import html
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from accelsim.explore.training_study import StudyRow, TrainingStudy
from accelsim.files import csv_text, json_text, write_files
from accelsim.report.figures import figure_svg, new_figure
from accelsim.report.page import page
from accelsim.report.palette import OKABE_ITO
from accelsim.report.tables import plain_table
from accelsim.report.training import html_table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from rich.table import Table

_HEADS = ("variant", "seeds", "diverged", "test error, %", "spread, points", "over fp32, points")


def study_table(study: TrainingStudy) -> Table:
    """Return one row per variant: mean test error, its spread, the distance to FP32."""
    return plain_table(_title(study), _HEADS, _rows(study))


def study_csv(study: TrainingStudy) -> str:
    """Return one line per training."""
    return csv_text((asdict(row) for row in study.rows), list(StudyRow.__dataclass_fields__))


def study_figure(study: TrainingStudy) -> str:
    """Return a figure as SVG text: the test error of every seed, and the loss of the first."""
    figure = new_figure(width=12.0, height=4.5)
    error, loss = figure.subplots(1, 2)
    _draw_errors(error, study)
    for position, (name, results) in enumerate(study.results.items()):
        rows = results[0].history
        color = OKABE_ITO[position % len(OKABE_ITO)]
        loss.plot([row.step for row in rows], [row.loss for row in rows],
                  color=color, label=name, linewidth=1.2)  # fmt: skip
    loss.set(xlabel="step", ylabel="loss, first seed", yscale="log")
    loss.legend(fontsize=7)
    figure.suptitle(_title(study))
    return figure_svg(figure)


def write_study_folder(study: TrainingStudy, folder: Path) -> tuple[Path, ...]:
    """Write ``result.json``, ``trainings.csv``, ``study.svg``, ``report.html``, each atomically."""
    figure = study_figure(study)
    files = {
        "result.json": json_text(study.document()),
        "trainings.csv": study_csv(study),
        "study.svg": figure,
        "report.html": _page(study, figure),
    }
    return write_files(folder, files)


def _draw_errors(axes: Axes, study: TrainingStudy) -> None:
    for position, summary in enumerate(study.summaries()):
        errors = [
            100 * row.test_error
            for row in study.rows
            if row.variant == summary.variant and row.test_error is not None
        ]
        color = OKABE_ITO[position % len(OKABE_ITO)]
        axes.scatter([position] * len(errors), errors, color=color, s=18)
        if summary.mean is not None:
            axes.hlines(100 * summary.mean, position - 0.3, position + 0.3, color=color)
    names = [summary.variant.replace("_", " ") for summary in study.summaries()]
    axes.set_xticks(range(len(names)), names, rotation=40, ha="right", fontsize=8)
    axes.set_ylabel("test error, % (one dot a seed, line: mean)")


def _page(study: TrainingStudy, figure: str) -> str:
    settings = ", ".join(f"{name} {value}" for name, value in study.settings.items())
    body = [
        f"<h1>{html.escape(_title(study))}</h1>",
        f"<p>{html.escape(study.provenance)}; {html.escape(settings)}</p>",
        html_table(_HEADS, _rows(study)),
        figure[figure.index("<svg") :],
    ]
    return page(_title(study), body)


def _rows(study: TrainingStudy) -> list[tuple[str, ...]]:
    return [
        (
            summary.variant,
            str(summary.seeds),
            str(summary.diverged),
            _percent(summary.mean),
            _percent(summary.spread),
            _percent(summary.difference, sign="+"),
        )
        for summary in study.summaries()
    ]


def _percent(share: float | None, *, sign: str = "") -> str:
    return "" if share is None else f"{100 * share:{sign}.2f}"


def _title(study: TrainingStudy) -> str:
    return f"{study.workload} on {study.data}, {study.settings['seeds']} seeds"
