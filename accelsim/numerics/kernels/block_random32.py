"""The matrix product with stochastic rounding in float32: one row by one vector of columns.

Random words and sums are those of `accelsim.numerics.kernels.block_random`, bit for
bit. Four positions share a word; float32 does their additions where it is exact:
where the sum so far and the four products are multiples of some 2**e, and no sum of
the chunk reaches 2**(e + 24). Elsewhere, and where a chunk holds but a part of the four,
float64 does them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from accelsim.numerics.kernels.compile import compiled, compiled_part, inlined
from accelsim.numerics.kernels.lowest_bits import least_of_fours, lowest_bit, sum_of_fours
from accelsim.numerics.kernels.shuffle import (
    even_lanes,
    even_then_odd,
    join_lanes,
    odd_lanes,
    odd_then_even,
    smallest_lane,
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
    element,
    load,
    multiply,
    multiply_add,
    shift_right,
    splat,
    splat_at,
    store,
)
from accelsim.numerics.panels import CACHE_LINE_BYTES, ROWS_PER_TASK

#: Lanes of the vectors of 32-bit and of 64-bit numbers.
LANES = 64
WIDE_LANES = 32
#: Products of k that are done before the next row is begun, chunk permitting.
K_BLOCK = 256
#: Sums below this many times the lowest bit of all terms are exact in float32.
EXACT_RANGE = np.float32(2.0**24)


@compiled
def multiply_tasks_random32(
    inner: Any,
    outer: Any,
    a: Any,
    b: Any,
    out: Any,
    chunk: Any,
    bounds: Any,
    inner_rows: Any,
    outer_rows: Any,
    columns: Any,
    first: Any,
    last: Any,
) -> None:
    """Compute tasks first .. last - 1 of ``out += a @ b``.

    As `multiply_tasks_random`, with 16 bits to a position and float32 operands.
    `bounds` are the lowest set bits and magnitudes of `a`, and the bounds of both for
    every row of every panel, all followed by a vector of any numbers; `columns` holds by
    panel the words of the even columns, their upper halves, and both of the odd ones.
    """
    _, m, k = a.shape
    panels = b.shape[1]
    n = out.shape[2]
    row_blocks = (m + ROWS_PER_TASK - 1) // ROWS_PER_TASK
    flat_a = a.reshape(a.size)
    flat_b = b.reshape(b.size)
    flat_out = out.reshape(out.size)
    sums = _aligned_vectors(2)
    fours = _aligned_vectors(2)
    shifts = _aligned_vectors(2).view(np.int32)
    shifts[:LANES] = inner.shift
    shifts[LANES:] = inner.shift + 16
    block = chunk if chunk >= K_BLOCK else (K_BLOCK // chunk) * chunk
    for task in range(first, last):
        # Neighbouring tasks share their rows, and what is known of these.
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
                        bounds, inner_rows[row], columns, panel * 4 * WIDE_LANES, shifts,
                        fours, sums,
                    )  # fmt: skip
                    _add_chunk(
                        outer, sums, begin // chunk, outer_rows[row], columns,
                        panel * 4 * WIDE_LANES, flat_out, row * n + panel * LANES,
                    )  # fmt: skip


@compiled
def _aligned_vectors(count: Any) -> Any:
    """Return room for vectors that begins on a cache line."""
    room = np.zeros(count * LANES + CACHE_LINE_BYTES // 4, np.float32)
    start = -room.ctypes.data % CACHE_LINE_BYTES // 4
    return room[start : start + count * LANES]


@compiled_part
def _sum_chunk(
    rule: Any, a: Any, a0: Any, begin: Any, length: Any, b: Any, b0: Any, bounds: Any,
    row: Any, columns: Any, c0: Any, shifts: Any, fours: Any, sums: Any,
) -> None:  # fmt: skip
    """Fill `sums` with the sums of one chunk of one row."""
    # No sum so far is larger, and all are multiples of `lowest`.
    reach = np.float32(0.0)
    lowest = np.float32(np.inf)
    s = splat(np.float32(0.0))
    end = begin + length
    for base in range(begin // 4 * 4, end, LANES):
        _bound_fours(bounds, a0 + base, b0 + base, fours)
        for four in range(base, min(end, base + LANES), 4):
            least = element(fours, four - base)
            least = least if least < lowest else lowest
            reach += element(fours, four - base + LANES)
            is_whole = four >= begin and four + 4 <= end
            if is_whole and reach * rule.growth < least * EXACT_RANGE:
                lowest = least
                s = _four_steps(rule, a, a0 + four, b, (b0 + four) * LANES, s,
                                row_word(row, four >> 2), columns, c0, shifts)  # fmt: skip
            else:
                store(sums, 0, s)
                start, stop = max(four, begin), min(four + 4, end)
                _add_exactly(rule.exact, a, a0, start, stop, b, b0, row, columns, c0, sums)
                s = load(sums, 0)
                lowest = element(sums, LANES)
    store(sums, 0, s)


@inlined
def _bound_fours(bounds: Any, a0: Any, b0: Any, fours: Any) -> None:
    """Fill in, for four positions each, the least lowest bit of products and a sum's bound."""
    a_lowest, a_sizes, b_lowest, b_sizes = bounds
    store(fours, 0, least_of_fours(multiply(load(a_lowest, a0), load(b_lowest, b0))))
    store(fours, LANES, sum_of_fours(multiply(load(a_sizes, a0), load(b_sizes, b0))))


@inlined
def _four_steps(
    rule: Any, a: Any, a0: Any, b: Any, b0: Any, s: Any,
    word: Any, columns: Any, c0: Any, shifts: Any,
) -> Any:  # fmt: skip
    """Add the four products that share a word, exactly, rounding after each."""
    # Words as lower and upper halves by turns; in those of odd columns the upper comes first.
    even = as_halves(crossed_words(word, load(columns, c0), load(columns, c0 + WIDE_LANES)))
    odd = as_halves(
        uncrossed_words(
            word, load(columns, c0 + 2 * WIDE_LANES), load(columns, c0 + 3 * WIDE_LANES)
        )
    )
    mask = splat(rule.mask)
    low = load(shifts, 0)
    high = load(shifts, LANES)
    halves = even_then_odd(even, odd)
    noise = bit_and(shift_right(halves, low), mask)
    s = _noisy_step(rule, splat_at(a, a0), load(b, b0), s, noise)
    s = _noisy_step(rule, splat_at(a, a0 + 1), load(b, b0 + LANES), s, shift_right(halves, high))
    halves = odd_then_even(even, odd)
    noise = bit_and(shift_right(halves, low), mask)
    s = _noisy_step(rule, splat_at(a, a0 + 2), load(b, b0 + 2 * LANES), s, noise)
    noise = shift_right(halves, high)
    return _noisy_step(rule, splat_at(a, a0 + 3), load(b, b0 + 3 * LANES), s, noise)


@inlined
def _noisy_step(rule: Any, a: Any, b: Any, total: Any, noise: Any) -> Any:
    """Return a * b + total, which is exact, with the discarded bits carried at random."""
    bits = add(as_integer(multiply_add(a, b, total)), noise)
    return as_float(bit_and(bits, splat(rule.keep)))


@compiled_part
def _add_exactly(
    rule: Any, a: Any, a0: Any, start: Any, stop: Any, b: Any, b0: Any,
    row: Any, columns: Any, c0: Any, sums: Any,
) -> None:  # fmt: skip
    """Add products of one group of positions in float64; behind the sums goes their lowest bit."""
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
    s = join_lanes(even, odd)
    store(sums, 0, s)
    store(sums, LANES, as_float(splat(smallest_lane(as_integer(lowest_bit(s))))))


@compiled_part
def _add_chunk(
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
