"""Classification: a network says a class for every sample."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelsim.errors import ShapeError
from accelsim.inference.task import InferenceTask, Outputs, Part
from accelsim.training.datasets import DataSet, network_inputs
from accelsim.workload import Workload

#: Samples that go through the network together.
BATCH = 16


def classification_task(
    workload: Workload,
    weights: Mapping[str, NDArray[Any]],
    data: DataSet,
    *,
    samples: int | None = None,
    calibration_samples: int = 64,
    batch: int = BATCH,
) -> InferenceTask:
    """Return the task to classify the test samples of a data set.

    Parameters
    ----------
    workload : Workload
        A network with one number for every class.
    weights : mapping from str to array
        Its parameters, in PyTorch's layout.
    data : DataSet
        Its first training samples calibrate.
    samples, calibration_samples : int
        How many of the test and of the training samples; all where None.
    batch : int
        Samples that go through the network together; the last batch may be smaller.

    Raises
    ------
    ShapeError
        If network and data do not fit together.
    """
    shape = workload.graph.nodes[-1].output_shape
    if shape != (data.classes,):
        raise ShapeError(
            f"{workload.name} ends with the shape {shape}; {data.name} has {data.classes} classes."
        )
    test = data.test.first(samples)
    train = data.train.first(calibration_samples)

    def parts(x: NDArray[Any]) -> Iterator[Part]:
        for start in range(0, len(x), batch):
            taken = network_inputs(x[start : start + batch], workload.given, data.parts)
            yield Part(workload, taken)

    return labelled_task(
        f"{workload.name} on {data.name}",
        data.provenance,
        weights,
        parts=tuple(parts(test.x)),
        calibration=tuple(parts(train.x)),
        labels=test.labels,
    )


def labelled_task(
    name: str,
    provenance: str,
    weights: Mapping[str, NDArray[Any]],
    *,
    parts: tuple[Part, ...],
    calibration: tuple[Part, ...],
    labels: NDArray[np.int64],
) -> InferenceTask:
    """Return the task to say the label of every sample, the largest output being the answer."""

    def answers(outputs: Outputs) -> NDArray[np.int64]:
        flat = [output.reshape(len(output), -1) for output in outputs]
        # What is no number is never the largest.
        return np.concatenate([np.where(np.isnan(x), -np.inf, x).argmax(axis=1) for x in flat])

    def scores(outputs: Outputs) -> dict[str, float]:
        return {"accuracy": float(np.mean(answers(outputs) == labels))}

    def agreement(outputs: Outputs, reference: Outputs) -> float:
        return float(np.mean(answers(outputs) == answers(reference)))

    return InferenceTask(name, provenance, weights, parts, calibration, scores, agreement)
