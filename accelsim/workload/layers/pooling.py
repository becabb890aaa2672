"""Pooling layers: windows over a channels-last map, on the vector unit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self

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
from accelsim.workload.layers.windows import (
    ceiling_overhang,
    end_padding,
    map_shape,
    window_count,
)
from accelsim.workload.saved_activations import saved_places
from accelsim.workload.scope import LayerScope


def _kernel(data: dict[str, Any]) -> tuple[int, int]:
    """Return the stride that PyTorch gives a pooling layer: its kernel."""
    kernel: tuple[int, int] = data.get("kernel", (1, 1))  # absent where it is not valid
    return kernel


class Pool2d(Layer):
    """Something about every window of a map."""

    kernel: ExtentPair
    """Window height and width."""
    stride: ExtentPair = Field(default_factory=_kernel)
    """Vertical and horizontal step; the kernel where it is not given."""
    padding: PaddingPair = (0, 0)
    """Elements added before the first row and column."""
    padding_end: PaddingPair | None = None
    """Elements added after the last row and column; null for as many as before the first."""
    dilation: ExtentPair = (1, 1)
    """Distance between the window's elements."""
    ceil_mode: bool = False
    """Round the number of windows up; what they reach over the padded end never counts."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if any(2 * pad > extent for pad, extent in zip(self.padding, self.kernel, strict=True)):
            raise ValueError(
                f"padding = {list(self.padding)} is more than half of kernel = "
                f"{list(self.kernel)}, so a window could lie in the padding alone"
            )
        end = end_padding(self)
        if any(pad >= extent and pad > 0 for pad, extent in zip(end, self.kernel, strict=True)):
            raise ValueError(
                f"padding_end = {list(end)} is not less than kernel = {list(self.kernel)}, "
                "so a window could lie in the padding alone"
            )
        return self

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """Return (out_height, out_width, channels)."""
        height, width, channels = map_shape(inputs)
        overhang = self._overhang((height, width))
        return (*window_count((height, width), self, overhang=overhang), channels)

    def _overhang(self, extents: tuple[int, int]) -> tuple[int, int]:
        """Return by how much windows reach over the padded end."""
        return ceiling_overhang(extents, self) if self.ceil_mode else (0, 0)

    def _shifted(self, x: Float64Array, fill: float, overhang_fill: float) -> Float64Array:
        """Return the map once per window element, shape (taps, batch, out_y, out_x, channels)."""
        height, width = x.shape[1:3]
        out_height, out_width, _ = self.output_shape([x.shape[1:]])
        (over_y, over_x), (step_y, step_x) = self._overhang((height, width)), self.stride
        pads = ((0, 0), *zip(self.padding, end_padding(self), strict=True), (0, 0))
        over = ((0, 0), (0, over_y), (0, over_x), (0, 0))
        x = np.pad(np.pad(x, pads, constant_values=fill), over, constant_values=overhang_fill)
        taps = []
        for tap_y in range(self.kernel[0]):
            for tap_x in range(self.kernel[1]):
                top, left = tap_y * self.dilation[0], tap_x * self.dilation[1]
                rows = slice(top, top + step_y * (out_height - 1) + 1, step_y)
                taps.append(x[:, rows, left : left + step_x * (out_width - 1) + 1 : step_x])
        return np.stack(taps)


class MaxPool2d(Pool2d):
    """Largest element of every window; padding never wins."""

    kind: Literal["max_pool2d"] = "max_pool2d"

    def lower_forward(self, scope: LayerScope) -> str:
        """Emit one ``max_pool``."""
        return scope.vector(
            "max_pool", scope.inputs, attributes=self._attributes(scope.input_shapes[0])
        )

    def lower_backward(self, scope: BackwardScope) -> tuple[str | None, ...]:
        """Emit one ``max_pool_backward``, or ``place_backward`` where places are kept."""
        return (_max_pool_error(scope, self._attributes(scope.input_shapes[0])),)

    def reference(
        self, inputs: Sequence[Float64Array], parameters: Mapping[str, Float64Array]
    ) -> Float64Array:
        """Take the maximum over shifted maps, one per window element."""
        del parameters
        return np.asarray(np.max(self._shifted(inputs[0], -np.inf, -np.inf), axis=0))

    def _attributes(self, shape: Shape) -> Attributes:
        """Return the window over a map; the overhang is padding like any other."""
        height, width, _ = shape
        ends = zip(end_padding(self), self._overhang((height, width)), strict=True)
        return (
            ("dilation", self.dilation),
            ("kernel", self.kernel),
            ("padding", self.padding),
            ("padding_end", tuple(end + more for end, more in ends)),
            ("stride", self.stride),
        )


def _max_pool_error(scope: BackwardScope, window: Attributes) -> str:
    """Emit the op that sends each error of a window to its largest element; return the result."""
    places = saved_places(scope.builder, scope.inputs[0], scope.output, window)
    function, seen = "max_pool_backward", scope.inputs[0]
    if places is not None:
        function, seen = "place_backward", places
    attributes = (*window, ("extents", scope.input_shapes[0][:2]))
    return scope.input_error(function, (scope.error, seen), attributes=attributes)


class AvgPool2d(Pool2d):
    """Mean of every window, padding counted as zeros unless `count_include_pad` is false."""

    kind: Literal["avg_pool2d"] = "avg_pool2d"
    count_include_pad: bool = True
    """Divide by the whole window, padding included."""

    def lower_forward(self, scope: LayerScope) -> str:
        """Emit one ``avg_pool``."""
        return scope.vector(
            "avg_pool", scope.inputs, attributes=self._attributes(scope.input_shapes[0])
        )

    def lower_backward(self, scope: BackwardScope) -> tuple[str | None, ...]:
        """Emit one ``avg_pool_backward``."""
        shape = scope.input_shapes[0]
        attributes = (*self._attributes(shape), ("extents", shape[:2]))
        return (scope.input_error("avg_pool_backward", (scope.error,), attributes=attributes),)

    def reference(
        self, inputs: Sequence[Float64Array], parameters: Mapping[str, Float64Array]
    ) -> Float64Array:
        """Divide the sum of shifted maps by the number of elements that count."""
        del parameters
        total = np.sum(self._shifted(inputs[0], 0.0, 0.0), axis=0)
        ones = np.ones((1, *inputs[0].shape[1:3], 1))
        counted = self._shifted(ones, float(self.count_include_pad), 0.0)
        return np.asarray(total / np.sum(counted, axis=0))

    def _attributes(self, shape: Shape) -> Attributes:
        height, width, _ = shape
        return (
            ("count_include_pad", self.count_include_pad),
            ("dilation", self.dilation),
            ("kernel", self.kernel),
            ("overhang", self._overhang((height, width))),
            ("padding", self.padding),
            ("padding_end", end_padding(self)),
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


class GlobalMaxPool(Layer):
    """Largest element of the whole map; the output keeps both spatial axes, with extent 1."""

    kind: Literal["global_max_pool"] = "global_max_pool"

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """Return (1, 1, channels)."""
        return (1, 1, map_shape(inputs)[2])

    def lower_forward(self, scope: LayerScope) -> str:
        """Emit one ``max_pool`` whose window is the map."""
        attributes = self._attributes(scope.input_shapes[0])
        return scope.vector("max_pool", scope.inputs, attributes=attributes)

    def lower_backward(self, scope: BackwardScope) -> tuple[str | None, ...]:
        """Emit one ``max_pool_backward``, or ``place_backward`` where places are kept."""
        return (_max_pool_error(scope, self._attributes(scope.input_shapes[0])),)

    def reference(
        self, inputs: Sequence[Float64Array], parameters: Mapping[str, Float64Array]
    ) -> Float64Array:
        """Return the maximum over both spatial axes."""
        del parameters
        return np.asarray(inputs[0].max(axis=(1, 2), keepdims=True))

    def _attributes(self, shape: Shape) -> Attributes:
        whole = MaxPool2d(name=self.name, kernel=(shape[0], shape[1]))
        return whole._attributes(shape)
