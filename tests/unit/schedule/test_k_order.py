"""Orders of k that are not plain, and the views that go with them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accelsim.errors import MappingError
from accelsim.schedule.k_order import covers, k_nest, position_at, positions_in_order
from accelsim.schedule.kernel_rows import KernelRows, activation_reuse, in_order
from accelsim.testing.check_dataflow import example_gemm
from accelsim.workload.views import ConvolutionView


@st.composite
def windows(draw: st.DrawFn) -> ConvolutionView:
    return ConvolutionView(
        batch=draw(st.integers(1, 2)),
        height=draw(st.integers(3, 7)),
        width=draw(st.integers(3, 6)),
        channels=draw(st.integers(1, 6)),
        kernel=(draw(st.integers(1, 3)), draw(st.integers(1, 3))),
        stride=(draw(st.integers(1, 2)), draw(st.integers(1, 2))),
        padding=(1, 1),
    )


def test_kernel_rows_of_two_channel_tiles_by_hand() -> None:
    # k = (ky * 2 + kx) * 4 + c for a 2 x 2 kernel of 4 channels; tiles of 2 channels.
    rows = KernelRows(kernel_height=2, kernel_width=2, channels=4, out_width=5)
    expected = [0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15]
    assert positions_in_order(rows.nest(2), 16).tolist() == expected


def test_all_channels_in_an_element_are_plain_order() -> None:
    assert KernelRows(3, 3, 4, 5).nest(4) == ()
    assert KernelRows(1, 1, 12, 1).nest(3) == ()


@given(view=windows(), data=st.data())
def test_order_of_kernel_rows_is_three_loops_and_a_tile(
    view: ConvolutionView, data: st.DataObject
) -> None:
    rows = KernelRows(*view.kernel, view.channels, view.out_width)
    tile = data.draw(st.sampled_from([t for t in range(1, 7) if view.channels % t == 0]))
    height, width = view.kernel
    expected = [
        (ky * width + kx) * view.channels + first + c
        for first in range(0, view.channels, tile)
        for ky in range(height)
        for kx in range(width)
        for c in range(tile)
    ]
    nest, k = rows.nest(tile), height * width * view.channels
    assert positions_in_order(nest, k).tolist() == expected
    assert [position_at(nest, at) for at in range(k)] == expected
    assert covers(nest, k)


@given(view=windows(), data=st.data())
def test_footprint_of_kernel_rows_counts_each_stored_element_once(
    view: ConvolutionView, data: st.DataObject
) -> None:
    """Against the elements that the windows read, gathered from a map of distinct numbers."""
    import numpy as np

    k = view.kernel[0] * view.kernel[1] * view.channels
    m = view.batch * view.out_height * view.out_width
    op = example_gemm(m, 1, k, a_view=view)
    tile = data.draw(st.sampled_from([t for t in range(1, 7) if view.channels % t == 0]))
    nest = KernelRows.of(op).nest(tile)
    line = view.kernel[1] * tile
    lines = k // line
    first = data.draw(st.integers(0, lines - 1))
    last = data.draw(st.integers(first + 1, lines))
    top = data.draw(st.integers(0, m - 1))
    bottom = data.draw(st.integers(top + 1, m))
    size = view.batch * view.height * view.width * view.channels
    seen = in_order(op, nest).a.view
    read = seen.gather(np.arange(1.0, size + 1))[0]
    if not nest:
        read = read[:, positions_in_order(nest, k)]
    block = read[top:bottom, first * line : last * line]
    expected = len(set(block.ravel()) - {0.0})
    assert seen.footprint((top, bottom), (first * line, last * line)) == expected


def test_loops_that_miss_a_position_are_refused() -> None:
    with pytest.raises(ValueError, match="do not visit 8 positions once each"):
        positions_in_order(k_nest([(2, 2), (2, 1)][::-1]), 8)


def test_other_orders_of_a_convolution_have_no_known_footprint() -> None:
    view = ConvolutionView(batch=1, height=4, width=4, channels=2, kernel=(2, 2))
    op = example_gemm(9, 1, 8, a_view=view)
    with pytest.raises(MappingError, match="its own order or kernel row by kernel row"):
        in_order(op, k_nest([(2, 2), (2, 1), (2, 4)]))


def test_an_activation_is_used_once_for_every_window_that_reads_it() -> None:
    # 3 x 3 windows one apart over a large map: nine products each, fewer at the border.
    view = ConvolutionView(batch=1, height=64, width=64, channels=2, kernel=(3, 3), padding=(1, 1))
    assert activation_reuse(example_gemm(64 * 64, 1, 18, a_view=view)) == 9
    assert activation_reuse(example_gemm(4, 4, 18)) == 1
