"""Many steps: train a network on the emulated chip, and stop and go on at any step."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelsim._version import __version__
from accelsim.files import atomic_write
from accelsim.training.checkpoint import load_checkpoint, save_checkpoint
from accelsim.training.result import HISTORY, TrainingResult, history_csv
from accelsim.training.settings import learning_rate_at
from accelsim.training.state import TrainingState
from accelsim.training.step import advance, first_state, score, trained_parameters
from accelsim.training.task import Programs, Task, compile_task

#: Steps between two rows of the history; the end of an epoch is a row in any case.
ROW_STEPS = 20
#: Seconds of work that a kill may lose. No bit depends on when a checkpoint is written.
CHECKPOINT_SECONDS = 30.0

Progress = Callable[[str], None]
Array = NDArray[np.floating[Any]]


def train_task(
    task: Task,
    *,
    folder: Path | None = None,
    resume: bool = False,
    threads: int = 1,
    on_progress: Progress | None = None,
    checkpoint_seconds: float = CHECKPOINT_SECONDS,
) -> TrainingResult:
    """Train, from the beginning or from a checkpoint, to the end or until it diverges.

    A result does not depend on `threads`, nor on whether and where the training was
    interrupted.

    Parameters
    ----------
    task : Task
    folder : Path, optional
        Gets the checkpoints, and ``history.csv`` with each; none where it is None.
    resume : bool
        Go on from the checkpoint in `folder`, if there is one.
    threads : int
        Of the arithmetic.
    on_progress : callable, optional
        Called with a line of text after every step.
    checkpoint_seconds : float
        Least time between two checkpoints; one is written at each end of an epoch and
        when the user interrupts, too.

    Returns
    -------
    TrainingResult
        Without prices.

    Raises
    ------
    ConfigError, DataError
        If the checkpoint is of another training or damaged.
    UnsupportedError, MappingError
        If the chip cannot serve the recipe.
    """
    programs = compile_task(task)
    identity = task.identity()
    state = load_checkpoint(folder, identity) if folder is not None and resume else None
    state = state or first_state(task, programs)
    saved_at = time.monotonic()
    try:
        while state.step < task.steps and state.diverged_at is None:
            state = _one_step(task, programs, state, threads)
            if on_progress is not None:
                on_progress(progress_line(task, state))
            is_epoch = state.step % task.steps_per_epoch == 0
            if is_epoch or time.monotonic() - saved_at >= checkpoint_seconds:
                _save(folder, state, identity)
                saved_at = time.monotonic()
    except KeyboardInterrupt:
        _save(folder, state, identity)  # the last step that was finished
        raise
    _save(folder, state, identity)
    return _result(task, programs, state, identity)


def _save(folder: Path | None, state: TrainingState, identity: Mapping[str, Any]) -> None:
    """Write the checkpoint, and the history for whoever watches."""
    if folder is not None:
        save_checkpoint(folder, state, identity)
        atomic_write(folder / HISTORY, history_csv(state.history))


def _one_step(task: Task, programs: Programs, state: TrainingState, threads: int) -> TrainingState:
    """Do a step; at the end of an epoch test, and where it is due add a row to the history."""
    rate = learning_rate_at(task.settings, state.step, task.steps)
    state = advance(task, programs.step, state, threads=threads)
    epoch = -(-state.step // task.steps_per_epoch)
    is_epoch = state.step % task.steps_per_epoch == 0
    is_end = state.diverged_at is not None
    if not (is_epoch or is_end or state.step % ROW_STEPS == 0):
        return state
    tested = None
    if is_epoch and not is_end:
        parameters = trained_parameters(task, programs.step, state)
        tested = score(task, programs.test, parameters, threads=threads)
    return state.with_row(
        epoch=epoch,
        batch=task.settings.batch * task.answers,
        test_accuracy=tested,
        learning_rate=rate,
    )


def progress_line(task: Task, state: TrainingState) -> str:
    """Return one line that says how far a training is."""
    last = state.history[-1] if state.history else None
    loss = f", loss {last.loss:.4g}, accuracy {last.train_accuracy:.3f}" if last else ""
    epoch = min(task.settings.epochs, 1 + state.step // task.steps_per_epoch)
    return (
        f"{task.workload.name} with {task.recipe.name}: epoch {epoch} of {task.settings.epochs},"
        f" step {state.step} of {task.steps}{loss}"
    )


def _result(
    task: Task, programs: Programs, state: TrainingState, identity: Mapping[str, Any]
) -> TrainingResult:
    parameters = trained_parameters(task, programs.step, state)
    return TrainingResult(
        workload=task.workload.name,
        recipe=task.recipe.name,
        data=task.data.name,
        arch=None if task.chip is None else task.chip.name,
        version=__version__,
        provenance=task.data.provenance,
        identity=identity,
        settings=task.settings.document(),
        history=state.history,
        parameters=parameters,
        weights_sha256=_digest(parameters),
        skipped=state.step - state.updates - (state.diverged_at is not None),
        diverged_at=state.diverged_at,
        metric=task.metric,
    )


def _digest(parameters: Mapping[str, Array]) -> str:
    """Return the hash of all parameters, names and bits."""
    digest = hashlib.sha256()
    for name in sorted(parameters):
        digest.update(name.encode() + b"\0")
        digest.update(np.ascontiguousarray(parameters[name], dtype=np.float64).tobytes())
    return digest.hexdigest()
