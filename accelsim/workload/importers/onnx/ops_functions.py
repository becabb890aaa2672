"""Functions of single elements, and of rows: softmax, layer norm, means."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

import numpy as np

from accelsim.workload.importers.onnx.context import Context, Value, scalar_of
from accelsim.workload.importers.onnx.draft import CannotModelError
from accelsim.workload.importers.onnx.layout import (
    MAP_AXES,
    Axes,
    Tensor,
    reshaped,
    tensor_of,
)
from accelsim.workload.importers.onnx.model import OnnxNode
from accelsim.workload.importers.onnx.operators import Operator
from accelsim.workload.importers.onnx.ops_maps import map_mean
from accelsim.workload.importers.onnx.shape_rules import axes_of, counted

#: Since it Softmax works on one axis; before, on all from `axis` on.
SOFTMAX_AXIS_OPSET = 13
#: Since it the bounds of a Clip are inputs.
CLIP_INPUTS_OPSET = 11


def element_function(context: Context, node: OnnxNode, *, kind: str) -> Value:
    """Make a node a layer without fields that works on single elements."""
    return context.same(node, kind, context.tensor(node, 0))


def clip(context: Context, node: OnnxNode) -> Value:
    """Make a ``Clip`` a `clip`, or a `relu` where it is one."""
    bounds: list[float | None] = [node.get("min", None), node.get("max", None)]
    if context.opset >= CLIP_INPUTS_OPSET:
        given = [context.optional(node, index) for index in (1, 2)]
        bounds = [None if array is None else scalar_of(array) for array in given]
    low, high = (None if x is None or abs(x) > np.finfo(np.float32).max / 2 else x for x in bounds)
    if low == 0 and high is None:
        return context.same(node, "relu", context.tensor(node, 0))
    fields = {name: x for name, x in (("min", low), ("max", high)) if x is not None}
    return context.same(node, "clip", context.tensor(node, 0), **fields)


def leaky_relu(context: Context, node: OnnxNode) -> Value:
    """Make a ``LeakyRelu`` a `leaky_relu`."""
    slope = float(node.get("alpha", 0.01))
    return context.same(node, "leaky_relu", context.tensor(node, 0), negative_slope=slope)


def parametric_relu(context: Context, node: OnnxNode) -> Value:
    """Make a ``PRelu`` with one slope a `leaky_relu`."""
    slopes = context.constant(node, 1)
    if slopes.size == 0 or not (slopes == slopes.flat[0]).all():
        raise CannotModelError("it has a slope for each channel")
    slope = float(slopes.flat[0])
    return context.same(node, "leaky_relu", context.tensor(node, 0), negative_slope=slope)


def elu(context: Context, node: OnnxNode) -> Value:
    """Make an ``Elu`` an `elu`."""
    alpha = float(node.get("alpha", 1.0))
    return context.same(node, "elu", context.tensor(node, 0), alpha=alpha)


def hard_sigmoid(context: Context, node: OnnxNode) -> Value:
    """Make a ``HardSigmoid`` a `hard_sigmoid`."""
    fields = {"alpha": float(node.get("alpha", 0.2)), "beta": float(node.get("beta", 0.5))}
    return context.same(node, "hard_sigmoid", context.tensor(node, 0), **fields)


def gelu(context: Context, node: OnnxNode) -> Value:
    """Make a ``Gelu`` a `gelu`."""
    name = node.get("approximate", "none")
    fields: dict[str, Any] = {} if name == "none" else {"approximate": name}
    return context.same(node, "gelu", context.tensor(node, 0), **fields)


def softmax(context: Context, node: OnnxNode) -> Value:
    """Make a ``Softmax`` a `softmax` over the last axis."""
    x = context.tensor(node, 0)
    rank = len(x.shape)
    is_old = context.opset < SOFTMAX_AXIS_OPSET
    axis = counted(int(node.get("axis", 1 if is_old else -1)), rank)
    if is_old and any(extent != 1 for extent in x.shape[axis + 1 :]):
        rows = (*x.shape[:axis], int(np.prod(x.shape[axis:])))
        flat = over_last(context, node, reshaped(context.draft, x, rows), axis)
        return reshaped(context.draft, flat, x.shape)
    return over_last(context, node, x, axis)


def over_last(context: Context, node: OnnxNode, x: Tensor, axis: int) -> Tensor:
    """Add a `softmax` over an axis, which becomes the last one."""
    axes = _with_last(x, axis)
    x = context.arranged(x, axes)
    name = context.draft.add("softmax", (x.layer,), node.name)
    return tensor_of(context.draft, name, axes, len(x.shape))


def layer_normalization(context: Context, node: OnnxNode) -> Value:
    """Make a ``LayerNormalization`` over the last axis a `layer_norm`."""
    x = context.tensor(node, 0)
    axis = counted(int(node.get("axis", -1)), len(x.shape))
    if any(extent != 1 for extent in x.shape[axis + 1 :]):
        raise CannotModelError("it normalises over several axes")
    if any(name and context.left[name] for name in node.outputs[1:]):
        raise CannotModelError("its statistics are read")
    axes = _with_last(x, axis)
    x = context.arranged(x, axes)
    width = x.shape[axis]
    weight, bias = (
        np.full(width, usual, np.float32)
        if (given := context.optional(node, index)) is None
        else np.broadcast_to(given.reshape(-1), (width,))
        for index, usual in ((1, 1.0), (2, 0.0))
    )
    name = context.draft.add(
        "layer_norm", (x.layer,), node.name, parameters={"weight": weight, "bias": bias},
        num_features=width, eps=float(node.get("epsilon", 1e-5)),
    )  # fmt: skip
    return tensor_of(context.draft, name, axes, len(x.shape))


def reduce_mean(context: Context, node: OnnxNode) -> Value:
    """Make a ``ReduceMean`` over height and width, or over a length, a `global_avg_pool`."""
    x = context.tensor(node, 0)
    rank = len(x.shape)
    given = axes_of(node, [context.constant(node, 1)] if context.has(node, 1) else [])
    over = {counted(axis, rank) for axis in (range(rank) if given is None else given)}
    long = {axis for axis in over if x.shape[axis] != 1}
    if not long:
        mean = x
    elif rank == 4 and long <= {2, 3} and x.shape[0] == 1:
        mean = _mean_of_map(context, node, x, long)
    elif rank == 3 and len(long) == 1 and x.shape[0] == 1:
        (axis,) = long
        axes = (None, axis, 3 - axis)
        mean = map_mean(context, node, context.arranged(x, axes), axes)
    else:
        raise CannotModelError(f"it takes a mean over axes {sorted(long)} of {list(x.shape)}")
    if node.get("keepdims", 1):
        return mean
    left = tuple(extent for axis, extent in enumerate(mean.shape) if axis not in over)
    return reshaped(context.draft, mean, left)


def _mean_of_map(context: Context, node: OnnxNode, x: Tensor, long: set[int]) -> Tensor:
    other = {axis for axis in (2, 3) if x.shape[axis] != 1}
    if long != other:
        raise CannotModelError("it takes a mean over height or width alone")
    return map_mean(context, node, context.arranged(x, MAP_AXES), MAP_AXES)


def _with_last(x: Tensor, last: int) -> Axes:
    """Return the axes of a tensor with one of them behind the others."""
    return (*(axis for axis in x.axes if axis not in (last, None)), last)


#: Functions of elements and rows.
FUNCTION_OPERATORS: Mapping[str, Operator] = MappingProxyType(
    {
        "Clip": clip,
        "Elu": elu,
        "Gelu": gelu,
        "HardSigmoid": hard_sigmoid,
        "HardSwish": partial(element_function, kind="hard_swish"),
        "LayerNormalization": layer_normalization,
        "LeakyRelu": leaky_relu,
        "PRelu": parametric_relu,
        "ReduceMean": reduce_mean,
        "Relu": partial(element_function, kind="relu"),
        "Sigmoid": partial(element_function, kind="sigmoid"),
        "Softmax": softmax,
        "Swish": partial(element_function, kind="swish"),
        "Tanh": partial(element_function, kind="tanh"),
    }
)
