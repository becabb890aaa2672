"""Layers at the end of a network: another shape, and probabilities."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

import numpy as np

from accelsim.workload.backward_scope import BackwardScope
from accelsim.workload.layers.base import Float64Array, Layer, Shape
from accelsim.workload.scope import LayerScope


class Flatten(Layer):
    """All axes of a sample become one, in the order (height, width, channels).

    Nothing moves and nothing is computed. PyTorch flattens (channels, height,
    width) instead; see `Linear.flattened_from`.
    """

    alias: ClassVar[bool] = True

    kind: Literal["flatten"] = "flatten"

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """Return (features)."""
        return (math.prod(inputs[0]),)

    def lower_forward(self, scope: LayerScope) -> str:
        """Emit nothing: the output is the input's tensor."""
        return scope.inputs[0]

    def lower_backward(self, scope: BackwardScope) -> tuple[str | None, ...]:
        """Emit nothing: the input's error is the output's."""
        return (scope.error,)

    def reference(
        self, inputs: Sequence[Float64Array], parameters: Mapping[str, Float64Array]
    ) -> Float64Array:
        """Reshape to (batch, features)."""
        del parameters
        return inputs[0].reshape(inputs[0].shape[0], -1)


class Softmax(Layer):
    """Exponentials over the last axis, divided by their sum, in the recipe's softmax format."""

    kind: Literal["softmax"] = "softmax"

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """Return the input's shape."""
        return inputs[0]

    def lower_forward(self, scope: LayerScope) -> str:
        """Emit one ``softmax``."""
        rule = scope.recipe.softmax
        return scope.vector(
            "softmax", scope.inputs, compute_format=rule.compute, output_format=rule.output
        )

    def reference(
        self, inputs: Sequence[Float64Array], parameters: Mapping[str, Float64Array]
    ) -> Float64Array:
        """Return exp(x - max) over its sum."""
        del parameters
        shifted = np.exp(inputs[0] - inputs[0].max(axis=-1, keepdims=True))
        return np.asarray(shifted / shifted.sum(axis=-1, keepdims=True))
