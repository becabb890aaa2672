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
        """Elements added before the first row and column."""

    @property
    def padding_end(self) -> tuple[int, int] | None:
        """Elements added after the last row and column; None for as many as before."""

    @property
    def dilation(self) -> tuple[int, int]:
        """Distance between taps."""


def map_shape(inputs: Sequence[Shape]) -> tuple[int, int, int]:
    """Return the one input's (height, width, channels); ShapeError if it is no map."""
    shape = inputs[0]
    if len(shape) != 3:
        raise ShapeError(f"it takes a map (height, width, channels) and is given the shape {shape}")
    return shape[0], shape[1], shape[2]


def end_padding(layer: Windowed) -> tuple[int, int]:
    """Return the elements added after the last row and column."""
    return layer.padding if layer.padding_end is None else layer.padding_end


def window_count(
    extents: tuple[int, int], layer: Windowed, *, overhang: tuple[int, int] = (0, 0)
) -> tuple[int, int]:
    """Return how many windows fit, vertically and horizontally, as PyTorch counts them.

    Parameters
    ----------
    extents : (int, int)
        Height and width.
    layer : Windowed
        What slides.
    overhang : (int, int)
        By how much windows may reach over the padded end.

    Raises
    ------
    ShapeError
        If not one window fits; says how much padding would help.
    """
    counts, ends = [], end_padding(layer)
    words = ("height", "width")
    for axis, extent in enumerate(extents):
        reach = layer.dilation[axis] * (layer.kernel[axis] - 1) + 1
        padded = extent + layer.padding[axis] + ends[axis]
        room = padded + overhang[axis] - reach
        if room < 0:
            raise ShapeError(
                f"its window spans {reach} in {words[axis]}, and the padded input has "
                f"{padded}; use a padding of at least "
                f"{-(-(reach - extent) // 2)} or a smaller kernel"
            )
        counts.append(room // layer.stride[axis] + 1)
    return counts[0], counts[1]


def ceiling_overhang(extents: tuple[int, int], layer: Windowed) -> tuple[int, int]:
    """Return by how much windows reach over the padded end where counts are rounded up.

    No window may begin beyond the map and the padding before it, as in PyTorch.
    """
    overhangs = []
    for axis, (extent, end) in enumerate(zip(extents, end_padding(layer), strict=True)):
        reach = layer.dilation[axis] * (layer.kernel[axis] - 1) + 1
        step, begin = layer.stride[axis], extent + layer.padding[axis]
        room = begin + end - reach
        last = -(-room // step)  # where the last window begins, in steps
        if last * step >= begin:
            last -= 1
        overhangs.append(max(0, last * step - room))
    return overhangs[0], overhangs[1]
