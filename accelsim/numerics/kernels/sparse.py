"""The matrix product that skips zeros of A: four rows by one vector of columns.

A product that is zero leaves the sum of a chunk as it is, bit for bit, where the
operands are finite and rounding is to nearest. So the non-zero elements of a block
of rows are listed once, chunk by chunk, and only they are multiplied. Four rows are
done together; the shorter lists are filled up with zeros, so that the inner loop has no
ends to care for, and rows beyond the last have lists of zeros alone. Rows with lists of
about the same length go together: by fours as they come, an eighth of the work would be zeros.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from accelsim.numerics.kernels.compile import compiled, compiled_part
from accelsim.numerics.kernels.shuffle import compress_store, count_true
from accelsim.numerics.kernels.step import step
from accelsim.numerics.kernels.vector import (
    add,
    different,
    element,
    load,
    splat,
    splat_at,
    store,
)
from accelsim.numerics.panels import ROWS_PER_TASK

#: Kinds of lengths by which lists are put in order.
BUCKETS = 64


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
    room = min(chunk, k)
    places = np.empty(ROWS_PER_TASK * chunks * room, np.int32)
    values = np.empty(ROWS_PER_TASK * chunks * room, np.float32)
    # How long the lists of a chunk of four rows are, and whose they are.
    lengths = np.zeros(ROWS_PER_TASK // 4 * chunks, np.int64)
    order = np.zeros(ROWS_PER_TASK * chunks, np.int64)
    counts = np.zeros(ROWS_PER_TASK, np.int64)
    starts = np.zeros(BUCKETS + 2, np.int64)
    columns = np.arange(lanes).astype(np.int32) * np.int32(lanes)
    totals = np.empty(ROWS_PER_TASK * lanes, np.float32)
    listed = -1
    for task in range(first, last):
        block = task // panels
        batch = block // row_blocks
        start = block % row_blocks * ROWS_PER_TASK
        rows = min(m - start, ROWS_PER_TASK)
        if block != listed:
            _list_block(flat_a, (batch * m + start) * k, rows, k, chunk, columns,
                        places, values, counts, starts, order, lengths)  # fmt: skip
            listed = block
        base_b = (batch * panels + task % panels) * k * lanes
        totals[:] = 0.0
        # Chunk by chunk for all rows, so that a chunk of B stays in the cache.
        for number in range(chunks):
            for four in range(ROWS_PER_TASK // 4):
                at = number * (ROWS_PER_TASK // 4) + four
                if lengths[at]:
                    _add_chunk(
                        inner, outer, places, values, at * 4, room, lengths[at],
                        flat_b, base_b, totals, order, lanes,
                    )  # fmt: skip
        base_out = (batch * m + start) * n + task % panels * lanes
        for row in range(rows):
            store(flat_out, base_out + row * n, load(totals, row * lanes))


@compiled_part
def _list_block(
    a: Any, base: Any, rows: Any, k: Any, chunk: Any, columns: Any,
    places: Any, values: Any, counts: Any, starts: Any, order: Any, lengths: Any,
) -> None:  # fmt: skip
    """List where rows are not zero, chunk by chunk, each row's list in a room of its own."""
    room = min(chunk, k)
    for number, begin in enumerate(range(0, k, chunk)):
        end = min(k, begin + chunk)
        for row in range(ROWS_PER_TASK):
            counts[row] = 0
            if row < rows:
                counts[row] = _count_nonzero(a, base + row * k, begin, end, columns.size)
        _put_in_order(counts, room, starts, order, number * ROWS_PER_TASK)
        for first in range(number * ROWS_PER_TASK, (number + 1) * ROWS_PER_TASK, 4):
            longest: Any = 0
            for slot in range(first, first + 4):
                longest = max(longest, counts[order[slot]])
            for slot in range(first, first + 4):
                row, at = order[slot], slot * room
                if counts[row]:
                    _list_nonzero(a, base + row * k, begin, end, columns, places, values, at)
                for i in range(at + counts[row], at + longest):
                    places[i] = 0
                    values[i] = 0.0
            lengths[first // 4] = longest


@compiled_part
def _put_in_order(counts: Any, room: Any, starts: Any, order: Any, at: Any) -> None:
    """Fill in the rows of a block from short lists to long, nearly: bucket by bucket."""
    for bucket in range(BUCKETS + 2):
        starts[bucket] = at if bucket == 0 else 0
    for row in range(ROWS_PER_TASK):
        starts[counts[row] * BUCKETS // room + 1] += 1
    for bucket in range(BUCKETS + 1):
        starts[bucket + 1] += starts[bucket]
    for row in range(ROWS_PER_TASK):
        bucket = counts[row] * BUCKETS // room
        order[starts[bucket]] = row
        starts[bucket] += 1


@compiled_part
def _count_nonzero(a: Any, base: Any, begin: Any, end: Any, lanes: Any) -> Any:
    """Return how many elements of one chunk of a row are not zero."""
    count: Any = 0
    i = begin
    zero = splat(np.float32(0.0))
    while i + lanes <= end:
        count += count_true(different(load(a, base + i), zero))
        i += lanes
    while i < end:
        count += element(a, base + i) != 0.0
        i += 1
    return count


@compiled_part
def _list_nonzero(
    a: Any, base: Any, begin: Any, end: Any, columns: Any, places: Any, values: Any, at: Any
) -> None:
    """List one chunk of a row, as offsets into a panel."""
    lanes = columns.size
    i = begin
    zero = splat(np.float32(0.0))
    while i + lanes <= end:
        v = load(a, base + i)
        kept = different(v, zero)
        compress_store(values, at, kept, v)
        offsets = add(load(columns, 0), splat(np.int32(i * lanes)))
        compress_store(places, at, kept, offsets)
        at += count_true(kept)
        i += lanes
    while i < end:
        if element(a, base + i) != 0.0:
            places[at] = i * lanes
            values[at] = element(a, base + i)
            at += 1
        i += 1


@compiled_part
def _add_chunk(
    inner: Any, outer: Any, places: Any, values: Any, slot: Any, room: Any, count: Any,
    b: Any, b0: Any, out: Any, order: Any, lanes: Any,
) -> None:  # fmt: skip
    """Add one chunk to the totals of the rows whose lists are in four slots."""
    one = splat(b.dtype.type(1.0))
    s0 = splat(b.dtype.type(0.0))
    s1 = s0
    s2 = s0
    s3 = s0
    at = slot * room
    r1, r2, r3 = room, 2 * room, 3 * room
    for i in range(at, at + count):
        s0 = step(inner, splat_at(values, i), load(b, b0 + element(places, i)), s0)
        s1 = step(inner, splat_at(values, i + r1), load(b, b0 + element(places, i + r1)), s1)
        s2 = step(inner, splat_at(values, i + r2), load(b, b0 + element(places, i + r2)), s2)
        s3 = step(inner, splat_at(values, i + r3), load(b, b0 + element(places, i + r3)), s3)
    o0, o1 = element(order, slot) * lanes, element(order, slot + 1) * lanes
    o2, o3 = element(order, slot + 2) * lanes, element(order, slot + 3) * lanes
    store(out, o0, step(outer, one, s0, load(out, o0)))
    store(out, o1, step(outer, one, s1, load(out, o1)))
    store(out, o2, step(outer, one, s2, load(out, o2)))
    store(out, o3, step(outer, one, s3, load(out, o3)))
