"""Which task a name means: a network that comes trained, or the user's own with its weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from accelsim.errors import ConfigError
from accelsim.inference.classification import classification_task
from accelsim.inference.efficientnet_lite0 import efficientnet_lite0_task
from accelsim.inference.minilm import minilm_task
from accelsim.inference.task import InferenceTask
from accelsim.training.datasets import load_data
from accelsim.workload import load_workload
from accelsim.workload.weights import load_weights

#: Networks whose weights a package brings, by the name of the workload.
PRETRAINED: Mapping[str, Callable[..., InferenceTask]] = MappingProxyType(
    {"efficientnet_lite0": efficientnet_lite0_task, "minilm_l6": minilm_task}
)


def load_task(
    workload: str | Path,
    *,
    data: str | None = None,
    weights: str | Path | None = None,
    samples: int | None = None,
    calibration_samples: int | None = None,
) -> InferenceTask:
    """Return a trained network and samples for it.

    Parameters
    ----------
    workload : str or Path
        A name of `PRETRAINED`; or a network's name or file, with `weights` and `data`.
    data : str, optional
        For a pretrained network one of its own data, the first where None; else as for
        `accelsim.training.load_data`.
    weights : str or Path, optional
        File of weights.
    samples, calibration_samples : int, optional
        How many of each; the task's own number where None.

    Raises
    ------
    ConfigError
        If a network that does not come trained has no weights or no data.
    DataError, UnknownNameError
        If something is not there, or does not fit.
    """
    counts = {
        name: count
        for name, count in (("samples", samples), ("calibration_samples", calibration_samples))
        if count is not None
    }
    if weights is None and str(workload) in PRETRAINED:
        given = {} if data is None else {"data": data}
        return PRETRAINED[str(workload)](**given, **counts)
    if weights is None or data is None:
        raise ConfigError(
            f"{workload} does not come with weights; name a file of them and the data"
            " (--weights, --data). Trained networks that come in packages:"
            f" {', '.join(PRETRAINED)}."
        )
    network = load_workload(workload)
    return classification_task(
        network, load_weights(weights, network.parameters).arrays, load_data(data), **counts
    )
