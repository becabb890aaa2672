"""A training before it starts: what is trained, on what, and the traces of a step and of a test."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from accelsim._version import __version__
from accelsim.arch import Chip
from accelsim.errors import ConfigError, ShapeError
from accelsim.numerics.reduction import Ordered
from accelsim.precision import Recipe
from accelsim.schedule import make_schedules
from accelsim.schedule.reduction_order import ReductionOrder
from accelsim.training.datasets import DataSet, Split, network_inputs
from accelsim.training.metrics import Metric
from accelsim.training.settings import TrainingSettings
from accelsim.workload import Trace, Workload, lower

#: Samples that a test looks at together.
TEST_BATCH = 250


@dataclass(frozen=True, slots=True)
class Task:
    """What is trained, with which numbers, on which data, how.

    Parameters
    ----------
    workload : Workload
        A network with one output: a number for every class, or for two classes one number,
        which is above 0 for class 1, or a number for every class and place of a text. Where
        it has several inputs, the data have a part for each.
    recipe : Recipe
    chip : Chip or None
        Its schedules order the additions; plain k order where it is None.
    data : DataSet
    settings : TrainingSettings

    Raises
    ------
    ConfigError, ShapeError
        If network, data and batch do not fit together.
    """

    workload: Workload
    recipe: Recipe
    chip: Chip | None
    data: DataSet
    settings: TrainingSettings

    def __post_init__(self) -> None:
        for split in (self.data.train, self.data.test):
            self.inputs(split.x[:1])
        shape = self.workload.graph.nodes[-1].output_shape
        wanted = (*self.data.train.labels.shape[1:], self.data.classes)
        if shape != wanted and (shape, self.data.classes) != ((1,), 2):
            raise ShapeError(
                f"{self.workload.name} ends with the shape {shape}; {self.data.name} has"
                f" {self.data.classes} classes, which asks for {wanted}."
            )
        if self.settings.batch > len(self.train):
            raise ConfigError(
                f"The batch is {self.settings.batch}, but there are {len(self.train)} samples."
            )

    def inputs(self, x: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """Return samples as the network reads them, by name of its inputs."""
        return network_inputs(x, self.workload.given, self.data.parts)

    @property
    def metric(self) -> Metric:
        """What a test measures."""
        return Metric.ACCURACY if self.data.candidates is None else Metric.HIT_RATIO

    @property
    def answers(self) -> int:
        """Labels of a sample: 1, or one for every place of a text."""
        return math.prod(self.data.train.labels.shape[1:])

    @property
    def train(self) -> Split:
        """Samples to train on."""
        return self.data.train.first(self.settings.train_samples)

    @property
    def test(self) -> Split:
        """Samples to test on; of groups of candidates all that one of them is in."""
        count, together = self.settings.test_samples, self.data.candidates or 1
        return self.data.test.first(count if count is None else -(-count // together) * together)

    @property
    def steps_per_epoch(self) -> int:
        """Full batches in the training samples."""
        return len(self.train) // self.settings.batch

    @property
    def steps(self) -> int:
        """Steps of the whole training."""
        return self.steps_per_epoch * self.settings.epochs

    def identity(self) -> dict[str, Any]:
        """Return what decides the result, as plain data: models by hash, settings by value."""
        models = {"workload": self.workload, "recipe": self.recipe, "arch": self.chip}
        return {
            "version": __version__,
            **{name: "" if model is None else _sha256(model.model_dump_json().encode())
               for name, model in models.items()},
            "data": _sha256(*(part.data for split in (self.train, self.test)
                              for part in (split.x, split.labels))),
            **self.settings.document(),
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class FixedOrder:
    """The order of additions of one GEMM, worked out once."""

    order: ReductionOrder

    def reduction_order(self) -> ReductionOrder:
        """Return the order."""
        return self.order


@dataclass(frozen=True, slots=True)
class Program:
    """A trace and the order of its additions."""

    trace: Trace
    orders: Mapping[str, Ordered]


@dataclass(frozen=True, slots=True)
class Programs:
    """What a training executes: a step, and a test."""

    step: Program
    test: Program


def compile_task(task: Task) -> Programs:
    """Lower the step and the test, and fix the order of their additions."""
    settings = task.settings
    step = lower(
        task.workload, task.recipe,
        batch=settings.batch, phase="training", optimizer=settings.optimizer,
    )  # fmt: skip
    test = lower(task.workload, task.recipe, batch=min(TEST_BATCH, len(task.test)))
    return Programs(_program(step, task.chip), _program(test, task.chip))


def _program(trace: Trace, chip: Chip | None) -> Program:
    if chip is None:
        return Program(trace, {})
    schedules = make_schedules(trace.ops, chip)
    return Program(
        trace,
        {name: FixedOrder(schedule.reduction_order()) for name, schedule in schedules.items()},
    )


def _sha256(*parts: Any) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()
