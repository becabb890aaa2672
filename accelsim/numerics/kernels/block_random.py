"""The matrix product with stochastic rounding: two rows by one vector of columns.

As `accelsim.numerics.kernels.block`, in float64, with a random word per output
and group of positions. Words are named by the output's row and column, so tasks
cannot change them.
"""

from __future__ import annotations

from typing import Any

from accelsim.numerics.kernels.compile import compiled
from accelsim.numerics.kernels.steps_random import finish, random_step, row_word
from accelsim.numerics.kernels.vector import load, splat, splat_at, store
from accelsim.numerics.panels import ROWS_PER_TASK


@compiled
def multiply_tasks_random(
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
    """Compute tasks first .. last - 1 of ``out += a @ b``.

    `a`, `b` and `out` as in `multiply_tasks`. `inner_rows` and `outer_rows` hold a
    word per output row (batch * m), `columns` one per padded column; `width` is
    the number of bits of a word that one position has.
    """
    _, m, k = a.shape
    panels = b.shape[1]
    lanes = b.shape[3]
    row_blocks = (m + ROWS_PER_TASK - 1) // ROWS_PER_TASK
    n = out.shape[2]
    flat_a = a.reshape(a.size)
    flat_b = b.reshape(b.size)
    flat_out = out.reshape(out.size)
    for task in range(first, last):
        batch = task // (panels * row_blocks)
        panel = task // row_blocks % panels
        start = task % row_blocks * ROWS_PER_TASK
        stop = min(m, start + ROWS_PER_TASK)
        base_b = (batch * panels + panel) * k * lanes
        column_words = load(columns, panel * lanes)
        for i in range(start, stop, 2):
            row = batch * m + i
            # A last odd row is computed twice, into the same place.
            other = row + 1 if i + 1 < stop else row
            _two_rows(
                inner, outer, flat_a, row * k, other * k, k, flat_b, base_b, lanes,
                flat_out, row * n + panel * lanes, other * n + panel * lanes, chunk,
                inner_rows[row], inner_rows[other], outer_rows[row], outer_rows[other],
                column_words, width,
            )  # fmt: skip


@compiled
def _two_rows(
    inner: Any, outer: Any, a: Any, a0: Any, a1: Any, k: Any, b: Any, b0: Any, lanes: Any,
    out: Any, o0: Any, o1: Any, chunk: Any,
    inner0: Any, inner1: Any, outer0: Any, outer1: Any, columns: Any, width: Any,
) -> None:  # fmt: skip
    """Compute two rows of one panel."""
    one = splat(b.dtype.type(1.0))
    zero = splat(b.dtype.type(0.0))
    t0 = zero
    t1 = zero
    per_word = 64 // width
    for number, start in enumerate(range(0, k, chunk)):
        s0 = zero
        s1 = zero
        w0 = columns
        w1 = columns
        for i in range(start, min(k, start + chunk)):
            place = i % per_word
            if place == 0 or i == start:
                w0 = finish(row_word(inner0, i // per_word), columns)
                w1 = finish(row_word(inner1, i // per_word), columns)
            field = (place + 1) * width
            v = load(b, b0 + i * lanes)
            s0 = random_step(inner, splat_at(a, a0 + i), v, s0, w0, field)
            s1 = random_step(inner, splat_at(a, a1 + i), v, s1, w1, field)
        field = (number % per_word + 1) * width
        w0 = finish(row_word(outer0, number // per_word), columns)
        w1 = finish(row_word(outer1, number // per_word), columns)
        t0 = random_step(outer, one, s0, t0, w0, field)
        t1 = random_step(outer, one, s1, t1, w1, field)
    store(out, o0, t0)
    store(out, o1, t1)
