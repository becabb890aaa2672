"""Weights for a network that has none: seeded He normals and calibrated batch norm.

Every parameter has a random stream of its own, keyed by the seed and its name,
so that a parameter keeps its numbers when the network around it changes. With
random weights the running statistics of batch norm would fit nothing and
activations would grow or fade from layer to layer; they are therefore measured:
the actual input goes through the network in float64, and each batch norm takes
the mean and variance that it sees.

With every batch norm at full strength a deep random network is chaotic: it
magnifies any rounding from layer to layer until nothing of the reference is
left, which no trained network does. So the last batch norm of a residual branch
starts weak (Goyal et al. 2017 start it at 0, where the branch would compute
nothing that matters).

References
----------
P. Goyal et al., "Accurate, Large Minibatch SGD", arXiv:1706.02677, section 5.1.
G. Yang et al., "A Mean Field Theory of Batch Normalization", ICLR 2019 (the chaos).
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelsim.numerics.lifetimes import last_uses, operand_names, result_names
from accelsim.numerics.references import total_op
from accelsim.precision import get_recipe
from accelsim.workload.layers import Add, BatchNorm2d
from accelsim.workload.lowering import lower
from accelsim.workload.network import Workload
from accelsim.workload.ops import VectorOp
from accelsim.workload.parameters import (
    Initial,
    ParameterSpec,
    TraceParameter,
    prepare_parameter,
)
from accelsim.workload.trace import Trace
from accelsim.workload.weights import Weights

Array = NDArray[np.floating[Any]]
Parameters = dict[str, NDArray[Any]]
#: One array for a network with one input, or all inputs by name.
Inputs = Array | Mapping[str, Array]

#: A channel's variance is at least this share of the layer's mean variance: a channel
#: that hardly varies would otherwise be magnified until it is rounding noise alone.
VARIANCE_FLOOR = 1e-3
#: Weight of the last batch norm of a residual branch.
RESIDUAL_WEIGHT = 0.2


def initialize(workload: Workload, x: Inputs, *, seed: int = 0) -> Weights:
    """Make the parameters of a network from a seed, batch norm calibrated on `x`.

    Parameters
    ----------
    workload : Workload
    x : array (batch, ...), or mapping from str to array
        The network's input, channels last; by name where it has several.
    seed : int

    Returns
    -------
    Weights
        In PyTorch's layout; weights as float32, statistics as float64.
    """
    parameters = he_parameters(workload.parameters, seed=seed)
    provenance = f"He initialisation, seed {seed}"
    branches = residual_branches(workload)
    for name in branches:
        parameters[f"{name}.weight"] *= np.float32(RESIDUAL_WEIGHT)
    if branches:
        provenance += f", residual branches at {RESIDUAL_WEIGHT}"
    if any(name.endswith(".running_var") for name in parameters):
        parameters = calibrate_batch_norm(workload, parameters, x)
        provenance += ", batch norm calibrated on the input"
    return Weights(parameters, provenance, trained=False)


def residual_branches(workload: Workload) -> tuple[str, ...]:
    """Return the batch norms that end a residual branch: the deeper inputs of the additions."""
    layers = {layer.name: layer for layer in workload.layers}
    depth: dict[str, int] = {}
    ends = []
    for node in workload.graph.nodes:
        depth[node.name] = 1 + max(depth.get(name, 0) for name in node.inputs)
        if isinstance(node.layer, Add):
            deepest = max(node.inputs, key=lambda name: depth.get(name, 0))
            if isinstance(layers.get(deepest), BatchNorm2d):
                ends.append(deepest)
    return tuple(dict.fromkeys(ends))


def he_parameters(specs: Mapping[str, ParameterSpec], *, seed: int = 0) -> Parameters:
    """Draw every parameter from its own seeded stream.

    Weights are normal with mean 0 and variance 2 / fan_in; the rest is constant.

    References
    ----------
    K. He et al., "Delving Deep into Rectifiers", ICCV 2015.
    """
    return {name: _draw(name, spec, seed) for name, spec in specs.items()}


def _draw(name: str, spec: ParameterSpec, seed: int) -> NDArray[np.float32]:
    if spec.initial is not Initial.HE_NORMAL:
        value = 1.0 if spec.initial is Initial.ONE else 0.0
        return np.full(spec.shape, value, dtype=np.float32)
    stream = np.random.SeedSequence((seed, zlib.crc32(name.encode())))
    generator = np.random.Generator(np.random.PCG64(stream))
    values = generator.standard_normal(spec.shape, dtype=np.float32)
    values *= np.float32((2.0 / spec.fan_in) ** 0.5)
    return values


def calibrate_batch_norm(
    workload: Workload, parameters: Mapping[str, NDArray[Any]], x: Inputs
) -> Parameters:
    """Return the parameters with running statistics measured on `x`, in float64.

    Mean and (biased) variance are over batch and pixels. A variance is at least
    `VARIANCE_FLOOR` of the layer's mean variance, and 1 where that is 0, as for
    one pixel of one sample.
    """
    if workload.fold_batch_norm:
        workload = Workload.model_validate({**workload.model_dump(), "fold_batch_norm": False})
    given = dict(x) if isinstance(x, Mapping) else dict.fromkeys(workload.given, x)
    trace = lower(workload, get_recipe("fp32"), batch=len(next(iter(given.values()))))
    tuned = dict(parameters)
    by_tensor = {parameter.tensor: parameter for parameter in trace.parameters}
    alive: dict[str, Array] = {
        name: np.asarray(given[name], dtype=np.float64) for name in trace.inputs
    }
    for op, ended in zip(trace.ops, last_uses(trace.ops), strict=True):
        if isinstance(op, VectorOp) and op.function == "batch_norm":
            _, _, mean, variance = by_tensor[op.inputs[2]].sources
            tuned[mean], tuned[variance] = _statistics(
                alive[op.inputs[0]].reshape(trace.seen_shapes(op)[0])
            )
        for name in operand_names(op):
            if name not in alive:
                alive[name] = prepare_parameter(by_tensor[name], tuned)
        results = total_op(op, [alive[name] for name in operand_names(op)])
        alive.update(zip(result_names(op), results, strict=True))
        for name in ended:
            del alive[name]
    return tuned


def _statistics(x: Array) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean and floored variance of each channel of x (..., channels)."""
    rows = x.reshape(-1, x.shape[-1])
    mean = rows.mean(axis=0)
    variance = np.square(rows - mean).mean(axis=0)
    floor = VARIANCE_FLOOR * float(variance.mean())
    return mean, np.maximum(variance, floor if floor > 0 else 1.0)


class BoundTensors(Mapping[str, Array]):
    """The unrounded inputs and parameters of a trace; a parameter is made when asked for.

    So at no time do all of them exist twice.
    """

    def __init__(
        self, trace: Trace, parameters: Mapping[str, NDArray[Any]], inputs: Mapping[str, Array]
    ) -> None:
        self._inputs = dict(inputs)
        self._parameters = parameters
        self._recipes: dict[str, TraceParameter] = {p.tensor: p for p in trace.parameters}

    def __getitem__(self, name: str) -> Array:
        if name in self._inputs:
            return self._inputs[name]
        return prepare_parameter(self._recipes[name], self._parameters)

    def __contains__(self, name: object) -> bool:
        return name in self._inputs or name in self._recipes

    def __iter__(self) -> Iterator[str]:
        yield from self._inputs
        yield from self._recipes

    def __len__(self) -> int:
        return len(self._inputs) + len(self._recipes)


def bind_tensors(
    trace: Trace,
    parameters: Mapping[str, NDArray[Any]],
    x: Inputs,
    *,
    more: Mapping[str, Array] | None = None,
) -> Mapping[str, Array]:
    """Return what `accelsim.numerics.executor.execute` needs besides the trace.

    Parameters
    ----------
    trace : Trace
    parameters : mapping from str to array
        The workload's parameters by full name, in PyTorch's layout.
    x : array (batch, ...), or mapping from str to array
        The trace's first input, channels last, or the inputs of the network by name.
    more : mapping from str to array, optional
        Its other inputs, and parameters that are not to be made from `parameters`.
    """
    given = x if isinstance(x, Mapping) else {trace.inputs[0]: x}
    return BoundTensors(trace, parameters, {**given, **(more or {})})
