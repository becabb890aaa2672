"""Calibration: constant scales for activations, from samples of what the network reads.

The samples go through the network in float64. Every store whose scale is to be a
constant (`accelsim.precision.recipe.AmaxSource.CALIBRATED`) sees the tensor that it
will store, and remembers the magnitude that its scale shall move to the top of the
format's range.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelsim.formats import NumberFormat
from accelsim.numerics.references import total_reference
from accelsim.precision import Recipe
from accelsim.precision.recipe import TensorScaling
from accelsim.precision.threshold import Threshold, clipping_threshold
from accelsim.workload.trace import Trace

Array = NDArray[np.floating[Any]]

#: Elements of a tensor that a percentile or a least squared error looks at, in every
#: batch: evenly spaced ones, and the largest.
ELEMENTS_PER_BATCH = 2**16


def calibrate(
    recipe: Recipe, batches: Iterable[tuple[Trace, Mapping[str, Array]]]
) -> dict[str, NDArray[np.float64]]:
    """Return the magnitude that each calibrated store moves to the top of its range.

    Parameters
    ----------
    recipe : Recipe
        With which the traces were lowered; its `scaling` says which magnitude counts.
    batches : iterable of (Trace, mapping from str to array)
        Traces of inference of one network, and unrounded inputs and parameters of each,
        as `accelsim.numerics.initialize.bind_tensors` makes them. The traces may differ
        in their batch and in the lengths of what they read.

    Returns
    -------
    dict from str to float64 array of one element
        By name of the traces' parameter; further inputs of
        `accelsim.numerics.initialize.bind_tensors`. Empty if nothing is calibrated.
    """
    seen: dict[str, _Seen] = {}
    for trace, tensors in batches:
        stores = [op for op in trace.vector_ops if op.function == "store_delayed"]
        values = total_reference(trace, tensors, keep={op.inputs[0] for op in stores})
        for op in stores:
            x, name = op.inputs
            one = seen.setdefault(name, _Seen(trace.tensors[op.outputs[0]].format))
            one.look(values[x], whole=recipe.scaling.threshold is Threshold.AMAX)
    return {name: np.array([one.threshold(recipe.scaling)]) for name, one in seen.items()}


@dataclass(slots=True)
class _Seen:
    """What calibration has seen of the tensors that one store stores."""

    format: NumberFormat
    parts: list[Array] = field(default_factory=list)

    def look(self, x: Array, *, whole: bool) -> None:
        """Remember the largest magnitude of `x`, and some others unless that is the `whole`."""
        magnitudes = np.abs(x.reshape(-1))
        largest = np.max(magnitudes, initial=0.0, where=np.isfinite(magnitudes))
        self.parts.append(np.array([largest]))
        if not whole:
            step = -(-magnitudes.size // ELEMENTS_PER_BATCH)
            self.parts.append(magnitudes[:: max(1, step)].astype(np.float32))

    def threshold(self, scaling: TensorScaling) -> float:
        """Return the magnitude for the top of the range."""
        return clipping_threshold(
            np.concatenate(self.parts),
            self.format,
            scaling.threshold,
            percentile=scaling.percentile,
            power_of_two=scaling.power_of_two,
            margin=scaling.margin,
        )
