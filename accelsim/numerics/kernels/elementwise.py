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
    multiply,
    shift_right,
    splat,
    store,
)

#: Elements that are widened to float64 at a time, in the first-level cache.
BLOCK = 1024
_LANES = 32
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
    wide_a = np.empty(BLOCK, np.float64)
    wide_x = np.empty(BLOCK, np.float64)
    wide_y = np.empty(BLOCK, np.float64)
    result = np.empty(BLOCK, np.float64)
    _widen(a, 0, min(BLOCK, a.size), wide_a)
    _widen(x, 0, min(BLOCK, x.size), wide_x)
    _widen(y, 0, min(BLOCK, y.size), wide_y)
    word = row_word(row, 0)
    lanes = load(lane_numbers, 0)
    for start in range(0, out.size, BLOCK):
        count = min(BLOCK, out.size - start)
        if a.size > 1:
            _widen(a, start, count, wide_a)
        if x.size > 1:
            _widen(x, start, count, wide_x)
        if y.size > 1:
            _widen(y, start, count, wide_y)
        for i in range(0, count, _LANES):
            names = add(lanes, splat(np.int64(start + i)))
            words = finish(word, column_word(names))
            r = random_step(rule, load(wide_a, i), load(wide_x, i), load(wide_y, i), words, width)
            store(result, i, r)
        for i in range(count):
            out[start + i] = result[i]


@compiled
def _widen(source: Any, start: Any, count: Any, target: Any) -> None:
    """Copy elements to float64; a single one fills the target, and the end is zeros."""
    if source.size == 1:
        target[:] = source[0]
        return
    for i in range(count):
        target[i] = source[start + i]
    for i in range(count, target.size):
        target[i] = 0.0
