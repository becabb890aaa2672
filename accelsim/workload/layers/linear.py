"""Fully connected layer."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal, Self

from pydantic import model_validator

from accelsim.workload.backward_scope import BackwardScope, LinearMapViews
from accelsim.workload.layers.base import Extent, Float64Array, Layer, Shape, check_extent
from accelsim.workload.ops import Role
from accelsim.workload.parameters import Initial, ParameterSpec, channels_last_columns
from accelsim.workload.scope import LayerScope
from accelsim.workload.views import MatrixView


class Linear(Layer):
    """``y = x W^T + b`` over the last axis; every other axis counts as batch.

    Lowers to one `Gemm` with k in the order of the input's last axis. Where that
    axis is a flattened map, its order here is (height, width, channels), while
    PyTorch's is (channels, height, width). A weight file in PyTorch's order is
    right as it is if `flattened_from` says the shape that PyTorch flattened:
    its columns are then rearranged when they are loaded.
    """

    feeds_gemm: ClassVar[bool] = True

    kind: Literal["linear"] = "linear"
    in_features: Extent
    """Length of the input's last axis."""
    out_features: Extent
    """Length of the output's last axis."""
    bias: bool = True
    """Add one number per output feature."""
    flattened_from: tuple[Extent, Extent, Extent] | None = None
    """(channels, height, width) of the map that PyTorch flattened to make the weight's columns;
    null where they are in the order of the input."""
    tied_to: str | None = None
    """Name of an embedding before it whose table (out_features, in_features) is the weight; null
    where the weight is the layer's own."""

    @model_validator(mode="after")
    def _check_flattened(self) -> Self:
        shape = self.flattened_from
        if shape is not None and math.prod(shape) != self.in_features:
            raise ValueError(
                f"flattened_from = {list(shape)} holds {math.prod(shape)} features, "
                f"not in_features = {self.in_features}"
            )
        if shape is not None and self.tied_to is not None:
            raise ValueError("a tied weight is no flattened map; leave flattened_from out")
        return self

    def tied_layer(self) -> str | None:
        """Return the embedding whose table is the weight."""
        return self.tied_to

    @property
    def table(self) -> Shape:
        """Shape of a table that can be the weight."""
        return (self.out_features, self.in_features)

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """Return the input's shape with its last extent replaced."""
        shape = inputs[0]
        elements = math.prod(shape)
        flatten = f"; a flatten layer before it would give it {elements}"
        check_extent(
            shape[-1], self.in_features, field="in_features", noun="features",
            hint=flatten if elements == self.in_features else "",
        )  # fmt: skip
        return (*shape[:-1], self.out_features)

    def parameters(self, inputs: Sequence[Shape]) -> tuple[ParameterSpec, ...]:
        """Return ``weight`` (out, in) unless it is tied and, if any, ``bias`` (out)."""
        del inputs
        bias = ParameterSpec("bias", (self.out_features,), Role.PARAMETER, Initial.ZERO)
        biases = (bias,) if self.bias else ()
        if self.tied_to is not None:
            return biases
        weight = ParameterSpec(
            "weight",
            (self.out_features, self.in_features),
            Role.WEIGHT,
            Initial.HE_NORMAL,
            fan_in=self.in_features,
        )
        return (weight, *biases)

    def macs(self, inputs: Sequence[Shape]) -> int:
        """Return rows x in_features x out_features."""
        return math.prod(inputs[0][:-1]) * self.in_features * self.out_features

    def lower_forward(self, scope: LayerScope) -> str:
        """Emit the GEMM, then unscaling and bias where there are any."""
        out_shape = (scope.batch, *scope.output_shape)
        rows = math.prod(out_shape[:-1])
        in_shape = (scope.batch, *scope.input_shapes[0])
        weight, bias = scope.linear_parameters(
            flattened_from=self.flattened_from, bias=self.bias, tied_to=self.tied_to
        )
        return scope.linear_map(
            MatrixView(in_shape, 1, rows, self.in_features),
            weight,
            MatrixView(out_shape, 1, rows, self.out_features),
            weight_shape=(1, self.in_features, self.out_features),
            bias=bias,
        )

    def lower_backward(self, scope: BackwardScope) -> tuple[str | None, ...]:
        """Emit the gradient GEMM, the bias's sum, and the backward GEMM."""
        out_shape = (scope.batch, *scope.output_shape)
        rows = math.prod(out_shape[:-1])
        in_shape = scope.builder.tensors[scope.inputs[0]].shape
        output = MatrixView(out_shape, 1, rows, self.out_features)
        features = MatrixView(in_shape, 1, rows, self.in_features)
        views = LinearMapViews(
            errors=output,
            pixels=features,
            windows=features,
            output=output,
            weight_shape=(1, self.in_features, self.out_features),
            table=None if self.tied_to is None else f"{self.tied_to}.weight",
        )
        return (scope.linear_map(views, bias=self.bias),)

    def reference(
        self, inputs: Sequence[Float64Array], parameters: Mapping[str, Float64Array]
    ) -> Float64Array:
        """Multiply by the transposed weight and add the bias."""
        weight = parameters["weight"]
        if self.flattened_from is not None:
            weight = channels_last_columns(weight, self.flattened_from)
        out: Float64Array = inputs[0] @ weight.T
        return out + parameters["bias"] if self.bias else out
