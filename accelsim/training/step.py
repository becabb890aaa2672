"""One step of training, and one test: the traces executed on the emulated chip."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelsim.numerics.executor import execute
from accelsim.numerics.initialize import BoundTensors, bind_tensors, he_parameters
from accelsim.training.batches import batch_at
from accelsim.training.loss_scale import SMALLEST, LossScale
from accelsim.training.metrics import Metric, hit_ratio, is_right
from accelsim.training.parameters import network_parameters
from accelsim.training.settings import learning_rate_at
from accelsim.training.state import TrainingState
from accelsim.training.task import Program, Programs, Task
from accelsim.workload.loss import LABELS, LOSS
from accelsim.workload.optimizer import FINITE
from accelsim.workload.settings import step_settings

Array = NDArray[np.floating[Any]]


def first_state(task: Task, programs: Programs) -> TrainingState:
    """Return the state before the first step: seeded He weights, nothing seen."""
    parameters = he_parameters(task.workload.parameters, seed=task.settings.seed)
    trace = programs.step.trace
    tensors = BoundTensors(trace, parameters, {})
    return TrainingState(
        step=0,
        tensors={parameter.tensor: tensors[parameter.tensor] for parameter in trace.parameters},
        loss_scale=LossScale.first(task.recipe.loss_scaling),
    )


def advance(
    task: Task, program: Program, state: TrainingState, *, threads: int = 1
) -> TrainingState:
    """Return the state after one more step.

    Stochastic roundings are named by the seed and the step, so the result depends on
    nothing but the state. A step whose gradients are not finite under a dynamic loss
    scale changes nothing but the scale.
    """
    settings, trace = task.settings, program.trace
    chosen = batch_at(settings.seed, state.step, samples=len(task.train), batch=settings.batch)
    labels = task.train.labels[chosen]
    given = {
        **task.inputs(task.train.x[chosen]),
        LABELS: labels.astype(np.float32).reshape(trace.tensors[LABELS].shape),
        **_numbers(task, state),
        **state.tensors,
    }
    run = execute(
        trace, given,
        schedules=program.orders, threads=threads, seed=settings.seed, step=state.step,
        references=False, counts=False,
    )  # fmt: skip
    logits, loss = run.tensors[trace.outputs[0]], float(run.tensors[LOSS][0])
    is_finite = FINITE not in run.tensors or float(run.tensors[FINITE][0]) == 1.0
    right = int(np.count_nonzero(is_right(logits, labels)))
    scale = state.loss_scale.after(task.recipe.loss_scaling, is_finite=is_finite)
    after = replace(
        state,
        step=state.step + 1,
        loss_scale=scale,
        tally=state.tally.plus(loss, right),
    )
    if not is_finite:
        return replace(after, diverged_at=after.step if scale.factor < SMALLEST else None)
    if not math.isfinite(loss):
        return replace(after, diverged_at=after.step)
    moved = {old: run.tensors[new] for old, new in trace.updates.items()}
    return replace(after, tensors={**state.tensors, **moved}, updates=state.updates + 1)


def _numbers(task: Task, state: TrainingState) -> dict[str, Array]:
    """Return the learning rate and the other numbers that the next step is given."""
    settings = task.settings
    return dict(
        step_settings(
            settings.optimizer,
            learning_rate=learning_rate_at(settings, state.step, task.steps),
            momentum=settings.momentum,
            betas=(settings.beta1, settings.beta2),
            weight_decay=settings.weight_decay,
            loss_scale=state.loss_scale.factor,
            step=state.updates + 1,
        )
    )


def trained_parameters(task: Task, program: Program, state: TrainingState) -> dict[str, Array]:
    """Return the network's parameters in PyTorch's layout, as they are now."""
    return network_parameters(program.trace.parameters, state.tensors, task.workload.parameters)


def score(
    task: Task, program: Program, parameters: Mapping[str, Array], *, threads: int = 1
) -> float:
    """Return how good the network is on the test samples, by `Task.metric`, from 0 to 1."""
    outputs = _outputs(task, program, parameters, threads=threads)
    if task.metric is Metric.HIT_RATIO:
        assert task.data.candidates is not None, "the metric of groups comes with their size"
        return hit_ratio(outputs[:, 0], task.data.candidates)
    right = is_right(outputs, task.test.labels)
    return int(np.count_nonzero(right)) / right.size


def _outputs(
    task: Task, program: Program, parameters: Mapping[str, Array], *, threads: int
) -> Array:
    """Return the network's outputs for all test samples: (samples, ..., numbers)."""
    split, trace = task.test, program.trace
    found = []
    for start in range(0, len(split), trace.batch):
        part = np.arange(start, start + trace.batch) % len(split)
        x = task.inputs(split.x[part])
        run = execute(
            trace, bind_tensors(trace, parameters, x),
            schedules=program.orders, threads=threads, seed=task.settings.seed,
            references=False, counts=False,
        )  # fmt: skip
        found.append(run.output)
    return np.concatenate(found)[: len(split)]
