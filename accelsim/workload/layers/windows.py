"""Counting the windows of a convolution or a pooling layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from accelsim.errors import ShapeError

Shape = tuple[int, ...]


class Windowed(Protocol):
    """Anything with a sliding window."""

    @property
    def kernel(self) -> tuple[int, int]:
        """Window height and width, in taps."""

    @property
    def stride(self) -> tuple[int, int]:
        """Vertical and horizontal step."""

    @property
    def padding(self) -> tuple[int, int]:
        """Elements added on each side."""

    @property
    def dilation(self) -> tuple[int, int]:
        """Distance between taps."""


def map_shape(inputs: Sequence[Shape]) -> tuple[int, int, int]:
    """Return the one input's (height, width, channels); ShapeError if it is no map."""
    shape = inputs[0]
    if len(shape) != 3:
        raise ShapeError(f"it takes a map (height, width, channels) and is given the shape {shape}")
    return shape[0], shape[1], shape[2]


def window_count(extents: tuple[int, int], layer: Windowed) -> tuple[int, int]:
    """Return how many windows fit, vertically and horizontally, as PyTorch counts them.

    Raises
    ------
    ShapeError
        If not one window fits; says how much padding would help.
    """
    counts = []
    words = ("height", "width")
    for axis, extent in enumerate(extents):
        reach = layer.dilation[axis] * (layer.kernel[axis] - 1) + 1
        room = extent + 2 * layer.padding[axis] - reach
        if room < 0:
            raise ShapeError(
                f"its window spans {reach} in {words[axis]}, and the padded input has "
                f"{extent + 2 * layer.padding[axis]}; use a padding of at least "
                f"{-(-(reach - extent) // 2)} or a smaller kernel"
            )
        counts.append(room // layer.stride[axis] + 1)
    return counts[0], counts[1]
