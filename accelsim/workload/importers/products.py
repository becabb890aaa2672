"""Sums of products over loops, as convolutions and matrix products.

Loop descriptions name the loops and, for both operands and the output, how the axes
of that tensor are made of them: an axis is a loop, or a sum of loops with steps (a
window). What a loop is for follows from where it stands, whatever it is called:

==================  ====================  =============================================
loop stands in      in a matrix product   in a convolution
==================  ====================  =============================================
output, activation  a row                 a place (in a window), or a sample
output, weight      a column              an output channel
both operands       a product summed up   a place in the kernel, or an input channel
all three           a group               a group
==================  ====================  =============================================

The activation is the operand with windows; where neither has any, the weight is the
one that is called so (a name with w), else the second.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from pydantic import ValidationError

from accelsim.workload.importers.unconnected import Loose
from accelsim.workload.layers import Constant, Conv2d, Linear, MatMul, Shape

#: An axis: the step of every loop in it.
Axis = Mapping[str, int]
_MAX_WINDOWS = 2
_NO_WINDOW: Axis = MappingProxyType({})


class InexpressibleError(ValueError):
    """No layer computes these loops; the text says why."""


@dataclass(frozen=True, slots=True)
class LoopTensor:
    """A tensor and the loops that its axes are made of."""

    name: str
    axes: tuple[Axis, ...]

    @property
    def loops(self) -> frozenset[str]:
        """All loops that it depends on."""
        return frozenset(loop for axis in self.axes for loop in axis)


@dataclass(frozen=True, slots=True)
class LoopProduct:
    """``output[...] += one[...] * other[...]`` over loops.

    Parameters
    ----------
    extents : mapping from str to int
        Of every loop.
    output : LoopTensor
        What is summed up.
    operands : (LoopTensor, LoopTensor)
        What is multiplied.
    padding : mapping from set of str to (int, int)
        Zeros before and after axes of the activation, by the loops of the axis.
    """

    extents: Mapping[str, int]
    output: LoopTensor
    operands: tuple[LoopTensor, LoopTensor]
    padding: Mapping[frozenset[str], tuple[int, int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Product:
    """A layer for loops, and the samples that a convolution's loops run over."""

    loose: Loose
    batch: int = 1


@dataclass(frozen=True, slots=True)
class _Uses:
    """The extents of loops multiplied, by what the loops are for; windows apart."""

    rows: int
    columns: int
    sums: int
    groups: int


def product_layer(name: str, loops: LoopProduct) -> Product:
    """Return the layer that computes loops.

    Parameters
    ----------
    name : str
        Of the layer.
    loops : LoopProduct
        What to compute. Inputs of a convolution are as large as whole windows need.

    Raises
    ------
    InexpressibleError
        If there is none.
    """
    for tensor in (loops.output, *loops.operands):
        if sum(len(axis) for axis in tensor.axes) != len(tensor.loops):
            raise InexpressibleError(f"two axes of {tensor.name} share a loop")
    activation, weight = _roles(loops)
    windows = [axis for axis in activation.axes if _is_window(axis)]
    if any(_is_window(axis) for axis in (*weight.axes, *loops.output.axes)):
        raise InexpressibleError("two of its tensors have windows, or the output has one")
    inside = {loop for axis in windows for loop in axis}
    uses = _uses(loops, activation, weight, inside)
    try:
        if windows:
            product = _convolution(name, loops, windows, uses)
        else:
            product = _matrix_product(name, uses)
        for shape in product.loose.shapes:
            Constant(name=name, shape=shape)  # extents that are too large are refused here
    except ValidationError as error:
        place = error.errors(include_url=False)[0]
        raise InexpressibleError(f"{place['loc'][0]}: {place['msg']}") from error
    return product


def one_batch(products: Mapping[str, Product]) -> tuple[dict[str, Loose], int]:
    """Return layers without the batch that all convolutions share, and the batch.

    Raises
    ------
    InexpressibleError
        If convolutions differ in it, or it does not divide a matrix product.
    """
    batches = {one.batch for one in products.values() if one.loose.layer.kind == "conv2d"} or {1}
    if len(batches) > 1:
        raise InexpressibleError(f"batches of {', '.join(map(str, sorted(batches)))} in one file")
    (batch,) = batches
    return {name: _one_sample(name, one.loose, batch) for name, one in products.items()}, batch


def _one_sample(name: str, loose: Loose, batch: int) -> Loose:
    """Return what a layer reads for one sample of a batch."""
    if loose.layer.kind == "conv2d" or batch == 1:
        return loose
    if loose.shapes[0][0] % batch:
        raise InexpressibleError(f"{loose.shapes[0][0]} rows of {name} and a batch of {batch}")
    return replace(loose, shapes=tuple((shape[0] // batch, *shape[1:]) for shape in loose.shapes))


def _roles(loops: LoopProduct) -> tuple[LoopTensor, LoopTensor]:
    """Return the activation and the weight."""
    first, second = loops.operands
    if any(map(_is_window, first.axes)):
        return first, second
    if any(map(_is_window, second.axes)) or first.name.casefold().startswith("w"):
        return second, first
    return first, second


def _is_window(axis: Axis) -> bool:
    return len(axis) > 1 or any(step != 1 for step in axis.values())


def _uses(
    loops: LoopProduct, activation: LoopTensor, weight: LoopTensor, inside: Iterable[str]
) -> _Uses:
    """Return what the loops outside windows are for."""
    extents: dict[tuple[bool, bool, bool], int] = {}
    for loop, extent in loops.extents.items():
        places = (loop in loops.output.loops, loop in activation.loops, loop in weight.loops)
        if sum(places) < 2 and extent > 1:
            where = "no tensor" if not any(places) else "one of three tensors alone"
            raise InexpressibleError(f"the loop {loop} of {extent} is in {where}")
        if loop not in inside:
            extents[places] = extents.get(places, 1) * extent
    return _Uses(
        rows=extents.get((True, True, False), 1),
        columns=extents.get((True, False, True), 1),
        sums=extents.get((False, True, True), 1),
        groups=extents.get((True, True, True), 1),
    )


def _matrix_product(name: str, uses: _Uses) -> Product:
    if uses.groups == 1:
        layer = Linear(name=name, in_features=uses.sums, out_features=uses.columns, bias=False)
        return Product(Loose(layer, ((uses.rows, uses.sums),)))
    shapes = ((uses.groups, uses.rows, uses.sums), (uses.groups, uses.sums, uses.columns))
    return Product(Loose(MatMul(name=name), shapes))


def _convolution(name: str, loops: LoopProduct, windows: Sequence[Axis], uses: _Uses) -> Product:
    if len(windows) > _MAX_WINDOWS:
        raise InexpressibleError(f"it has {len(windows)} spatial axes; 1 or 2 are modelled")
    if uses.rows > 1 and uses.columns == uses.sums == uses.groups == 1:
        raise InexpressibleError("one filter serves every channel, as in pooling")
    sizes = [
        _window(loops, axis, loops.padding.get(frozenset(axis), (0, 0)))
        for axis in ([_NO_WINDOW, *windows] if len(windows) == 1 else windows)
    ]
    fields = {key: tuple(size[key] for size in sizes) for key in _FIELDS}
    if fields["padding_end"] == fields["padding"]:
        del fields["padding_end"]
    layer = Conv2d.model_validate(
        {
            "name": name,
            "in_channels": uses.groups * uses.sums,
            "out_channels": uses.groups * uses.columns,
            "groups": uses.groups,
            "bias": False,
            **fields,
        }
    )
    extents: Shape = tuple(size["extent"] for size in sizes)
    return Product(Loose(layer, ((*extents, uses.groups * uses.sums),)), uses.rows)


_FIELDS = ("kernel", "stride", "dilation", "padding", "padding_end")


def _window(loops: LoopProduct, axis: Axis, padding: tuple[int, int]) -> dict[str, int]:
    """Return the fields of a window, and the extent of what it moves over."""
    places = [loop for loop in axis if loop in loops.output.loops]
    taps = [loop for loop in axis if loop not in loops.output.loops]
    if len(places) > 1 or len(taps) > 1 or any(step < 1 for step in axis.values()):
        raise InexpressibleError(
            f"no window moves by the loops {', '.join(sorted(axis))}: one is a place, one a tap"
        )
    windows = math.prod(loops.extents[loop] for loop in places)
    kernel = math.prod(loops.extents[loop] for loop in taps)
    stride = axis[places[0]] if places else 1
    dilation = axis[taps[0]] if taps else 1
    extent = (windows - 1) * stride + (kernel - 1) * dilation + 1 - sum(padding)
    if extent < 1:
        raise InexpressibleError(f"its padding of {sum(padding)} leaves nothing of an axis")
    return {
        "kernel": kernel, "stride": stride, "dilation": dilation,
        "padding": padding[0], "padding_end": padding[1], "extent": extent,
    }  # fmt: skip
