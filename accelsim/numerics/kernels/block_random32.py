"""The matrix product with stochastic rounding in float32: one row by one vector of columns.

Random words and sums are those of `accelsim.numerics.kernels.block_chunks`, bit for
bit. Four positions share a word; float32 does their additions, rounding toward zero. Of a
sum it cuts off c bits, F in units of the last, and has itself lost a rest d < 1; the noise is
R + r, 0 <= r <= 3/4. The sum goes up if F + R + d + r >= 2**c. Added up is F + R + 1,
which says the same unless it is 2**c exactly: once in 2**c additions, and seen
by zeros in the c bits. Then, and where a chunk holds but a part of the four, float64 does
all four again. No sum there needs a rounding, so that its mode does not matter.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba.extending import overload

from accelsim.numerics.kernels.compile import compiled, compiled_part, inlined
from accelsim.numerics.kernels.halves import (
    any_zero,
    shift_in_ones,
    subtract_lower,
    subtract_upper,
)
from accelsim.numerics.kernels.rounding_mode import round_to_nearest, round_toward_zero
from accelsim.numerics.kernels.shuffle import (
    even_lanes,
    even_then_odd,
    join_lanes,
    odd_lanes,
    odd_then_even,
)
from accelsim.numerics.kernels.steps_random import (
    crossed_words,
    finish,
    random_step,
    row_word,
    uncrossed_words,
)
from accelsim.numerics.kernels.vector import (
    add,
    as_float,
    as_halves,
    as_integer,
    bit_and,
    bit_xor,
    element,
    load,
    multiply_add,
    splat,
    splat_at,
    store,
)
from accelsim.numerics.panels import CACHE_LINE_BYTES, ROWS_PER_TASK
from accelsim.numerics.rules import Stochastic32

#: Lanes of the vectors of 32-bit and of 64-bit numbers.
LANES = 64
WIDE_LANES = 32
#: Products of k that are done before the next row is begun, chunk permitting.
K_BLOCK = 256


@compiled
def multiply_tasks_random32(
    inner: Any,
    outer: Any,
    a: Any,
    b: Any,
    out: Any,
    chunk: Any,
    inner_rows: Any,
    outer_rows: Any,
    columns: Any,
    first: Any,
    last: Any,
) -> None:
    """Compute tasks first .. last - 1 of ``out += a @ b``.

    As `multiply_tasks_chunks`, with words one by one, 16 bits to a position and float32 operands.
    `columns` holds by panel the words of the even columns, their upper halves, and both of
    the odd ones.
    """
    _, m, k = a.shape
    panels = b.shape[1]
    n = out.shape[2]
    row_blocks = (m + ROWS_PER_TASK - 1) // ROWS_PER_TASK
    flat_a = a.reshape(a.size)
    flat_b = b.reshape(b.size)
    flat_out = out.reshape(out.size)
    sums = _aligned_vectors(1)
    block = chunk if chunk >= K_BLOCK else (K_BLOCK // chunk) * chunk
    round_toward_zero()
    for task in range(first, last):
        # Neighbouring tasks share their rows.
        panel = task % panels
        batch = task // (panels * row_blocks)
        start = task // panels % row_blocks * ROWS_PER_TASK
        stop = min(m, start + ROWS_PER_TASK)
        base_b = (batch * panels + panel) * k
        for k0 in range(0, k, block):
            for i in range(start, stop):
                row = batch * m + i
                for begin in range(k0, min(k, k0 + block), chunk):
                    _sum_chunk(
                        inner, flat_a, row * k, begin, min(k - begin, chunk), flat_b, base_b,
                        inner_rows[row], columns, panel * 4 * WIDE_LANES, sums,
                    )  # fmt: skip
                    _add_chunk(
                        outer, sums, begin // chunk, outer_rows[row], columns,
                        panel * 4 * WIDE_LANES, flat_out, row * n + panel * LANES,
                    )  # fmt: skip
    round_to_nearest()


@compiled
def _aligned_vectors(count: Any) -> Any:
    """Return room for vectors that begins on a cache line."""
    room = np.zeros(count * LANES + CACHE_LINE_BYTES // 4, np.float32)
    start = -room.ctypes.data % CACHE_LINE_BYTES // 4
    return room[start : start + count * LANES]


@inlined
def _sum_chunk(
    rule: Any, a: Any, a0: Any, begin: Any, length: Any, b: Any, b0: Any,
    row: Any, columns: Any, c0: Any, sums: Any,
) -> None:  # fmt: skip
    """Fill `sums` with the sums of one chunk of one row."""
    s = splat(np.float32(0.0))
    end = begin + length
    for four in range(begin // 4 * 4, end, 4):
        store(sums, 0, s)
        is_doubtful = four < begin or four + 4 > end
        if not is_doubtful:
            word = row_word(row, four >> 2)
            at = (b0 + four) * LANES
            s, is_doubtful = _four_steps(rule, a, a0 + four, b, at, s, word, columns, c0)
        if is_doubtful:
            start, stop = max(four, begin), min(four + 4, end)
            _add_exactly(rule.exact, a, a0, start, stop, b, b0, row, columns, c0, sums)
            s = load(sums, 0)
    store(sums, 0, s)


@inlined
def _halves(word: Any, columns: Any, c0: Any) -> Any:
    """Return the turned words of even and of odd columns, in halves.

    Lower and upper half come by turns; in those of odd columns the upper comes first.
    """
    ones = splat(np.int64(-1))
    even = crossed_words(word, load(columns, c0), load(columns, c0 + WIDE_LANES))
    odd = uncrossed_words(
        word, load(columns, c0 + 2 * WIDE_LANES), load(columns, c0 + 3 * WIDE_LANES)
    )
    return as_halves(bit_xor(even, ones)), as_halves(bit_xor(odd, ones))


@inlined
def _four_steps(
    rule: Any, a: Any, a0: Any, b: Any, b0: Any, s: Any, word: Any, columns: Any, c0: Any
) -> Any:  # fmt: skip
    """Add the four products that share a word, rounding after each; say whether in doubt."""
    even, odd = _halves(word, columns, c0)
    # Fields are -1 - R.
    fields = shift_in_ones(even_then_odd(even, odd), rule.shift)
    x0 = subtract_lower(_sum(splat_at(a, a0), load(b, b0), s), fields)
    s = _cut(rule, x0)
    x1 = subtract_upper(_sum(splat_at(a, a0 + 1), load(b, b0 + LANES), s), fields)
    s = _cut(rule, x1)
    fields = shift_in_ones(odd_then_even(even, odd), rule.shift)
    x2 = subtract_lower(_sum(splat_at(a, a0 + 2), load(b, b0 + 2 * LANES), s), fields)
    s = _cut(rule, x2)
    x3 = subtract_upper(_sum(splat_at(a, a0 + 3), load(b, b0 + 3 * LANES), s), fields)
    return _cut(rule, x3), any_zero(x0, x1, x2, x3, rule.mask)


@inlined
def _sum(a: Any, b: Any, total: Any) -> Any:
    return as_integer(multiply_add(a, b, total))


@inlined
def _cut(rule: Any, bits: Any) -> Any:
    return as_float(bit_and(bits, splat(rule.keep)))


@compiled_part
def _add_exactly(
    rule: Any, a: Any, a0: Any, start: Any, stop: Any, b: Any, b0: Any,
    row: Any, columns: Any, c0: Any, sums: Any,
) -> None:  # fmt: skip
    """Add products of one group of positions in float64."""
    word = row_word(row, start >> 2)
    even_words = finish(word, load(columns, c0))
    odd_words = finish(word, load(columns, c0 + 2 * WIDE_LANES))
    s = load(sums, 0)
    even = even_lanes(s)
    odd = odd_lanes(s)
    for i in range(start, stop):
        factor = splat(np.float64(element(a, a0 + i)))
        v = load(b, (b0 + i) * LANES)
        field = (i % 4 + 1) * 16
        even = random_step(rule, factor, even_lanes(v), even, even_words, field)
        odd = random_step(rule, factor, odd_lanes(v), odd, odd_words, field)
    store(sums, 0, join_lanes(even, odd))


def _add_chunk(
    rule: Any, sums: Any, number: Any, row: Any, columns: Any, c0: Any, out: Any, o0: Any
) -> None:
    """Add the sums of a chunk to totals; in compiled code only."""
    raise NotImplementedError


@overload(_add_chunk, inline="always")
def _choose(
    rule: Any, sums: Any, number: Any, row: Any, columns: Any, c0: Any, out: Any, o0: Any
) -> Any:
    return _add_chunk32 if rule.instance_class is Stochastic32 else _add_chunk64


def _add_chunk32(
    rule: Any, sums: Any, number: Any, row: Any, columns: Any, c0: Any, out: Any, o0: Any
) -> None:
    even, odd = _halves(row_word(row, number >> 2), columns, c0)
    halves = odd_then_even(even, odd) if number & 2 else even_then_odd(even, odd)
    fields = shift_in_ones(halves, rule.shift)
    bits = as_integer(add(load(sums, 0), load(out, o0)))
    bits = subtract_upper(bits, fields) if number & 1 else subtract_lower(bits, fields)
    if any_zero(bits, bits, bits, bits, rule.mask):
        _add_chunk_exactly(rule.exact, sums, number, row, columns, c0, out, o0)
    else:
        store(out, o0, _cut(rule, bits))


def _add_chunk64(
    rule: Any, sums: Any, number: Any, row: Any, columns: Any, c0: Any, out: Any, o0: Any
) -> None:
    _add_chunk_exactly(rule, sums, number, row, columns, c0, out, o0)


@compiled_part
def _add_chunk_exactly(
    rule: Any, sums: Any, number: Any, row: Any, columns: Any, c0: Any, out: Any, o0: Any
) -> None:
    """Add the sums of a chunk to totals, in float64."""
    word = row_word(row, number >> 2)
    field = (number % 4 + 1) * 16
    one = splat(np.float64(1.0))
    s = load(sums, 0)
    t = load(out, o0)
    even_words = finish(word, load(columns, c0))
    odd_words = finish(word, load(columns, c0 + 2 * WIDE_LANES))
    even = random_step(rule, one, even_lanes(s), even_lanes(t), even_words, field)
    odd = random_step(rule, one, odd_lanes(s), odd_lanes(t), odd_words, field)
    store(out, o0, join_lanes(even, odd))
