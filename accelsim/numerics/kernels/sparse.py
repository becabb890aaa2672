"""The matrix product that skips zeros of A: four rows by one vector of columns.

A product that is zero leaves the sum of a chunk as it is, bit for bit, where the
operands are finite and rounding is to nearest. So the non-zero elements of a block
of rows are listed once, and only they are multiplied. Four rows are done together;
the shorter lists are filled up with zeros, so that the inner loop has no ends to
care for, and rows beyond the last have lists of zeros alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from accelsim.numerics.kernels.compile import compiled
from accelsim.numerics.kernels.step import step
from accelsim.numerics.kernels.vector import element, load, splat, splat_at, store
from accelsim.numerics.panels import ROWS_PER_TASK


@compiled
def multiply_tasks_sparse(
    inner: Any, outer: Any, a: Any, b: Any, out: Any, chunk: Any, first: Any, last: Any
) -> None:
    """Compute tasks first .. last - 1; a task is 64 rows by a panel.

    Arguments as in `accelsim.numerics.kernels.block.multiply_tasks`, but the panel of
    a task changes fastest: neighbouring tasks share their rows and their lists.
    """
    _, m, k = a.shape
    panels = b.shape[1]
    lanes = b.shape[3]
    n = out.shape[2]
    row_blocks = (m + ROWS_PER_TASK - 1) // ROWS_PER_TASK
    flat_a = a.reshape(a.size)
    flat_b = b.reshape(b.size)
    flat_out = out.reshape(out.size)
    chunks = (k + chunk - 1) // chunk
    places = np.empty(ROWS_PER_TASK * k, np.int32)
    values = np.empty(ROWS_PER_TASK * k, np.float32)
    # Where the list of a chunk of four rows begins; it ends where the next begins.
    starts = np.zeros(ROWS_PER_TASK // 4 * chunks + 1, np.int64)
    totals = np.empty(ROWS_PER_TASK * lanes, np.float32)
    listed = -1
    for task in range(first, last):
        block = task // panels
        batch = block // row_blocks
        start = block % row_blocks * ROWS_PER_TASK
        rows = min(m - start, ROWS_PER_TASK)
        if block != listed:
            _list_block(flat_a, (batch * m + start) * k, rows, k, chunk, lanes,
                        places, values, starts)  # fmt: skip
            listed = block
        base_b = (batch * panels + task % panels) * k * lanes
        totals[:] = 0.0
        # Chunk by chunk for all rows, so that a chunk of B stays in the cache.
        for number in range(chunks):
            for four in range((rows + 3) // 4):
                at = number * (ROWS_PER_TASK // 4) + four
                _add_chunk(
                    inner, outer, places, values, starts[at], starts[at + 1],
                    flat_b, base_b, totals, four * 4 * lanes, lanes,
                )  # fmt: skip
        base_out = (batch * m + start) * n + task % panels * lanes
        for row in range(rows):
            store(flat_out, base_out + row * n, load(totals, row * lanes))


@compiled
def _list_block(
    a: Any, base: Any, rows: Any, k: Any, chunk: Any, lanes: Any,
    places: Any, values: Any, starts: Any,
) -> None:  # fmt: skip
    """List where rows are not zero: chunk by chunk, by fours of rows, their lists interleaved."""
    fours = ROWS_PER_TASK // 4
    counts = np.zeros(4, np.int64)
    at: Any = 0
    for number, begin in enumerate(range(0, k, chunk)):
        end = min(k, begin + chunk)
        for four in range(fours):
            starts[number * fours + four] = at
            counts[:] = 0
            for row in range(four * 4, min(rows, four * 4 + 4)):
                counts[row % 4] = _list_nonzero(
                    a, base + row * k, begin, end, lanes, places, values, at + row % 4
                )
            longest = counts.max()
            for row in range(4):
                for i in range(at + row + 4 * counts[row], at + 4 * longest, 4):
                    places[i] = 0
                    values[i] = 0.0
            at += 4 * longest
    starts[starts.size - 1] = at


@compiled
def _list_nonzero(
    a: Any, base: Any, begin: Any, end: Any, lanes: Any, places: Any, values: Any, at: Any
) -> Any:
    """List one chunk of a row, as offsets into a panel; return how many are not zero."""
    bits = a.view(np.int32)
    count: Any = 0
    for i in range(begin, end):
        places[at + 4 * count] = i * lanes
        values[at + 4 * count] = a[base + i]
        # The sign of minus the magnitude is 1 unless that is 0: no branch to mispredict.
        size: Any = np.int64(bits[base + i]) & 0x7FFFFFFF
        count += (-size >> 63) & 1
    return count


@compiled
def _add_chunk(
    inner: Any, outer: Any, places: Any, values: Any, start: Any, stop: Any,
    b: Any, b0: Any, out: Any, o0: Any, ldo: Any,
) -> None:  # fmt: skip
    """Add one chunk to four rows of totals."""
    o1, o2, o3 = o0 + ldo, o0 + 2 * ldo, o0 + 3 * ldo
    one = splat(b.dtype.type(1.0))
    s0 = splat(b.dtype.type(0.0))
    s1 = s0
    s2 = s0
    s3 = s0
    for i in range(start, stop, 4):
        s0 = step(inner, splat_at(values, i), load(b, b0 + element(places, i)), s0)
        s1 = step(inner, splat_at(values, i + 1), load(b, b0 + element(places, i + 1)), s1)
        s2 = step(inner, splat_at(values, i + 2), load(b, b0 + element(places, i + 2)), s2)
        s3 = step(inner, splat_at(values, i + 3), load(b, b0 + element(places, i + 3)), s3)
    store(out, o0, step(outer, one, s0, load(out, o0)))
    store(out, o1, step(outer, one, s1, load(out, o1)))
    store(out, o2, step(outer, one, s2, load(out, o2)))
    store(out, o3, step(outer, one, s3, load(out, o3)))
