"""A systolic array whose outputs stay in place, register by register, one cycle at a time.

One operand moves right, the other down, a register a cycle. Every processing
element adds its products to an inner sum and, where a chunk ends, hands that to
its pipelined outer adder. A finished column is shifted out at its foot, through
registers of its own (hidden drain) or through the sums themselves (exposed).

The model knows no cycle formula. It is told when each tile may begin to enter;
vectors then enter one a cycle, and one that would end a chunk waits at the edge
while the first element's outer adder cannot take it. Anything else that is not
there in time, or still there, raises `HazardError`; the earliest start without one is
found by trying.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.oracles.timing_columns import (
    NEVER,
    TERMS,
    Arithmetic,
    HazardError,
    Outcome,
    starts_by_trying,
)


@dataclass(frozen=True)
class Outputs:
    """The array."""

    rows: int
    cols: int
    chunk: int
    k_per_pe: int = 1
    fused: bool = False
    drain_hidden: bool = True
    overlap: bool = True
    latency: int = 1
    interval: int = 1


@dataclass(frozen=True)
class Tile:
    """One pass: the whole reduction over `k` of `rows` x `cols` outputs."""

    out: int
    k: int
    rows: int
    cols: int


@dataclass
class _Element:
    """The registers of one processing element."""

    inner: Any
    outer: Any
    tile: int = -1
    filled: bool = False
    added_at: int = -NEVER
    added_tile: int = -1
    #: The sum of a finished tile is stored, waits or passes here (exposed drain).
    holds: bool = False


@dataclass
class _Run:
    array: Outputs
    tiles: Sequence[Tile]
    starts: Sequence[int]
    math: Arithmetic
    left: Callable[[int, int, int], Any]
    top: Callable[[int, int, int], Any]
    cycle: int = 0
    #: (row, col) -> (tile, first k, stop k), moving right and down alike.
    tokens: dict[tuple[int, int], tuple[int, int, int]] = field(default_factory=dict)
    history: dict[int, tuple[int, int, int]] = field(default_factory=dict)
    elements: dict[tuple[int, int], _Element] = field(default_factory=dict)
    #: Column -> row -> (tile, source row, sum): the shift-out registers.
    chains: dict[int, dict[int, tuple[int, int, Any]]] = field(default_factory=dict)
    #: (tile, col) -> finished rows.
    finished: dict[tuple[int, int], int] = field(default_factory=dict)
    #: Column -> (tile that it shifts, cycle in which that begins).
    shifting: dict[int, tuple[int, int]] = field(default_factory=dict)
    #: Last sums of outer adders, until they are stored.
    results: dict[tuple[int, int, int], Any] = field(default_factory=dict)
    sums: dict[tuple[int, int, int], Any] = field(default_factory=dict)
    #: Last outer additions under way: (cycle at whose end it is stored, tile, row, col).
    landing: list[tuple[int, int, int, int]] = field(default_factory=list)
    next_tile: int = 0
    next_k: int = 0
    stored: int = 0
    count: int = 0
    shifted: int = 0

    def go(self) -> int:
        array = self.array
        everything = len(self.tiles) * array.rows * array.cols
        for row in range(array.rows):
            for col in range(array.cols):
                self.elements[row, col] = _Element(self.math.zero, self.math.zero)
        while self.shifted < everything:
            self._issue()
            self._move()
            self._compute()
            self._shift()
            self.cycle += 1
            if self.cycle > 5_000:
                raise HazardError("never ends")
        return self.stored if array.drain_hidden else self.cycle

    def _issue(self) -> None:
        """Let the next vector enter, unless it ends a chunk that cannot be taken yet."""
        if self.next_tile == len(self.tiles) or self.cycle < self.starts[self.next_tile]:
            return
        tile, k = self.next_tile, self.next_k
        total = self.tiles[tile].k
        if k == 0 and tile and not self.array.overlap and not self._drained(tile):
            raise HazardError("the array is not drained")
        stop = min((k // self.array.k_per_pe + 1) * self.array.k_per_pe, total)
        ends = [i for i in range(k + 1, stop + 1) if i % self.array.chunk == 0 or i == total]
        if ends:
            corner = self.elements[0, 0]
            apart = self.array.interval
            if corner.added_tile == tile:
                apart = max(apart, self.array.latency)
            if self.cycle < corner.added_at + apart:
                return
            if len(ends) > 1:
                stop = ends[0]  # the element takes one chunk end a cycle
        self.history[self.cycle] = (tile, k, stop)
        self.next_k = stop
        if stop == total:
            self.next_tile, self.next_k = tile + 1, 0

    def _drained(self, tile: int) -> bool:
        done = tile * self.array.rows * self.array.cols
        return (self.count if self.array.drain_hidden else self.shifted) >= done

    def _move(self) -> None:
        """Operands move one register right and one down; both meet with a skew of row + col."""
        moved: dict[tuple[int, int], tuple[int, int, int]] = {}
        for (row, col), token in self.tokens.items():
            if col + 1 < self.array.cols:
                moved[row, col + 1] = token
        for row in range(self.array.rows):
            token = self.history.get(self.cycle - row)
            if token is not None:
                moved[row, 0] = token
        for (row, col), token in moved.items():
            if row and self.tokens.get((row - 1, col), token) != token:
                raise AssertionError("the operands of an element do not belong together")
        self.tokens = moved

    def _compute(self) -> None:
        for (row, col), (tile, start, stop) in self.tokens.items():
            element = self.elements[row, col]
            if element.holds:
                raise HazardError("finished sums are still in the way")
            if element.tile != tile:
                if element.tile >= 0 and element.added_tile != element.tile:
                    raise AssertionError("a tile began before the one before had ended")
                element.tile, element.outer = tile, self.math.zero
                element.inner, element.filled = self.math.zero, False
            self._add(element, row, col, tile, start, stop)

    def _add(self, element: _Element, row: int, col: int, tile: int, start: int, stop: int) -> None:
        array, spec = self.array, self.tiles[tile]
        group: list[Any] = []
        for k in range(start, stop):
            product = self.math.product(self.left(tile, row, k), self.top(tile, k, col))
            group.append(product)
            ends = (k + 1) % array.chunk == 0 or k + 1 == spec.k
            if ends or not array.fused or k == stop - 1:
                element.inner = self.math.add_inner(element.inner, tuple(group))
                group = []
            if not ends:
                continue
            apart = array.interval
            if element.added_tile == tile:
                apart = max(apart, array.latency)
            if self.cycle < element.added_at + apart:
                raise HazardError("the outer adder is busy")
            element.added_at, element.added_tile = self.cycle, tile
            element.outer = self.math.add_outer(element.outer, element.inner)
            element.inner = self.math.zero
            if k + 1 == spec.k:
                self.landing.append((self.cycle + array.latency - 1, tile, row, col))
                self.results[tile, row, col] = element.outer
                element.holds = not array.drain_hidden

    def _shift(self) -> None:
        """At the end of a cycle: move the columns that shift, then take in finished sums.

        A row stops shifting when the last sum of the tile has passed it, so a sum of
        the next tile may already wait above the last ones of this.
        """
        for col, (tile, begun) in list(self.shifting.items()):
            if self.cycle >= begun:
                self._shift_column(col, tile)
        for one in [one for one in self.landing if one[0] == self.cycle]:
            self.landing.remove(one)
            self._finish(*one[1:])

    def _shift_column(self, col: int, tile: int) -> None:
        chain = self.chains.setdefault(col, {})
        moved = {row: held for row, held in chain.items() if held[0] != tile}
        for row, held in chain.items():
            if held[0] != tile:
                continue
            if row + 1 == self.array.rows:
                self.sums[tile, held[1], col] = held[2]
                self.shifted += 1
            elif row + 1 in moved and moved[row + 1][0] != tile:
                raise HazardError("a sum of the next tile is in the way")
            else:
                moved[row + 1] = held
        if not self.array.drain_hidden:
            for row in chain.keys() - moved.keys():
                self.elements[row, col].holds = False
        self.chains[col] = moved
        if not any(held[0] == tile for held in moved.values()):
            del self.shifting[col]

    def _finish(self, tile: int, row: int, col: int) -> None:
        """Put a finished sum into its column's shift-out register."""
        self.stored, self.count = self.cycle + 1, self.count + 1
        chain = self.chains.setdefault(col, {})
        if row in chain:
            raise HazardError("the shift-out register is occupied")
        chain[row] = (tile, row, self.results.pop((tile, row, col)))
        self.finished[tile, col] = self.finished.get((tile, col), 0) + 1
        if self.finished[tile, col] == self.array.rows:
            if col in self.shifting:
                raise HazardError("the column still shifts the tile before")
            self.shifting[col] = (tile, self.cycle + 1)


def run(
    array: Outputs,
    tiles: Sequence[Tile],
    starts: Sequence[int],
    *,
    math: Arithmetic = TERMS,
    left: Callable[[int, int, int], Any] = lambda tile, row, k: ("x", row, k),
    top: Callable[[int, int, int], Any] = lambda tile, k, col: ("w", k, col),
) -> Outcome:
    """Run the tiles, each beginning no earlier than its start; may raise `HazardError`."""
    state = _Run(array, tiles, starts, math, left, top)
    cycles = state.go()
    sums = {
        (tiles[tile].out, row, col): total
        for (tile, row, col), total in state.sums.items()
        if row < tiles[tile].rows and col < tiles[tile].cols
    }
    return Outcome(cycles, sums)


def earliest_starts(array: Outputs, tiles: Sequence[Tile]) -> tuple[int, ...]:
    """Return the earliest start of each tile, in order, by trying one cycle after the other."""
    return starts_by_trying(len(tiles), lambda starts: run(array, tiles[: len(starts)], starts))
