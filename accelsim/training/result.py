"""What a training says: its history, its weights, and what it would cost on the chip."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelsim.training.metrics import Metric
from accelsim.training.state import HistoryRow

TRAINING_SCHEMA = "accelsim.training/1"
#: The history of a training as a table, and its columns.
HISTORY = "history.csv"
HISTORY_COLUMNS = ("epoch", "step", "loss", "train_accuracy", "test_accuracy")


@dataclass(frozen=True, slots=True)
class TrainingPrice:
    """What a training costs on a chip: one step, simulated, times the steps.

    Parameters
    ----------
    arch, recipe : str
        Chip, and which numbers went where.
    steps : int
        Steps of the training.
    step_cycles : int
    step_time_ms, step_energy_pj : float
        Of one step.
    weights_bytes, state_bytes : int
        Master copies of what learns, and the optimizer's state.
    saved_bytes : int
        Activations that wait for the backward pass.
    peak_bytes : int
        Largest sum of everything that is alive during a step, weights and state included.
    """

    arch: str
    recipe: str
    steps: int
    step_cycles: int
    step_time_ms: float
    step_energy_pj: float
    weights_bytes: int
    state_bytes: int
    saved_bytes: int
    peak_bytes: int

    @property
    def cycles(self) -> int:
        """Of the whole training."""
        return self.steps * self.step_cycles

    @property
    def time_s(self) -> float:
        """Of the whole training."""
        return self.steps * self.step_time_ms * 1e-3

    @property
    def energy_j(self) -> float:
        """Of the whole training."""
        return self.steps * self.step_energy_pj * 1e-12

    def document(self) -> dict[str, Any]:
        """Return the price as a JSON-ready mapping."""
        whole = {"cycles": self.cycles, "time_s": self.time_s, "energy_j": self.energy_j}
        return {**asdict(self), **whole}


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """A finished training.

    Parameters
    ----------
    workload, recipe, data : str
        Names of what was trained, with which numbers, on what.
    arch : str or None
        Chip whose schedules ordered the additions; None for plain k order.
    version, provenance : str
        Of accelsim, and of the data.
    identity : mapping
        Everything that decides the result, as plain data.
    settings : mapping
        As `TrainingSettings.document`.
    history : tuple of HistoryRow
    parameters : mapping from str to array
        Trained parameters in PyTorch's layout.
    weights_sha256 : str
        Of all parameters; equal for equal trainings.
    skipped : int
        Steps whose gradients were not finite under a dynamic loss scale.
    diverged_at : int or None
        Step at which the loss was no number any more.
    metric : Metric
        What `test_accuracy` is.
    prices : tuple of TrainingPrice
        The chip's own first, then those that it is compared with.
    """

    workload: str
    recipe: str
    data: str
    arch: str | None
    version: str
    provenance: str
    identity: Mapping[str, Any]
    settings: Mapping[str, Any]
    history: tuple[HistoryRow, ...]
    parameters: Mapping[str, NDArray[np.floating[Any]]]
    weights_sha256: str
    skipped: int = 0
    diverged_at: int | None = None
    metric: Metric = Metric.ACCURACY
    prices: tuple[TrainingPrice, ...] = field(default=())

    @property
    def test_accuracy(self) -> float | None:
        """What the test said at the end, by `metric`; None if training diverged."""
        return self.history[-1].test_accuracy if self.history else None

    def document(self) -> dict[str, Any]:
        """Return the JSON document ``accelsim.training/1``; byte-identical for equal trainings."""
        return {
            "schema": TRAINING_SCHEMA,
            "version": self.version,
            "workload": self.workload,
            "recipe": self.recipe,
            "arch": self.arch,
            "data": self.data,
            "provenance": self.provenance,
            "settings": dict(self.settings),
            "identity": dict(self.identity),
            "metric": self.metric.value,
            "test_accuracy": self.test_accuracy,
            "skipped_steps": self.skipped,
            "diverged_at": self.diverged_at,
            "weights_sha256": self.weights_sha256,
            "prices": [price.document() for price in self.prices],
            "history": [_without_nan(asdict(row)) for row in self.history],
        }


def history_csv(rows: Iterable[HistoryRow]) -> str:
    """Return ``history.csv``: one line a row; an accuracy that was not measured is empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(HISTORY_COLUMNS)
    writer.writerows([getattr(row, name) for name in HISTORY_COLUMNS] for row in rows)
    return text.getvalue()


def _without_nan(row: dict[str, Any]) -> dict[str, Any]:
    """Return the row with None for what JSON has no word for."""
    return {
        key: None if isinstance(value, float) and not math.isfinite(value) else value
        for key, value in row.items()
    }
