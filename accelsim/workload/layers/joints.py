"""Layers that join tensors element by element: sum, difference, product, quotient.

Shapes broadcast as in NumPy, sample by sample: axes are aligned at the last one, and an
extent of 1 stands for any other. The error of an input that was repeated is the ordered
sum over its copies, in the recipe's format for statistics.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from types import MappingProxyType
from typing import ClassVar, Literal

import numpy as np

from accelsim.errors import ShapeError
from accelsim.workload.backward_scope import BackwardScope
from accelsim.workload.layers.base import Float64Array, Layer, Shape
from accelsim.workload.saved_activations import saved
from accelsim.workload.scope import LayerScope
from accelsim.workload.shape_functions import aligned_shape, broadcast_shape

#: Stands for the batch where a shape leaves it out.
_BATCH = (1,)


class Joint(Layer):
    """What the joints have in common."""

    input_count: ClassVar[int | None] = None
    elementwise: ClassVar[bool] = True
    #: What a joint of two inputs does to them, in error texts.
    verb: ClassVar[str]

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """Return the shape that the inputs have together."""
        if len(inputs) != 2:
            raise ShapeError(
                f"it {self.verb} two inputs and is given {len(inputs)}; name both in inputs"
            )
        return common_shape(inputs)

    def lower_forward(self, scope: LayerScope) -> str:
        """Emit one vector op."""
        return scope.vector(_FUNCTIONS[self.kind], scope.inputs)

    def reference(
        self, inputs: Sequence[Float64Array], parameters: Mapping[str, Float64Array]
    ) -> Float64Array:
        """Combine the inputs, broadcast."""
        del parameters
        rank = max(x.ndim for x in inputs)
        aligned = [x.reshape(aligned_shape(x.shape, rank)) for x in inputs]
        return reduce(_OPERATIONS[self.kind], aligned)


class Add(Joint):
    """Sum of two tensors or more, from the first to the last: the joint of a residual block."""

    verb: ClassVar[str] = "adds"

    kind: Literal["add"] = "add"

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """Return the shape that the inputs have together."""
        if len(inputs) < 2:
            return super().output_shape(inputs)
        return common_shape(inputs)

    def lower_forward(self, scope: LayerScope) -> str:
        """Emit one ``add`` for every input after the first."""
        total, shape = scope.inputs[0], (scope.batch, *scope.input_shapes[0])
        for index, name in enumerate(scope.inputs[1:], start=1):
            together = broadcast_shape([shape, (scope.batch, *scope.input_shapes[index])])
            assert together is not None, "output_shape has joined these shapes"
            is_last = index == len(scope.inputs) - 1
            suffix = "" if is_last else f":{index}"
            total = scope.vector("add", (total, name), suffix=suffix, label=suffix, shape=together)
            shape = together
        return total

    def lower_backward(self, scope: BackwardScope) -> tuple[str | None, ...]:
        """Emit sums over copies where there are any: the error of all inputs is the output's."""
        return tuple(
            share_of_input(scope, index, scope.error) if needed else None
            for index, needed in enumerate(scope.needs)
        )


class Subtract(Joint):
    """Difference of two tensors: the first minus the second."""

    verb: ClassVar[str] = "subtracts"

    kind: Literal["sub"] = "sub"

    def lower_backward(self, scope: BackwardScope) -> tuple[str | None, ...]:
        """Emit the error of the second input: that of the output, negative."""
        first = share_of_input(scope, 0, scope.error) if scope.needs[0] else None
        if not scope.needs[1]:
            return (first, None)
        negative = _full_error(scope, 1, "negate", (scope.error,))
        return (first, share_of_input(scope, 1, negative))


class Multiply(Joint):
    """Product of two tensors, element by element."""

    verb: ClassVar[str] = "multiplies"

    kind: Literal["mul"] = "mul"

    def lower_backward(self, scope: BackwardScope) -> tuple[str | None, ...]:
        """Emit, for each input, the output's error times the other one."""
        errors: list[str | None] = []
        for index, needed in enumerate(scope.needs):
            if not needed:
                errors.append(None)
                continue
            other = saved(scope.builder, scope.inputs[1 - index])
            made = _full_error(scope, index, "multiply", (scope.error, other))
            errors.append(share_of_input(scope, index, made))
        return tuple(errors)


class Divide(Joint):
    """Quotient of two tensors, the first by the second; x / 0 is infinite, 0 / 0 NaN."""

    verb: ClassVar[str] = "divides"

    kind: Literal["div"] = "div"

    def lower_backward(self, scope: BackwardScope) -> tuple[str | None, ...]:
        """Emit error / b for the first input, and -error * y / b for the second."""
        first = second = None
        divisor = scope.inputs[1]
        if scope.needs[0]:
            made = _full_error(scope, 0, "divide", (scope.error, divisor))
            first = share_of_input(scope, 0, made)
        if scope.needs[1]:
            inputs = (scope.error, scope.output, divisor)
            second = share_of_input(scope, 1, _full_error(scope, 1, "divide_backward", inputs))
        return (first, second)


def common_shape(inputs: Sequence[Shape]) -> Shape:
    """Return the shape that samples have together.

    Raises
    ------
    ShapeError
        If their extents differ where none of them is 1.
    """
    shape = broadcast_shape([_BATCH + one for one in inputs])
    if shape is None:
        raise ShapeError(
            f"its inputs have different shapes, {' and '.join(map(str, inputs))}; a 1 x 1 "
            "convolution with the right stride and out_channels makes them equal, and an "
            "extent of 1 stands for any"
        )
    return shape[1:]


def share_of_input(scope: BackwardScope, index: int, error: str) -> str:
    """Return the error of an input, given one of the output's shape: summed over its copies."""
    shape, made = scope.input_shape(index), scope.builder.tensors[error].shape
    if math.prod(shape) != math.prod(made):
        aligned = aligned_shape(shape, len(made))
        error = scope.vector(
            "broadcast_sum",
            (error,),
            f"{scope.name}.error{index}",
            shape=aligned,
            compute_format=scope.recipe.vector.statistics,
            output_format=scope.recipe.storage_format,
            attributes=(("shape", aligned),),
        )
    return scope.builder.reshaped(error, shape)


def _full_error(scope: BackwardScope, index: int, function: str, inputs: tuple[str, ...]) -> str:
    """Emit an op that makes the error of an input as if it had the output's shape."""
    shape = scope.builder.tensors[scope.output].shape
    is_summed = math.prod(scope.input_shape(index)) != math.prod(shape)
    return scope.vector(
        function,
        inputs,
        f"{scope.name}.error{index}{':copies' if is_summed else ''}",
        shape=shape,
        output_format=scope.recipe.storage_format,
    )


_FUNCTIONS: Mapping[str, str] = MappingProxyType(
    {"add": "add", "div": "divide", "mul": "multiply", "sub": "subtract"}
)
_OPERATIONS: Mapping[str, Callable[[Float64Array, Float64Array], Float64Array]] = MappingProxyType(
    {"add": np.add, "div": np.divide, "mul": np.multiply, "sub": np.subtract}
)
