"""Operators that compute nothing: shapes, axes, parts and joints."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from accelsim.workload.importers.onnx.context import Context, Value
from accelsim.workload.importers.onnx.draft import CannotModelError
from accelsim.workload.importers.onnx.layout import (
    Axes,
    Tensor,
    natural_axes,
    permuted,
    reshaped,
    settled,
    tensor_of,
)
from accelsim.workload.importers.onnx.model import Array, OnnxNode, Shape
from accelsim.workload.importers.onnx.operators import Operator
from accelsim.workload.importers.onnx.shape_rules import (
    PAD_INPUTS_OPSET,
    axes_of,
    counted,
    flattened_shape,
    reshape_target,
    slice_index,
    split_sizes,
    squeezed_shape,
    unsqueezed_shape,
    whole_numbers,
)

#: A gather of single rows becomes at most as many slices.
MAX_SLICES = 64


def identity(context: Context, node: OnnxNode) -> Value:
    """Pass a value on."""
    return context.value(node, 0)


def dropout(context: Context, node: OnnxNode) -> Value:
    """Pass a value on, as ``Dropout`` does at inference."""
    if len(node.outputs) > 1 and context.left[node.outputs[1]]:
        raise CannotModelError("its mask is read")
    return context.value(node, 0)


def cast(context: Context, node: OnnxNode) -> Value:
    """Pass numbers on; formats are the recipe's."""
    floats = (1, 10, 11, 16)
    x = context.tensor(node, 0)
    if int(node.attributes["to"]) not in floats and x.layer not in context.draft.inputs:
        raise CannotModelError("it cuts numbers to whole ones or to true and false")
    return x


def shape(context: Context, node: OnnxNode) -> Value:
    """Return the shape of a tensor as a constant."""
    extents = context.tensor(node, 0).shape
    part = slice(node.get("start", None), node.get("end", None))
    return np.array(extents[part], dtype=np.int64)


def size(context: Context, node: OnnxNode) -> Value:
    """Return the number of elements as a constant."""
    return np.array(np.prod(context.tensor(node, 0).shape, dtype=np.int64))


def reshape(context: Context, node: OnnxNode) -> Value:
    """See a tensor under another shape."""
    x = context.tensor(node, 0)
    wanted = context.constant(node, 1)
    return _seen_as(context, x, reshape_target(node, x.shape, wanted, batch=context.batch))


def flatten(context: Context, node: OnnxNode) -> Value:
    """See a tensor as a matrix."""
    x = context.tensor(node, 0)
    return _seen_as(context, x, flattened_shape(node, x.shape))


def squeeze(context: Context, node: OnnxNode) -> Value:
    """Take axes of extent 1 away."""
    x = context.tensor(node, 0)
    return _seen_as(context, x, squeezed_shape(x.shape, axes_of(node, _rest(context, node))))


def unsqueeze(context: Context, node: OnnxNode) -> Value:
    """Put axes of extent 1 in."""
    x = context.tensor(node, 0)
    axes = axes_of(node, _rest(context, node)) or ()
    return _seen_as(context, x, unsqueezed_shape(x.shape, axes))


def transpose(context: Context, node: OnnxNode) -> Value:
    """Give the axes other numbers; data move only where something needs them to."""
    x = context.tensor(node, 0)
    rank = len(x.shape)
    perm = tuple(node.get("perm", tuple(reversed(range(rank)))))
    if sorted(perm) != list(range(rank)):
        raise CannotModelError(f"{list(perm)} is no order of {rank} axes")
    return permuted(x, perm)


def concat(context: Context, node: OnnxNode) -> Value:
    """Join tensors along an axis."""
    values = [context.value(node, index) for index in range(len(node.inputs))]
    tensors = [value for value in values if isinstance(value, Tensor)]
    largest = max(tensors, key=lambda tensor: len(tensor.order))
    axis = counted(int(node.attributes["axis"]), len(largest.shape))
    wanted = with_axis(largest, axis)
    parts = [
        context.arranged(value, wanted)
        if isinstance(value, Tensor)
        else context.constant_layer(value, name, wanted)
        for name, value in zip(node.inputs, values, strict=True)
    ]
    return joined(context, node.name, parts, axis)


def joined(context: Context, wanted: str, parts: list[Tensor], axis: int) -> Tensor:
    """Return parts of equal axes joined along one of them."""
    if len(parts) == 1:
        return parts[0]
    place = parts[0].axes.index(axis)
    names = tuple(part.layer for part in parts)
    name = context.draft.add("concat", names, wanted, axis=place)
    return tensor_of(context.draft, name, parts[0].axes, len(parts[0].shape))


def split(context: Context, node: OnnxNode) -> tuple[Value, ...]:
    """Cut a tensor into parts along an axis, each of them a `slice`."""
    x = context.tensor(node, 0)
    axis = counted(int(node.get("axis", 0)), len(x.shape))
    start, parts = 0, []
    sizes = split_sizes(node, x.shape[axis], _rest(context, node))
    for name, extent in zip(node.outputs, sizes, strict=True):
        if name and context.left[name]:
            part = cut(context, node.name, x, axis, slice(start, start + extent))
        else:  # nobody reads it
            part = Tensor("", (*x.shape[:axis], extent, *x.shape[axis + 1 :]), ())
        parts.append(part)
        start += extent
    return tuple(parts)


def slice_(context: Context, node: OnnxNode) -> Value:
    """Take a range of some axes."""
    x = context.tensor(node, 0)
    index = slice_index(node, x.shape, _rest(context, node), context.opset)
    for axis, part in enumerate(index):
        x = cut(context, node.name, x, axis, part)
    return x


def gather(context: Context, node: OnnxNode) -> Value:
    """Take rows of a table that tokens name, or constant places of a tensor."""
    data, indices = context.value(node, 0), context.value(node, 1)
    axis = int(node.get("axis", 0))
    if not isinstance(data, Tensor) and isinstance(indices, Tensor):
        return _embedding(context, node, data, indices, axis)
    if not isinstance(data, Tensor) or isinstance(indices, Tensor):
        raise CannotModelError("its indices are computed")
    axis = counted(axis, len(data.shape))
    extent = data.shape[axis]
    places = [place + extent if place < 0 else place for place in whole_numbers(indices)]
    if not places or min(places) < 0 or max(places) >= extent:
        raise CannotModelError(f"it takes places that an axis of {extent} does not have")
    runs = _runs(places)
    if len(runs) > MAX_SLICES:
        raise CannotModelError(f"it takes {len(places)} places that are no even range")
    found = joined(context, node.name, [cut(context, node.name, data, axis, r) for r in runs], axis)
    target = (*found.shape[:axis], *indices.shape, *found.shape[axis + 1 :])
    return _seen_as(context, found, target)


def cut(context: Context, wanted: str, x: Tensor, axis: int, part: slice) -> Tensor:
    """Return a range of one axis; nothing is added where that is all of it."""
    start, stop, step = part.indices(x.shape[axis])
    if step < 1:
        raise CannotModelError("it goes backward")
    if stop <= start:
        raise CannotModelError("nothing is left of its input")
    if (start, stop, step) == (0, x.shape[axis], 1):
        return x
    x = settled(context.draft, x)
    place = x.axes.index(axis)
    name = context.draft.add(
        "slice", (x.layer,), wanted, axis=place, start=start, stop=stop, step=step
    )
    return tensor_of(context.draft, name, x.axes, len(x.shape))


def expand(context: Context, node: OnnxNode) -> Value:
    """Pass a tensor on that has the wanted shape already."""
    x, wanted = context.tensor(node, 0), whole_numbers(context.constant(node, 1))
    target = np.broadcast_shapes(x.shape, wanted)
    if int(np.prod(target)) != int(np.prod(x.shape)):
        raise CannotModelError("it repeats what is computed")
    return _seen_as(context, x, target)


def pad(context: Context, node: OnnxNode) -> Value:
    """Make a ``Pad`` with a constant a `concat` with that constant, axis by axis."""
    x = context.tensor(node, 0)
    if node.get("mode", "constant") != "constant":
        raise CannotModelError("it repeats or mirrors its input")
    old = context.opset < PAD_INPUTS_OPSET
    given = node.get("pads", ()) if old else whole_numbers(context.constant(node, 1))
    fill = np.array(node.get("value", 0.0)) if old else context.optional(node, 2)
    axes = None if old else context.optional(node, 3)
    places = range(len(x.shape)) if axes is None else whole_numbers(axes)
    if len(given) != 2 * len(places):
        raise CannotModelError(f"it has {len(given)} pads for {len(places)} axes")
    for index, place in enumerate(places):
        axis = counted(place, len(x.shape))
        before, after = given[index], given[index + len(places)]
        x = _padded(context, node.name, x, axis, (before, after), fill)
    return x


def _padded(
    context: Context, wanted: str, x: Tensor, axis: int, extents: tuple[int, int],
    fill: Array | None,
) -> Tensor:  # fmt: skip
    """Return a tensor with a constant before and after it along an axis, or cut off there."""
    before, after = extents
    extent = x.shape[axis]
    x = cut(context, wanted, x, axis, slice(max(-before, 0), extent - max(-after, 0)))
    if before <= 0 and after <= 0:
        return x
    x = context.arranged(x, with_axis(x, axis))
    parts = [x]
    for place, more in ((0, before), (len(parts) + 1, after)):
        if more > 0:
            shape = list(x.shape)
            shape[axis] = more
            value = np.zeros((), np.float32) if fill is None else fill.reshape(())
            array = np.broadcast_to(value, shape)
            parts.insert(place, context.constant_layer(array, f"{wanted}.border", x.axes))
    return joined(context, wanted, parts, axis)


def with_axis(tensor: Tensor, axis: int) -> Axes:
    """Return the axes of a tensor, those without a number left out, with `axis` among them."""
    axes = tuple(one for one in tensor.axes if one is not None)
    if axis in axes:
        return axes
    if axes == tuple(sorted(axes)):
        return tuple(sorted((*axes, axis)))
    return (axis, *axes)


def _embedding(
    context: Context, node: OnnxNode, table: Array, indices: Tensor, axis: int
) -> Tensor:
    """Add an `embedding`: rows of a table that tokens name."""
    if axis % table.ndim or table.ndim != 2:
        raise CannotModelError("it takes something else than rows of a matrix")
    wanted = natural_axes(indices)
    found = context.arranged(indices, wanted)
    rows, width = table.shape
    context.read_tokens(found, rows)
    name = context.draft.add(
        "embedding", (found.layer,), node.name, parameters={"weight": table},
        vocabulary=rows, features=width,
    )  # fmt: skip
    rank = len(indices.shape)
    return tensor_of(context.draft, name, (*wanted, rank), rank + 1)


def _runs(places: list[int]) -> list[slice]:
    """Return even ranges that make up the places, in order."""
    runs: list[slice] = []
    i = 0
    while i < len(places):
        step = places[i + 1] - places[i] if i + 1 < len(places) else 1
        j = i + 1
        while step > 0 and j < len(places) and places[j] - places[j - 1] == step:
            j += 1
        runs.append(slice(places[i], places[j - 1] + 1, max(step, 1)))
        i = j
    return runs


def _rest(context: Context, node: OnnxNode) -> list[Array]:
    """Return the inputs after the first; an empty array where one is left out."""
    return [
        context.constant(node, index) if context.has(node, index) else np.empty(0)
        for index in range(1, len(node.inputs))
    ]


def _seen_as(context: Context, x: Tensor, target: Shape) -> Tensor:
    return reshaped(context.draft, x, tuple(int(extent) for extent in target))


#: Operators that only move or name.
SHAPE_OPERATORS: Mapping[str, Operator] = MappingProxyType(
    {
        "Cast": cast,
        "CastLike": cast,
        "Concat": concat,
        "Dropout": dropout,
        "Expand": expand,
        "Flatten": flatten,
        "Gather": gather,
        "Identity": identity,
        "Pad": pad,
        "Reshape": reshape,
        "Shape": shape,
        "Size": size,
        "Slice": slice_,
        "Split": split,
        "Squeeze": squeeze,
        "Transpose": transpose,
        "Unsqueeze": unsqueeze,
    }
)
