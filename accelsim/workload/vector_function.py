"""What a function of the vector unit is, and how many elements it visits."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from accelsim.workload.ops import Attribute

Shape = tuple[int, ...]

#: Attribute ``scaling`` of a ``store`` whose format finds its scales in the tensor.
SCALED_BY_FORMAT = "format"
#: Attribute ``scaling`` of a ``store`` that clips where the direction changes least.
SCALED_BY_DIRECTION = "direction"
#: Thresholds that such a store tries, each of them 2**-0.5 of the one before.
CLIPPING_THRESHOLDS = 8


@dataclass(frozen=True, slots=True)
class VectorFunction:
    """What a function takes, gives, and how many elements it visits.

    Parameters
    ----------
    name : str
        Name used in `VectorOp.function`.
    inputs : tuple of str
        Names of the inputs, in order.
    outputs : tuple of str
        Names of the outputs, in order; those after the first may be left out.
    attributes : tuple of str
        Names of the attributes that an op may carry.
    elementwise : bool
        Every output element depends on one position of its inputs, so the op can
        work on its producer's write-back.
    visits : callable
        ``visits(input shape, output shape, attributes)``: element operations of the
        vector unit.
    is_variadic : bool
        The function takes one input or more of the kind that `inputs` names.
    splits : bool
        The function makes a tensor for every index of the second axis of its input.
    gathers : bool
        Of its second input it reads as many elements as it makes, not all.
    extends : bool
        Its first input stays where it is as the beginning of its output, so that neither
        that is read nor this is written but for the rest.
    """

    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: tuple[str, ...]
    elementwise: bool
    visits: Callable[[Shape, Shape, Mapping[str, Attribute]], int]
    is_variadic: bool = False
    splits: bool = False
    gathers: bool = False
    extends: bool = False


def per_output(_x: Shape, y: Shape, _attributes: Mapping[str, Attribute]) -> int:
    """Count one visit for every element of the output."""
    return math.prod(y)


def per_input(x: Shape, _y: Shape, _attributes: Mapping[str, Attribute]) -> int:
    """Count one visit for every element of the first input."""
    return math.prod(x)


def per_window_tap(_x: Shape, y: Shape, attributes: Mapping[str, Attribute]) -> int:
    """Count one visit for every element of every window that the output stands for."""
    kernel = attributes["kernel"]
    assert isinstance(kernel, tuple)
    return math.prod(y) * int(kernel[0]) * int(kernel[1])


def neighbour_passes(x: Shape, _y: Shape, attributes: Mapping[str, Attribute]) -> int:
    """Count a visit for every neighbour of every element, and three more for the element."""
    size = attributes["size"]
    assert isinstance(size, int)
    passes = 3  # square; power; quotient
    return (size + passes) * math.prod(x)


def softmax_passes(x: Shape, _y: Shape, _attributes: Mapping[str, Attribute]) -> int:
    """Count three visits for every element."""
    passes = 3  # largest; exponential and sum; division
    return passes * math.prod(x)


def logistic_passes(x: Shape, _y: Shape, _attributes: Mapping[str, Attribute]) -> int:
    """Count three visits for every element."""
    passes = 3  # exponential; logarithm or quotient; difference to the target and its factor
    return passes * math.prod(x)


def store_passes(_x: Shape, y: Shape, attributes: Mapping[str, Attribute]) -> int:
    """Count one visit for every element, and one more where a scale is looked for."""
    scaling = attributes.get("scaling", "none")
    passes = {"none": 1, SCALED_BY_DIRECTION: 2 + CLIPPING_THRESHOLDS}
    return math.prod(y) * passes.get(str(scaling), 2)  # a scale needs a pass of its own


def per_window_tap_of_input(x: Shape, _y: Shape, attributes: Mapping[str, Attribute]) -> int:
    """Count one visit for every element of every window that the first input stands for."""
    return per_window_tap((), x, attributes)
