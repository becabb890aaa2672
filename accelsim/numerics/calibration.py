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

from accelsim.errors import ConfigError
from accelsim.formats import NumberFormat
from accelsim.numerics.references import total_reference
from accelsim.precision import Recipe
from accelsim.precision.recipe import TensorScaling
from accelsim.precision.threshold import Threshold, clipping_threshold
from accelsim.workload.ops import VectorOp
from accelsim.workload.trace import Trace

Array = NDArray[np.floating[Any]]

#: Elements of a tensor that a percentile or a least squared error looks at, in every
#: batch: evenly spaced ones, and the largest.
ELEMENTS_PER_BATCH = 2**16


def calibrate(
    trace: Trace, recipe: Recipe, batches: Iterable[Mapping[str, Array]]
) -> dict[str, NDArray[np.float64]]:
    """Return the magnitude that each calibrated store moves to the top of its range.

    Parameters
    ----------
    trace : Trace
        Of inference.
    recipe : Recipe
        With which the trace was lowered; its `scaling` says which magnitude counts.
    batches : iterable of mapping from str to array
        Unrounded inputs and parameters of the trace, as
        `accelsim.numerics.initialize.bind_tensors` makes them; one mapping a batch.

    Returns
    -------
    dict from str to float64 array of one element
        By name of the trace's parameter; further inputs of
        `accelsim.numerics.initialize.bind_tensors`. Empty if nothing is calibrated.

    Raises
    ------
    ConfigError
        If there is something to calibrate and no batch to do it with.
    """
    seen = {op.inputs[1]: _Seen(op, trace.tensors[op.outputs[0]].format) for op in _stores(trace)}
    if not seen:
        return {}
    sources = {one.op.inputs[0] for one in seen.values()}
    count = 0
    for count, tensors in enumerate(batches, start=1):  # noqa: B007
        values = total_reference(trace, tensors, keep=sources)
        for one in seen.values():
            one.look(values[one.op.inputs[0]], whole=recipe.scaling.threshold is Threshold.AMAX)
    if not count:
        raise ConfigError(f"{recipe.name} has scales that are calibrated, and no samples for it.")
    return {name: np.array([one.threshold(recipe.scaling)]) for name, one in seen.items()}


def _stores(trace: Trace) -> list[VectorOp]:
    return [op for op in trace.vector_ops if op.function == "store_delayed"]


@dataclass(slots=True)
class _Seen:
    """What calibration has seen of the input of one store."""

    op: VectorOp
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
