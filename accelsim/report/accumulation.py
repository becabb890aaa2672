"""The accumulation study for people: a table, a CSV file and a log-log figure."""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from accelsim.explore.accumulation import AccumulationStudy, SumErrors
from accelsim.files import atomic_write, csv_text, json_text
from accelsim.report.figures import new_figure, save_figure
from accelsim.report.palette import OKABE_ITO
from accelsim.report.tables import plain_table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from rich.table import Table

#: Lengths in the table, longest last, and how far apart they are.
_TABLE_LENGTHS, _TABLE_FACTOR = 4, 4
#: A line style for each round through the eight colours.
_LINE_STYLES = ("-", "--", ":")


def accumulation_table(study: AccumulationStudy) -> Table:
    """Return one row per accumulator: its error at four lengths, and where it froze."""
    wanted = [study.lengths[-1] // _TABLE_FACTOR**step for step in range(_TABLE_LENGTHS)]
    lengths = [length for length in reversed(wanted) if length in study.lengths]
    heads = ("rounding", "chunk", *(f"error at {length:,}" for length in lengths), "frozen at")
    rows = []
    for rounding in study.roundings:
        for chunk_size in study.chunk_sizes:
            errors = {row.length: row.relative_error for row in study.curve(rounding, chunk_size)}
            frozen = study.frozen_at(rounding, chunk_size)
            rows.append(
                (
                    rounding.value,
                    str(chunk_size),
                    *(f"{errors[length]:.2g}" for length in lengths),
                    "" if frozen is None else f"{frozen:,.6g}",
                )
            )
    return plain_table(_title(study), heads, rows)


def accumulation_csv(study: AccumulationStudy) -> str:
    """Return one line per rounding, chunk size and length."""
    return csv_text((asdict(row) for row in study.rows), list(SumErrors.__dataclass_fields__))


def write_accumulation_figure(study: AccumulationStudy, path: Path) -> None:
    """Draw error against length, both logarithmic: a panel per rounding, a line per chunk size.

    An error of zero has no place on the axis; the line has a gap there.
    """
    figure = new_figure(width=1.5 + 4.5 * len(study.roundings))
    panels = figure.subplots(1, len(study.roundings), sharey=True, squeeze=False)[0]
    for axes, rounding in zip(panels, study.roundings, strict=True):
        for position, chunk_size in enumerate(study.chunk_sizes):
            _draw_curve(axes, study.curve(rounding, chunk_size), position)
        axes.set(xscale="log", yscale="log", title=rounding.value.replace("_", " "))
        axes.set_xlabel("length of the sum, products")
    panels[0].set_ylabel(f"relative error, rms over {study.trials} trials")
    panels[-1].legend(title="chunk size", loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=8)
    figure.suptitle(_title(study))
    save_figure(figure, path)


def write_accumulation_folder(study: AccumulationStudy, folder: Path) -> tuple[Path, ...]:
    """Write ``result.json``, ``accumulation.csv`` and ``accumulation.svg``, each atomically."""
    document, lines, figure = (
        folder / name for name in ("result.json", "accumulation.csv", "accumulation.svg")
    )
    atomic_write(document, json_text(study.document()))
    atomic_write(lines, accumulation_csv(study))
    write_accumulation_figure(study, figure)
    return document, lines, figure


def _draw_curve(axes: Axes, curve: tuple[SumErrors, ...], position: int) -> None:
    errors = [row.relative_error for row in curve]
    turn, color = divmod(position, len(OKABE_ITO))
    axes.plot(
        [row.length for row in curve],
        [error if 0 < error < math.inf else math.nan for error in errors],
        color=OKABE_ITO[color],
        linestyle=_LINE_STYLES[turn % len(_LINE_STYLES)],
        linewidth=1.4,
        label=str(curve[0].chunk_size),
    )


def _title(study: AccumulationStudy) -> str:
    formats = study.format.name
    if study.outer_format != study.format:
        formats += f", {study.outer_format.name} over chunks"
    return f"sums in {formats} of {study.distribution} numbers in {study.input_format.name}"
