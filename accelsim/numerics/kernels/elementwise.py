"""``a * x + y`` over whole arrays, exact and rounded once, in one pass over memory."""

from __future__ import annotations

from typing import Any

import numpy as np

from accelsim.formats.random_bits import (
    COLUMN_INCREMENT,
    MIX_MULTIPLIER_1,
    MIX_MULTIPLIER_2,
)
from accelsim.numerics.kernels.compile import compiled, inlined
from accelsim.numerics.kernels.steps_random import finish, random_step, row_word
from accelsim.numerics.kernels.vector import (
    add,
    bit_xor,
    load,
    load_wide,
    multiply,
    shift_right,
    splat,
    store_narrow,
)

#: Lanes of a float64 vector.
LANES = 32
#: The constants as the machine's signed integers.
_COLUMN_INCREMENT = np.uint64(COLUMN_INCREMENT).astype(np.int64)
_MIX_1 = np.uint64(MIX_MULTIPLIER_1).astype(np.int64)
_MIX_2 = np.uint64(MIX_MULTIPLIER_2).astype(np.int64)


@inlined
def column_word(index: Any) -> Any:
    """Return the words of a vector of columns, as `random_bits.column_words` does."""
    word = multiply(add(index, splat(np.int64(1))), splat(np.int64(_COLUMN_INCREMENT)))
    word = multiply(bit_xor(word, shift_right(word, splat(np.int64(30)))), splat(np.int64(_MIX_1)))
    word = multiply(bit_xor(word, shift_right(word, splat(np.int64(27)))), splat(np.int64(_MIX_2)))
    return bit_xor(word, shift_right(word, splat(np.int64(31))))


@compiled
def multiply_add_arrays(
    rule: Any, a: Any, x: Any, y: Any, out: Any, row: Any, width: Any, lane_numbers: Any
) -> None:
    """Fill `out` with rounded ``a * x + y``; an operand of size 1 stands for all elements."""
    rest = out.size % LANES
    whole = out.size - rest
    _fill(rule, a, x, y, out, 0, whole, row, width, lane_numbers)
    if rest:
        end = np.zeros(LANES, out.dtype)
        _fill(rule, _end_of(a, whole), _end_of(x, whole), _end_of(y, whole), end,
              whole, LANES, row, width, lane_numbers)  # fmt: skip
        for i in range(rest):
            out[whole + i] = end[i]


@compiled
def _fill(
    rule: Any, a: Any, x: Any, y: Any, out: Any, first: Any, count: Any,
    row: Any, width: Any, lane_numbers: Any,
) -> None:  # fmt: skip
    """Fill `count` elements, a multiple of the lanes; they are named from `first` on."""
    word = row_word(row, 0)
    names = add(load(lane_numbers, 0), splat(np.int64(first)))
    all_a = splat(np.float64(a[0]))
    all_x = splat(np.float64(x[0]))
    all_y = splat(np.float64(y[0]))
    for i in range(0, count, LANES):
        va = load_wide(a, i) if a.size > 1 else all_a
        vx = load_wide(x, i) if x.size > 1 else all_x
        vy = load_wide(y, i) if y.size > 1 else all_y
        words = finish(word, column_word(names))
        store_narrow(out, i, random_step(rule, va, vx, vy, words, width))
        names = add(names, splat(np.int64(LANES)))


@compiled
def _end_of(source: Any, start: Any) -> Any:
    """Return a full vector of elements, the last of them zeros; a single one stays alone."""
    if source.size == 1:
        end = np.zeros(1, source.dtype)
        end[0] = source[0]
        return end
    end = np.zeros(LANES, source.dtype)
    for i in range(start, source.size):
        end[i - start] = source[i]
    return end
