"""Cycles of stationary tile passes on a systolic array, in closed form.

Nothing here simulates: a pass is a handful of integers, and a million of them in
a regular pattern cost as much as the pattern is long. The forms are proved by a
register-level model of the same array, which moves every operand one register a
cycle.

Conventions. The array has R rows and C columns. Operands are skewed: what enters
row 0, column 0 in cycle s meets row r, column c in cycle s + r + c. A pass
streams T vectors, one a cycle. Ragged tiles leave rows and columns idle, and
still pass through all of them.

===============================  ==========================================
one pass, nothing overlapped     cycles
===============================  ==========================================
weight- or input-stationary      R (preload) + T + R + C - 2
output-stationary                T + R + C - 2, plus R to shift out if exposed
===============================  ==========================================

The first vector meets the last processing element R + C - 2 cycles after it
entered, the last vector T - 1 cycles after the first; hence T + R + C - 2.

The accumulator adds to that:

* k along the rows: a column's sums reach the outer accumulator at one a cycle,
  which starts an addition every `interval` cycles and stores it after `latency`.
* k in time: every processing element hands a chunk sum to its outer accumulator
  whenever a chunk ends.

References
----------
Samajdar et al., "A Systematic Methodology for Characterizing Scalability of DNN
Accelerators using SCALE-Sim", ISPASS 2020 (the isolated passes).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from accelsim.arch.chip import Chip
from accelsim.arch.mac_array import Drain
from accelsim.schedule.mapping import Mapping, Stationary
from accelsim.timing.row_forms import RowStack, row_stack


class ChunkCase(StrEnum):
    """Where the sums of chunks leave a column in which k lies along the rows."""

    #: A chunk is what one pass holds: its sum leaves at the bottom.
    WHOLE = "whole"
    #: A chunk spans passes: its partial sum re-enters at the top.
    RECIRCULATE = "recirculate"
    #: Several chunks in one pass: outer adders along the column.
    TAPS = "taps"


def chunk_case(*, chunk_size: int, k_tile: int, k: int) -> ChunkCase:
    """Say how chunks of `chunk_size` lie in tiles of `k_tile` positions of a reduction over `k`.

    Raises
    ------
    ValueError
        If a chunk would end where the column has no adder.

    Examples
    --------
    >>> chunk_case(chunk_size=64, k_tile=64, k=576).value
    'whole'
    >>> chunk_case(chunk_size=128, k_tile=64, k=576).value
    'recirculate'
    """
    if k <= k_tile and chunk_size >= k:
        return ChunkCase.WHOLE
    if chunk_size >= k or chunk_size % k_tile == 0:
        return ChunkCase.WHOLE if chunk_size == k_tile else ChunkCase.RECIRCULATE
    if k_tile % chunk_size == 0:
        return ChunkCase.TAPS
    raise ValueError(
        f"chunk_size {chunk_size} is neither a multiple nor a divisor of the k tile {k_tile}"
    )


@dataclass(frozen=True, slots=True)
class ArrayForm:
    """What of a chip and a mapping decides the cycles of a pass.

    Parameters
    ----------
    rows, cols : int
        Processing elements.
    k_per_pe : int
        k positions that a processing element takes per cycle.
    k_on_rows : bool
        k lies along the rows (weight- and input-stationary), not in time.
    chunk_size : int
        Products per chunk, at most k.
    taps : bool
        Chunks end inside the column (`ChunkCase.TAPS`).
    preload_hidden, overlap_passes, drain_hidden : bool
        As in `MacArray`.
    latency, interval : int
        Cycles of an outer addition, and between two of them.
    stack : RowStack or None
        What takes the place of rows and columns where kernel rows stay.
    """

    rows: int
    cols: int
    k_per_pe: int = 1
    k_on_rows: bool = True
    chunk_size: int = 1
    taps: bool = False
    preload_hidden: bool = True
    overlap_passes: bool = True
    drain_hidden: bool = True
    latency: int = 1
    interval: int = 1
    stack: RowStack | None = None

    @property
    def depth(self) -> int:
        """Cycles after which a vector that entered has left: R + C - 2."""
        if self.stack is not None:
            return self.stack.depth
        return self.rows + self.cols - 2

    @property
    def preload(self) -> int:
        """Cycles to load a stationary tile: one row a cycle; none where outputs stay."""
        if self.stack is not None:
            return self.stack.load
        return self.rows if self.k_on_rows else 0

    def without_accumulator(self) -> ArrayForm:
        """Return the same array with outer accumulators that cost no time."""
        return ArrayForm(
            rows=self.rows,
            cols=self.cols,
            k_per_pe=self.k_per_pe,
            k_on_rows=self.k_on_rows,
            chunk_size=1 << 62,
            preload_hidden=self.preload_hidden,
            overlap_passes=self.overlap_passes,
            drain_hidden=self.drain_hidden,
            stack=None if self.stack is None else self.stack.without_accumulator(),
        )


@dataclass(frozen=True, slots=True)
class Pass:
    """One stationary tile pass.

    Parameters
    ----------
    vectors : int
        Streamed vectors.
    k : int
        Products per output.
    continues : bool
        Its outputs already have a partial sum, from the pass `distance` passes
        before it.
    recirculates : bool
        It begins inside a chunk.
    """

    vectors: int
    k: int = 1
    continues: bool = False
    recirculates: bool = False


def array_form(chip: Chip, mapping: Mapping, *, k: int) -> ArrayForm:
    """Return the form of a GEMM with reduction length `k` on the array that `mapping` uses."""
    array = chip.mac_array
    rows, cols, p = mapping.rows, mapping.cols, mapping.k_per_pe
    taps = False
    stays = mapping.stationary is Stationary.ROW
    if mapping.k_on_rows and not stays:
        case = chunk_case(chunk_size=mapping.chunk_size, k_tile=rows * p, k=k)
        taps = case is ChunkCase.TAPS
    return ArrayForm(
        rows=rows,
        cols=cols,
        k_per_pe=p,
        k_on_rows=mapping.k_on_rows,
        chunk_size=mapping.chunk_size,
        taps=taps,
        preload_hidden=array.preload_hidden,
        overlap_passes=array.overlap_passes,
        drain_hidden=array.drain is Drain.HIDDEN,
        latency=chip.accumulator.latency_cycles,
        interval=chip.accumulator.initiation_interval_cycles,
        stack=row_stack(chip, mapping, k=k) if stays else None,
    )


def tap_chain(form: ArrayForm) -> tuple[int, int]:
    """Return when the first and the last outer addition of one vector start, in cycles.

    Counted from the vector's entry into its column. Chunk j of the tile leaves at
    row ``((j + 1) * chunk - 1) // p``; its addition waits for the one before it:
    ``t[j] = max(t[j-1] + latency, row[j])``, so ``t[last] = max over j of
    row[j] + (last - j) * latency``. Without taps there is one, at the last row.
    """
    if not form.taps:
        return form.rows - 1, form.rows - 1
    count = form.rows * form.k_per_pe // form.chunk_size
    rows = [((j + 1) * form.chunk_size - 1) // form.k_per_pe for j in range(count)]
    last = max(row + (count - 1 - j) * form.latency for j, row in enumerate(rows))
    return rows[0], last


def dependency(form: ArrayForm, item: Pass) -> int:
    """Return the fewest cycles from the start of the pass that left a partial sum to `item`.

    Recirculating, the sum leaves the last row R - 1 cycles after its vector entered,
    takes `latency` cycles through the accumulator's memory, and enters the first
    row: R + latency - 1. At a chunk border the next addition of the same output
    waits for the one before: `latency`, and with taps for their whole chain.
    """
    if not item.continues or not form.k_on_rows:
        return 0
    if form.stack is not None:
        return form.stack.dependency
    if item.recirculates:
        return form.rows + form.latency - 1
    first, last = tap_chain(form)
    return last + form.latency - first


def chunk_stall(form: ArrayForm, k: int) -> int:
    """Return the cycles by which outer additions hold up a stream of `k` products in time.

    Chunk j ends with stream cycle ``a[j] = (min((j + 1) * chunk, k) - 1) // p``; two
    ends must be D = max(latency, interval) apart, since each addition needs the sum
    before it. The whole chunks are floor or ceil(chunk / p) cycles apart, so either
    none of their gaps or all are too short; the short last chunk is one more gap.
    """
    p, chunk = form.k_per_pe, min(form.chunk_size, k)
    apart = max(form.latency, form.interval)
    whole = k // chunk
    first_end, last_end = (chunk - 1) // p, (whole * chunk - 1) // p
    stall = 0
    if apart > chunk // p:
        stall = max(0, (whole - 1) * apart - (last_end - first_end))
    if k % chunk:
        stall += max(0, apart - ((k - 1) // p - last_end))
    return stall


def occupancy(form: ArrayForm, item: Pass) -> int:
    """Return the cycles from the first to the last vector of a pass entering, inclusive."""
    if form.stack is not None:
        return form.stack.occupancy(item.vectors)
    if form.k_on_rows:
        return (item.vectors - 1) * form.interval + 1
    return item.vectors + chunk_stall(form, item.k)


def accumulator_tail(form: ArrayForm) -> int:
    """Return the cycles that outer additions go on after the last processing element's last."""
    if form.stack is not None:
        return form.stack.latency - 1
    if not form.k_on_rows:
        return form.latency - 1
    return tap_chain(form)[1] - (form.rows - 1) + form.latency - 1


def gap(form: ArrayForm, before: Pass, after: Pass) -> int:
    """Return the cycles from the start of a pass to the start of the one directly after it.

    Start means the first vector entering row 0, column 0. `after` is taken to
    continue the outputs of `before` if it continues any.

    ==========================  ====================================================
    k on rows, overlapped       max(T, R) with hidden preload, else T + R
    k on rows, drained          T + R + C - 2, plus R with exposed preload
    k in time, overlapped       T + max(0, R - T after) with hidden drain, else T + R
    k in time, drained          T + R + C - 2, plus R with exposed drain
    ==========================  ====================================================

    Hidden preload: a column's loading port needs R cycles a tile and starts on the
    next when the current tile starts. Hidden drain: a column's shift-out register
    needs R cycles a tile, so the tiles' ends are R apart.
    """
    if form.stack is not None:
        least = form.stack.gap(
            before.vectors, overlap=form.overlap_passes, hidden=form.preload_hidden
        )
        return max(least, dependency(form, after))
    busy = occupancy(form, before)
    tail = accumulator_tail(form)
    if form.k_on_rows:
        exposed = 0 if form.preload_hidden else form.rows
        if form.overlap_passes:
            least = max(before.vectors * form.interval, form.rows, busy + exposed)
        else:
            drained = busy + form.depth + tail + exposed
            least = max(drained, before.vectors * form.interval)
        return max(least, dependency(form, after))
    first_end = (min(form.chunk_size, after.k) - 1) // form.k_per_pe
    apart = form.interval - 1 - first_end
    exposed = 0 if form.drain_hidden else form.rows + tail
    if form.overlap_passes:
        shift = form.rows - occupancy(form, after) if form.drain_hidden else 0
        return busy + max(exposed, shift, apart)
    return busy + max(form.depth + (tail if form.drain_hidden else 0) + exposed, apart)


def last_pass(form: ArrayForm, item: Pass) -> int:
    """Return the cycles from the start of the last pass to its last stored sum."""
    exposed = 0 if form.k_on_rows or form.drain_hidden else form.rows
    return occupancy(form, item) + form.depth + accumulator_tail(form) + exposed


@dataclass(frozen=True, slots=True)
class PassCycles:
    """Cycles of passes, split: streamed vectors, the rest of the form, the accumulator's share."""

    compute: int
    fill_drain: int
    accumulator: int = 0

    @property
    def array(self) -> int:
        """Streaming, fill and drain: what SCALE-Sim calls compute cycles."""
        return self.compute + self.fill_drain

    @property
    def total(self) -> int:
        """All cycles."""
        return self.compute + self.fill_drain + self.accumulator


def isolated_pass(form: ArrayForm, item: Pass) -> PassCycles:
    """Return the cycles of one pass that nothing precedes or follows.

    Examples
    --------
    >>> form = ArrayForm(rows=4, cols=3)
    >>> isolated_pass(form, Pass(vectors=10)).total  # 10 + 2 * 4 + 3 - 2
    19
    """
    return run_of_passes(form, item, count=1)


def run_of_passes(form: ArrayForm, item: Pass, *, count: int) -> PassCycles:
    """Return the cycles of `count` equal passes back to back.

    Where `item` continues outputs, each pass continues those of the one before it.

    Examples
    --------
    >>> form = ArrayForm(rows=4, cols=3)
    >>> run_of_passes(form, Pass(vectors=10), count=5).total  # 5 * 10 + 2 * 4 + 3 - 2
    59
    """
    if count < 1:
        raise ValueError(f"a run has at least one pass, not {count}")
    ideal = form.without_accumulator()
    plain, total = (
        one.preload + (count - 1) * gap(one, item, item) + last_pass(one, item)
        for one in (ideal, form)
    )
    compute = count * item.vectors
    return PassCycles(compute, plain - compute, total - plain)
