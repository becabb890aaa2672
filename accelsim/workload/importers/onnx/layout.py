"""From channels first to channels last, and only where something needs it.

ONNX numbers the axes of a tensor (batch, channels, height, width); the layers here
leave the batch out and have the channels last. A `Tensor` therefore says for every
axis of a layer's output which axis of ONNX it stands for. With that a ``Transpose``
or an ``Unsqueeze`` costs nothing: it gives the same axes other numbers. Data move
only where an operator needs an order that the tensor does not have, and then by one
`transpose` layer. Axes of extent 1, the batch among them, need not be represented.

A ``Reshape`` joins and splits neighbours in ONNX's order. It is done within blocks of
axes whose products agree, each where it stands, so that splitting channels into
groups, exchanging and joining them (a channel shuffle) takes one transpose, and
flattening a map takes none if a linear layer follows: the flattened features stay in
the order (height, width, channels), which is remembered as `Tensor.mixed`, and the
layer rearranges its weights instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from accelsim.workload.importers.onnx.draft import CannotModelError, Draft
from accelsim.workload.importers.onnx.model import Shape

Axes = tuple[int | None, ...]
#: Axes of a map (batch, channels, height, width) in the order of the layers here.
MAP_AXES: Axes = (2, 3, 1)
#: Those of a series (batch, channels, length), which is a map of height 1 here.
SERIES_AXES: Axes = (None, 2, 1)


@dataclass(frozen=True, slots=True)
class Tensor:
    """An output of a layer, seen as a tensor of ONNX.

    Parameters
    ----------
    layer : str
        The layer, or the input.
    shape : tuple of int
        ONNX's shape, batch included.
    axes : tuple of int or None
        For every axis of the layer's output the axis of `shape` that it stands for;
        None has extent 1 and stands for none. An axis that is missing has extent 1.
    mixed : (int, int, int) or None
        The last axis is a flattened map in the order (height, width, channels), while
        ONNX's order is (channels, height, width); these are the extents.
    """

    layer: str
    shape: Shape
    axes: Axes
    mixed: tuple[int, int, int] | None = None

    @property
    def extents(self) -> Shape:
        """Shape of the layer's output."""
        return tuple(1 if axis is None else self.shape[axis] for axis in self.axes)

    @property
    def order(self) -> tuple[int, ...]:
        """Axes of `shape` that are longer than 1, in the order in which they are stored."""
        return tuple(axis for axis in self.axes if axis is not None and self.shape[axis] != 1)


def tensor_of(draft: Draft, layer: str, axes: Axes, rank: int) -> Tensor:
    """Return the output of a layer as a tensor with `rank` axes."""
    shape = [1] * rank
    for axis, extent in zip(axes, draft.shape_of(layer), strict=True):
        if axis is not None:
            shape[axis] = extent
    return Tensor(layer, tuple(shape), axes)


def natural_axes(tensor: Tensor) -> Axes:
    """Return ONNX's own order, without a batch of 1."""
    rank = len(tensor.shape)
    axes: Axes = tuple(range(1 if rank and tensor.shape[0] == 1 else 0, rank))
    return axes or (None,)


def with_rank(tensor: Tensor, rank: int) -> Tensor:
    """Return a tensor with axes of extent 1 before its own."""
    more = rank - len(tensor.shape)
    axes = tuple(None if axis is None else axis + more for axis in tensor.axes)
    return replace(tensor, shape=(1,) * more + tensor.shape, axes=axes)


def permuted(tensor: Tensor, order: Sequence[int]) -> Tensor:
    """Return a tensor with its axes exchanged; nothing moves."""
    order = tuple(order)
    axes = tuple(None if axis is None else order.index(axis) for axis in tensor.axes)
    return replace(tensor, shape=tuple(tensor.shape[axis] for axis in order), axes=axes)


def arranged(draft: Draft, tensor: Tensor, wanted: Axes) -> Tensor:
    """Return a tensor with its axes in a given order, moving data if it must.

    Parameters
    ----------
    draft : Draft
        Receives what has to be computed.
    tensor : Tensor
        What to arrange.
    wanted : tuple of int or None
        The axes; each one that is longer than 1 must be among them.

    Raises
    ------
    CannotModelError
        If one is missing, as where a file has a batch that is not 1.
    """
    tensor = settled(draft, tensor)
    target = tuple(axis for axis in wanted if axis is not None and tensor.shape[axis] != 1)
    if sorted(target) != sorted(tensor.order):
        raise CannotModelError(
            f"it would mix the samples of a batch: its input has the shape {list(tensor.shape)}"
        )
    result = replace(tensor, axes=wanted)
    name = tensor.layer
    if target != tensor.order:
        if sorted(tensor.axes, key=_none_first) == sorted(wanted, key=_none_first):
            before: Axes = tensor.axes
            after = wanted
        else:
            before, after = tensor.order, target
            name = _reshaped(draft, name, tuple(tensor.shape[axis] for axis in tensor.order))
        name = draft.view("transpose", name, axes=tuple(before.index(axis) for axis in after))
    return replace(result, layer=_reshaped(draft, name, result.extents))


def settled(draft: Draft, tensor: Tensor) -> Tensor:
    """Return a tensor whose flattened map, if it has one, is in ONNX's order."""
    if tensor.mixed is None:
        return tensor
    channels, height, width = tensor.mixed
    rest = draft.shape_of(tensor.layer)[:-1]
    name = _reshaped(draft, tensor.layer, (*rest, height, width, channels))
    count = len(rest)
    name = draft.view("transpose", name, axes=(*range(count), count + 2, count, count + 1))
    name = _reshaped(draft, name, (*rest, channels * height * width))
    return replace(tensor, layer=name, mixed=None)


def reshaped(draft: Draft, tensor: Tensor, target: Shape) -> Tensor:
    """Return a tensor under another shape of as many elements.

    Parameters
    ----------
    draft : Draft
        Receives what has to be computed.
    tensor : Tensor
        What to reshape.
    target : tuple of int
        ONNX's shape, batch included; the product is that of `tensor.shape`.
    """
    blocks = _blocks(tensor.shape, target)
    if all(len(old) == len(new) == 1 for old, new in blocks):
        return _renumbered(tensor, dict((old[0], new[0]) for old, new in blocks), target)
    tensor = settled(draft, tensor)
    # A block stands where its last axis does: features behind the rows that they belong to.
    in_order = sorted(blocks, key=lambda block: max(map(tensor.order.index, block[0])))
    mixed = _flattened_map(tensor, in_order, len(target))
    if mixed is None:
        wanted = tuple(axis for old, _ in in_order for axis in old)
        if wanted != tensor.order:
            tensor = arranged(draft, tensor, wanted)
    axes: Axes = tuple(axis for _, new in in_order for axis in new) or (None,)
    extents = tuple(1 if axis is None else target[axis] for axis in axes)
    return Tensor(_reshaped(draft, tensor.layer, extents), target, axes, mixed)


Block = tuple[tuple[int, ...], tuple[int, ...]]


def _blocks(shape: Shape, target: Shape) -> list[Block]:
    """Pair the shortest runs of axes whose products agree; extents of 1 are left out."""
    old = [axis for axis, extent in enumerate(shape) if extent != 1]
    new = [axis for axis, extent in enumerate(target) if extent != 1]
    blocks: list[Block] = []
    i = j = 0
    while i < len(old):
        start, begin = i, j
        left, right = shape[old[i]], target[new[j]]
        i, j = i + 1, j + 1
        while left != right:
            if left < right:
                left *= shape[old[i]]
                i += 1
            else:
                right *= target[new[j]]
                j += 1
        blocks.append((tuple(old[start:i]), tuple(new[begin:j])))
    return blocks


def _flattened_map(
    tensor: Tensor, blocks: Sequence[Block], rank: int
) -> tuple[int, int, int] | None:
    """Return (channels, height, width) where the last axis is a flattened channels-last map."""
    if not blocks:
        return None
    old, new = blocks[-1]
    rest = tuple(axis for before, _ in blocks[:-1] for axis in before)
    if new != (rank - 1,) or len(old) not in (2, 3) or tensor.order != (*rest, *old[1:], old[0]):
        return None
    height = tensor.shape[old[1]] if len(old) == 3 else 1
    return tensor.shape[old[0]], height, tensor.shape[old[-1]]


def _renumbered(tensor: Tensor, number: dict[int, int], target: Shape) -> Tensor:
    """Return the same data with other numbers for its axes."""
    axes = tuple(None if axis is None else number.get(axis) for axis in tensor.axes)
    return replace(tensor, shape=target, axes=axes)


def _reshaped(draft: Draft, name: str, extents: Shape) -> str:
    if draft.shape_of(name) == extents:
        return name
    return draft.view("reshape", name, shape=extents)


def _none_first(axis: int | None) -> int:
    return -1 if axis is None else axis
