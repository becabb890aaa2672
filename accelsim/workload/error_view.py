"""How the errors of a convolution's output look to the pixels of its input."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelsim.workload.window_footprint import touched_elements

Array = NDArray[np.floating[Any]]
Range = tuple[int, int]


@dataclass(frozen=True, slots=True)
class ErrorView:
    """The errors that reach every input pixel of a convolution, through every tap.

    The tensor is the error of the convolution's output, channels last. Rows are
    (batch, y, x) of the *input*, columns (kernel_y, kernel_x, out_channel within the
    group), last fastest: the element is the error of the output pixel that read (y, x)
    through that tap, or zero where there is none, because of a stride or at a border.
    Times the weights (kernel_y, kernel_x, out_channel) by in_channel that is the
    convolution of the errors with the flipped kernel, strides filled with zeros.

    Parameters
    ----------
    batch, height, width : int
        Of the convolution's input.
    channels : int
        Channels of its output, all groups.
    kernel, stride, padding, dilation : (int, int)
        Of the convolution.
    groups : int
        Divides `channels`.
    padding_end : (int, int), optional
        Of the convolution; its `padding` where it is None.
    """

    batch: int
    height: int
    width: int
    channels: int
    kernel: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1
    padding_end: tuple[int, int] | None = None

    @property
    def ends(self) -> tuple[int, int]:
        """Padding of the convolution after its input's last row and column."""
        return self.padding if self.padding_end is None else self.padding_end

    @property
    def error_extents(self) -> tuple[int, int]:
        """Height and width of the stored error."""
        return self._windows(0), self._windows(1)

    @property
    def raster(self) -> tuple[int, int]:
        """Extents of the raster of rows of one image: those of the convolution's input."""
        return self.height, self.width

    def gather(self, tensor: Array) -> Array:
        """Return the array (groups, batch y x, kernel_y kernel_x out_channel)."""
        error = tensor.reshape(self.batch, *self.error_extents, self.channels)
        is_padded = any((*self.padding, *self.ends))
        if self.kernel == self.stride == (1, 1) and not is_padded and self.groups == 1:
            return error.reshape(1, -1, self.channels)
        spread = self._spread(error)
        start = tuple(self.padding[axis] + self._margin(axis) for axis in (0, 1))
        first = spread[:, start[0] :, start[1] :]
        per_group = self.channels // self.groups
        step = spread.strides
        shape = (
            self.batch, self.height, self.width, *self.kernel, self.groups, per_group,
        )  # fmt: skip
        strides = (
            *step[:3], -self.dilation[0] * step[1], -self.dilation[1] * step[2],
            step[3] * per_group, step[3],
        )  # fmt: skip
        taps = np.lib.stride_tricks.as_strided(first, shape, strides, writeable=False)
        grouped = taps.transpose(5, 0, 1, 2, 3, 4, 6)  # (groups, b, y, x, ky, kx, c)
        return grouped.reshape(self.groups, self.batch * self.height * self.width, -1)

    def scatter(self, matrices: Array) -> Array:
        """Refuse: an error stands in many rows."""
        raise TypeError("an error view can only be read")

    def footprint(self, rows: Range, columns: Range) -> int:
        """Return how many stored elements a block touches, each counted once."""
        return touched_elements(self, rows, columns)

    def position(self, axis: int, window: int, tap: int) -> int | None:
        """Return which error along an axis read a pixel through a tap; None if there is none."""
        place, rest = divmod(
            window + self.padding[axis] - tap * self.dilation[axis], self.stride[axis]
        )
        return place if rest == 0 and 0 <= place < self._windows(axis) else None

    def _windows(self, axis: int) -> int:
        reach = self.dilation[axis] * (self.kernel[axis] - 1) + 1
        extent = (self.height, self.width)[axis]
        return (extent + self.padding[axis] + self.ends[axis] - reach) // self.stride[axis] + 1

    def _margin(self, axis: int) -> int:
        """Return the zeros before the first error: no pixel reads further ahead."""
        return max(0, self.dilation[axis] * (self.kernel[axis] - 1) - self.padding[axis])

    def _spread(self, error: Array) -> Array:
        """Return the errors a stride apart, between zeros wherever a tap can reach."""
        extents, slices = [], []
        for axis in (0, 1):
            margin, count = self._margin(axis), self._windows(axis)
            reached = (self.height, self.width)[axis] + self.padding[axis]
            extents.append(margin + max(reached, (count - 1) * self.stride[axis] + 1))
            slices.append(slice(margin, margin + (count - 1) * self.stride[axis] + 1,
                                self.stride[axis]))  # fmt: skip
        spread = np.zeros((self.batch, *extents, self.channels), error.dtype)
        spread[:, slices[0], slices[1]] = error
        return spread
