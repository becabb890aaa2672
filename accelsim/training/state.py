"""Where a training stands: everything that the next step depends on, and what was seen so far."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelsim.training.loss_scale import LossScale

Array = NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True)
class HistoryRow:
    """What was seen since the row before.

    Parameters
    ----------
    epoch : int
        Epoch of the last of these steps, from 1.
    step : int
        Steps done, skipped ones included.
    loss, train_accuracy : float
        Means over the samples of these steps, before each step's update.
    test_accuracy : float or None
        What the test said, by `Task.metric`; at the end of an epoch.
    learning_rate, loss_scale : float
        Of the last step.
    """

    epoch: int
    step: int
    loss: float
    train_accuracy: float
    test_accuracy: float | None
    learning_rate: float
    loss_scale: float


@dataclass(frozen=True, slots=True)
class Tally:
    """Sums over the steps since the last row of the history."""

    loss: float = 0.0
    right: int = 0
    steps: int = 0

    def plus(self, loss: float, right: int) -> Tally:
        """Return the tally with one more step."""
        return Tally(self.loss + loss, self.right + right, self.steps + 1)


@dataclass(frozen=True, slots=True)
class TrainingState:
    """A training between two steps.

    Parameters
    ----------
    step : int
        Steps done, over all epochs, skipped ones included.
    tensors : mapping from str to array
        Parameters of the training trace as stored: weights, optimizer, statistics.
    loss_scale : LossScale
        Of the next step.
    updates : int
        Steps that were not skipped: what Adam's bias correction counts.
    tally : Tally
        Since the last row of the history.
    history : tuple of HistoryRow
    diverged_at : int or None
        Step at which the loss was no number any more, where training ended.
    """

    step: int
    tensors: Mapping[str, Array]
    loss_scale: LossScale
    updates: int = 0
    tally: Tally = field(default_factory=Tally)
    history: tuple[HistoryRow, ...] = ()
    diverged_at: int | None = None

    def with_row(
        self, *, epoch: int, batch: int, test_accuracy: float | None, learning_rate: float
    ) -> TrainingState:
        """Return the state with the tally turned into a row of the history."""
        steps = max(1, self.tally.steps)
        row = HistoryRow(
            epoch=epoch,
            step=self.step,
            loss=self.tally.loss / steps,
            train_accuracy=self.tally.right / (steps * batch),
            test_accuracy=test_accuracy,
            learning_rate=learning_rate,
            loss_scale=self.loss_scale.factor,
        )
        return replace(self, tally=Tally(), history=(*self.history, row))
