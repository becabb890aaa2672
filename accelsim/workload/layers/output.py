"""Layers at the end of a network: another shape, and probabilities."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

import numpy as np

from accelsim.errors import ShapeError
from accelsim.workload.backward_scope import BackwardScope
from accelsim.workload.builder import Attributes
from accelsim.workload.layers.base import Float64Array, Layer, Shape
from accelsim.workload.saved_activations import saved
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
        return scope.reshaped(scope.inputs[0])

    def lower_backward(self, scope: BackwardScope) -> tuple[str | None, ...]:
        """Emit nothing: the input's error is the output's."""
        return (scope.reshaped_error(),)

    def reference(
        self, inputs: Sequence[Float64Array], parameters: Mapping[str, Float64Array]
    ) -> Float64Array:
        """Reshape to (batch, features)."""
        del parameters
        return inputs[0].reshape(inputs[0].shape[0], -1)


class Softmax(Layer):
    """Exponentials over the last axis, divided by their sum, in the recipe's softmax format.

    With `causal` the last axis but one are queries: each sees the keys up to its own
    place, counted from the last one, and the others get +0.
    """

    kind: Literal["softmax"] = "softmax"
    causal: bool = False
    """Whether a query sees only the keys up to its own place."""

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """Return the input's shape."""
        if self.causal and (len(inputs[0]) < 2 or inputs[0][-2] > inputs[0][-1]):
            raise ShapeError(
                f"with causal: true it takes (..., queries, keys), at least as many keys as "
                f"queries, and is given the shape {inputs[0]}"
            )
        return inputs[0]

    def lower_forward(self, scope: LayerScope) -> str:
        """Emit one ``softmax``, or ``scaled_softmax`` where it is causal."""
        rule = scope.recipe.softmax
        attributes: Attributes = (("causal", True), ("scale", 1.0))
        return scope.vector(
            "scaled_softmax" if self.causal else "softmax",
            scope.inputs,
            compute_format=rule.compute,
            output_format=rule.output,
            attributes=attributes if self.causal else (),
        )

    def lower_backward(self, scope: BackwardScope) -> tuple[str | None, ...]:
        """Emit one ``softmax_backward``."""
        return (
            scope.input_error(
                "softmax_backward",
                (scope.error, saved(scope.builder, scope.output)),
                compute_format=scope.recipe.softmax.compute,
                attributes=(("scale", 1.0),),
            ),
        )

    def reference(
        self, inputs: Sequence[Float64Array], parameters: Mapping[str, Float64Array]
    ) -> Float64Array:
        """Return exp(x - max) over its sum."""
        del parameters
        x = inputs[0]
        if self.causal:
            queries, keys = x.shape[-2:]
            x = np.where(np.tri(queries, keys, keys - queries) > 0, x, -np.inf)
        shifted = np.exp(x - x.max(axis=-1, keepdims=True))
        return np.asarray(shifted / shifted.sum(axis=-1, keepdims=True))
