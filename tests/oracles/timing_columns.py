"""A systolic array with k along its rows, register by register, one cycle at a time.

Weight- and input-stationary: a stationary operand is shifted down each column,
one row a cycle, into one of a processing element's registers (two with hidden
preload). The streamed operand moves right, partial sums move down, one register a
cycle. Sums leave a column where a chunk can end and enter pipelined outer adders
at the edge; the sum of an unfinished chunk goes through the accumulator's memory
back to the top.

The model knows no cycle formula. It is told when the first vector of each tile
enters; where something is not there in time, or still there, it raises `HazardError`.
The earliest start without a hazard is found by trying (`earliest_starts`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

NEVER = 1 << 60


class HazardError(Exception):
    """Something was needed before it was there, or overwritten while it was needed."""


@dataclass(frozen=True)
class Arithmetic:
    """What happens to values: they may be numbers, or terms that spell out an order."""

    product: Callable[[Any, Any], Any]
    add_inner: Callable[[Any, tuple[Any, ...]], Any]
    add_outer: Callable[[Any, Any], Any]
    zero: Any


@dataclass(frozen=True)
class Columns:
    """The array."""

    rows: int
    cols: int
    chunk: int
    total_k: int
    k_per_pe: int = 1
    fused: bool = False
    preload_hidden: bool = True
    overlap: bool = True
    latency: int = 1
    interval: int = 1

    @property
    def k_tile(self) -> int:
        return self.rows * self.k_per_pe

    @property
    def taps(self) -> tuple[int, ...]:
        """Positions within a tile after which a sum leaves the column."""
        if self.k_tile % self.chunk == 0 and self.chunk < self.total_k:
            return tuple(range(self.chunk - 1, self.k_tile, self.chunk))
        return (self.k_tile - 1,)

    def ends_chunk(self, stop: int) -> bool:
        return stop % self.chunk == 0 or stop == self.total_k


@dataclass(frozen=True)
class Tile:
    """One pass: which outputs, which k positions, how many vectors, how many columns hold work."""

    out: int
    k: tuple[int, int]
    vectors: int
    cols: int


@dataclass
class Entry:
    """What the accumulator's memory holds for one output."""

    outer: Any
    inner: Any = None
    ready_at: int = 0


@dataclass
class _Run:
    array: Columns
    tiles: Sequence[Tile]
    starts: Sequence[int]
    math: Arithmetic
    streamed: Callable[[int, int, int], Any]
    stationary: Callable[[int, int, int], Any]
    cycle: int = 0
    #: (row, col) -> (tile, vector, operands), moving right.
    operands: dict[tuple[int, int], tuple[int, int]] = field(default_factory=dict)
    #: (row, col) -> (tile, vector, sum, whether it holds a product), moving down.
    sums: dict[tuple[int, int], tuple[int, int, Any, bool]] = field(default_factory=dict)
    #: (bank, row, col) -> (tile, row that they are meant for, weights): stationary registers.
    weights: dict[tuple[int, int, int], tuple[int, int, tuple[Any, ...]]] = field(
        default_factory=dict
    )
    entries: dict[tuple[int, int, int], Entry] = field(default_factory=dict)
    #: (col, tap) -> last start of that adder.
    adders: dict[tuple[int, int], int] = field(default_factory=dict)
    #: (tile, vector, col) -> (running outer sum, cycle from which it can be used).
    chains: dict[tuple[int, int, int], tuple[Any, int]] = field(default_factory=dict)
    #: Tile -> cycle in which its loading into column 0 began.
    loading: dict[int, int] = field(default_factory=dict)
    #: Tile -> last cycle in which processing element (0, 0) worked on it.
    left_corner: dict[int, int] = field(default_factory=dict)
    stored: int = 0
    left: int = 0

    def go(self) -> int:
        """Run to the end; return the number of cycles until the last sum is stored."""
        outputs = sum(tile.vectors * self.array.cols for tile in self.tiles)
        while self.left < outputs:
            self._begin_loading()
            self._enter()
            self._compute()
            self._shift_weights()
            self.cycle += 1
            if self.cycle > 5_000:
                raise HazardError("never ends")
        return self.stored

    def _bank(self, tile: int) -> int:
        return tile % 2 if self.array.preload_hidden else 0

    def _begin_loading(self) -> None:
        """Start loading the next tile as soon as column 0, row 0 allows it."""
        tile = len(self.loading)
        if tile == len(self.tiles):
            return
        if tile and self.cycle < self.loading[tile - 1] + self.array.rows:
            return  # the port is busy with the tile before
        if tile and self.cycle < self.starts[tile - 1]:
            return  # the control starts the next loading together with a tile's stream
        user = tile - 2 if self.array.preload_hidden else tile - 1
        if user >= 0:
            if self.left_corner.get(user, NEVER) >= self.cycle or not self._all_entered(user):
                return
            if not self.array.overlap and not self.array.preload_hidden and not self._drained(user):
                return
        self.loading[tile] = self.cycle

    def _all_entered(self, tile: int) -> bool:
        last = self.starts[tile] + (self.tiles[tile].vectors - 1) * self.array.interval
        return self.cycle > last

    def _drained(self, tile: int) -> bool:
        done = sum(self.tiles[i].vectors * self.array.cols for i in range(tile + 1))
        return self.left >= done and self.cycle >= self.stored

    def _may_follow(self, tile: int) -> bool:
        return self.array.overlap or tile == 0 or self._drained(tile - 1)

    def _shift_weights(self) -> None:
        """At the end of a cycle every loading column moves its new weights down by one row."""
        array, p = self.array, self.array.k_per_pe
        for tile, begun in self.loading.items():
            bank = self._bank(tile)
            first, stop = self.tiles[tile].k
            for col in range(array.cols):
                at = self.cycle - begun - col
                if not 0 <= at < array.rows:
                    continue
                for row in range(array.rows - 1, 0, -1):
                    above = self.weights.get((bank, row - 1, col))
                    if above is not None and above[0] == tile:
                        self.weights[bank, row, col] = above
                k = first + (array.rows - 1 - at) * p
                values = (
                    tuple(self.stationary(tile, i, col) for i in range(k, min(k + p, stop)))
                    if col < self.tiles[tile].cols
                    else ()
                )
                self.weights[bank, 0, col] = (tile, array.rows - 1 - at, values)

    def _enter(self) -> None:
        """Vectors enter column 0, each row one cycle after the one above."""
        moved = {(row, col + 1): token for (row, col), token in self.operands.items()}
        self.operands = {at: token for at, token in moved.items() if at[1] < self.array.cols}
        for tile, (spec, start) in enumerate(zip(self.tiles, self.starts, strict=True)):
            for row in range(self.array.rows):
                since = self.cycle - row - start
                vector, rest = divmod(since, self.array.interval)
                if since < 0 or rest or vector >= spec.vectors:
                    continue
                if (row, 0) in self.operands:
                    raise HazardError("two vectors in one register")
                if row == vector == 0 and not self._may_follow(tile):
                    raise HazardError("the array is not drained")
                self.operands[row, 0] = (tile, vector)

    def _compute(self) -> None:
        array = self.array
        sums: dict[tuple[int, int], tuple[int, int, Any, bool]] = {}
        for (row, col), (tile, vector) in sorted(self.operands.items()):
            if (row, col) == (0, 0):
                self.left_corner[tile] = self.cycle
            held = self.weights.get((self._bank(tile), row, col))
            if held is None or held[:2] != (tile, row):
                raise HazardError("weights not there")
            if row == 0:
                above = (tile, vector, *self._enter_sum(tile, vector, col))
            else:
                above = self.sums[row - 1, col]
            if above[:2] != (tile, vector):
                raise AssertionError("operand and partial sum do not belong together")
            sums[row, col] = (tile, vector, *self._work(row, col, tile, vector, held[2], above))
            if row == array.rows - 1:
                self.left += 1
        self.sums = sums

    def _enter_sum(self, tile: int, vector: int, col: int) -> tuple[Any, bool]:
        spec = self.tiles[tile]
        if spec.k[0] % self.array.chunk == 0:
            return self.math.zero, False
        entry = self._entry(spec.out, vector, col)
        if entry.inner is None or entry.ready_at > self.cycle:
            raise HazardError("partial sum not back yet")
        return entry.inner, True

    def _work(
        self, row: int, col: int, tile: int, vector: int, weights: tuple[Any, ...], above: Any
    ) -> tuple[Any, bool]:
        """Add this element's products; let sums out where chunks can end."""
        array, spec = self.array, self.tiles[tile]
        first = spec.k[0] + row * array.k_per_pe
        total, filled = above[2], above[3]
        group: list[Any] = []
        for i in range(array.k_per_pe):
            if i < len(weights):
                x = self.streamed(tile, vector, first + i)
                group.append(self.math.product(x, weights[i]))
                filled = True
            position = row * array.k_per_pe + i
            last = not array.fused or position in array.taps or i == array.k_per_pe - 1
            if group and last:
                total = self.math.add_inner(total, tuple(group))
                group = []
            if position in array.taps:
                self._leave(array.taps.index(position), tile, vector, col, total, filled)
                total, filled = self.math.zero, False
        return total, filled

    def _leave(self, tap: int, tile: int, vector: int, col: int, total: Any, filled: bool) -> None:
        """Let a sum out of a column, into the edge's adder number `tap`."""
        array, spec = self.array, self.tiles[tile]
        entry = self._entry(spec.out, vector, col)
        key = (tile, vector, col)
        if tap == 0:
            if entry.ready_at > self.cycle:
                raise HazardError("the outer accumulator still adds to this output")
            before, usable = entry.outer, self.cycle
            entry.ready_at = NEVER
        else:
            before, usable = self.chains[key]
        start = max(self.cycle, usable)
        if start < self.adders.get((col, tap), -NEVER) + array.interval:
            raise HazardError("the outer adder has not begun to be free")
        self.adders[col, tap] = start
        whole = len(array.taps) > 1 or array.ends_chunk(spec.k[1])
        if filled and whole:
            self.chains[key] = (self.math.add_outer(before, total), start + array.latency)
        else:
            self.chains[key] = (before, start + array.latency)
        if tap == len(array.taps) - 1:
            entry.outer, entry.ready_at = self.chains[key]
            entry.inner = None if whole else total
            self.stored = max(self.stored, entry.ready_at)

    def _entry(self, out: int, vector: int, col: int) -> Entry:
        return self.entries.setdefault((out, vector, col), Entry(self.math.zero))


TERMS = Arithmetic(
    product=lambda x, w: (x, w),
    add_inner=lambda total, group: (total, *group),
    add_outer=lambda total, chunk: (total, chunk),
    zero=0,
)


@dataclass(frozen=True)
class Outcome:
    """Cycles until the last sum is stored, and the sum of every (out, vector, column)."""

    cycles: int
    sums: dict[tuple[int, int, int], Any]


def run(
    array: Columns,
    tiles: Sequence[Tile],
    starts: Sequence[int],
    *,
    math: Arithmetic = TERMS,
    streamed: Callable[[int, int, int], Any] = lambda tile, vector, k: ("x", vector, k),
    stationary: Callable[[int, int, int], Any] = lambda tile, k, col: ("w", k, col),
) -> Outcome:
    """Run tiles whose first vectors enter at the given starts; may raise `HazardError`."""
    state = _Run(array, tiles, starts, math, streamed, stationary)
    cycles = state.go()
    sums = {
        key: entry.outer
        for key, entry in state.entries.items()
        if key[2] < max(tile.cols for tile in tiles if tile.out == key[0])
    }
    return Outcome(cycles, sums)


def earliest_starts(array: Columns, tiles: Sequence[Tile]) -> tuple[int, ...]:
    """Return the earliest start of each tile, in order; see `starts_by_trying`."""
    return starts_by_trying(len(tiles), lambda starts: run(array, tiles[: len(starts)], starts))


def starts_by_trying(count: int, run_from: Callable[[tuple[int, ...]], Any]) -> tuple[int, ...]:
    """Return the earliest start of each tile, in order, by trying one cycle after the other.

    `run_from` runs as many tiles as it is given starts for, and raises `HazardError` where the
    last one is too early.
    """
    starts: tuple[int, ...] = ()
    for _ in range(count):
        at = starts[-1] + 1 if starts else 0
        while True:
            try:
                run_from((*starts, at))
            except HazardError:
                at += 1
                if at > (starts[-1] if starts else 0) + 1_000:
                    raise
                continue
            break
        starts = (*starts, at)
    return starts
