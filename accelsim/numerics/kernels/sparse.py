"""The matrix product that skips zeros of A: one row by four vectors of columns.

A product that is zero leaves the sum of a chunk as it is, bit for bit, where the
operands are finite and rounding is to nearest. So the non-zero elements of a row
are listed once, and only they are multiplied.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from accelsim.numerics.kernels.compile import compiled
from accelsim.numerics.kernels.step import step
from accelsim.numerics.kernels.vector import load, splat, splat_at, store
from accelsim.numerics.panels import PANELS_PER_GROUP, ROWS_PER_TASK


@compiled
def multiply_tasks_sparse(
    inner: Any, outer: Any, a: Any, b: Any, out: Any, chunk: Any, first: Any, last: Any
) -> None:
    """Compute tasks first .. last - 1; a task is 64 rows by a group of four panels.

    Arguments as in `accelsim.numerics.kernels.block.multiply_tasks`; the number of
    panels is a multiple of four.
    """
    _, m, k = a.shape
    panels = b.shape[1]
    lanes = b.shape[3]
    groups = panels // PANELS_PER_GROUP
    row_blocks = (m + ROWS_PER_TASK - 1) // ROWS_PER_TASK
    flat_a = a.reshape(a.size)
    flat_b = b.reshape(b.size)
    flat_out = out.reshape(out.size)
    places = np.empty(min(chunk, k), np.int64)
    values = np.empty(min(chunk, k), np.float32)
    for task in range(first, last):
        batch = task // (groups * row_blocks)
        group = task // row_blocks % groups
        start = batch * m + task % row_blocks * ROWS_PER_TASK
        stop = min(batch * m + m, start + ROWS_PER_TASK)
        base_b = (batch * panels + group * PANELS_PER_GROUP) * k * lanes
        # Chunk by chunk for all rows, so that a chunk of B stays in the cache.
        for begin in range(0, k, chunk):
            end = min(k, begin + chunk)
            for row in range(start, stop):
                count = _list_nonzero(flat_a, row * k, begin, end, lanes, places, values)
                base_out = row * out.shape[2] + group * PANELS_PER_GROUP * lanes
                _add_chunk(
                    inner, outer, places, values, count, flat_b, base_b, k * lanes, lanes,
                    flat_out, base_out,
                )  # fmt: skip


@compiled
def _list_nonzero(
    a: Any, base: Any, begin: Any, end: Any, lanes: Any, places: Any, values: Any
) -> Any:
    """List where a row is not zero, as offsets into a panel; return how many there are."""
    bits = a.view(np.int32)
    count: Any = 0
    for i in range(begin, end):
        places[count] = i * lanes
        values[count] = a[base + i]
        # The sign of minus the magnitude is 1 unless that is 0: no branch to mispredict.
        size: Any = np.int64(bits[base + i]) & 0x7FFFFFFF
        count += (-size >> 63) & 1
    return count


@compiled
def _add_chunk(
    inner: Any, outer: Any, places: Any, values: Any, count: Any, b: Any, b0: Any, ldb: Any,
    lanes: Any, out: Any, o0: Any,
) -> None:  # fmt: skip
    """Add one chunk to one row of four panels of totals."""
    b1, b2, b3 = b0 + ldb, b0 + 2 * ldb, b0 + 3 * ldb
    o1, o2, o3 = o0 + lanes, o0 + 2 * lanes, o0 + 3 * lanes
    one = splat(b.dtype.type(1.0))
    s0 = splat(b.dtype.type(0.0))
    s1 = s0
    s2 = s0
    s3 = s0
    for i in range(count):
        x = splat_at(values, i)
        place = places[i]
        s0 = step(inner, x, load(b, b0 + place), s0)
        s1 = step(inner, x, load(b, b1 + place), s1)
        s2 = step(inner, x, load(b, b2 + place), s2)
        s3 = step(inner, x, load(b, b3 + place), s3)
    store(out, o0, step(outer, one, s0, load(out, o0)))
    store(out, o1, step(outer, one, s1, load(out, o1)))
    store(out, o2, step(outer, one, s2, load(out, o2)))
    store(out, o3, step(outer, one, s3, load(out, o3)))
