"""Pooling and softmax against loops over windows in exact arithmetic."""

from __future__ import annotations

from fractions import Fraction
from itertools import product

import numpy as np
import pytest

from accelsim.formats import FloatFormat, get_format
from accelsim.numerics.vector_ops_arithmetic import Arithmetic
from accelsim.numerics.vector_ops_reductions import (
    Neighbours,
    Window,
    avg_pool,
    global_avg_pool,
    local_response_norm,
    max_pool,
    softmax,
)

FORMATS = ("fp16_e6m9", "fp32", "bf16", "fp16_e5m10", "dlfloat16")
WINDOWS = (
    Window((2, 2), (2, 2)),
    Window((3, 3), (2, 2), (1, 1)),
    Window((3, 2), (1, 3), (1, 0)),
    Window((1, 1), (2, 1)),
    Window((2, 2), (1, 1), (0, 1), (2, 3)),
    Window((3, 2), (2, 3), (0, 1), (1, 2), (2, 0)),
)


def fmt_of(name: str) -> FloatFormat:
    fmt = get_format(name)
    assert isinstance(fmt, FloatFormat)
    return fmt


def image(fmt: FloatFormat, seed: int, shape: tuple[int, ...] = (2, 6, 7, 3)) -> np.ndarray:
    x = fmt.quantize(np.random.default_rng(seed).normal(size=shape).astype(np.float32))
    return x.astype(np.float32)


def places(window: Window, height: int, width: int) -> dict[tuple[int, int], list]:
    """Map each window to the (y, x) of its positions in row order, padding included."""
    result: dict[tuple[int, int], list] = {}
    starts = [
        range(
            -window.padding[axis],
            extent + window.ends[axis] - window.dilation[axis] * (window.kernel[axis] - 1),
            window.stride[axis],
        )
        for axis, extent in enumerate((height, width))
    ]
    for (i, top), (j, left) in product(enumerate(starts[0]), enumerate(starts[1])):
        result[i, j] = [
            (top + ky * window.dilation[0], left + kx * window.dilation[1])
            for ky, kx in product(range(window.kernel[0]), range(window.kernel[1]))
        ]
    return result


@pytest.mark.parametrize("window", WINDOWS)
def test_max_pool_takes_the_largest_pixel_and_never_the_padding(window: Window) -> None:
    x = image(fmt_of("fp16_e6m9"), 1) - 5.0  # all negative: padding of zeros would win
    y = max_pool(x, window)
    for (i, j), taps in places(window, 6, 7).items():
        inside = [x[:, py, px, :] for py, px in taps if 0 <= py < 6 and 0 <= px < 7]
        np.testing.assert_array_equal(y[:, i, j, :], np.max(inside, axis=0))
    assert y.shape[1:3] == tuple(np.max(list(places(window, 6, 7)), axis=0) + 1)
    assert y.dtype == x.dtype


def test_max_pool_lets_nan_through() -> None:
    x = np.zeros((1, 4, 4, 1), dtype=np.float32)
    x[0, 1, 1, 0] = np.nan
    x[0, 2, 2, 0] = np.inf
    y = max_pool(x, Window((2, 2), (2, 2)))[0, :, :, 0]
    assert np.isnan(y[0, 0])
    assert y[1, 1] == np.inf
    assert y[0, 1] == 0.0


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("count_pad", [True, False])
@pytest.mark.parametrize("window", WINDOWS[:3])
def test_avg_pool_adds_in_row_order_and_divides_once(
    name: str, count_pad: bool, window: Window
) -> None:
    fmt = fmt_of(name)
    x = image(fmt, 2, (1, 6, 7, 2))
    y = avg_pool(x, window, Arithmetic(fmt), count_pad=count_pad)
    for ((i, j), taps), c in product(places(window, 6, 7).items(), range(2)):
        inside = [(py, px) for py, px in taps if 0 <= py < 6 and 0 <= px < 7]
        total = Fraction(0)
        for py, px in inside:
            total = Fraction(fmt.round_scalar(total + Fraction(float(x[0, py, px, c]))))
        count = len(taps) if count_pad else len(inside)
        assert float(y[0, i, j, c]) == fmt.round_scalar(total / count)


@pytest.mark.parametrize("name", FORMATS)
def test_global_avg_pool_adds_rows_then_columns_and_divides_by_the_exact_count(name: str) -> None:
    fmt = fmt_of(name)
    # 1,085 pixels: the count has 11 significant bits, one more than (1,6,9) holds.
    x = image(fmt, 3, (2, 31, 35, 2))
    y = global_avg_pool(x, Arithmetic(fmt))
    assert y.shape == (2, 1, 1, 2)
    for sample, c in product(range(2), range(2)):
        total = Fraction(0)
        for value in x[sample, :, :, c].reshape(-1).tolist():
            total = Fraction(fmt.round_scalar(total + Fraction(value)))
        assert float(y[sample, 0, 0, c]) == fmt.round_scalar(total / 1085)


def test_a_sum_in_narrow_arithmetic_swamps_where_the_reference_does_not() -> None:
    # 8,192 ones: (1,6,9) counts to 1,024 in ones; there the ulp becomes 2, 1,024 + 1 is
    # a tie and goes back to the even 1,024.
    x = np.ones((1, 64, 128, 1), dtype=np.float32)
    assert global_avg_pool(x, Arithmetic(fmt_of("fp16_e6m9")))[0, 0, 0, 0] == 1024 / 8192
    assert global_avg_pool(x, Arithmetic(None))[0, 0, 0, 0] == 1.0


def test_global_avg_pool_of_nothing_is_nan() -> None:
    y = global_avg_pool(np.empty((1, 0, 3, 2), dtype=np.float32), Arithmetic(fmt_of("fp32")))
    assert np.isnan(y).all()


@pytest.mark.parametrize("name", ["fp32", "fp16_e6m9", "bf16"])
def test_softmax_rounds_difference_exponential_each_sum_and_quotient(name: str) -> None:
    fmt = fmt_of(name)
    x = image(fmt, 4, (3, 17))
    y = softmax(x, Arithmetic(fmt))
    for row, probabilities in zip(x.tolist(), y.tolist(), strict=True):
        top = max(row)
        differences = [fmt.round_scalar(Fraction(v) - Fraction(top)) for v in row]
        powers = [fmt.round_scalar(float(np.exp(np.float64(d)))) for d in differences]
        total = Fraction(0)
        for power in powers:
            total = Fraction(fmt.round_scalar(total + Fraction(power)))
        assert probabilities == [fmt.round_scalar(Fraction(p) / total) for p in powers]


def test_softmax_of_special_rows() -> None:
    fp32 = Arithmetic(fmt_of("fp32"))
    x = np.array([[np.nan, 1.0], [np.inf, 1.0], [-np.inf, -np.inf], [-np.inf, 2.0]], np.float32)
    y = softmax(x, fp32)
    assert np.isnan(y[:3]).all()
    assert y[3].tolist() == [0.0, 1.0]
    large = softmax(np.array([[1e30, -1e30]], np.float32), fp32)
    assert large.tolist() == [[1.0, 0.0]]


@pytest.mark.parametrize("size", [1, 4, 5, 9])
@pytest.mark.parametrize("name", ["fp32", "fp16_e6m9"])
def test_local_response_norm_rounds_squares_sums_power_and_quotient(name: str, size: int) -> None:
    fmt = fmt_of(name)
    x = image(fmt, 6, (2, 2, 1, 7))
    alpha, beta, k = 0.5, 0.75, 2.0
    y = local_response_norm(x, Neighbours(size, alpha, beta, k), Arithmetic(fmt))
    for row, got in zip(x.reshape(-1, 7).tolist(), y.reshape(-1, 7).tolist(), strict=True):
        for channel, value in enumerate(row):
            first = channel - (size - 1) // 2
            total = Fraction(0)
            for near in row[max(0, first) : first + size]:
                square = Fraction(fmt.round_scalar(Fraction(near) ** 2))
                total = Fraction(fmt.round_scalar(total + square))
            divisor = fmt.round_scalar((k + alpha / size * float(total)) ** beta)
            assert got[channel] == fmt.round_scalar(Fraction(value) / Fraction(divisor))
