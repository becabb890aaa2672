"""Gradients of a training step against differences of its loss, all in float64."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
import pytest

from accelsim.numerics.initialize import he_parameters
from accelsim.numerics.references import total_reference
from accelsim.workload import Trace, Workload, prepare_parameter

#: How far a parameter is moved to either side.
STEP = 1e-5

Tensors = dict[str, np.ndarray]


def parameter_tensors(
    net: Workload, trace: Trace, rng: np.random.Generator, *, seed: int = 0
) -> Tensors:
    """Return the tensors of all parameters, those moved that begin at 0 or 1, too."""
    made = he_parameters(net.parameters, seed=seed)
    moved = {name: value + 0.1 * rng.standard_normal(value.shape) for name, value in made.items()}
    return {one.tensor: prepare_parameter(one, moved) for one in trace.parameters}


def gradients_of(trace: Trace) -> dict[str, str]:
    """Return the tensor of each gradient by that of its parameter."""
    return {op.inputs[0]: op.inputs[1] for op in trace.vector_ops if op.function == "l2_regularize"}


def check_gradients(
    trace: Trace,
    tensors: Mapping[str, np.ndarray],
    *,
    learned: Collection[str],
    count: int,
    abs_error: float = 1e-8,
) -> None:
    """Assert that what learns has a gradient, and that up to `count` of its elements are slopes."""
    gradients = gradients_of(trace)
    assert gradients.keys() == set(learned)
    got = total_reference(trace, tensors, keep=gradients.values())
    rng = np.random.default_rng(1)
    for weight, gradient in gradients.items():
        size = tensors[weight].size
        assert got[gradient].shape == tensors[weight].shape
        for index in rng.choice(size, size=min(count, size), replace=False):
            slope = _slope(trace, tensors, weight, index)
            found = got[gradient].flat[index]
            assert found == pytest.approx(slope, rel=1e-5, abs=abs_error), weight


def _slope(trace: Trace, tensors: Mapping[str, np.ndarray], weight: str, index: int) -> float:
    losses = []
    for sign in (1, -1):
        moved = tensors[weight].copy()
        moved.flat[index] += sign * STEP
        losses.append(float(total_reference(trace, {**tensors, weight: moved})["loss"][0]))
    return (losses[0] - losses[1]) / (2 * STEP)
