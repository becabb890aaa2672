"""How many stored elements a block of windows over a map touches, each counted once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable
from functools import lru_cache
from itertools import pairwise
from typing import Protocol

#: A half-open range of rows or columns.
Range = tuple[int, int]


class WindowedView(Hashable, Protocol):
    """A view whose rows are windows and whose columns are (tap, channel) of a map."""

    @property
    def channels(self) -> int:
        """Channels of the stored map, all groups."""

    @property
    def groups(self) -> int:
        """Groups of channels."""

    @property
    def kernel(self) -> tuple[int, int]:
        """Vertical and horizontal taps of a window."""

    @property
    def raster(self) -> tuple[int, int]:
        """Vertical and horizontal number of windows over one image."""

    def position(self, axis: int, window: int, tap: int) -> int | None:
        """Return where along an axis a window's tap reads; None where nothing is stored."""


@lru_cache(maxsize=2**16)
def touched_elements(view: WindowedView, rows: Range, columns: Range) -> int:
    """Return how many stored elements of one group a block of a view touches.

    Ranges are half-open; an empty one touches 0.
    """
    if rows[0] >= rows[1] or columns[0] >= columns[1]:
        return 0
    images = _split(rows, view.raster[0] * view.raster[1])
    return sum(
        channels * sum(count * _touched_pixels(view, span, taps) for span, count in images)
        for taps, channels in _channel_classes(columns, view.channels // view.groups)
    )


def touched_by_grid(
    view: WindowedView,
    rows: Iterable[tuple[Range, int]],
    columns: Iterable[tuple[Range, int]],
) -> int:
    """Return the stored elements that all blocks of a grid touch, each block by itself.

    Every pair of a row range and a column range is a block; the numbers are how often
    there are such ranges. The sum of `touched_elements`, in which many blocks share
    windows and taps.
    """
    spans: Counter[Range] = Counter()
    for one, count in rows:
        for span, times in _split(one, view.raster[0] * view.raster[1]):
            spans[span] += count * times
    channels: Counter[Range] = Counter()
    for one, count in columns:
        for taps, width in _channel_classes(one, view.channels // view.groups):
            channels[taps] += count * width
    return sum(
        times * width * _touched_pixels(view, span, taps)
        for span, times in spans.items()
        for taps, width in channels.items()
    )


def _split(span: Range, period: int) -> list[tuple[Range, int]]:
    """Cut a range at multiples of `period`; return (range within a period, how often)."""
    (first, start), (last, stop) = divmod(span[0], period), divmod(span[1] - 1, period)
    if first == last:
        return [((start, stop + 1), 1)]
    parts = [((start, period), 1), ((0, stop + 1), 1)]
    if last - first > 1:
        parts.append(((0, period), last - first - 1))
    return parts


def _channel_classes(columns: Range, per_group: int) -> list[tuple[Range, int]]:
    """Return which taps a column range takes, and for how many channels.

    Column ``tap * per_group + channel``: channels below the first column's begin one
    tap later, channels above the last column's end one tap earlier.
    """
    (first, low), (last, high) = divmod(columns[0], per_group), divmod(columns[1] - 1, per_group)
    edges = sorted({0, low, high + 1, per_group})
    classes = []
    for start, stop in pairwise(edges):
        taps = (first + (start < low), last + (start <= high))
        if taps[0] < taps[1]:
            classes.append((taps, stop - start))
    return classes


@lru_cache(maxsize=2**14)
def _touched_pixels(view: WindowedView, windows: Range, taps: Range) -> int:
    """Count the pixels of one image that some of the windows read through some of the taps.

    Both ranges are in raster order, so each is at most three rectangles, and the pixels
    read through a pair of rectangles are rows x columns; sets of rows and of columns are
    the bits of a whole number.
    """
    bands: list[tuple[int, int]] = []  # disjoint sets of rows, each with its columns
    for window_rows, window_columns in _rectangles(windows, view.raster[1]):
        for tap_rows, tap_columns in _rectangles(taps, view.kernel[1]):
            ys = _positions(view, 0, window_rows, tap_rows)
            xs = _positions(view, 1, window_columns, tap_columns)
            overlaid = [(rows & ys, columns | xs) for rows, columns in bands]
            kept = [(rows & ~ys, columns) for rows, columns in bands]
            for rows, _ in bands:
                ys &= ~rows
            bands = [band for band in (*overlaid, *kept, (ys, xs)) if band[0]]
    return sum(rows.bit_count() * columns.bit_count() for rows, columns in bands)


def _rectangles(span: Range, width: int) -> list[tuple[Range, Range]]:
    """Cut a range in raster order over rows of `width` into (rows, columns) rectangles."""
    (first, start), (last, stop) = divmod(span[0], width), divmod(span[1] - 1, width)
    stop += 1
    if first == last:
        return [((first, first + 1), (start, stop))]
    found = []
    if start > 0:
        found.append(((first, first + 1), (start, width)))
        first += 1
    if stop < width:
        found.append(((last, last + 1), (0, stop)))
        last -= 1
    if first <= last:
        found.append(((first, last + 1), (0, width)))
    return found


@lru_cache(maxsize=2**14)
def _positions(view: WindowedView, axis: int, windows: Range, taps: Range) -> int:
    """Return the positions along an axis that windows read through taps, as a set of bits."""
    found = 0
    for tap in range(*taps):
        for position in _places(view, axis, tap)[slice(*windows)]:
            if position is not None:
                found |= 1 << position
    return found


@lru_cache(maxsize=2**8)
def _places(view: WindowedView, axis: int, tap: int) -> tuple[int | None, ...]:
    """Return where along an axis the tap of each window reads."""
    return tuple(view.position(axis, window, tap) for window in range(view.raster[axis]))
