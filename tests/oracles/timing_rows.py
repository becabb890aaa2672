"""A row-stationary stack of elements, cycle by cycle, with every hand-over and hazard.

Nothing here knows a closed form: elements take products, end chunks, wait for their
adders, and give a sum to the element below when their turn of `period` cycles is
over. What is not there when it is needed is a hazard.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

#: Later than any cycle of a run.
_NEVER = 1 << 62


class HazardError(Exception):
    """Something was needed before it was there."""


@dataclass(frozen=True)
class Rows:
    """The array: `rows` elements in a stack, `line` products of an output in each."""

    rows: int
    line: int
    chunk: int
    total_k: int
    rate: int = 1
    latency: int = 1
    interval: int = 1
    load: int = 0
    hidden: bool = True
    overlap: bool = True


@dataclass(frozen=True)
class Tile:
    """One pass: `outputs` of a group `out`, over the places [k0, k1) of the order."""

    out: int
    k: tuple[int, int]
    outputs: int


@dataclass
class Sum:
    """An output on its way: chunks so far, the open chunk, and when its outer sum is there."""

    chunks: list[tuple[int, ...]] = field(default_factory=list)
    open: list[int] = field(default_factory=list)
    ready: int = 0
    stored: int = 0


@dataclass
class Element:
    """One element: what it works on, since when, and which additions it still owes."""

    holds: Sum | None = None
    turn: int = 0
    tile: Tile | None = None
    owed: list[tuple[int, ...]] = field(default_factory=list)
    adder_free: int = 0


@dataclass(frozen=True)
class Outcome:
    """Cycles until the last sum is stored, and every output's chunks in order."""

    cycles: int
    sums: dict[tuple[int, int], tuple[tuple[int, ...], ...]]


def run(array: Rows, tiles: Sequence[Tile], starts: Sequence[int], period: int) -> Outcome:
    """Run the passes from the given cycles on; HazardError where something is not there."""
    stack = [Element() for _ in range(array.rows)]
    memory: dict[tuple[int, int], Sum] = {}
    waiting = {
        start + i * period: (tile, i)
        for tile, start in zip(tiles, starts, strict=True)
        for i in range(tile.outputs)
    }
    if len(waiting) != sum(tile.outputs for tile in tiles):
        raise HazardError("two outputs enter at once")
    _check_loads(array, tiles, starts, period)
    now, last = 0, 0
    while waiting or any(one.holds for one in stack):
        if now in waiting:
            tile, i = waiting.pop(now)
            if stack[0].holds is not None:
                raise HazardError("the first element still works")
            total = memory.setdefault((tile.out, i), Sum())
            if now < total.stored:
                raise HazardError("a partial sum is not stored yet")
            total.stored = _NEVER
            stack[0].holds, stack[0].turn, stack[0].tile = total, 0, tile
        for row, element in enumerate(stack):
            if element.holds is not None:
                _work(array, element, row, now)
        for row in reversed(range(array.rows)):  # hand over at the end of the cycle
            element = stack[row]
            if element.holds is None or element.turn < period:
                continue
            if element.owed:
                raise HazardError("a turn ended before its additions began")
            if row + 1 < array.rows:
                below = stack[row + 1]
                if below.holds is not None:
                    raise HazardError("the element below still works")
                below.holds, below.turn, below.tile = element.holds, 0, element.tile
            else:
                element.holds.stored = now + array.latency
                last = max(last, element.holds.stored)
            element.holds = None
        now += 1
    sums = {key: tuple(total.chunks) for key, total in memory.items()}
    return Outcome(last, sums)


def _work(array: Rows, element: Element, row: int, now: int) -> None:
    """Take this cycle's products and start an addition that can start."""
    total, tile = element.holds, element.tile
    assert total is not None
    assert tile is not None
    for offset in range(element.turn * array.rate, (element.turn + 1) * array.rate):
        place = tile.k[0] + row * array.line + offset
        if offset < array.line and place < tile.k[1]:
            total.open.append(place)
            if (place + 1) % array.chunk == 0 or place + 1 == array.total_k:
                element.owed.append(tuple(total.open))
                total.open = []
    if element.owed and now >= element.adder_free and now >= total.ready:
        total.chunks.append(element.owed.pop(0))
        element.adder_free = now + array.interval
        total.ready = now + array.latency
    element.turn += 1


def _check_loads(array: Rows, tiles: Sequence[Tile], starts: Sequence[int], period: int) -> None:
    """Check that every pass has its kernel rows, over one bus, and an empty stack if it must."""
    for at, start in enumerate(starts):
        begin = 0
        if at:
            taken = starts[at - 1] + tiles[at - 1].outputs * period
            empty = taken + (array.rows - 1) * period + array.latency - 1
            free = taken if array.overlap else empty
            if start < free:
                raise HazardError("the pass before is not through")
            begin = starts[at - 1] if array.hidden else free
        if start < begin + array.load:
            raise HazardError("kernel rows are not loaded yet")
