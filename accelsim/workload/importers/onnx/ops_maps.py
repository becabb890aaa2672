"""Operators on maps: convolution, pooling, and normalisation over channels.

Maps become channels-last here; a series (batch, channels, length) is a map of
height 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from accelsim.workload.importers.onnx.context import Context, Value
from accelsim.workload.importers.onnx.draft import CannotModelError
from accelsim.workload.importers.onnx.layout import MAP_AXES, SERIES_AXES, Axes, Tensor, tensor_of
from accelsim.workload.importers.onnx.model import Array, OnnxNode, Shape
from accelsim.workload.importers.onnx.operators import Operator


def conv(context: Context, node: OnnxNode) -> Value:
    """Make a ``Conv`` a `conv2d`, with a bias where it has one."""
    x, axes = _map(context, context.tensor(node, 0))
    weight = context.constant(node, 1)
    if weight.ndim != len(x.shape):
        raise CannotModelError(f"its weight has {weight.ndim} axes, its input {len(x.shape)}")
    weight = weight[:, :, None] if weight.ndim == 3 else weight
    bias = context.optional(node, 2)
    parameters = {"weight": weight} if bias is None else {"weight": weight, "bias": bias}
    window = _window(node, x, weight.shape[2:])
    name = context.draft.add(
        "conv2d", (x.layer,), node.name, parameters=parameters,
        in_channels=x.shape[1], out_channels=weight.shape[0], groups=int(node.get("group", 1)),
        bias=bias is not None, dilation=window.dilation, **window.fields(),
    )  # fmt: skip
    return tensor_of(context.draft, name, axes, len(x.shape))


def max_pool(context: Context, node: OnnxNode) -> Value:
    """Make a ``MaxPool`` a `max_pool2d`."""
    if len(node.outputs) > 1 and context.left[node.outputs[1]]:
        raise CannotModelError("the places of the largest elements are not computed")
    return _pool(context, node, "max_pool2d")


def average_pool(context: Context, node: OnnxNode) -> Value:
    """Make an ``AveragePool`` an `avg_pool2d`."""
    counts = bool(node.get("count_include_pad", 0))
    return _pool(context, node, "avg_pool2d", count_include_pad=counts)


def _pool(context: Context, node: OnnxNode, kind: str, **fields: Any) -> Value:
    x, axes = _map(context, context.tensor(node, 0))
    kernel = tuple(node.attributes["kernel_shape"])
    window = _window(node, x, (1, *kernel) if len(kernel) == 1 else kernel)
    if window.dilation != (1, 1):
        if kind == "avg_pool2d":
            raise CannotModelError("its window is dilated")
        fields["dilation"] = window.dilation
    if node.get("ceil_mode", 0):
        fields["ceil_mode"] = True
    name = context.draft.add(kind, (x.layer,), node.name, **window.fields(), **fields)
    return tensor_of(context.draft, name, axes, len(x.shape))


def global_average_pool(context: Context, node: OnnxNode) -> Value:
    """Make a ``GlobalAveragePool`` a `global_avg_pool`."""
    x, axes = _map(context, context.tensor(node, 0))
    return map_mean(context, node, x, axes)


def map_mean(context: Context, node: OnnxNode, x: Tensor, axes: Axes) -> Tensor:
    """Return the mean of a map over height and width."""
    name = context.draft.add("global_avg_pool", (x.layer,), node.name)
    return tensor_of(context.draft, name, axes, len(x.shape))


def global_max_pool(context: Context, node: OnnxNode) -> Value:
    """Make a ``GlobalMaxPool`` a `global_max_pool`."""
    x, axes = _map(context, context.tensor(node, 0))
    name = context.draft.add("global_max_pool", (x.layer,), node.name)
    return tensor_of(context.draft, name, axes, len(x.shape))


def batch_normalization(context: Context, node: OnnxNode) -> Value:
    """Make a ``BatchNormalization`` a `batch_norm2d`."""
    if node.get("training_mode", 0):
        raise CannotModelError("it measures its own statistics")
    x = context.tensor(node, 0)
    names = ("weight", "bias", "running_mean", "running_var")
    arrays = {name: context.constant(node, 1 + index) for index, name in enumerate(names)}
    x = channels_last(context, x)
    name = context.draft.add(
        "batch_norm2d", (x.layer,), node.name, parameters=arrays,
        num_features=x.shape[1], eps=float(node.get("epsilon", 1e-5)),
    )  # fmt: skip
    return tensor_of(context.draft, name, x.axes, len(x.shape))


def local_response_norm(context: Context, node: OnnxNode) -> Value:
    """Make an ``LRN`` a `local_response_norm`."""
    x = channels_last(context, context.tensor(node, 0))
    name = context.draft.add(
        "local_response_norm", (x.layer,), node.name, size=int(node.attributes["size"]),
        alpha=float(node.get("alpha", 1e-4)), beta=float(node.get("beta", 0.75)),
        k=float(node.get("bias", 1.0)),
    )  # fmt: skip
    return tensor_of(context.draft, name, x.axes, len(x.shape))


def channels_last(context: Context, x: Tensor) -> Tensor:
    """Return a tensor with axis 1 of ONNX as the last one."""
    if len(x.shape) == 1:
        raise CannotModelError("its input has no channels")
    ahead: Axes = (0,) if x.shape[0] != 1 else ()
    return context.arranged(x, (*ahead, *range(2, len(x.shape)), 1))


def _map(context: Context, x: Tensor) -> tuple[Tensor, Axes]:
    """Return a map or a series in the order of the layers, and its axes."""
    axes = {3: SERIES_AXES, 4: MAP_AXES}.get(len(x.shape))
    if axes is None:
        raise CannotModelError(f"its input has {len(x.shape) - 2} spatial axes; 1 or 2 are")
    return context.arranged(x, axes), axes


@dataclass(frozen=True, slots=True)
class _Window:
    """A window in the words of the layers: (vertical, horizontal)."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int]
    padding: tuple[int, int]
    padding_end: tuple[int, int]

    def fields(self) -> dict[str, Any]:
        """Return the fields that all layers with a window have, what is usual left out."""
        fields = {"kernel": self.kernel, "stride": self.stride, "padding": self.padding}
        if self.padding_end != self.padding:
            fields["padding_end"] = self.padding_end
        return fields


def _window(node: OnnxNode, x: Tensor, kernel: Sequence[int]) -> _Window:
    """Return a node's window; `kernel` has two extents."""
    spatial = len(x.shape) - 2
    strides = _pair(node.get("strides", (1,) * spatial))
    dilations = _pair(node.get("dilations", (1,) * spatial))
    extents = (1, *x.shape[2:])[-2:]
    reach = tuple(d * (k - 1) + 1 for k, d in zip(kernel, dilations, strict=True))
    begin, end = _pads(node, spatial, extents, reach, strides)
    if min(*begin, *end) < 0:
        raise CannotModelError("it cuts off the border of its input (negative pads)")
    return _Window((kernel[0], kernel[1]), strides, dilations, begin, end)


def _pads(
    node: OnnxNode, spatial: int, extents: Shape, reach: Shape, strides: Shape
) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return the padding before the first and after the last row and column."""
    auto = node.get("auto_pad", "NOTSET")
    if auto == "VALID":
        return (0, 0), (0, 0)
    if auto not in ("SAME_UPPER", "SAME_LOWER"):
        pads = tuple(node.get("pads", (0,) * 2 * spatial))
        if len(pads) != 2 * spatial:
            raise CannotModelError(f"it has {len(pads)} pads for {spatial} spatial axes")
        return _pair(pads[:spatial], 0), _pair(pads[spatial:], 0)
    less, more = [], []
    for extent, window, step in zip(extents, reach, strides, strict=True):
        windows = -(-extent // step)
        total = max((windows - 1) * step + window - extent, 0)
        less.append(total // 2)
        more.append(total - total // 2)
    both = (less[0], less[1]), (more[0], more[1])
    return both if auto == "SAME_UPPER" else both[::-1]


def _pair(values: Sequence[int], ahead: int = 1) -> tuple[int, int]:
    """Return (vertical, horizontal); `ahead` is the vertical one of a series."""
    if len(values) not in (1, 2):
        raise CannotModelError(f"{len(values)} spatial axes are named; 1 or 2 are modelled")
    first, second = (ahead, *values)[-2:]
    return int(first), int(second)


def per_channel(value: Value, tensor: Tensor) -> Array | None:
    """Return a constant with one number per channel of a tensor, or None if it is another."""
    if isinstance(value, Tensor) or not tensor.axes or tensor.mixed is not None:
        return None
    channel = tensor.axes[-1]
    if channel is None or value.ndim > len(tensor.shape):
        return None
    shape = (1,) * (len(tensor.shape) - value.ndim) + value.shape
    count = tensor.shape[channel]
    if value.size != shape[channel] or value.size not in (1, count):
        return None
    return np.broadcast_to(value.reshape(-1), (count,))


#: Operators on maps.
MAP_OPERATORS: Mapping[str, Operator] = MappingProxyType(
    {
        "AveragePool": average_pool,
        "BatchNormalization": batch_normalization,
        "Conv": conv,
        "GlobalAveragePool": global_average_pool,
        "GlobalMaxPool": global_max_pool,
        "LRN": local_response_norm,
        "MaxPool": max_pool,
    }
)
