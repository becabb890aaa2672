"""Layers whose every output element depends on one position of their inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from accelsim.workload.backward_scope import BackwardScope
from accelsim.workload.layers.base import (
    Extent,
    Float64Array,
    Layer,
    Shape,
    check_extent,
    gain_and_bias,
)
from accelsim.workload.layers.batch_norm_training import (
    lower_training_backward,
    lower_training_forward,
)
from accelsim.workload.ops import Role
from accelsim.workload.parameters import Initial, ParameterSpec, Preparation
from accelsim.workload.scope import LayerScope


class ReLU(Layer):
    """Negative numbers become +0; NaN stays NaN."""

    elementwise: ClassVar[bool] = True
    passes_errors_on: ClassVar[bool] = True

    kind: Literal["relu"] = "relu"

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """Return the input's shape."""
        return inputs[0]

    def lower_forward(self, scope: LayerScope) -> str:
        """Emit one ``relu``."""
        return scope.vector("relu", scope.inputs)

    def lower_backward(self, scope: BackwardScope) -> tuple[str | None, ...]:
        """Emit one ``relu_backward``."""
        return (scope.input_error("relu_backward", (scope.error, scope.saved_mask)),)

    def reference(
        self, inputs: Sequence[Float64Array], parameters: Mapping[str, Float64Array]
    ) -> Float64Array:
        """Return max(x, 0)."""
        del parameters
        return np.maximum(inputs[0], 0.0)


class BatchNorm2d(Layer):
    """Batch norm at inference: one factor and one summand per channel.

    The vector unit computes ``round(round(x * scale) + shift)`` in the recipe's
    vector format, with scale = weight / sqrt(running_var + eps) and shift = bias -
    running_mean * scale formed in float64 and rounded once to that format when
    the weights are loaded. Where the workload folds batch norm and the layer
    directly follows a convolution that nothing else reads, its scale multiplies
    the convolution's weights, in float64 before they are rounded, its shift
    becomes the bias, and nothing is left to compute here.

    In training mean and (biased) variance are those of the batch, in the recipe's
    format for statistics, in which scale and shift are formed too; the running ones
    move toward them by `momentum`, the variance unbiased, as in PyTorch.
    """

    elementwise: ClassVar[bool] = True
    has_statistics: ClassVar[bool] = True

    kind: Literal["batch_norm2d"] = "batch_norm2d"
    num_features: Extent
    """Channels."""
    eps: float = Field(default=1e-5, gt=0, le=1)
    """Added to the variance."""
    momentum: float = Field(default=0.1, ge=0, le=1)
    """Share of a batch's statistics in the new running ones, in training."""

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """Return the input's shape."""
        check_extent(inputs[0][-1], self.num_features, field="num_features", noun="channels")
        return inputs[0]

    def parameters(self, inputs: Sequence[Shape]) -> tuple[ParameterSpec, ...]:
        """Return ``weight``, ``bias``, ``running_mean`` and ``running_var``."""
        del inputs
        shape = (self.num_features,)
        return (
            *gain_and_bias(self.num_features),
            ParameterSpec("running_mean", shape, Role.PARAMETER, Initial.ZERO, learned=False),
            ParameterSpec("running_var", shape, Role.PARAMETER, Initial.ONE, learned=False),
        )

    def lower_forward(self, scope: LayerScope) -> str:
        """Emit one ``batch_norm``, or nothing where it is folded."""
        if scope.is_folded:
            return scope.inputs[0]
        if scope.builder.training:
            return lower_training_forward(scope, eps=self.eps, momentum=self.momentum)
        eps = (("eps", self.eps),)
        scale = scope.vector_parameter(
            "scale", Preparation.BATCH_NORM_SCALE, ("weight", "running_var"), attributes=eps
        )
        shift = scope.vector_parameter(
            "shift",
            Preparation.BATCH_NORM_SHIFT,
            ("weight", "bias", "running_mean", "running_var"),
            attributes=eps,
        )
        return scope.vector("batch_norm", (scope.inputs[0], scale, shift))

    def lower_backward(self, scope: BackwardScope) -> tuple[str | None, ...]:
        """Emit both parameters' gradients, and the error of the input where it is asked for."""
        return (lower_training_backward(scope),)

    def reference(
        self, inputs: Sequence[Float64Array], parameters: Mapping[str, Float64Array]
    ) -> Float64Array:
        """Normalise with the running statistics, then apply weight and bias."""
        deviation = np.sqrt(parameters["running_var"] + self.eps)
        normal = (inputs[0] - parameters["running_mean"]) / deviation
        return normal * parameters["weight"] + parameters["bias"]
