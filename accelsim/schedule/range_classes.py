"""Which of the ranges that blocks cut a dimension into are alike.

A long loop has millions of ranges and a handful of kinds: what a block of a matrix
touches depends on its extents, and what a block of windows touches repeats from image
to image. So ranges of one length at the same place of a period are one class, counted
without a walk over them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from math import gcd, lcm, prod
from typing import NamedTuple

from accelsim.schedule.kernel_rows import windows_of
from accelsim.schedule.mapping import Dim, Level, Mapping
from accelsim.schedule.passes import Range
from accelsim.workload.error_view import ErrorView
from accelsim.workload.heads_view import HeadsView
from accelsim.workload.ops import Gemm
from accelsim.workload.transposed_view import TransposedView
from accelsim.workload.views import ConvolutionView, MatrixView, View

#: Period of a view that repeats nowhere, as far as known.
NEVER = 0


@dataclass(frozen=True, slots=True)
class RangeClass:
    """Ranges that are alike: the first of them, and how many there are."""

    range: Range
    count: int

    @property
    def length(self) -> int:
        """Positions in each of the ranges."""
        return self.range[1] - self.range[0]


def is_plain(view: View) -> bool:
    """Return whether tiles of a view touch as many stored elements as they have places.

    So do those of windows of one tap that fall nowhere beside the map.
    """
    if isinstance(view, TransposedView):
        return is_plain(view.view)
    if isinstance(view, ConvolutionView | ErrorView):
        skips = isinstance(view, ErrorView) and view.stride != (1, 1)
        return view.kernel == (1, 1) and not any((*view.padding, *view.ends)) and not skips
    return isinstance(view, MatrixView | HeadsView)


def row_period(view: View) -> int:
    """Return by how much two row ranges of one length may differ and touch as many elements.

    1 where only lengths matter, the windows of an image for a convolution, `NEVER` for
    views of which nothing is known.
    """
    view = windows_of(view)
    if is_plain(view):
        return 1
    return prod(view.raster) if isinstance(view, ConvolutionView | ErrorView) else NEVER


def column_period(view: View) -> int:
    """Return the same for column ranges; the taps of windows never repeat."""
    if isinstance(view, TransposedView):
        return row_period(view.view)
    return 1 if is_plain(view) else NEVER


def period_of(op: Gemm, dim: Dim) -> int:
    """Return the period of a dimension for all operands that it indexes."""
    a, b, out = op.a.view, op.b.view, op.out.view
    periods = {
        Dim.GROUP: (1,),
        Dim.M: (row_period(a), row_period(out)),
        Dim.N: (column_period(b), column_period(out)),
        Dim.K: (column_period(a), row_period(b)),
    }
    return lcm(*periods[dim])  # 0 where one of them never repeats


class Cut(NamedTuple):
    """A dimension and the tiles into which levels cut it, the outermost first; 0 cuts nothing."""

    extent: int
    tiles: tuple[int, ...]


def cut_of(op: Gemm, mapping: Mapping, dim: Dim, *, passes: bool = False) -> Cut:
    """Return how cores and blocks, and with `passes` the passes too, cut a dimension."""
    levels = (Level.CORE, Level.BLOCK, Level.PASS) if passes else (Level.CORE, Level.BLOCK)
    return Cut(extent_of(op, dim), tuple(mapping.tile(level, dim) or 0 for level in levels))


@lru_cache(maxsize=2**12)
def range_classes(cut: Cut, period: int, *, ends_apart: bool = False) -> tuple[RangeClass, ...]:
    """Return the classes of the ranges into which a dimension is cut.

    Parameters
    ----------
    cut : Cut
        From `cut_of`.
    period : int
        From `period_of`, or another after which ranges are alike.
    ends_apart : bool
        Keep the ranges that begin or end what the level above cuts apart from the others.

    Examples
    --------
    Ten positions in tiles of three are three tiles of that length and a shorter one.

    >>> range_classes(Cut(10, (3,)), 1)
    (RangeClass(range=(0, 3), count=3), RangeClass(range=(9, 10), count=1))
    """
    found: tuple[RangeClass, ...] = (RangeClass((0, cut.extent), 1),)
    for tile in cut.tiles:
        if tile:
            pieces = (
                (one.range, piece.range, one.count * piece.count)
                for one in found
                for piece in _alike(one.range, tile, period, apart=ends_apart)
            )
            found = _joined(pieces, period, apart=ends_apart)
    return found


def _joined(
    pieces: Iterable[tuple[Range, Range, int]], period: int, *, apart: bool
) -> tuple[RangeClass, ...]:
    """Return (whole, piece of it, count) with the pieces that are alike as one class."""
    found: dict[tuple[int, int, bool, bool], RangeClass] = {}
    for whole, (start, stop), count in pieces:
        place = start % period if period else start
        ends = (apart and start == whole[0], apart and stop == whole[1])
        known = found.get((place, stop - start, *ends), RangeClass((start, stop), 0))
        found[place, stop - start, *ends] = RangeClass(known.range, known.count + count)
    return tuple(found.values())


def extent_of(op: Gemm, dim: Dim) -> int:
    """Return the extent of a dimension of a GEMM."""
    return {Dim.GROUP: op.groups, Dim.M: op.m, Dim.N: op.n, Dim.K: op.k}[dim]


def _alike(whole: Range, tile: int, period: int, *, apart: bool) -> Iterator[RangeClass]:
    """Yield the tiles of a range, those a whole number of periods apart as one."""
    start, stop = whole
    if tile >= stop - start:
        yield RangeClass(whole, 1)
        return
    full, rest = divmod(stop - start, tile)
    if apart:  # the first tile, and the last one even where it is whole
        yield RangeClass((start, start + tile), 1)
        start, full = start + tile, full - 1
        if not rest:
            full, rest = full - 1, tile
    repeats = period // gcd(tile, period) if period else full
    for at in range(min(full, repeats)):
        first = start + at * tile
        yield RangeClass((first, first + tile), -(-(full - at) // repeats))
    if rest:
        yield RangeClass((stop - rest, stop), 1)
