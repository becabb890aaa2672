"""Cycles of passes on a row-stationary array, in closed form.

A stack of R elements adds to the same outputs, one after the other: element r takes
an output over from the element above and adds the L cycles' worth of products of its
kernel row. All elements move from output to output together, every P cycles, so a
pass of V outputs per element takes ``(V + R - 1) * P`` cycles, and the last sum is
stored ``latency - 1`` cycles later. Activations and weights come over buses that
reach all elements at once; columns are not skewed.

P is L unless chunks end too often: an outer addition needs the sum of the one before
it, which takes the adder's latency, and all additions of an element must start while
it holds the output. P is the fewest cycles for which they do.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from accelsim.arch.chip import Chip
from accelsim.schedule.mapping import Level, Mapping


@dataclass(frozen=True, slots=True)
class RowStack:
    """What of a row-stationary mapping decides the cycles of a pass.

    Parameters
    ----------
    rows : int
        Elements that a partial sum goes through in a pass.
    products_cycles : int
        Cycles in which an element takes the products of one output (L).
    period : int
        Cycles from one output of an element to its next (P).
    load : int
        Cycles to load the kernel rows of a pass.
    latency : int
        Cycles of an outer addition.
    """

    rows: int
    products_cycles: int
    period: int
    load: int
    latency: int

    def outputs(self, vectors: int) -> int:
        """Return the outputs that an element makes in a pass of `vectors` cycles of products."""
        return vectors // self.products_cycles

    def occupancy(self, vectors: int) -> int:
        """Return the cycles in which the first element works: V * P."""
        return self.outputs(vectors) * self.period

    @property
    def depth(self) -> int:
        """Cycles by which the last element is behind the first: (R - 1) * P."""
        return (self.rows - 1) * self.period

    @property
    def dependency(self) -> int:
        """Fewest cycles from a pass to one that goes on with its sums: R * P + latency - 1.

        An output's sum leaves the last element R * P cycles after it entered the first,
        and is stored `latency` - 1 cycles later.
        """
        return self.rows * self.period + self.latency - 1

    def gap(self, vectors: int, *, overlap: bool, hidden: bool) -> int:
        """Return the cycles from the start of a pass to that of the next.

        ==========================  ==================================
        overlapped                  max(V P, load) with hidden preload,
                                    else V P + load
        drained                     (V + R - 1) P + latency - 1, plus
                                    load with exposed preload
        ==========================  ==================================
        """
        busy = self.occupancy(vectors)
        if not overlap:
            busy += self.depth + self.latency - 1
        return max(busy, self.load) if hidden else busy + self.load

    def without_accumulator(self) -> RowStack:
        """Return the same stack with outer additions that cost no time."""
        return RowStack(self.rows, self.products_cycles, self.products_cycles, self.load, 1)


def row_stack(chip: Chip, mapping: Mapping, *, k: int) -> RowStack:
    """Return the stack of a row-stationary mapping of a reduction over `k`.

    Kernel rows come over one bus for each row of the array, `k_per_pe` weights a cycle;
    stacks beside each other take turns on it, those below each other have their own.
    """
    rows, stream = mapping.only(Level.ROWS), mapping.only(Level.STREAM)
    line = rows.tile
    stack = -(-(mapping.tile(Level.PASS, rows.dim) or k) // line)
    products_cycles = mapping.cycles_per_output
    beside = -(-stream.tile // max(1, rows.count // stack))
    accumulator = chip.accumulator
    return RowStack(
        rows=stack,
        products_cycles=products_cycles,
        period=period(
            k=k,
            line=line,
            chunk=mapping.chunk_size,
            rate=mapping.k_per_pe,
            latency=accumulator.latency_cycles,
            interval=accumulator.initiation_interval_cycles,
        ),
        load=stream.count * products_cycles * beside,
        latency=accumulator.latency_cycles,
    )


@lru_cache(maxsize=1024)
def period(*, k: int, line: int, chunk: int, rate: int, latency: int, interval: int) -> int:
    """Return the fewest cycles per output for which every outer addition is in time.

    Element r, with products ``r * line`` and on, ends a chunk at position e in cycle
    ``(e - r * line) // rate`` of its turn at the earliest. The addition starts `latency`
    cycles after the one before it of the same output, `interval` cycles after the one
    before it of the same element, and before the turn is over.

    Examples
    --------
    Chunks of 4 in rows of 12 that can be added every 3 cycles need no waiting; where
    an addition takes 5, three of them take 15.

    >>> period(k=48, line=12, chunk=4, rate=1, latency=3, interval=1)
    12
    >>> period(k=48, line=12, chunk=4, rate=1, latency=5, interval=1)
    15
    """
    cycles = -(-line // rate)
    if latency <= chunk // rate and k % chunk == 0 and interval == 1:
        return cycles  # ends are at least chunk // rate apart
    ends = [min(at + chunk, k) - 1 for at in range(0, k, chunk)]
    while not _in_time(ends, line, rate, latency=latency, interval=interval, cycles=cycles):
        cycles += 1
    return cycles


def _in_time(
    ends: list[int], line: int, rate: int, *, latency: int, interval: int, cycles: int
) -> bool:
    """Return whether all chunk ends of every output are added in turns of `cycles`.

    Output follows output until one goes as the one before it did, a turn later: their
    additions start ever later, or at the same time, so that this happens.
    """
    free: dict[int, int] = {}
    settled: list[int] = []
    while True:
        starts: list[int] = []
        for end in ends:
            element, offset = divmod(end, line)
            begin = element * cycles
            ready = starts[-1] + latency if starts else begin
            start = max(begin + offset // rate, ready, free.get(element, begin))
            if start >= begin + cycles:
                return False
            free[element] = start + interval
            starts.append(start)
        if starts == settled:
            return True
        settled = starts
        free = {element: at - cycles for element, at in free.items()}
