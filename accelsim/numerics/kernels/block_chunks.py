"""The matrix product by whole chunks, where products are not added one by one, or at random.

As `accelsim.numerics.kernels.block`: each output is one lane of one task. A rule with
randomness has a random word per output and group of positions, in float64; words
are named by the output's row and column, so tasks cannot change them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba.extending import overload

from accelsim.numerics.kernels.chunk_sums import SCRATCH_VECTORS, sum_chunk
from accelsim.numerics.kernels.compile import compiled
from accelsim.numerics.kernels.steps_random import step_named
from accelsim.numerics.kernels.vector import load, splat, store
from accelsim.numerics.panels import ROWS_PER_TASK


@compiled
def multiply_tasks_chunks(
    inner: Any, outer: Any, a: Any, b: Any, out: Any, chunk: Any, names: Any, first: Any, last: Any
) -> None:
    """Compute tasks first .. last - 1; arguments as in `multiply_tasks`, but for `names`.

    These are the words of inner and of outer additions by output row (batch * m), those
    of padded columns, and the binary logarithm of the number of positions that
    share a word; or nothing where no rule is stochastic.
    """
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
            inner0, outer0 = _words_of(names, row, panel * lanes)
            inner1, outer1 = _words_of(names, other, panel * lanes)
            for number, begin in enumerate(range(0, k, chunk)):
                sum_chunk(
                    inner, flat_a, row * k, other * k, flat_b, base_b, lanes,
                    begin, min(k, begin + chunk), sums, inner0, inner1,
                )  # fmt: skip
                t0 = load(flat_out, o0)
                store(flat_out, o0, step_named(outer, one, load(sums, 0), t0, number, outer0))
                if other != row:
                    t1 = load(flat_out, o1)
                    s = load(sums, lanes)
                    store(flat_out, o1, step_named(outer, one, s, t1, number, outer1))


def _words_of(names: Any, row: Any, column: Any) -> Any:
    """Return what names the words of one row and a vector of columns; in compiled code only."""
    raise NotImplementedError


@overload(_words_of, inline="always")
def _choose(names: Any, row: Any, column: Any) -> Any:
    return _row_and_columns if len(names) else _nothing


def _row_and_columns(names: Any, row: Any, column: Any) -> Any:
    inner_rows, outer_rows, columns, shared = names
    words = load(columns, column)
    return (inner_rows[row], words, shared), (outer_rows[row], words, shared)


def _nothing(names: Any, row: Any, column: Any) -> Any:
    return (), ()
