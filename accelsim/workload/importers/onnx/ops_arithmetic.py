"""Arithmetic on two or more tensors that are broadcast as in NumPy.

A constant with one number per channel becomes part of the layer before it where that
is possible: the bias of a convolution or a linear layer, and the weight and bias of
a batch norm (the scale layers of some frameworks).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import cast

import numpy as np

from accelsim.workload.importers.onnx.context import Context, Value, scalar_of
from accelsim.workload.importers.onnx.draft import CannotModelError
from accelsim.workload.importers.onnx.layout import Axes, Tensor, tensor_of, with_rank
from accelsim.workload.importers.onnx.model import Array, OnnxNode
from accelsim.workload.importers.onnx.operators import Operator
from accelsim.workload.importers.onnx.ops_maps import per_channel
from accelsim.workload.layers import BatchNorm2d, Conv2d, Linear


def add(context: Context, node: OnnxNode) -> Value:
    """Make an ``Add`` or a ``Sum`` additions, or a bias of the layer before."""
    values = _values(context, node)
    total = values[0]
    for value in values[1:]:
        total = add_values(context, node.name, total, value)
    return total


def subtract(context: Context, node: OnnxNode) -> Value:
    """Make a ``Sub`` a subtraction, or an addition of a negative constant."""
    a, b = _values(context, node)
    if not isinstance(b, Tensor):
        return add_values(context, node.name, a, -b)
    return combined(context, "sub", node.name, (a, b))


def multiply(context: Context, node: OnnxNode) -> Value:
    """Make a ``Mul`` a multiplication, or part of the batch norm before it."""
    return multiply_values(context, node.name, *_values(context, node))


def divide(context: Context, node: OnnxNode) -> Value:
    """Make a ``Div`` a division, or a multiplication by the inverse of a constant."""
    a, b = _values(context, node)
    if not isinstance(b, Tensor):
        with np.errstate(divide="ignore"):
            inverse = 1.0 / np.asarray(b, dtype=np.float64)
        return multiply_values(context, node.name, a, inverse)
    return combined(context, "div", node.name, (a, b))


def negate(context: Context, node: OnnxNode) -> Value:
    """Make a ``Neg`` a multiplication by -1."""
    return multiply_values(context, node.name, context.tensor(node, 0), np.array(-1.0))


def power(context: Context, node: OnnxNode) -> Value:
    """Make a ``Pow`` with the exponent 1, 2 or 3 multiplications."""
    x, exponent = context.tensor(node, 0), scalar_of(context.constant(node, 1))
    if exponent not in (1.0, 2.0, 3.0):
        raise CannotModelError("its exponent is none of 1, 2 and 3")
    result = x
    for _ in range(int(exponent) - 1):
        result = combined(context, "mul", node.name, (result, x))
    return result


def invert(context: Context, node: OnnxNode) -> Value:
    """Make a ``Not`` of zeros and ones a subtraction from 1."""
    return combined(context, "sub", node.name, (np.array(1.0), context.tensor(node, 0)))


def both(context: Context, node: OnnxNode) -> Value:
    """Make an ``And`` of zeros and ones a multiplication."""
    values = _values(context, node)
    tensor, constant = _tensor_first(*values)
    if constant is not None and constant.ndim <= len(tensor.shape) and constant.all():
        shape = np.broadcast_shapes(tensor.shape, constant.shape)
        if shape == tensor.shape:
            return tensor
    return combined(context, "mul", node.name, values)


def where(context: Context, node: OnnxNode) -> Value:
    """Make a ``Where`` with at most one computed branch products and sums.

    A computed condition is made of zeros and ones.
    """
    given = context.value(node, 0)
    yes, no = context.value(node, 1), context.value(node, 2)
    if isinstance(given, Tensor):
        return _chosen(context, node, given, yes, no)
    condition = np.asarray(given, dtype=bool)
    x, other = (yes, no) if isinstance(yes, Tensor) else (no, yes)
    keep = condition if isinstance(yes, Tensor) else ~condition
    if not isinstance(x, Tensor) or isinstance(other, Tensor):
        raise CannotModelError("both of its branches are computed")
    if keep.all():
        return x
    fill = np.where(keep, 0.0, other).astype(np.float32)
    kept = combined(context, "mul", f"{node.name}.kept", (x, keep.astype(np.float32)))
    return combined(context, "add", node.name, (kept, fill))


def _chosen(context: Context, node: OnnxNode, condition: Tensor, yes: Value, no: Value) -> Tensor:
    """Return one of two constants, by a computed condition."""
    if isinstance(yes, Tensor) or isinstance(no, Tensor):
        raise CannotModelError("its condition and a branch are computed")
    limit = float(np.finfo(np.float32).max)
    high, low = (np.clip(np.asarray(x, np.float64), -limit, limit) for x in (yes, no))
    step = np.clip(high - low, -limit, limit)
    scaled = combined(context, "mul", f"{node.name}.step", (condition, step))
    return add_values(context, node.name, scaled, low)


def add_values(context: Context, wanted: str, a: Value, b: Value) -> Tensor:
    """Return a sum; a constant per channel joins the layer before it where it can."""
    tensor, constant = _tensor_first(a, b)
    if constant is not None and _absorbed(context, tensor, constant, np.add):
        return tensor
    return combined(context, "add", wanted, (a, b))


def multiply_values(context: Context, wanted: str, a: Value, b: Value) -> Tensor:
    """Return a product; a constant per channel joins the batch norm before it."""
    tensor, constant = _tensor_first(a, b)
    if constant is not None:
        if constant.size == 1 and constant.ndim <= len(tensor.shape) and (constant == 1).all():
            return tensor
        if _absorbed(context, tensor, constant, np.multiply):
            return tensor
    return combined(context, "mul", wanted, (a, b))


def combined(context: Context, kind: str, wanted: str, values: Sequence[Value]) -> Tensor:
    """Add a layer that combines tensors element by element, broadcast as in NumPy.

    All are brought into the order of the largest one.
    """
    rank = max(_rank(value) for value in values)
    shape = np.broadcast_shapes(*(value.shape for value in values))
    tensors = [with_rank(value, rank) for value in values if isinstance(value, Tensor)]
    largest = max(tensors, key=lambda tensor: (np.prod(tensor.shape), len(tensor.axes)))
    axes = _common_axes(largest, shape)
    mixed = _common_mix(tensors) if len(tensors) == len(values) else None
    names = []
    for index, value in enumerate(values):
        if isinstance(value, Tensor):
            tensor = with_rank(value, rank)
            names.append((tensor if mixed else context.arranged(tensor, axes)).layer)
        else:
            full = value.reshape((1,) * (rank - value.ndim) + value.shape)
            names.append(_constant_operand(context, f"{wanted}.{'abc'[index]}", full, axes))
    name = context.draft.add(kind, names, wanted)
    return replace(tensor_of(context.draft, name, axes, rank), mixed=mixed)


def _constant_operand(context: Context, wanted: str, value: Array, axes: Axes) -> str:
    """Add a constant in the order of `axes`, without the extents of 1 before all others."""
    short = axes
    while len(short) > 1 and (short[0] is None or value.shape[short[0]] == 1):
        short = short[1:]
    return context.constant_layer(value, wanted, short).layer


def _common_axes(largest: Tensor, shape: tuple[int, ...]) -> Axes:
    """Return the order of the largest tensor, with axes that only others have put ahead."""
    present = tuple(axis for axis in largest.axes if axis is not None)
    missing = tuple(
        axis for axis, extent in enumerate(shape) if extent != 1 and axis not in present
    )
    return (*missing, *present) or (None,)


def _common_mix(tensors: Sequence[Tensor]) -> tuple[int, int, int] | None:
    """Return how the features are mixed where they are so in every tensor alike."""
    kinds = {(tensor.mixed, tensor.axes, tensor.shape) for tensor in tensors}
    return tensors[0].mixed if len(kinds) == 1 else None


def _absorbed(context: Context, tensor: Tensor, constant: Array, function: np.ufunc) -> bool:
    """Put a constant per channel into the layer before, and return whether that was possible."""
    layer = context.draft.layers.get(tensor.layer)
    if not isinstance(layer, BatchNorm2d | Conv2d | Linear) or not context.is_last_use(tensor):
        return False
    values = per_channel(constant, tensor)
    if values is None:
        return False
    if isinstance(layer, BatchNorm2d):
        names = ("bias",) if function is np.add else ("weight", "bias")
        arrays = {
            name: function(np.asarray(context.draft.arrays[f"{layer.name}.{name}"], float), values)
            for name in names
        }
        context.draft.change(layer.name, arrays)
        return True
    if function is not np.add or layer.bias:
        return False
    context.draft.change(layer.name, {"bias": np.array(values)}, bias=True)
    return True


def _tensor_first(a: Value, b: Value) -> tuple[Tensor, Array | None]:
    """Return the computed one of two values, and the other where that is constant."""
    if isinstance(a, Tensor):
        return a, None if isinstance(b, Tensor) else b
    return cast(Tensor, b), a


def _values(context: Context, node: OnnxNode) -> list[Value]:
    values = [context.value(node, index) for index in range(len(node.inputs))]
    if not any(isinstance(value, Tensor) for value in values):
        raise CannotModelError("all of its inputs are constant")
    return values


def _rank(value: Value) -> int:
    return len(value.shape)


def mean(context: Context, node: OnnxNode) -> Value:
    """Make a ``Mean`` of several tensors a sum and a multiplication."""
    count = len(node.inputs)
    total = add(context, node)
    return multiply_values(context, node.name, total, np.array(1 / count))


def clipped(context: Context, node: OnnxNode, *, is_min: bool) -> Value:
    """Make a ``Min`` or a ``Max`` with a number a `clip`."""
    values = _values(context, node)
    tensors = [value for value in values if isinstance(value, Tensor)]
    bounds = [scalar_of(value) for value in values if not isinstance(value, Tensor)]
    if len(tensors) != 1 or None in bounds:
        raise CannotModelError("it compares two tensors")
    numbers = [bound for bound in bounds if bound is not None]
    bound = {"max": min(numbers)} if is_min else {"min": max(numbers)}
    return context.same(node, "clip", tensors[0], **bound)


#: Arithmetic on tensors.
ARITHMETIC_OPERATORS: Mapping[str, Operator] = MappingProxyType(
    {
        "Add": add,
        "And": both,
        "Div": divide,
        "Max": partial(clipped, is_min=False),
        "Mean": mean,
        "Min": partial(clipped, is_min=True),
        "Mul": multiply,
        "Neg": negate,
        "Not": invert,
        "Pow": power,
        "Sub": subtract,
        "Sum": add,
        "Where": where,
    }
)
