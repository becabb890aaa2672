"""One look at float32 data: all that `accelsim.numerics.operands` wants to know of it."""

from __future__ import annotations

from typing import Any

import numpy as np

from accelsim.numerics.kernels.compile import compiled
from accelsim.numerics.kernels.vector import (
    add,
    bit_and,
    bit_or,
    greater,
    less,
    load,
    select,
    splat,
    store,
)

_MAGNITUDE = np.int32(0x7FFFFFFF)


@compiled
def scan(bits: Any, out: Any) -> None:
    """Look at int32 `bits`, whose size is a multiple of 64; fill four rows of 64 lanes.

    Row 0 is the or of the bits, row 1 the largest magnitude, row 2 the smallest
    above zero (the largest int32 where there is none), row 3 the number of zeros.
    """
    magnitude = splat(np.int32(_MAGNITUDE))
    zero = splat(np.int32(0))
    one = splat(np.int32(1))
    pattern = zero
    largest = zero
    smallest = magnitude
    zeros = zero
    for i in range(0, bits.size, 64):
        x = load(bits, i)
        pattern = bit_or(pattern, x)
        x = bit_and(x, magnitude)
        largest = select(greater(x, largest), x, largest)
        is_zero = less(x, one)
        zeros = add(zeros, select(is_zero, one, zero))
        x = select(is_zero, magnitude, x)
        smallest = select(less(x, smallest), x, smallest)
    store(out, 0, pattern)
    store(out, 64, largest)
    store(out, 128, smallest)
    store(out, 192, zeros)
