"""Trainings for people: tables, loss curves, and the folder that a training leaves."""

from __future__ import annotations

import html
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from accelsim.errors import OutputError
from accelsim.files import atomic_write, json_text, write_files
from accelsim.report.figures import figure_svg, new_figure
from accelsim.report.page import page
from accelsim.report.palette import OKABE_ITO
from accelsim.report.run_folder import prepare_folder
from accelsim.report.tables import plain_table
from accelsim.training import TrainingResult
from accelsim.training.checkpoint import CHECKPOINT
from accelsim.training.result import HISTORY, history_csv

if TYPE_CHECKING:
    from rich.table import Table

_PRICE_HEADS = (
    "chip", "recipe", "cycles", "time, s", "energy, J", "weights, KiB", "state, KiB",
    "saved, KiB", "peak, KiB",
)  # fmt: skip
_KIB = 1024


def trainings_table(results: Sequence[TrainingResult]) -> Table:
    """Return one row per training: its last losses and accuracies."""
    return plain_table(
        _title(results), _heads(results), [_training_row(result) for result in results]
    )


def _heads(results: Sequence[TrainingResult]) -> tuple[str, ...]:
    """Return the heads of the table of trainings, which share the data and so the metric."""
    tested = f"test {results[0].metric.value.replace('_', ' ')}"
    return ("recipe", "chip", "steps", "loss", "train accuracy", tested, "test error %")


def prices_table(result: TrainingResult) -> Table:
    """Return what a training costs on its chip, and on those that it is compared with."""
    return plain_table(
        f"price of {result.workload} with {result.recipe}: one step simulated, times the steps",
        (*_PRICE_HEADS, "energy ratio"),
        _price_rows(result),
    )


def trainings_document(results: Sequence[TrainingResult]) -> dict[str, Any]:
    """Return the JSON document of one training, or of several side by side."""
    if len(results) == 1:
        return results[0].document()
    return {
        "schema": "accelsim.trainings/1",
        "trainings": [result.document() for result in results],
    }


def trainings_csv(results: Sequence[TrainingResult]) -> str:
    """Return the history of one training, or of several with the recipe in front."""
    if len(results) == 1:
        return history_csv(results[0].history)
    lines: list[str] = []
    for result in results:
        head, *rows = history_csv(result.history).splitlines()
        lines += [] if lines else [f"recipe,{head}"]
        lines += [f"{result.recipe},{row}" for row in rows]
    return "\n".join(lines) + "\n"


def loss_curves(results: Sequence[TrainingResult]) -> str:
    """Return loss and test error against the step as SVG text, one colour per training."""
    figure = new_figure(width=10.0, height=4.0)
    loss, error = figure.subplots(1, 2)
    for position, result in enumerate(results):
        color = OKABE_ITO[(position + 4) % len(OKABE_ITO)]
        rows = result.history
        loss.plot([row.step for row in rows], [row.loss for row in rows],
                  color=color, label=result.recipe, linewidth=1.2)  # fmt: skip
        tested = [row for row in rows if row.test_accuracy is not None]
        error.plot(
            [row.step for row in tested],
            [100 * (1 - (row.test_accuracy or 0.0)) for row in tested],
            color=color, label=result.recipe, marker="o", markersize=3,
        )  # fmt: skip
    loss.set(xlabel="step", ylabel="loss", yscale="log")
    error.set(xlabel="step", ylabel="test error, %", ylim=(0, None))
    loss.legend(fontsize=8)
    figure.suptitle(_title(results))
    return figure_svg(figure)


def prepare_training_folder(
    folder: Path, folders: Sequence[Path | None], *, force: bool, resume: bool
) -> None:
    """Make sure that trainings can be written to `folder` before any work is done.

    `folders` are those of the single trainings: the folder itself, or folders in it.

    With `resume` a folder that holds a checkpoint, or the folders of several trainings,
    may be written to again.

    Raises
    ------
    OutputError
        If it is a file, is not empty without `force`, or cannot be written to.
    """
    for own in folders:
        if own is not None and own != folder:
            with suppress(OSError):
                own.rmdir()  # where it is empty: left by trainings that were refused
    is_own = resume and folder.is_dir() and any(folder.rglob(CHECKPOINT))
    prepare_folder(folder, force=force or is_own)
    try:
        for own in folders:
            (own or folder).mkdir(exist_ok=True)
        for stale in () if resume else tuple(folder.rglob(CHECKPOINT)):
            stale.unlink()
    except OSError as error:
        raise OutputError(f"{folder} cannot be written to: {error.strerror}.") from error


def write_training_folder(
    results: Sequence[TrainingResult], folder: Path, folders: Sequence[Path | None]
) -> None:
    """Write what trainings leave, each file atomically.

    Each training gets ``history.csv``, ``final.safetensors``, ``result.json``,
    ``loss.svg`` and ``report.html``; where there are several, the folder above them gets
    the same without weights, with all trainings side by side.
    """
    from safetensors.numpy import save

    for result, own in zip(results, folders, strict=True):
        place = own or folder
        _write_reports([result], place)
        atomic_write(place / "final.safetensors", save(dict(result.parameters)))
    if len(results) > 1:
        _write_reports(results, folder)


def training_page(results: Sequence[TrainingResult], curves: str) -> str:
    """Return one HTML page with the tables and the curves (as SVG text); needs no network."""
    body = [
        f"<h1>{html.escape(_title(results))}</h1>",
        f"<p>{html.escape(results[0].provenance)}; {html.escape(_settings(results[0]))}</p>",
        html_table(_heads(results), [_training_row(result) for result in results]),
        curves[curves.index("<svg") :],
        "<h2>Price: one step simulated, times the steps</h2>",
        *(html_table((*_PRICE_HEADS, "energy ratio"), _price_rows(r)) for r in results),
    ]
    return page(_title(results), body)


def html_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table; every text is escaped."""
    head = "".join(f"<th>{html.escape(text)}</th>" for text in heads)
    lines = [
        "<tr>" + "".join(f"<td>{html.escape(text)}</td>" for text in row) + "</tr>" for row in rows
    ]
    return f"<table><tr>{head}</tr>{''.join(lines)}</table>"


def _write_reports(results: Sequence[TrainingResult], folder: Path) -> None:
    curves = loss_curves(results)
    files = {
        "result.json": json_text(trainings_document(results)),
        HISTORY: trainings_csv(results),
        "loss.svg": curves,
        "report.html": training_page(results, curves),
    }
    write_files(folder, files)


def _training_row(result: TrainingResult) -> tuple[str, ...]:
    last, tested = result.history[-1], result.test_accuracy
    diverged = f"diverged at step {result.diverged_at}"
    return (
        result.recipe,
        result.arch or "none",
        f"{last.step:,}",
        f"{last.loss:.4g}",
        f"{last.train_accuracy:.4f}",
        diverged if tested is None else f"{tested:.4f}",
        "" if tested is None else f"{100 * (1 - tested):.2f}",
    )


def _price_rows(result: TrainingResult) -> list[tuple[str, ...]]:
    own = result.prices[0].energy_j if result.prices else 0.0
    return [
        (
            price.arch,
            price.recipe,
            f"{price.cycles:,}",
            f"{price.time_s:.4g}",
            f"{price.energy_j:.4g}",
            f"{price.weights_bytes / _KIB:,.1f}",
            f"{price.state_bytes / _KIB:,.1f}",
            f"{price.saved_bytes / _KIB:,.1f}",
            f"{price.peak_bytes / _KIB:,.1f}",
            f"{price.energy_j / own:.2f}" if own else "",
        )
        for price in result.prices
    ]


def _settings(result: TrainingResult) -> str:
    return ", ".join(f"{name} {value}" for name, value in result.settings.items())


def _title(results: Sequence[TrainingResult]) -> str:
    first = results[0]
    return f"{first.workload} on {first.data}"
