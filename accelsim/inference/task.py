"""What a trained network is asked to do, and how well it does it.

A task holds everything that does not depend on a chip or a recipe: the network with
its weights, samples in parts that go through it together, and what is measured on the
outputs. Calibration has samples of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelsim.errors import DataError
from accelsim.workload import Workload

Array = NDArray[np.floating[Any]]
#: Outputs of the network for every part, in order.
Outputs = Sequence[Array]


@dataclass(frozen=True, slots=True)
class Part:
    """Samples that go through the network together.

    Parameters
    ----------
    workload : Workload
        The network, for inputs of these shapes: sentences of other lengths are other parts.
    inputs : mapping from str to array
        By name of the network's inputs, batch first.
    """

    workload: Workload
    inputs: Mapping[str, NDArray[Any]]

    @property
    def batch(self) -> int:
        """Samples of this part."""
        return len(next(iter(self.inputs.values())))


@dataclass(frozen=True, slots=True)
class InferenceTask:
    """A trained network, samples for it, and what counts.

    Parameters
    ----------
    name, provenance : str
        What it is, and where network and samples come from.
    weights : mapping from str to array
        The network's parameters, in PyTorch's layout; the same for all parts.
    parts : tuple of Part
        What the network is measured on; at least one.
    calibration : tuple of Part
        What scales are calibrated on.
    scores : callable
        ``scores(outputs)``: figures of merit by name, of the outputs of all parts.
    agreement : callable
        ``agreement(outputs, reference)``: how much of what float32 says is said, 0 to 1.

    Raises
    ------
    DataError
        If there is no part.
    """

    name: str
    provenance: str
    weights: Mapping[str, NDArray[Any]]
    parts: tuple[Part, ...]
    calibration: tuple[Part, ...]
    scores: Callable[[Outputs], Mapping[str, float]]
    agreement: Callable[[Outputs, Outputs], float]

    def __post_init__(self) -> None:
        if not self.parts:
            raise DataError(f"{self.name} has no samples.")

    @property
    def workload(self) -> Workload:
        """The network, for the first part."""
        return self.parts[0].workload

    @property
    def samples(self) -> int:
        """Samples of all parts."""
        return sum(part.batch for part in self.parts)
