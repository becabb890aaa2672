"""Layers that give elements other places and compute nothing.

A tensor whose elements stay in their order costs nothing; what has to move passes the
vector unit once, and takes its time and bytes. Shapes are channels-last and leave the
batch out, so axis 0 is the first one of a sample; -1 is the last.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from accelsim.errors import ShapeError
from accelsim.workload.backward_scope import BackwardScope
from accelsim.workload.layers.base import MAX_AXES, MAX_EXTENT, Extent, Float64Array, Layer, Shape
from accelsim.workload.scope import LayerScope

#: An axis of a sample, from the first or, negative, from the last.
Axis = Annotated[int, Field(ge=-MAX_AXES, lt=MAX_AXES)]
#: A place along an axis, from its beginning or, negative, from its end.
Place = Annotated[int, Field(ge=-MAX_EXTENT, le=MAX_EXTENT)]


class Reshape(Layer):
    """The same elements, in the same order, under another shape; nothing is computed."""

    alias: ClassVar[bool] = True

    kind: Literal["reshape"] = "reshape"
    shape: tuple[Annotated[int, Field(ge=-1, le=2**34)], ...] = Field(max_length=MAX_AXES)
    """Shape without the batch; one extent may be -1, which is what the others leave."""

    @model_validator(mode="after")
    def _check_shape(self) -> Self:
        if 0 in self.shape or self.shape.count(-1) > 1:
            raise ValueError(
                f"shape = {list(self.shape)} needs positive extents, and -1 once at most"
            )
        return self

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """Return the shape with -1 filled in."""
        elements = math.prod(inputs[0])
        known = math.prod(extent for extent in self.shape if extent != -1)
        if elements % known or (-1 not in self.shape and elements != known):
            raise ShapeError(
                f"its shape {list(self.shape)} holds {known:,} elements, or a multiple of them, "
                f"and it is given {elements:,}; make the products of the extents equal"
            )
        return tuple(elements // known if extent == -1 else extent for extent in self.shape)

    def lower_forward(self, scope: LayerScope) -> str:
        """Emit nothing: the output is the input's tensor."""
        return scope.reshaped(scope.inputs[0])

    def lower_backward(self, scope: BackwardScope) -> tuple[str | None, ...]:
        """Emit nothing: the input's error is the output's."""
        return (scope.reshaped_error(),)

    def reference(
        self, inputs: Sequence[Float64Array], parameters: Mapping[str, Float64Array]
    ) -> Float64Array:
        """Reshape every sample."""
        del parameters
        x = inputs[0]
        return x.reshape(len(x), *self.output_shape([x.shape[1:]]))


class Transpose(Layer):
    """The axes of a sample in another order.

    Where only axes of extent 1 change places the elements stay where they are; else they
    pass the vector unit once.
    """

    kind: Literal["transpose"] = "transpose"
    axes: tuple[Axis, ...] = Field(min_length=1, max_length=MAX_AXES)
    """Which axis of the input stands in each place, without the batch: [1, 0] exchanges two."""

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """Return the extents in their new order."""
        return tuple(inputs[0][axis] for axis in self._order(inputs[0]))

    def is_alias(self, inputs: Sequence[Shape]) -> bool:
        """Return whether the order of the axes that are longer than 1 stays."""
        moved = [axis for axis in self._order(inputs[0]) if inputs[0][axis] > 1]
        return moved == sorted(moved)

    def lower_forward(self, scope: LayerScope) -> str:
        """Emit one ``transpose``, or nothing where no element moves."""
        shape = scope.input_shapes[0]
        if self.is_alias([shape]):
            return scope.reshaped(scope.inputs[0])
        axes = (0, *(1 + axis for axis in self._order(shape)))
        return scope.vector("transpose", scope.inputs, attributes=(("axes", axes),))

    def lower_backward(self, scope: BackwardScope) -> tuple[str | None, ...]:
        """Emit the ``transpose`` that brings the error's axes back."""
        shape = scope.input_shapes[0]
        if self.is_alias([shape]):
            return (scope.reshaped_error(),)
        back = np.argsort(self._order(shape))
        axes = (0, *(1 + int(axis) for axis in back))
        return (scope.input_error("transpose", (scope.error,), attributes=(("axes", axes),)),)

    def reference(
        self, inputs: Sequence[Float64Array], parameters: Mapping[str, Float64Array]
    ) -> Float64Array:
        """Transpose every sample."""
        del parameters
        axes = (0, *(1 + axis for axis in self._order(inputs[0].shape[1:])))
        return inputs[0].transpose(axes)

    def _order(self, shape: Shape) -> tuple[int, ...]:
        rank = len(shape)
        order = tuple(axis + rank if axis < 0 else axis for axis in self.axes)
        if sorted(order) != list(range(rank)):
            raise ShapeError(
                f"its axes {list(self.axes)} are no order of the {rank} axes that it is given; "
                f"name each of 0 to {rank - 1} once, without the batch"
            )
        return order


class Concat(Layer):
    """Tensors one after the other along an axis; every element passes the vector unit once."""

    input_count: ClassVar[int | None] = None

    kind: Literal["concat"] = "concat"
    axis: Axis = -1
    """Axis of a sample; the last one is that of channels."""

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """Return the common shape, with the extents along the axis added."""
        axis = axis_of(self.axis, inputs[0])
        rest = {(*shape[:axis], *shape[axis + 1 :]) for shape in inputs if len(shape) > axis}
        if len(rest) != 1 or len({len(shape) for shape in inputs}) != 1:
            raise ShapeError(
                f"it joins {' and '.join(map(str, inputs))} along axis {self.axis}; all other "
                "extents must be the same"
            )
        whole = sum(shape[axis] for shape in inputs)
        return (*inputs[0][:axis], whole, *inputs[0][axis + 1 :])

    def lower_forward(self, scope: LayerScope) -> str:
        """Emit one ``concat``."""
        axis = 1 + axis_of(self.axis, scope.output_shape)
        return scope.vector("concat", scope.inputs, attributes=(("axis", axis),))

    def lower_backward(self, scope: BackwardScope) -> tuple[str | None, ...]:
        """Emit a ``slice`` of the error for every input that asks."""
        axis = axis_of(self.axis, scope.output_shape)
        errors: list[str | None] = []
        start = 0
        for index, (shape, needed) in enumerate(zip(scope.input_shapes, scope.needs, strict=True)):
            stop = start + shape[axis]
            taken = (("axis", 1 + axis), ("start", start), ("step", 1), ("stop", stop))
            errors.append(
                scope.vector(
                    "slice", (scope.error,), f"{scope.name}.error{index}",
                    shape=scope.input_shape(index), attributes=taken,
                    output_format=scope.recipe.storage_format,
                )
                if needed
                else None
            )  # fmt: skip
            start = stop
        return tuple(errors)

    def reference(
        self, inputs: Sequence[Float64Array], parameters: Mapping[str, Float64Array]
    ) -> Float64Array:
        """Concatenate, a constant repeated for every sample."""
        del parameters
        batch = max(map(len, inputs))
        repeated = [np.broadcast_to(x, (batch, *x.shape[1:])) for x in inputs]
        return np.concatenate(repeated, axis=1 + axis_of(self.axis, inputs[0].shape[1:]))


class Slice(Layer):
    """A part of a tensor along one axis, which passes the vector unit once.

    Several of them, on one input, are a split.
    """

    kind: Literal["slice"] = "slice"
    axis: Axis = -1
    """Axis of a sample; the last one is that of channels."""
    start: Place = 0
    """First element; negative counts from the end."""
    stop: Place | None = None
    """End, itself not taken; negative counts from the end, null is the end."""
    step: Extent = 1
    """Every so many elements."""

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """Return the input's shape with the extent along the axis replaced."""
        axis, taken = self._taken(inputs[0])
        return (*inputs[0][:axis], len(taken), *inputs[0][axis + 1 :])

    def is_alias(self, inputs: Sequence[Shape]) -> bool:
        """Return whether everything is taken."""
        return self.output_shape(inputs) == inputs[0]

    def lower_forward(self, scope: LayerScope) -> str:
        """Emit one ``slice``, or nothing where everything is taken."""
        if self.is_alias(scope.input_shapes):
            return scope.inputs[0]
        return scope.vector(
            "slice", scope.inputs, attributes=self._attributes(scope.input_shapes[0])
        )

    def lower_backward(self, scope: BackwardScope) -> tuple[str | None, ...]:
        """Emit one ``slice_backward``."""
        if self.is_alias(scope.input_shapes):
            return (scope.error,)
        shape = scope.input_shapes[0]
        extent = ("extent", shape[axis_of(self.axis, shape)])
        attributes = (extent, *self._attributes(shape))
        return (scope.input_error("slice_backward", (scope.error,), attributes=attributes),)

    def reference(
        self, inputs: Sequence[Float64Array], parameters: Mapping[str, Float64Array]
    ) -> Float64Array:
        """Take the elements."""
        del parameters
        axis = 1 + axis_of(self.axis, inputs[0].shape[1:])
        return inputs[0][(*(slice(None),) * axis, slice(self.start, self.stop, self.step))]

    def _taken(self, shape: Shape) -> tuple[int, range]:
        axis = axis_of(self.axis, shape)
        taken = range(*slice(self.start, self.stop, self.step).indices(shape[axis]))
        if not taken:
            raise ShapeError(
                f"it takes elements {self.start} to {self.stop} of {shape[axis]} along axis "
                f"{self.axis}, which are none"
            )
        return axis, taken

    def _attributes(self, shape: Shape) -> tuple[tuple[str, int], ...]:
        axis, taken = self._taken(shape)
        return (
            ("axis", 1 + axis), ("start", taken.start), ("step", taken.step), ("stop", taken.stop)
        )  # fmt: skip


def axis_of(axis: int, shape: Shape) -> int:
    """Return an axis of a sample, counted from the first.

    Raises
    ------
    ShapeError
        If the sample has no such axis.
    """
    place = axis + len(shape) if axis < 0 else axis
    if not 0 <= place < len(shape):
        raise ShapeError(f"it has no axis {axis}; the batch left out, there are {len(shape)}")
    return place
