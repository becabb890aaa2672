"""The matrix product that rounds exact sums of several products at random.

As `accelsim.numerics.kernels.block_random`; the word of a group is that of its first position.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from accelsim.numerics.kernels.compile import compiled, compiled_part
from accelsim.numerics.kernels.steps_random import finish, random_step, row_word
from accelsim.numerics.kernels.vector import load, multiply_add, splat, splat_at, store
from accelsim.numerics.panels import ROWS_PER_TASK


@compiled
def multiply_tasks_random_groups(
    inner: Any,
    outer: Any,
    a: Any,
    b: Any,
    out: Any,
    chunk: Any,
    inner_rows: Any,
    outer_rows: Any,
    columns: Any,
    width: Any,
    first: Any,
    last: Any,
) -> None:
    """Compute tasks first .. last - 1; arguments as in `multiply_tasks_random`.

    `inner` is a `GroupedSum`, whose groups begin anew with every chunk.
    """
    _, m, k = a.shape
    panels = b.shape[1]
    lanes = b.shape[3]
    row_blocks = (m + ROWS_PER_TASK - 1) // ROWS_PER_TASK
    n = out.shape[2]
    flat_a = a.reshape(a.size)
    flat_b = b.reshape(b.size)
    flat_out = out.reshape(out.size)
    one = splat(np.float64(1.0))
    per_word = 64 // width
    for task in range(first, last):
        batch = task // (panels * row_blocks)
        panel = task // row_blocks % panels
        start = task % row_blocks * ROWS_PER_TASK
        base_b = (batch * panels + panel) * k * lanes
        words_of = load(columns, panel * lanes)
        for row in range(batch * m + start, batch * m + min(m, start + ROWS_PER_TASK)):
            total = splat(np.float64(0.0))
            for number, begin in enumerate(range(0, k, chunk)):
                s = _sum_groups(
                    inner, flat_a, row * k, flat_b, base_b, lanes, begin, min(k, begin + chunk),
                    inner_rows[row], words_of, width,
                )  # fmt: skip
                words = finish(row_word(outer_rows[row], number // per_word), words_of)
                field = (number % per_word + 1) * width
                total = random_step(outer, one, s, total, words, field)
            store(flat_out, row * n + panel * lanes, total)


@compiled_part
def _sum_groups(
    rule: Any, a: Any, a0: Any, b: Any, b0: Any, lanes: Any, begin: Any, end: Any,
    row: Any, columns: Any, width: Any,
) -> Any:  # fmt: skip
    """Return the sums of one chunk of one row."""
    one = splat(np.float64(1.0))
    s = splat(np.float64(0.0))
    per_word = 64 // width
    for start in range(begin, end, rule.size):
        stop = min(end, start + rule.size)
        for i in range(start, stop):
            s = multiply_add(splat_at(a, a0 + i), load(b, b0 + i * lanes), s)
        # An exact sum of more than three terms is never -0; x + -0 is x.
        sign = splat(np.float64(0.0) if stop - start > 2 else np.float64(-0.0))
        words = finish(row_word(row, start // per_word), columns)
        s = random_step(rule.rounding, one, s, sign, words, (start % per_word + 1) * width)
    return s
