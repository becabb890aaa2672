"""Views: what a convolution reads, and how many stored elements that is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelsim.workload import ConvolutionView, MatrixView


def windows_one_by_one(view: ConvolutionView, tensor: np.ndarray) -> np.ndarray:
    """The definition: every window element by its own index arithmetic."""
    x = tensor.reshape(view.batch, view.height, view.width, view.channels)
    per_group = view.channels // view.groups
    k = view.kernel[0] * view.kernel[1] * per_group
    out = np.zeros((view.groups, view.batch * view.out_height * view.out_width, k), x.dtype)
    for group in range(view.groups):
        for row in range(out.shape[1]):
            image, pixel = divmod(row, view.out_height * view.out_width)
            out_y, out_x = divmod(pixel, view.out_width)
            for column in range(k):
                tap, channel = divmod(column, per_group)
                tap_y, tap_x = divmod(tap, view.kernel[1])
                y = out_y * view.stride[0] - view.padding[0] + tap_y * view.dilation[0]
                column_x = out_x * view.stride[1] - view.padding[1] + tap_x * view.dilation[1]
                if 0 <= y < view.height and 0 <= column_x < view.width:
                    out[group, row, column] = x[image, y, column_x, group * per_group + channel]
    return out


@st.composite
def convolution_views(draw: st.DrawFn) -> ConvolutionView:
    small = st.integers(1, 3)
    kernel = (draw(small), draw(small))
    dilation = (draw(st.integers(1, 2)), draw(st.integers(1, 2)))
    padding = (draw(st.integers(0, 2)), draw(st.integers(0, 2)))
    padding_end = draw(st.none() | st.tuples(st.integers(0, 3), st.integers(0, 3)))
    ends = padding_end or padding
    reach = [dilation[axis] * (kernel[axis] - 1) + 1 for axis in (0, 1)]
    groups = draw(st.integers(1, 2))
    return ConvolutionView(
        batch=draw(st.integers(1, 3)),
        height=draw(st.integers(max(1, reach[0] - padding[0] - ends[0]), 7)),
        width=draw(st.integers(max(1, reach[1] - padding[1] - ends[1]), 7)),
        channels=groups * draw(small),
        kernel=kernel,
        stride=(draw(small), draw(small)),
        padding=padding,
        dilation=dilation,
        groups=groups,
        padding_end=padding_end,
    )


def numbered(view: ConvolutionView) -> np.ndarray:
    """A tensor whose elements are 1, 2, 3...: 0 is padding."""
    shape = (view.batch, view.height, view.width, view.channels)
    return np.arange(1, 1 + np.prod(shape), dtype=np.float64).reshape(shape)


@settings(max_examples=60, deadline=None)
@given(convolution_views())
def test_gather_reads_what_the_index_arithmetic_says(view: ConvolutionView) -> None:
    tensor = numbered(view)
    np.testing.assert_array_equal(view.gather(tensor), windows_one_by_one(view, tensor))


@settings(max_examples=150, deadline=None)
@given(convolution_views(), st.data())
def test_footprint_equals_a_count_of_distinct_elements(
    view: ConvolutionView, data: st.DataObject
) -> None:
    matrix = view.gather(numbered(view))[0]
    rows = sorted(data.draw(st.tuples(*[st.integers(0, matrix.shape[0])] * 2)))
    columns = sorted(data.draw(st.tuples(*[st.integers(0, matrix.shape[1])] * 2)))
    block = matrix[slice(*rows), slice(*columns)]
    distinct = np.count_nonzero(np.unique(block))
    assert view.footprint(tuple(rows), tuple(columns)) == distinct


def test_stride_two_pointwise_touches_a_quarter_of_the_pixels() -> None:
    view = ConvolutionView(1, 56, 56, 256, kernel=(1, 1), stride=(2, 2))
    assert view.footprint((0, 28 * 28), (0, 256)) == 28 * 28 * 256


def test_halo_counts_once() -> None:
    # Two rows of 3 x 3 windows over a map 6 wide read four rows of it.
    view = ConvolutionView(1, 6, 6, 2, kernel=(3, 3))
    assert view.footprint((0, 2 * 4), (0, 18)) == 4 * 6 * 2


def test_footprint_of_a_whole_padded_map_is_the_map() -> None:
    view = ConvolutionView(4, 14, 14, 256, kernel=(3, 3), padding=(1, 1))
    assert view.footprint((0, 4 * 14 * 14), (0, 9 * 256)) == 4 * 14 * 14 * 256


@pytest.mark.parametrize(
    "view",
    [
        MatrixView((2, 3, 4), groups=2, rows=3, columns=4),
        MatrixView((2, 4, 3), groups=2, rows=3, columns=4, transposed=True),
        MatrixView((3, 8), groups=2, rows=3, columns=4, interleaved=True),
    ],
)
def test_scatter_undoes_gather(view: MatrixView) -> None:
    tensor = np.arange(24.0).reshape(view.shape)
    gathered = view.gather(tensor)
    assert gathered.shape == (2, 3, 4)
    np.testing.assert_array_equal(view.scatter(gathered), tensor)


def test_a_convolution_view_cannot_be_written() -> None:
    view = ConvolutionView(1, 3, 3, 1, kernel=(2, 2))
    with pytest.raises(TypeError, match=r"^a convolution view can only be read$"):
        view.scatter(np.zeros((1, 4, 4)))


def test_padding_at_the_end_is_not_stored() -> None:
    # "Same" padding of 6 pixels, kernel 3, step 2: windows begin at 0, 2 and 4 and the last reads
    # one zero. Every pixel is read; the last window alone reads 2 of 3 rows, 6 pixels wide.
    view = ConvolutionView(
        batch=1, height=6, width=6, channels=4, kernel=(3, 3), stride=(2, 2),
        padding=(0, 0), padding_end=(1, 1),
    )  # fmt: skip
    assert view.raster == (3, 3)
    assert view.footprint((0, 9), (0, 36)) == 6 * 6 * 4
    assert view.footprint((6, 9), (0, 36)) == 2 * 6 * 4
    assert view.footprint((8, 9), (0, 36)) == 2 * 2 * 4


def test_a_depthwise_gather_is_that_of_its_definition_in_any_layout() -> None:
    view = ConvolutionView(
        batch=2, height=5, width=6, channels=3, kernel=(3, 2), stride=(2, 1),
        padding=(1, 0), padding_end=(0, 2), dilation=(1, 2), groups=3,
    )  # fmt: skip
    tensor = numbered(view)
    turned = np.asfortranarray(tensor)
    np.testing.assert_array_equal(view.gather(tensor), windows_one_by_one(view, tensor))
    np.testing.assert_array_equal(view.gather(turned), windows_one_by_one(view, tensor))
