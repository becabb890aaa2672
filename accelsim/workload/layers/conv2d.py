"""Convolution over a channels-last map, grouped and dilated ones included."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal, Self

import numpy as np
from pydantic import model_validator

from accelsim.workload.backward_scope import BackwardScope, LinearMapViews
from accelsim.workload.error_view import ErrorView
from accelsim.workload.layers.base import (
    Extent,
    ExtentPair,
    Float64Array,
    Layer,
    PaddingPair,
    Shape,
    check_extent,
)
from accelsim.workload.layers.windows import end_padding, map_shape, window_count
from accelsim.workload.ops import Role
from accelsim.workload.parameters import Initial, ParameterSpec
from accelsim.workload.scope import LayerScope
from accelsim.workload.views import ConvolutionView, MatrixView


class Conv2d(Layer):
    """Convolution (cross-correlation, as in PyTorch); of a series, where the height is 1.

    Lowers to one `Gemm`: rows are (batch, out_y, out_x), columns out_channels
    within the group, and k is (kernel_y, kernel_x, in_channel within the group),
    last fastest. Padding zeros take part in the reduction.
    """

    feeds_gemm: ClassVar[bool] = True

    kind: Literal["conv2d"] = "conv2d"
    in_channels: Extent
    """Channels of the input."""
    out_channels: Extent
    """Channels of the output."""
    kernel: ExtentPair
    """Kernel height and width."""
    stride: ExtentPair = (1, 1)
    """Vertical and horizontal step."""
    padding: PaddingPair = (0, 0)
    """Zeros added before the first row and column."""
    padding_end: PaddingPair | None = None
    """Zeros added after the last row and column; null for as many as before the first."""
    dilation: ExtentPair = (1, 1)
    """Distance between kernel taps."""
    groups: Extent = 1
    """Independent groups of channels."""
    bias: bool = True
    """Add one number per output channel."""

    @model_validator(mode="after")
    def _check_groups(self) -> Self:
        for channels in ("in_channels", "out_channels"):
            if getattr(self, channels) % self.groups:
                raise ValueError(
                    f"groups = {self.groups} does not divide {channels} = "
                    f"{getattr(self, channels)}, so the groups would differ in size"
                )
        return self

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """Return (out_height, out_width, out_channels)."""
        height, width, channels = map_shape(inputs)
        check_extent(channels, self.in_channels, field="in_channels", noun="channels")
        return (*window_count((height, width), self), self.out_channels)

    def parameters(self, inputs: Sequence[Shape]) -> tuple[ParameterSpec, ...]:
        """Return ``weight`` (out, in / groups, ky, kx) and, if any, ``bias`` (out)."""
        del inputs
        per_group = self.in_channels // self.groups
        weight = ParameterSpec(
            "weight",
            (self.out_channels, per_group, *self.kernel),
            Role.WEIGHT,
            Initial.HE_NORMAL,
            fan_in=self._k,
        )
        if not self.bias:
            return (weight,)
        return (weight, ParameterSpec("bias", (self.out_channels,), Role.PARAMETER, Initial.ZERO))

    def macs(self, inputs: Sequence[Shape]) -> int:
        """Return out_height x out_width x out_channels x k, padding included."""
        out_height, out_width, _ = self.output_shape(inputs)
        return out_height * out_width * self.out_channels * self._k

    def lower_forward(self, scope: LayerScope) -> str:
        """Emit the GEMM, then unscaling and bias where there are any."""
        weight, bias = scope.convolution_parameters(groups=self.groups, bias=self.bias)
        return scope.linear_map(
            self._windows(scope.batch, scope.input_shapes[0]),
            weight,
            self._matrix((scope.batch, *scope.output_shape)),
            weight_shape=self._weight_shape,
            bias=bias,
        )

    def lower_backward(self, scope: BackwardScope) -> tuple[str | None, ...]:
        """Emit the gradient GEMM, the bias's sum, and the backward GEMM over flipped kernels."""
        height, width, channels = scope.input_shapes[0]
        errors = ErrorView(
            batch=scope.batch, height=height, width=width, channels=self.out_channels,
            kernel=self.kernel, stride=self.stride, padding=self.padding,
            dilation=self.dilation, groups=self.groups, padding_end=self.padding_end,
        )  # fmt: skip
        views = LinearMapViews(
            errors=errors,
            pixels=self._matrix((scope.batch, height, width, channels)),
            windows=self._windows(scope.batch, scope.input_shapes[0]),
            output=self._matrix((scope.batch, *scope.output_shape)),
            weight_shape=self._weight_shape,
            taps=self.kernel[0] * self.kernel[1],
        )
        return (scope.linear_map(views, bias=self.bias),)

    def reference(
        self, inputs: Sequence[Float64Array], parameters: Mapping[str, Float64Array]
    ) -> Float64Array:
        """Add up one shifted product of map and weight per kernel tap."""
        (x,) = inputs
        weight = parameters["weight"]  # (out, in / groups, ky, kx)
        batch = x.shape[0]
        out_height, out_width, _ = self.output_shape([x.shape[1:]])
        (step_y, step_x), (end_y, end_x) = self.stride, end_padding(self)
        x = np.pad(x, ((0, 0), (self.padding[0], end_y), (self.padding[1], end_x), (0, 0)))
        grouped = weight.reshape(self.groups, -1, *weight.shape[1:])  # (g, o, c, ky, kx)
        total = np.zeros((batch, out_height, out_width, *grouped.shape[:2]))
        for tap_y in range(self.kernel[0]):
            for tap_x in range(self.kernel[1]):
                top, left = tap_y * self.dilation[0], tap_x * self.dilation[1]
                shifted = x[
                    :,
                    top : top + step_y * (out_height - 1) + 1 : step_y,
                    left : left + step_x * (out_width - 1) + 1 : step_x,
                ]
                split = shifted.reshape(batch, out_height, out_width, self.groups, -1)
                total += np.einsum("byxgc,goc->byxgo", split, grouped[..., tap_y, tap_x])
        out = total.reshape(batch, out_height, out_width, self.out_channels)
        return out + parameters["bias"] if self.bias else out

    def _windows(self, batch: int, input_shape: Shape) -> ConvolutionView:
        """Return the input as (groups, rows, k)."""
        height, width, channels = input_shape
        return ConvolutionView(
            batch=batch, height=height, width=width, channels=channels,
            kernel=self.kernel, stride=self.stride, padding=self.padding,
            dilation=self.dilation, groups=self.groups, padding_end=self.padding_end,
        )  # fmt: skip

    def _matrix(self, shape: tuple[int, ...]) -> MatrixView:
        """Return a map as (groups, pixels, channels within the group)."""
        pixels, per_group = math.prod(shape[:-1]), shape[-1] // self.groups
        return MatrixView(shape, self.groups, pixels, per_group, interleaved=self.groups > 1)

    @property
    def _weight_shape(self) -> tuple[int, int, int]:
        """(groups, k, output channels within the group)."""
        return self.groups, self._k, self.out_channels // self.groups

    @property
    def _k(self) -> int:
        """Length of the reduction."""
        return self.kernel[0] * self.kernel[1] * (self.in_channels // self.groups)
