"""A number format as a picture: where its numbers are, and how far apart.

The number line has a tick for every value; it is linear up to the smallest
positive one and logarithmic beyond. Below it, against magnitude, the distance to
the next value and the largest relative error of rounding to nearest, half that
distance over the middle between two values.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from accelsim.errors import OutputError
from accelsim.formats import FloatFormat, IntegerFormat, NumberFormat
from accelsim.report.figures import new_figure, save_figure
from accelsim.report.palette import OKABE_ITO

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Formats of at most this many bits have all their values drawn; wider ones, powers of two.
MAX_DRAWN_BITS = 16
#: Ticks that are drawn at most, and powers of ten on each side of zero.
_TICKS, _LABELS = 2048, 5
#: A curve with more points than this is drawn as pixels, also in vector files.
_MAX_POINTS = 2048
_PIXELS_PER_INCH = 200
SUFFIXES = (".svg", ".pdf", ".png")

Array = NDArray[np.float64]


def finite_values(fmt: NumberFormat) -> Array:
    """Return all finite values in ascending order, -0 and 0 as one.

    Of a format wider than `MAX_DRAWN_BITS` only its powers of two, both signs, and zero.

    Examples
    --------
    >>> from accelsim.formats import get_format
    >>> finite_values(get_format("fp4_e2m1"))[-4:]
    array([2., 3., 4., 6.])
    """
    if fmt.bits <= MAX_DRAWN_BITS:
        codes = np.arange(2**fmt.bits, dtype=np.uint32)
        values = np.asarray(fmt.decode(codes), np.float64)
    else:
        exponents = np.arange(np.log2(fmt.min_positive), np.log2(fmt.max_finite))
        powers = np.concatenate([[0.0], np.exp2(exponents), -np.exp2(exponents)])
        values = np.asarray(fmt.quantize(powers), np.float64)
    return np.unique(values[np.isfinite(values)] + 0.0)


def gaps(fmt: NumberFormat) -> tuple[Array, Array]:
    """Return, for neighbouring positive values in ascending order, their middle and distance.

    Of a format wider than `MAX_DRAWN_BITS`, at its powers of two; empty where the
    distance is not known there.
    """
    positive = finite_values(fmt)
    positive = positive[positive > 0]
    if fmt.bits <= MAX_DRAWN_BITS:
        return (positive[1:] + positive[:-1]) / 2, np.diff(positive)
    if isinstance(fmt, FloatFormat):
        distance = np.array([fmt.ulp(float(x)) for x in positive])
    elif isinstance(fmt, IntegerFormat):
        distance = np.full(positive.shape, fmt.step)
    else:
        return np.empty(0), np.empty(0)
    return positive + distance / 2, distance


def write_number_line(fmt: NumberFormat, path: Path) -> None:
    """Draw a format to an SVG, PDF or PNG file.

    Raises
    ------
    OutputError
        If the suffix is another, or the file cannot be written.
    """
    if path.suffix not in SUFFIXES:
        raise OutputError(f"{path}: a figure ends in {', '.join(SUFFIXES)}.")
    figure = new_figure(width=8.0, height=6.5)
    figure.set_dpi(_PIXELS_PER_INCH)
    line, distance, error = figure.subplots(3, 1, height_ratios=(1, 2, 2))
    _draw_line(line, fmt)
    middle, apart = gaps(fmt)
    _draw_curve(distance, middle, apart, OKABE_ITO[4])
    _draw_curve(error, middle, apart / 2 / middle, OKABE_ITO[5])
    distance.set(ylabel="distance of neighbours")
    error.set(xlabel="magnitude", ylabel="largest relative error")
    for axes in (distance, error):
        axes.set(xscale="log", yscale="log")
        axes.grid(alpha=0.3)
    figure.suptitle(f"{fmt.name}: {fmt.bits} bits, largest {fmt.max_finite:g}")
    save_figure(figure, path)


def _draw_line(axes: Axes, fmt: NumberFormat) -> None:
    """Draw a tick for every value that can be told from its neighbour."""
    values = finite_values(fmt)
    # The symmetric logarithm of matplotlib: linear to the smallest value, one decade wide.
    scaled = np.abs(values) / fmt.min_positive
    place = np.sign(values) * np.where(scaled < 1, scaled, 1 + np.log10(np.maximum(scaled, 1)))
    _, seen = np.unique(np.round(place * (_TICKS / (2 * np.max(place)))), return_index=True)
    width = 0.6 if len(seen) > 64 else 1.2
    axes.vlines(values[seen], 0, 1, color=OKABE_ITO[4], alpha=0.7, linewidth=width)
    what = "values" if fmt.bits <= MAX_DRAWN_BITS else "powers of two"
    axes.set_xscale("symlog", linthresh=fmt.min_positive)
    axes.set(ylim=(0, 1), yticks=(), xlabel=f"{len(values):,} {what}", xticks=_labels(values))


def _labels(values: Array) -> list[float]:
    """Return zero and a few powers of ten on the sides where the format has values.

    The lowest would be written over the zero.
    """
    low, high = math.log10(float(np.min(values[values > 0]))), math.log10(float(np.max(values)))
    powers = [10.0**power for power in sorted({round(x) for x in np.linspace(low, high, _LABELS)})]
    negative = [-power for power in reversed(powers[1:])] if np.min(values) < 0 else []
    return [*negative, 0.0, *powers[1:]]


def _draw_curve(axes: Axes, x: Array, y: Array, color: str) -> None:
    many = len(x) > _MAX_POINTS
    marker = "" if many else "."
    axes.plot(x, y, color=color, marker=marker, markersize=3, linewidth=0.8, rasterized=many)
