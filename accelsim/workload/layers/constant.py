"""A tensor that belongs to the network instead of being computed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

from pydantic import Field

from accelsim.workload.layers.base import MAX_AXES, Extent, Float64Array, Layer, Shape
from accelsim.workload.ops import Role
from accelsim.workload.parameters import Initial, ParameterSpec, Preparation
from accelsim.workload.scope import LayerScope

#: Products per output that give `Initial.HE_NORMAL` the variance 2 / 2 = 1.
_UNIT_VARIANCE_FAN_IN = 2


class Constant(Layer):
    """The parameter ``value``, the same for every sample; reads nothing.

    It comes from the weight file, or is normal with variance 1 where there is none.
    """

    is_source: ClassVar[bool] = True

    kind: Literal["constant"] = "constant"
    shape: tuple[Extent, ...] = Field(max_length=MAX_AXES)
    """Shape, without the batch."""

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """Return the shape of the value."""
        del inputs
        return self.shape

    def parameters(self, inputs: Sequence[Shape]) -> tuple[ParameterSpec, ...]:
        """Return ``value``, which counts as no trained parameter."""
        del inputs
        return (
            ParameterSpec(
                "value",
                self.shape,
                Role.ACTIVATION,
                Initial.HE_NORMAL,
                fan_in=_UNIT_VARIANCE_FAN_IN,
                learned=False,
            ),
        )

    def lower_forward(self, scope: LayerScope) -> str:
        """Declare the tensor; there is nothing to compute."""
        return scope.constant(Preparation.BROADCAST, "value")

    def reference(
        self, inputs: Sequence[Float64Array], parameters: Mapping[str, Float64Array]
    ) -> Float64Array:
        """Return the value as a batch of one."""
        del inputs
        return parameters["value"][None]
