"""What a stationary tile pass is to the clock, and many equal ones in one object.

A block of a large layer has thousands of passes of a handful of kinds. They are
described by their pattern in time, a run-length code with nested repeats, so
that nobody has to walk them one by one. `Schedule.block_steps` is the plain
definition; a test holds the two together.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import lcm

from accelsim.identity import Same
from accelsim.schedule.mapping import Dim, Level, Mapping

#: A half-open range of positions.
Range = tuple[int, int]


@dataclass(frozen=True, slots=True)
class PassGroup:
    """`count` equal passes, one directly after the other.

    Parameters
    ----------
    count : int
        Passes in the run.
    rows_used, cols_used : int
        Rows and columns of the array that hold work; the rest idle.
    vectors : int
        Streamed vectors of a pass: the cycles in which the array takes operands.
    m, n, k : int
        Extents of a pass, in positions.
    k_first : bool
        The pass starts its outputs: no partial sum exists before it.
    k_last : bool
        The pass completes its outputs.
    recirculates : bool
        The pass begins inside a chunk: every streamed partial sum of the inner
        accumulator re-enters the column that it left at the end of an earlier pass.
    outer_adds : int
        Chunks that end in the pass: additions of the outer accumulator for each
        output of the pass.
    """

    count: int
    rows_used: int
    cols_used: int
    vectors: int
    m: int
    n: int
    k: int
    k_first: bool
    k_last: bool
    recirculates: bool
    outer_adds: int

    @property
    def macs(self) -> int:
        """Multiply-accumulates of all `count` passes."""
        return self.count * self.m * self.n * self.k

    @property
    def kind(self) -> tuple[int, ...]:
        """What is equal for passes that are alike: everything but their count."""
        return (
            self.rows_used, self.cols_used, self.vectors, self.m, self.n, self.k,
            self.k_first, self.k_last, self.recirculates, self.outer_adds,
        )  # fmt: skip

    def times(self, count: int) -> PassGroup:
        """Return `count` such passes, however many these are."""
        if count == self.count:
            return self
        return PassGroup(
            count, self.rows_used, self.cols_used, self.vectors, self.m, self.n, self.k,
            self.k_first, self.k_last, self.recirculates, self.outer_adds,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class PassPattern:
    """`repeat` times the same sequence of pass groups and patterns."""

    repeat: int
    body: tuple[PassGroup | PassPattern, ...]

    @property
    def pass_count(self) -> int:
        """Passes in the whole pattern."""
        return self.repeat * sum(
            item.count if isinstance(item, PassGroup) else item.pass_count for item in self.body
        )

    def groups(self) -> Iterator[PassGroup]:
        """Yield the runs in time order, neighbours not yet merged."""
        for _ in range(self.repeat):
            for item in self.body:
                if isinstance(item, PassGroup):
                    yield item
                else:
                    yield from item.groups()

    def totals(self) -> tuple[PassGroup, ...]:
        """Return one group for each distinct kind of pass, with its total count.

        In the order of first appearance; time order is lost.
        """
        found: dict[tuple[int, ...], tuple[PassGroup, int]] = {}
        self._add_totals(found, 1)
        return tuple(one.times(count) for one, count in found.values())

    def _add_totals(self, found: dict[tuple[int, ...], tuple[PassGroup, int]], factor: int) -> None:
        for item in self.body:
            if isinstance(item, PassPattern):
                item._add_totals(found, factor * self.repeat)
            else:
                one, count = found.get(item.kind, (item, 0))
                found[item.kind] = (one, count + factor * self.repeat * item.count)


def merge_groups(groups: Iterable[PassGroup]) -> tuple[PassGroup, ...]:
    """Return the runs with equal neighbours joined."""
    merged: list[PassGroup | PassPattern] = []
    for group in groups:
        _append(merged, group)
    return tuple(item for item in merged if isinstance(item, PassGroup))


def make_pass(mapping: Mapping, *, m: int, n: int, k: Range, total_k: int) -> PassGroup:
    """Return one pass over `m` x `n` outputs and the k positions `k` of `total_k`."""
    extents = {Dim.GROUP: 1, Dim.M: m, Dim.N: n, Dim.K: k[1] - k[0]}
    chunk = mapping.chunk_size
    ends = k[1] // chunk - k[0] // chunk
    if k[1] == total_k and total_k % chunk:
        ends += 1
    used = [
        -(-extents[loop.dim] // loop.tile)
        for loop in (mapping.only(level) for level in (Level.ROWS, Level.COLS, Level.STREAM))
    ]
    return PassGroup(
        count=1,
        rows_used=used[0],
        cols_used=used[1],
        vectors=used[2] * mapping.cycles_per_vector,
        m=m,
        n=n,
        k=k[1] - k[0],
        k_first=k[0] == 0,
        k_last=k[1] == total_k,
        recirculates=k[0] % chunk != 0,
        outer_adds=ends,
    )


def pass_pattern(
    mapping: Mapping, *, groups: int, m: int, n: int, k: Range, total_k: int
) -> PassPattern:
    """Return the passes of a block of `groups` x `m` x `n` outputs over the range `k`.

    Work and size grow with the number of distinct passes, not with their count.
    """
    return _pass_pattern(Same(mapping), (groups, m, n), k, total_k)


@lru_cache(maxsize=2**10)
def _pass_pattern(
    same: Same[Mapping], outputs: tuple[int, int, int], k: Range, total_k: int
) -> PassPattern:
    mapping, (groups, m, n) = same.it, outputs
    extents = {Dim.GROUP: groups, Dim.M: m, Dim.N: n, Dim.K: k[1] - k[0]}
    order = mapping.order(Level.PASS)
    missing = tuple(dim for dim in Dim if dim not in order)
    # An undivided dimension is a loop of one iteration, wherever it stands.
    nest = _Nest(mapping, k, total_k, extents)
    return PassPattern(1, nest.unroll((*missing, *order), {}))


@dataclass(frozen=True, slots=True)
class _Nest:
    """The PASS loops of one block, unrolled from the outside in."""

    mapping: Mapping
    k: Range
    total_k: int
    extents: dict[Dim, int]

    def unroll(
        self, order: Sequence[Dim], at: dict[Dim, Range]
    ) -> tuple[PassGroup | PassPattern, ...]:
        """Return the passes below the loops already fixed in `at`."""
        if not order:
            m, n = (at[dim][1] - at[dim][0] for dim in (Dim.M, Dim.N))
            return (make_pass(self.mapping, m=m, n=n, k=at[Dim.K], total_k=self.total_k),)
        dim, rest = order[0], order[1:]
        items: list[PassGroup | PassPattern] = []
        for repeat, tiles in self._runs(dim):
            body: list[PassGroup | PassPattern] = []
            for tile in tiles:
                for item in self.unroll(rest, {**at, dim: tile}):
                    _append(body, item)
            for item in _repeated(repeat, body):
                _append(items, item)
        return tuple(items)

    def _runs(self, dim: Dim) -> Iterator[tuple[int, tuple[Range, ...]]]:
        """Yield (repeats, tiles): runs of tiles that all give equal passes when repeated."""
        extent = self.extents[dim]
        tile = self.mapping.tile(Level.PASS, dim) or extent
        if dim is Dim.K:
            yield from self._k_runs(min(tile, extent))
            return
        full, rest = divmod(extent, tile)
        if full:
            yield full, ((0, tile),)
        if rest:
            yield 1, ((0, rest),)

    def _k_runs(self, tile: int) -> Iterator[tuple[int, tuple[Range, ...]]]:
        """Yield the k tiles: the first one, whole periods, then what is left one by one.

        A period is the number of tiles after which chunk borders fall on the same
        places again. The first tile may start the outputs and the last one may
        complete them, so neither belongs to a period.
        """
        start, stop = self.k
        at = min(start + tile, stop)
        yield 1, ((start, at),)
        period = lcm(tile, self.mapping.chunk_size) // tile
        repeat = max(0, (stop - 1 - at) // (period * tile))
        if repeat:
            yield repeat, tuple((at + i * tile, at + (i + 1) * tile) for i in range(period))
        yield from self._ragged_k_runs(at + repeat * period * tile, tile)

    def _ragged_k_runs(self, at: int, tile: int) -> Iterator[tuple[int, tuple[Range, ...]]]:
        """Yield the k tiles from a position on; those inside one chunk are alike.

        They begin with a partial sum of it and end before it does.
        """
        chunk, stop = self.mapping.chunk_size, self.k[1]
        while at < stop:
            border = min((at // chunk + 1) * chunk, stop)
            inside = (border - 1 - at) // tile if at % chunk else 0
            if inside > 1:
                yield inside, ((at, at + tile),)
                at += inside * tile
            else:
                yield 1, ((at, min(at + tile, stop)),)
                at += tile


def _append(items: list[PassGroup | PassPattern], item: PassGroup | PassPattern) -> None:
    """Add `item` at the end, joined with the last one where both are equal passes."""
    last = items[-1] if items else None
    if isinstance(item, PassGroup) and isinstance(last, PassGroup) and last.kind == item.kind:
        items[-1] = item.times(item.count + last.count)
    else:
        items.append(item)


def _repeated(
    count: int, body: Sequence[PassGroup | PassPattern]
) -> tuple[PassGroup | PassPattern, ...]:
    """Return `body` `count` times, in the shortest form."""
    if count == 1:
        return tuple(body)
    if len(body) == 1 and isinstance(body[0], PassGroup):
        return (body[0].times(body[0].count * count),)
    return (PassPattern(count, tuple(body)),)
