"""Views of the backward GEMMs, against their index arithmetic written out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelsim.workload import MatrixView
from accelsim.workload.error_view import ErrorView


@st.composite
def error_views(draw: st.DrawFn) -> ErrorView:
    small = st.integers(1, 3)
    kernel, stride = (draw(small), draw(small)), (draw(small), draw(small))
    dilation = (draw(st.integers(1, 2)), draw(st.integers(1, 2)))
    padding = (draw(st.integers(0, 3)), draw(st.integers(0, 3)))
    reach = [dilation[axis] * (kernel[axis] - 1) + 1 for axis in (0, 1)]
    padding_end = draw(st.none() | st.tuples(st.integers(0, 3), st.integers(0, 3)))
    ends = padding_end or padding
    least = [max(1, reach[axis] - padding[axis] - ends[axis]) for axis in (0, 1)]
    extents = [draw(st.integers(least[axis], 7)) for axis in (0, 1)]
    groups = draw(st.integers(1, 2))
    return ErrorView(
        batch=draw(st.integers(1, 2)),
        height=extents[0],
        width=extents[1],
        channels=groups * draw(small),
        kernel=kernel,
        stride=stride,
        padding=padding,
        dilation=dilation,
        groups=groups,
        padding_end=padding_end,
    )


def spread_by_output_pixels(view: ErrorView, error: np.ndarray) -> np.ndarray:
    """The definition, from the other side: every output pixel sends its error to what it read."""
    per_group = view.channels // view.groups
    taps = view.kernel[0] * view.kernel[1]
    rows = view.batch * view.height * view.width
    seen = np.zeros((view.groups, rows, taps * per_group), error.dtype)
    for image, out_y, out_x, channel in np.ndindex(*error.shape):
        group, inner = divmod(channel, per_group)
        for tap in range(taps):
            tap_y, tap_x = divmod(tap, view.kernel[1])
            y = out_y * view.stride[0] - view.padding[0] + tap_y * view.dilation[0]
            x = out_x * view.stride[1] - view.padding[1] + tap_x * view.dilation[1]
            if 0 <= y < view.height and 0 <= x < view.width:
                row = (image * view.height + y) * view.width + x
                seen[group, row, tap * per_group + inner] = error[image, out_y, out_x, channel]
    return seen


def numbered(view: ErrorView) -> np.ndarray:
    """An error whose elements are 1, 2, 3...: 0 is no error at all."""
    shape = (view.batch, *view.error_extents, view.channels)
    return np.arange(1, 1 + np.prod(shape), dtype=np.float64).reshape(shape)


@settings(max_examples=80, deadline=None)
@given(error_views())
def test_gather_is_the_transpose_of_what_the_forward_pass_read(view: ErrorView) -> None:
    error = numbered(view)
    np.testing.assert_array_equal(view.gather(error), spread_by_output_pixels(view, error))


@settings(max_examples=100, deadline=None)
@given(error_views(), st.data())
def test_footprint_equals_a_count_of_distinct_elements(
    view: ErrorView, data: st.DataObject
) -> None:
    matrix = view.gather(numbered(view))[0]
    rows = sorted(data.draw(st.tuples(*[st.integers(0, matrix.shape[0])] * 2)))
    columns = sorted(data.draw(st.tuples(*[st.integers(0, matrix.shape[1])] * 2)))
    block = matrix[slice(*rows), slice(*columns)]
    touched = view.footprint((rows[0], rows[1]), (columns[0], columns[1]))
    assert touched == np.count_nonzero(np.unique(block))


def test_an_error_view_is_not_written() -> None:
    with pytest.raises(TypeError, match="read"):
        ErrorView(1, 2, 2, 1, (1, 1)).scatter(np.zeros((1, 4, 1)))


def test_weights_of_a_convolution_as_its_errors_see_them() -> None:
    # Two taps, two input channels, three output channels; stored (tap, in, out).
    stored = np.arange(12).reshape(1, 4, 3)
    view = MatrixView(stored.shape, 1, 6, 2, transposed=True, taps=2)
    seen = view.gather(stored)[0]  # rows (tap, out), columns in
    by_hand = [[0, 3], [1, 4], [2, 5], [6, 9], [7, 10], [8, 11]]
    np.testing.assert_array_equal(seen, by_hand)
    np.testing.assert_array_equal(view.scatter(seen[None]), stored)


def test_errors_of_a_grouped_convolution_transposed() -> None:
    # Three pixels, two groups of two channels; stored (pixel, group, channel).
    stored = np.arange(12).reshape(3, 4)
    view = MatrixView(stored.shape, 2, 2, 3, transposed=True, interleaved=True)
    by_hand = [[[0, 4, 8], [1, 5, 9]], [[2, 6, 10], [3, 7, 11]]]
    np.testing.assert_array_equal(view.gather(stored), by_hand)
    np.testing.assert_array_equal(view.scatter(np.array(by_hand)), stored)
