"""Batch norm in training: statistics of the batch, and errors that go through them.

Forward, per channel, with count = batch x pixels::

    mean, variance              over the batch, in the format for statistics
    inverse_deviation           1 / sqrt(variance + eps)
    scale = weight * inverse_deviation,  shift = bias - mean * scale
    y = x * scale + shift       as at inference

Backward, with n = (x - mean) * inverse_deviation::

    gradient of bias   = sum of error
    gradient of weight = sum of error * n
    error of x         = scale * (error - sum(error) / count - n * sum(error * n) / count)

References
----------
S. Ioffe, C. Szegedy, "Batch Normalization", ICML 2015, algorithm 1 and section 3.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from accelsim.formats import NumberFormat
from accelsim.workload.builder import Attributes, TraceBuilder
from accelsim.workload.ops import Phase, Role, TensorInfo
from accelsim.workload.parameters import Preparation, TraceParameter

if TYPE_CHECKING:
    from accelsim.workload.backward_scope import BackwardScope
    from accelsim.workload.scope import LayerScope


def lower_training_forward(scope: LayerScope, *, eps: float, momentum: float) -> str:
    """Emit statistics, running averages, scale, shift and ``batch_norm``; return the output."""
    builder, x, name = scope.builder, scope.inputs[0], scope.name
    weight = scope.vector_parameter("weight", Preparation.COPY, ("weight",))
    bias = scope.vector_parameter("bias", Preparation.COPY, ("bias",))
    mean = _channel_op(builder, name, "channel_mean", (x,), "mean")
    variance = _channel_op(builder, name, "channel_variance", (x, mean), "variance")
    count = math.prod(builder.tensors[x].shape[:-1])
    _running_average(builder, name, "running_mean", mean, (1 - momentum, momentum))
    unbiased = momentum * count / max(1, count - 1)
    _running_average(builder, name, "running_var", variance, (1 - momentum, unbiased))
    inverse = _channel_op(
        builder, name, "inverse_deviation", (variance,), "inverse_deviation", (("eps", eps),)
    )
    compute = scope.recipe.vector.compute
    scale = _channel_op(builder, name, "multiply", (weight, inverse), "scale", fmt=compute)
    shift = _channel_op(
        builder, name, "subtract_product", (bias, mean, scale), "shift", fmt=compute
    )
    return scope.vector("batch_norm", (x, scale, shift))


def lower_training_backward(scope: BackwardScope) -> str | None:
    """Emit the gradients of weight and bias; return the input's error, or None if not needed."""
    builder, x, name = scope.builder, scope.saved_input, scope.name
    mean, inverse = f"{name}.mean", f"{name}.inverse_deviation"
    error_sum = scope.bias_gradient()
    product_sum = scope.channel_gradient(
        "weight", "normalized_sum", (scope.error, x, mean, inverse)
    )
    if not scope.needs[0]:
        return None
    compute = scope.recipe.vector.compute
    count: Attributes = (("count", math.prod(builder.tensors[x].shape[:-1])),)
    means = tuple(
        _channel_op(builder, name, "divide_by_count", (total,), output, count,
                    fmt=compute, phase=Phase.BACKWARD)
        for total, output in ((error_sum, "error_mean"), (product_sum, "product_mean"))
    )  # fmt: skip
    constants = tuple(
        builder.store(one, compute, scaled=False, layer=name, phase=Phase.BACKWARD).tensor
        for one in (mean, inverse)
    )
    inputs = (scope.error, x, *constants, f"{name}.scale", *means)
    return scope.input_error("batch_norm_backward", inputs)


def _channel_op(
    builder: TraceBuilder,
    layer: str,
    function: str,
    inputs: tuple[str, ...],
    output: str,
    attributes: Attributes = (),
    *,
    fmt: NumberFormat | None = None,
    phase: Phase = Phase.FORWARD,
) -> str:
    """Emit an op in the format for statistics whose result has one element per channel."""
    statistics = builder.recipe.vector.statistics
    channels = builder.tensors[inputs[0]].shape[-1:]
    return builder.vector(
        f"{layer}.{output}",
        function,
        inputs,
        TensorInfo(f"{layer}.{output}", channels, Role.PARAMETER, fmt or statistics),
        layer=layer,
        compute_format=statistics,
        phase=phase,
        attributes=attributes,
    )


def _running_average(
    builder: TraceBuilder,
    layer: str,
    name: str,
    statistic: str,
    shares: tuple[float, float],
) -> None:
    """Declare a running statistic and emit the op that makes its next value."""
    old = f"{layer}.{name}"
    info = builder.tensors[statistic]
    builder.tensor(TensorInfo(old, info.shape, Role.PARAMETER, info.format))
    builder.parameters.append(TraceParameter(old, Preparation.COPY, (old,)))
    attributes: Attributes = (("keep", shares[0]), ("take", shares[1]))
    builder.updates[old] = _channel_op(
        builder, layer, "running_average", (old, statistic), f"{name}.updated", attributes
    )
