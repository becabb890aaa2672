"""The lowest set bits of numbers: what their sums are multiples of."""

from __future__ import annotations

from typing import Any

import numpy as np

from accelsim.numerics.kernels.compile import compiled, inlined
from accelsim.numerics.kernels.shuffle import (
    largest_lane,
    smallest_lane,
    swap_lanes,
    swap_pairs,
)
from accelsim.numerics.kernels.vector import (
    add,
    as_float,
    as_integer,
    bit_and,
    greater,
    less,
    load,
    magnitude,
    select,
    splat,
    store,
    subtract,
)

_FRACTION = np.int32(0x007FFFFF)
_INFINITY = np.float32(np.inf)


@inlined
def lowest_bit(x: Any) -> Any:
    """Return the value of the lowest set bit of each number; infinity for zero."""
    bits = as_integer(x)
    cleared = as_float(bit_and(bits, subtract(bits, splat(np.int32(1)))))
    size = magnitude(x)
    has_fraction = greater(bit_and(bits, splat(np.int32(_FRACTION))), splat(np.int32(0)))
    lowest = select(has_fraction, magnitude(subtract(x, cleared)), size)
    return select(greater(size, splat(np.float32(0.0))), lowest, splat(np.float32(_INFINITY)))


@compiled
def describe(x: Any, lowest: Any, sizes: Any) -> None:
    """List lowest set bits and magnitudes; `x` is a multiple of 64 long."""
    for i in range(0, x.size, 64):
        v = load(x, i)
        store(lowest, i, lowest_bit(v))
        store(sizes, i, magnitude(v))


@compiled
def describe_rows(x: Any, count: Any, lowest: Any, sizes: Any) -> None:
    """List the bits of the least lowest bit and of the largest magnitude of rows of 64."""
    for row in range(count):
        v = load(x, row * 64)
        lowest[row] = smallest_lane(as_integer(lowest_bit(v)))
        sizes[row] = largest_lane(as_integer(magnitude(v)))


@inlined
def least_of_fours(x: Any) -> Any:
    """Return in each lane the least of four neighbours, the first of them a multiple of four."""
    y = swap_lanes(x)
    x = select(less(x, y), x, y)
    y = swap_pairs(x)
    return select(less(x, y), x, y)


@inlined
def sum_of_fours(x: Any) -> Any:
    """Return in each lane the sum of four neighbours, as `least_of_fours` does the least."""
    x = add(x, swap_lanes(x))
    return add(x, swap_pairs(x))
