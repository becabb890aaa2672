"""What ONNX says about shapes: targets of a reshape, ranges of a slice, axes.

The rules are the same for constants and for tensors that are computed.

References
----------
ONNX operator specifications: Reshape, Flatten, Squeeze, Unsqueeze, Slice, Split.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from accelsim.workload.importers.onnx.draft import CannotModelError
from accelsim.workload.importers.onnx.model import Array, OnnxNode, Shape

#: Since it the ranges of a slice are inputs; they were attributes before.
SLICE_INPUTS_OPSET = 10
#: Since it the pads of a Pad are an input.
PAD_INPUTS_OPSET = 11


def axes_of(node: OnnxNode, inputs: Sequence[Array]) -> tuple[int, ...] | None:
    """Return the attribute or the first input `axes`, or None where there is none."""
    axes = node.get("axes", None)
    if axes is None and inputs and inputs[0].size:
        axes = whole_numbers(inputs[0])
    return None if axes is None else tuple(int(axis) for axis in axes)


def whole_numbers(array: Array) -> tuple[int, ...]:
    """Return the elements of an array as whole numbers."""
    return tuple(int(value) for value in array.reshape(-1))


def counted(axis: int, rank: int) -> int:
    """Return an axis counted from the front.

    Raises
    ------
    CannotModelError
        If there is no such axis.
    """
    if not -rank <= axis < rank:
        raise CannotModelError(f"its input has {rank} axes, and none is number {axis}")
    return axis % rank if rank else 0


def reshape_target(node: OnnxNode, shape: Shape, wanted: Array, *, batch: int = 1) -> Shape:
    """Return the shape that a ``Reshape`` makes.

    Parameters
    ----------
    node : OnnxNode
        The node.
    shape : tuple of int
        Of its input.
    wanted : array
        Its second input: -1 is what is left, 0 is the extent of the input.
    batch : int
        Batch that the file was made for; a first extent of it counts as 1 where
        the input has 1.

    Raises
    ------
    CannotModelError
        If the elements do not fill the shape.
    """
    target = list(whole_numbers(wanted))
    if not node.get("allowzero", 0):
        for axis, extent in enumerate(target):
            if extent == 0 and axis < len(shape):
                target[axis] = shape[axis]
    count = math.prod(shape)
    fixed = math.prod(extent for extent in target if extent != -1)
    if batch > 1 and target and target[0] == batch and fixed > 0 and count % fixed:
        target[0], fixed = 1, fixed // batch
    if target.count(-1) == 1 and fixed > 0 and count % fixed == 0:
        target[target.index(-1)] = count // fixed
    if min(target, default=1) < 1 or math.prod(target) != count:
        raise CannotModelError(
            f"{count} elements of shape {list(shape)} do not fill {list(whole_numbers(wanted))}"
        )
    return tuple(target)


def flattened_shape(node: OnnxNode, shape: Shape) -> Shape:
    """Return the two extents that a ``Flatten`` makes."""
    axis = int(node.get("axis", 1))
    axis = axis + len(shape) if axis < 0 else axis
    return math.prod(shape[:axis]), math.prod(shape[axis:])


def squeezed_shape(shape: Shape, axes: tuple[int, ...] | None) -> Shape:
    """Return a shape without some axes of extent 1; without all of them for None."""
    if axes is None:
        return tuple(extent for extent in shape if extent != 1)
    gone = {counted(axis, len(shape)) for axis in axes}
    if any(shape[axis] != 1 for axis in gone):
        raise CannotModelError(f"an axis that it takes away is longer than 1: {list(shape)}")
    return tuple(extent for axis, extent in enumerate(shape) if axis not in gone)


def unsqueezed_shape(shape: Shape, axes: tuple[int, ...]) -> Shape:
    """Return a shape with axes of extent 1 at the places that `axes` names in the result."""
    rank = len(shape) + len(axes)
    new = {counted(axis, rank) for axis in axes}
    if len(new) != len(axes):
        raise CannotModelError(f"it names an axis twice: {list(axes)}")
    rest = iter(shape)
    return tuple(1 if axis in new else next(rest) for axis in range(rank))


def slice_index(
    node: OnnxNode, shape: Shape, inputs: Sequence[Array], opset: int
) -> tuple[slice, ...]:
    """Return the range of every axis that a ``Slice`` takes.

    Parameters
    ----------
    node : OnnxNode
        The node.
    shape : tuple of int
        Of its first input.
    inputs : sequence of array
        Its other inputs: starts, ends, axes, steps.
    opset : int
        Before 10 they are attributes.
    """
    given: list[tuple[int, ...] | None]
    if opset < SLICE_INPUTS_OPSET:
        given = [node.get(name, None) for name in ("starts", "ends", "axes")]
    else:
        given = [whole_numbers(array) if array.size else None for array in inputs]
    starts, ends, axes, steps = (*given, None, None, None, None)[:4]
    starts, ends = starts or (), ends or ()
    axes = tuple(range(len(starts))) if axes is None else axes
    steps = (1,) * len(starts) if steps is None else steps
    index = [slice(None)] * len(shape)
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        place = counted(axis, len(shape))
        if step < 0 and end < -shape[place]:
            index[place] = slice(start, None, step)
        else:
            index[place] = slice(start, end, step)
    return tuple(index)


def split_sizes(node: OnnxNode, extent: int, inputs: Sequence[Array]) -> Shape:
    """Return the extents of the parts that a ``Split`` makes of an axis."""
    sizes = node.get("split", None)
    if sizes is None and inputs and inputs[0].size:
        sizes = whole_numbers(inputs[0])
    if sizes is None:
        parts = int(node.get("num_outputs", len(node.outputs)))
        each = -(-extent // parts)
        sizes = [*[each] * (parts - 1), extent - each * (parts - 1)]
    if sum(sizes) != extent or min(sizes) < 1 or len(sizes) != len(node.outputs):
        raise CannotModelError(f"parts of {list(sizes)} do not make up an axis of {extent}")
    return tuple(int(size) for size in sizes)
