"""Activation functions as layers: element-wise, on the vector unit.

Each lowers to one vector op of `accelsim.workload.activation_functions`, which says
what is computed and how it is rounded; in training its error is one op more, on the
layer's input.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from accelsim.workload.activation_functions import UNBOUNDED
from accelsim.workload.backward_scope import BackwardScope
from accelsim.workload.builder import Attributes
from accelsim.workload.layers.base import Float64Array, Layer, Shape
from accelsim.workload.scope import LayerScope


class Activation(Layer):
    """A function of one number, applied to every element; NaN stays NaN."""

    elementwise: ClassVar[bool] = True
    passes_errors_on: ClassVar[bool] = True

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """Return the input's shape."""
        return inputs[0]

    def lower_forward(self, scope: LayerScope) -> str:
        """Emit one op of the layer's own function."""
        return scope.vector(self.kind, scope.inputs, attributes=self._attributes)

    def lower_backward(self, scope: BackwardScope) -> tuple[str | None, ...]:
        """Emit one op: the error times the function's slope at the input."""
        inputs = (scope.error, scope.saved_input)
        function = f"{self.kind}_backward"
        return (scope.input_error(function, inputs, attributes=self._attributes),)

    def reference(
        self, inputs: Sequence[Float64Array], parameters: Mapping[str, Float64Array]
    ) -> Float64Array:
        """Apply the function in float64."""
        del parameters
        return np.asarray(self._value(inputs[0]), dtype=np.float64)

    @abstractmethod
    def _value(self, x: Float64Array) -> Any:
        """Return the function's values, by its definition."""

    @property
    def _attributes(self) -> Attributes:
        """Constants of the function."""
        return ()


class Clip(Activation):
    """Every element brought between two bounds; 0 and 6 make ReLU6."""

    kind: Literal["clip"] = "clip"
    min: float | None = None
    """Smallest result; null does not bound."""
    max: float | None = None
    """Largest result; null does not bound."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min = {self.min} is above max = {self.max}, so nothing lies between")
        return self

    def _value(self, x: Float64Array) -> Any:
        low = -np.inf if self.min is None else self.min
        high = np.inf if self.max is None else self.max
        return np.clip(x, low, high)

    @property
    def _attributes(self) -> Attributes:
        bounds = (("max", self.max), ("min", self.min))
        return tuple((name, UNBOUNDED if one is None else float(one)) for name, one in bounds)


class LeakyReLU(Activation):
    """x where x > 0, else a small multiple of it."""

    kind: Literal["leaky_relu"] = "leaky_relu"
    negative_slope: float = 0.01
    """Factor of what is not positive."""

    def _value(self, x: Float64Array) -> Any:
        return np.maximum(x, 0.0) + self.negative_slope * np.minimum(x, 0.0)

    @property
    def _attributes(self) -> Attributes:
        return (("negative_slope", float(self.negative_slope)),)


class ELU(Activation):
    """x where x > 0, else alpha * (e**x - 1)."""

    kind: Literal["elu"] = "elu"
    alpha: float = Field(default=1.0, ge=0)
    """What large negative numbers tend to, times -1."""

    def _value(self, x: Float64Array) -> Any:
        return np.maximum(x, 0.0) + self.alpha * (np.exp(np.minimum(x, 0.0)) - 1.0)

    @property
    def _attributes(self) -> Attributes:
        return (("alpha", float(self.alpha)),)


class Sigmoid(Activation):
    """1 / (1 + e**-x)."""

    kind: Literal["sigmoid"] = "sigmoid"

    def _value(self, x: Float64Array) -> Any:
        return 0.5 * (np.tanh(0.5 * x) + 1.0)


class Tanh(Activation):
    """Hyperbolic tangent."""

    kind: Literal["tanh"] = "tanh"

    def _value(self, x: Float64Array) -> Any:
        return 1.0 - 2.0 / (np.exp(np.minimum(2.0 * x, 700.0)) + 1.0)


class Swish(Activation):
    """x * sigmoid(x), also called SiLU."""

    kind: Literal["swish"] = "swish"

    def _value(self, x: Float64Array) -> Any:
        return x * 0.5 * (np.tanh(0.5 * x) + 1.0)


class HardSigmoid(Activation):
    """alpha * x + beta, between 0 and 1."""

    kind: Literal["hard_sigmoid"] = "hard_sigmoid"
    alpha: float = Field(default=1 / 6, gt=0)
    """Slope; PyTorch's where it is not given (ONNX takes 0.2 then)."""
    beta: float = 0.5
    """Value at 0."""

    def _value(self, x: Float64Array) -> Any:
        return np.maximum(0.0, np.minimum(1.0, self.alpha * x + self.beta))

    @property
    def _attributes(self) -> Attributes:
        return (("alpha", float(self.alpha)), ("beta", float(self.beta)))


class HardSwish(Activation):
    """x times a ramp from 0 at -3 to 1 at 3."""

    kind: Literal["hard_swish"] = "hard_swish"

    def _value(self, x: Float64Array) -> Any:
        return x * np.clip(x / 6.0 + 0.5, 0.0, 1.0)
