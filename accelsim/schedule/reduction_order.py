"""The order of additions of one output: what makes a result bit-exact.

At low precision the order of the additions changes the bits of the sum, so a
result is exact only with respect to one. A reduction order says everything that
the arithmetic needs to know about a schedule, and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from accelsim.formats import NumberFormat
from accelsim.schedule.k_order import KNest, covers, position_at, positions_in_order


@dataclass(frozen=True, slots=True)
class ReductionOrder:
    """In what order, and with which roundings between, k products become one sum.

    Two schedules with equal reduction orders give equal bits.

    Parameters
    ----------
    k : int
        Products; 0 gives no chunk and the sum +0.
    chunk_size : int
        Products per chunk; the last of a segment may be short.
    fused : int
        Consecutive products that enter one addition; 1 means one by one. Counted
        from the start of a chunk.
    segments : tuple of (start, stop)
        Ranges of k that are reduced independently, one after the other listed by
        core; a single segment (0, k) unless k is split across cores.
    tree_format : NumberFormat or None
        Format of the additions that combine the segments, in listed order; None
        for a single segment.
    nest : tuple of KLoop
        Loops over k in the order of the additions, outermost first; empty for plain
        k order. Chunks, fused products and segments count positions in this order.

    Examples
    --------
    >>> order = ReductionOrder(k=5, chunk_size=2, fused=1, segments=((0, 5),))
    >>> order.chunks()
    ((0, 2), (2, 4), (4, 5))
    >>> for line in order.additions():
    ...     print(line)
    c0 = ((0 + p0) + p1)
    c1 = ((0 + p2) + p3)
    c2 = (0 + p4)
    sum = (((0 + c0) + c1) + c2)

    The even positions of k first, then the odd ones:

    >>> from accelsim.schedule.k_order import KLoop
    >>> nest = (KLoop(2, 1), KLoop(2, 2))
    >>> order = ReductionOrder(k=4, chunk_size=2, fused=1, segments=((0, 4),), nest=nest)
    >>> order.additions()
    ('c0 = ((0 + p0) + p2)', 'c1 = ((0 + p1) + p3)', 'sum = ((0 + c0) + c1)')
    """

    k: int
    chunk_size: int
    fused: int
    segments: tuple[tuple[int, int], ...]
    tree_format: NumberFormat | None = None
    nest: KNest = ()

    def __post_init__(self) -> None:
        """Refuse orders that leave products out or that do not say how segments meet."""
        if self.k < 0 or self.chunk_size < 1 or self.fused < 1:
            raise ValueError("k must be at least 0, chunk_size and fused at least 1")
        edges = (0, *(stop for _, stop in self.segments))
        starts = tuple(start for start, _ in self.segments)
        if starts != edges[:-1] or edges[-1] != self.k:
            raise ValueError(f"segments {self.segments} do not cover k = {self.k} in order")
        if (len(self.segments) > 1) != (self.tree_format is not None):
            raise ValueError("tree_format belongs to orders of several segments, and only to them")
        if not covers(self.nest, self.k):
            raise ValueError(f"the loops {self.nest} do not visit {self.k} positions once each")

    def positions(self) -> Iterator[int]:
        """Yield the k positions in the order in which their products are added."""
        yield from (int(k) for k in positions_in_order(self.nest, self.k))

    def chunks(self) -> tuple[tuple[int, int], ...]:
        """Return the half-open range of every chunk, in order; none for k = 0.

        Ranges of places in the order, which are positions of k in plain k order.
        """
        return tuple(
            (first, min(first + self.chunk_size, stop))
            for start, stop in self.segments
            for first in range(start, stop, self.chunk_size)
        )

    def additions(self, *, limit: int = 8) -> tuple[str, ...]:
        """Return the additions as text, one line a chunk, `limit` items spelled out.

        ``p3`` is the product at k = 3 and every pair of parentheses is one
        rounded addition; longer runs are shortened to ``...``.
        """
        lines = []
        names: list[list[str]] = []
        index = 0
        for start, stop in self.segments:
            mine = []
            for first in range(start, stop, self.chunk_size):
                last = min(first + self.chunk_size, stop)
                if index < limit:
                    lines.append(f"c{index} = {self._chunk_text(first, last, limit)}")
                mine.append(f"c{index}")
                index += 1
            names.append(mine)
        if index > limit:
            lines.append(f"... {index - limit} more chunks")
        sums = [_chain(mine, limit) for mine in names]
        if len(sums) == 1:
            return (*lines, f"sum = {sums[0]}")
        lines.extend(f"s{core} = {text}" for core, text in enumerate(sums))
        return (*lines, f"sum = {_chain([f's{core}' for core in range(len(sums))], limit, '')}")

    def _chunk_text(self, first: int, last: int, limit: int) -> str:
        addends = [
            " + ".join(
                f"p{position_at(self.nest, place)}"
                for place in range(at, min(at + self.fused, last))
            )
            for at in range(first, last, self.fused)
        ]
        return _chain(addends, limit)


def _chain(addends: list[str], limit: int, zero: str = "0") -> str:
    """Return ``(((0 + a) + b) + c)``, its middle shortened beyond `limit` addends."""
    if not addends:
        return "0"
    shown, skipped = addends, 0
    if len(addends) > limit:
        skipped = len(addends) - limit
        shown = [*addends[: limit - 1], "...", addends[-1]]
    text = zero
    for addend in shown:
        text = f"({text} + {addend})" if text else addend
    return text if not skipped else f"{text}  [{skipped} more]"
