"""The matrix product where a chunk is not summed one product after the other.

As `accelsim.numerics.kernels.block`: each output is one lane of one task.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from accelsim.numerics.kernels.chunk_sums import sum_chunk
from accelsim.numerics.kernels.compile import compiled
from accelsim.numerics.kernels.step import step
from accelsim.numerics.kernels.vector import load, splat, store
from accelsim.numerics.panels import ROWS_PER_TASK

#: Vectors of scratch: two sums, and a level each of a tree over up to 2**62 products.
SCRATCH_VECTORS = 66


@compiled
def multiply_tasks_chunks(
    inner: Any, outer: Any, a: Any, b: Any, out: Any, chunk: Any, first: Any, last: Any
) -> None:
    """Compute tasks first .. last - 1; arguments as in `multiply_tasks`."""
    _, m, k = a.shape
    panels = b.shape[1]
    lanes = b.shape[3]
    n = out.shape[2]
    row_blocks = (m + ROWS_PER_TASK - 1) // ROWS_PER_TASK
    flat_a = a.reshape(a.size)
    flat_b = b.reshape(b.size)
    flat_out = out.reshape(out.size)
    sums = np.zeros(SCRATCH_VECTORS * lanes, out.dtype)
    one = splat(b.dtype.type(1.0))
    for task in range(first, last):
        batch = task // (panels * row_blocks)
        panel = task // row_blocks % panels
        start = task % row_blocks * ROWS_PER_TASK
        stop = min(m, start + ROWS_PER_TASK)
        base_b = (batch * panels + panel) * k * lanes
        for i in range(start, stop, 2):
            row = batch * m + i
            # A last odd row has itself for a partner, whose sums are left alone.
            other = row + 1 if i + 1 < stop else row
            o0 = row * n + panel * lanes
            o1 = other * n + panel * lanes
            for begin in range(0, k, chunk):
                length = min(k, begin + chunk) - begin
                at = base_b + begin * lanes
                sum_chunk(
                    inner, flat_a, row * k + begin, other * k + begin,
                    flat_b, at, lanes, length, sums,
                )  # fmt: skip
                store(flat_out, o0, step(outer, one, load(sums, 0), load(flat_out, o0)))
                if other != row:
                    s = load(sums, lanes)
                    store(flat_out, o1, step(outer, one, s, load(flat_out, o1)))
