"""Where tiles lie, against the addresses of their elements, written out one by one."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from accelsim.formats import get_format
from accelsim.timing.addresses import Access, Layout, streamed, tile_layout
from accelsim.workload.ops import Operand
from accelsim.workload.views import ConvolutionView, MatrixView

BYTE = get_format("fp8_e5m2")


def bytes_of(layout: Layout, size: int) -> list[int]:
    runs = Access(layout, 0, size).runs()
    return [at for start, count in runs for at in range(start, start + count)]


@pytest.mark.parametrize(("transposed", "interleaved"), list(product((False, True), repeat=2)))
@pytest.mark.parametrize(
    ("rows", "columns"), [((0, 4), (0, 6)), ((1, 3), (2, 5)), ((3, 4), (0, 6))]
)
def test_a_tile_of_a_matrix_is_its_elements(
    transposed: bool, interleaved: bool, rows: tuple[int, int], columns: tuple[int, int]
) -> None:
    """Elements numbered as stored, seen through the view, and cut out."""
    view = MatrixView((48,), 2, 4, 6, transposed=transposed, interleaved=interleaved)
    stored = np.arange(48.0)
    wanted = view.gather(stored)[1, slice(*rows), slice(*columns)]
    layout = tile_layout(Operand("x", view, BYTE), 1, rows, columns)
    assert bytes_of(layout, wanted.size) == sorted(int(x) for x in wanted.flat)


@pytest.mark.parametrize("channels", [(0, 8), (2, 6)])
def test_a_tile_of_pixels_is_their_channels(channels: tuple[int, int]) -> None:
    """A 1 x 1 convolution reads pixels in order, all or some of 8 channels."""
    view = ConvolutionView(1, 3, 4, 8, (1, 1))
    stored = np.arange(96.0)
    wanted = view.gather(stored)[0, 5:9, slice(*channels)]
    layout = tile_layout(Operand("x", view, BYTE), 0, (5, 9), channels)
    assert bytes_of(layout, wanted.size) == [int(x) for x in wanted.flat]


def test_windows_begin_at_their_first_pixel() -> None:
    """Window (1, 2) of a 3 x 3 convolution with padding 1 begins at pixel (0, 1)."""
    view = ConvolutionView(1, 4, 4, 8, (3, 3), padding=(1, 1))
    layout = tile_layout(Operand("x", view, BYTE), 0, (1 * 4 + 2, 8), (0, 72), base=1000)
    assert layout.start == 1000 + (0 * 4 + 1) * 8


def test_parts_of_a_stream_are_all_of_it() -> None:
    parts = [streamed(at, 3, 100, 7) for at in range(3)]
    found = [byte for (access,) in parts for start, size in access.runs()
             for byte in range(start, start + size)]  # fmt: skip
    assert found == list(range(7, 107))
    assert streamed(0, 3, 0, 7) == ()
