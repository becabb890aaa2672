"""Layer norm: every row of features gets mean 0 and deviation 1, then a gain and a bias."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from accelsim.workload.backward_scope import BackwardScope
from accelsim.workload.builder import Attributes
from accelsim.workload.layers.base import (
    Extent,
    Float64Array,
    Layer,
    Shape,
    check_extent,
    gain_and_bias,
)
from accelsim.workload.parameters import ParameterSpec, Preparation
from accelsim.workload.scope import LayerScope


class LayerNorm(Layer):
    """Layer norm over the last axis, in the recipe's format for statistics.

    Statistics belong to one row, so inference and training do the same. Going back they
    are computed anew from the stored input, which is cheaper than keeping them.

    References
    ----------
    J. L. Ba, J. R. Kiros, G. E. Hinton, "Layer normalization", arXiv 1607.06450, 2016.
    """

    has_statistics: ClassVar[bool] = True

    kind: Literal["layer_norm"] = "layer_norm"
    num_features: Extent
    """Extent of the last axis."""
    eps: float = Field(default=1e-5, gt=0, le=1)
    """Added to the variance."""

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """Return the input's shape."""
        check_extent(inputs[0][-1], self.num_features, field="num_features", noun="features")
        return inputs[0]

    def parameters(self, inputs: Sequence[Shape]) -> tuple[ParameterSpec, ...]:
        """Return ``weight`` and ``bias``."""
        del inputs
        return gain_and_bias(self.num_features)

    def lower_forward(self, scope: LayerScope) -> str:
        """Emit one ``layer_norm``."""
        gain = scope.vector_parameter("weight", Preparation.COPY, ("weight",))
        bias = scope.vector_parameter("bias", Preparation.COPY, ("bias",))
        return scope.vector(
            "layer_norm",
            (scope.inputs[0], gain, bias),
            compute_format=scope.recipe.vector.statistics,
            attributes=self._attributes,
        )

    def lower_backward(self, scope: BackwardScope) -> tuple[str | None, ...]:
        """Emit both parameters' gradients, and the error of the input where it is asked for."""
        x, recipe = scope.saved_input, scope.recipe
        scope.bias_gradient()
        scope.channel_gradient(
            "weight", "layer_norm_weight_gradient", (scope.error, x), attributes=self._attributes
        )
        if not scope.needs[0]:
            return (None,)
        gain = scope.builder.store(
            f"{self.name}.weight", recipe.vector.compute, scaled=False, layer=self.name
        )
        return (
            scope.input_error(
                "layer_norm_backward",
                (scope.error, x, gain.tensor),
                compute_format=recipe.vector.statistics,
                attributes=self._attributes,
            ),
        )

    def reference(
        self, inputs: Sequence[Float64Array], parameters: Mapping[str, Float64Array]
    ) -> Float64Array:
        """Normalise with the mean and the biased variance of each row."""
        mean = inputs[0].mean(axis=-1, keepdims=True)
        variance = inputs[0].var(axis=-1, keepdims=True)
        normal = (inputs[0] - mean) / np.sqrt(variance + self.eps)
        return np.asarray(normal * parameters["weight"] + parameters["bias"])

    @property
    def _attributes(self) -> Attributes:
        return (("eps", self.eps),)
