"""Pooling layers: windows over a channels-last map, on the vector unit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from pydantic import Field, model_validator

from accelsim.workload.backward_scope import BackwardScope
from accelsim.workload.builder import Attributes
from accelsim.workload.layers.base import (
    ExtentPair,
    Float64Array,
    Layer,
    PaddingPair,
    Shape,
)
from accelsim.workload.layers.windows import map_shape, window_count
from accelsim.workload.scope import LayerScope


def _kernel(data: dict[str, Any]) -> tuple[int, int]:
    """Return the stride that PyTorch gives a pooling layer: its kernel."""
    kernel: tuple[int, int] = data.get("kernel", (1, 1))  # absent where it is not valid
    return kernel


def _check_padding(kernel: tuple[int, int], padding: tuple[int, int]) -> None:
    if any(2 * pad > extent for pad, extent in zip(padding, kernel, strict=True)):
        raise ValueError(
            f"padding = {list(padding)} is more than half of kernel = {list(kernel)}, "
            "so a window could lie in the padding alone"
        )


class MaxPool2d(Layer):
    """Largest element of every window; padding never wins."""

    kind: Literal["max_pool2d"] = "max_pool2d"
    kernel: ExtentPair
    """Window height and width."""
    stride: ExtentPair = Field(default_factory=_kernel)
    """Vertical and horizontal step; the kernel where it is not given."""
    padding: PaddingPair = (0, 0)
    """Elements added on each side."""
    dilation: ExtentPair = (1, 1)
    """Distance between the window's elements."""

    @model_validator(mode="after")
    def _check(self) -> MaxPool2d:
        _check_padding(self.kernel, self.padding)
        return self

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """Return (out_height, out_width, channels)."""
        height, width, channels = map_shape(inputs)
        return (*window_count((height, width), self), channels)

    def lower_forward(self, scope: LayerScope) -> str:
        """Emit one ``max_pool``."""
        return scope.vector("max_pool", scope.inputs, attributes=self._attributes)

    def lower_backward(self, scope: BackwardScope) -> tuple[str | None, ...]:
        """Emit one ``max_pool_backward``."""
        attributes = (*self._attributes, ("extents", scope.input_shapes[0][:2]))
        inputs = (scope.error, scope.inputs[0])
        return (scope.input_error("max_pool_backward", inputs, attributes=attributes),)

    def reference(
        self, inputs: Sequence[Float64Array], parameters: Mapping[str, Float64Array]
    ) -> Float64Array:
        """Take the maximum over shifted maps, one per window element."""
        del parameters
        taps = _shifted(self, inputs[0], -np.inf)
        return np.asarray(np.max(taps, axis=0))

    @property
    def _attributes(self) -> Attributes:
        return (
            ("dilation", self.dilation),
            ("kernel", self.kernel),
            ("padding", self.padding),
            ("stride", self.stride),
        )


class AvgPool2d(Layer):
    """Mean of every window, padding counted as zeros unless `count_include_pad` is false."""

    kind: Literal["avg_pool2d"] = "avg_pool2d"
    kernel: ExtentPair
    """Window height and width."""
    stride: ExtentPair = Field(default_factory=_kernel)
    """Vertical and horizontal step; the kernel where it is not given."""
    padding: PaddingPair = (0, 0)
    """Zeros added on each side."""
    count_include_pad: bool = True
    """Divide by the whole window, padding included."""

    @model_validator(mode="after")
    def _check(self) -> AvgPool2d:
        _check_padding(self.kernel, self.padding)
        return self

    @property
    def dilation(self) -> tuple[int, int]:
        """(1, 1): the elements of a window touch."""
        return (1, 1)

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """Return (out_height, out_width, channels)."""
        height, width, channels = map_shape(inputs)
        return (*window_count((height, width), self), channels)

    def lower_forward(self, scope: LayerScope) -> str:
        """Emit one ``avg_pool``."""
        return scope.vector("avg_pool", scope.inputs, attributes=self._attributes)

    def lower_backward(self, scope: BackwardScope) -> tuple[str | None, ...]:
        """Emit one ``avg_pool_backward``."""
        attributes = (*self._attributes, ("extents", scope.input_shapes[0][:2]))
        return (scope.input_error("avg_pool_backward", (scope.error,), attributes=attributes),)

    def reference(
        self, inputs: Sequence[Float64Array], parameters: Mapping[str, Float64Array]
    ) -> Float64Array:
        """Divide the sum of shifted maps by the number of elements that count."""
        del parameters
        total = np.sum(_shifted(self, inputs[0], 0.0), axis=0)
        if self.count_include_pad:
            return np.asarray(total / (self.kernel[0] * self.kernel[1]))
        ones = np.ones((1, *inputs[0].shape[1:3], 1))
        return np.asarray(total / np.sum(_shifted(self, ones, 0.0), axis=0))

    @property
    def _attributes(self) -> Attributes:
        return (
            ("count_include_pad", self.count_include_pad),
            ("kernel", self.kernel),
            ("padding", self.padding),
            ("stride", self.stride),
        )


class GlobalAvgPool(Layer):
    """Mean over the whole map; the output keeps both spatial axes, with extent 1."""

    kind: Literal["global_avg_pool"] = "global_avg_pool"

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """Return (1, 1, channels)."""
        return (1, 1, map_shape(inputs)[2])

    def lower_forward(self, scope: LayerScope) -> str:
        """Emit one ``global_avg_pool``."""
        return scope.vector("global_avg_pool", scope.inputs)

    def lower_backward(self, scope: BackwardScope) -> tuple[str | None, ...]:
        """Emit one ``global_avg_pool_backward``."""
        attributes = (("extents", scope.input_shapes[0][:2]),)
        function = "global_avg_pool_backward"
        return (scope.input_error(function, (scope.error,), attributes=attributes),)

    def reference(
        self, inputs: Sequence[Float64Array], parameters: Mapping[str, Float64Array]
    ) -> Float64Array:
        """Return the mean over both spatial axes."""
        del parameters
        return np.asarray(inputs[0].mean(axis=(1, 2), keepdims=True))


def _shifted(layer: MaxPool2d | AvgPool2d, x: Float64Array, fill: float) -> Float64Array:
    """Return the map once per window element, shape (taps, batch, out_y, out_x, channels)."""
    out_height, out_width = window_count((x.shape[1], x.shape[2]), layer)
    (pad_y, pad_x), (step_y, step_x) = layer.padding, layer.stride
    x = np.pad(x, ((0, 0), (pad_y, pad_y), (pad_x, pad_x), (0, 0)), constant_values=fill)
    taps = []
    for tap_y in range(layer.kernel[0]):
        for tap_x in range(layer.kernel[1]):
            top, left = tap_y * layer.dilation[0], tap_x * layer.dilation[1]
            rows = slice(top, top + step_y * (out_height - 1) + 1, step_y)
            taps.append(x[:, rows, left : left + step_x * (out_width - 1) + 1 : step_x])
    return np.stack(taps)
