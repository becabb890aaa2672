"""The sum of one chunk for two rows by one vector of columns, however a chunk is summed.

The *type* of the first argument, a `ChunkRule` of `accelsim.numerics.rules`, chooses the
code when a kernel is compiled. All work on float64 vectors but the tree, which
works on either float type. Valid where `accelsim.numerics.chunk_paths` says so: every
sum before a rounding is exact in its carrier.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba.extending import overload

from accelsim.numerics.kernels.compile import compiled, inlined
from accelsim.numerics.kernels.step import step
from accelsim.numerics.kernels.steps64 import round_exactly
from accelsim.numerics.kernels.vector import (
    add,
    as_float,
    as_integer,
    bit_and,
    greater,
    load,
    magnitude,
    multiply,
    multiply_add,
    select,
    splat,
    splat_at,
    store,
    subtract,
    truncate,
)
from accelsim.numerics.rules import AlignedSum, GroupedSum, TreeSum

_EXPONENT_FIELD = np.int64(0x7FF0000000000000)
#: The bits of 1.0, twice: minus the bits of a power of two, they are those of its reciprocal.
_TWICE_ONE = np.int64(2 * 0x3FF0000000000000)
#: Below all products (`accelsim.numerics.paths.FLOAT64_SAFE_EXPONENT`), so that zeros align.
_LEAST = np.float64(2.0**-950)


def sum_chunk(
    rule: Any, a: Any, a0: Any, a1: Any, b: Any, b0: Any, lanes: Any, length: Any, sums: Any
) -> None:
    """Fill two vectors of `sums` with the sums of `length` products; in compiled code only.

    The rows of `a` begin at `a0` and `a1`, the panel of `b` at `b0`.
    """
    raise NotImplementedError


@overload(sum_chunk)
def _choose(
    rule: Any, a: Any, a0: Any, a1: Any, b: Any, b0: Any, lanes: Any, length: Any, sums: Any
) -> Any:
    return _CHUNK_SUMS.get(rule.instance_class)


def _grouped(
    rule: Any, a: Any, a0: Any, a1: Any, b: Any, b0: Any, lanes: Any, length: Any, sums: Any
) -> None:
    s0 = splat(np.float64(0.0))
    s1 = s0
    for start in range(0, length, rule.size):
        stop = min(length, start + rule.size)
        for i in range(start, stop):
            v = load(b, b0 + i * lanes)
            s0 = multiply_add(splat_at(a, a0 + i), v, s0)
            s1 = multiply_add(splat_at(a, a1 + i), v, s1)
        # An exact sum of more than three terms is never -0; x + -0 is x.
        sign = splat(np.float64(0.0) if stop - start > 2 else np.float64(-0.0))
        s0 = round_exactly(rule.rounding, add(s0, sign))
        s1 = round_exactly(rule.rounding, add(s1, sign))
    store(sums, 0, s0)
    store(sums, lanes, s1)


def _aligned(
    rule: Any, a: Any, a0: Any, a1: Any, b: Any, b0: Any, lanes: Any, length: Any, sums: Any
) -> None:
    s0 = splat(np.float64(0.0))
    s1 = s0
    for start in range(0, length, rule.size):
        count = min(length, start + rule.size) - start
        at = b0 + start * lanes
        s0 = _add_aligned(rule, a, a0 + start, b, at, lanes, count, s0)
        s1 = _add_aligned(rule, a, a1 + start, b, at, lanes, count, s1)
    store(sums, 0, s0)
    store(sums, lanes, s1)


@inlined
def _add_aligned(
    rule: Any, a: Any, a0: Any, b: Any, b0: Any, lanes: Any, count: Any, total: Any
) -> Any:
    """Add products to a sum, all cut off below the largest one's last fraction bit."""
    largest = magnitude(total)
    least = splat(np.float64(_LEAST))
    largest = select(greater(largest, least), largest, least)
    for i in range(count):
        size = magnitude(multiply(splat_at(a, a0 + i), load(b, b0 + i * lanes)))
        largest = select(greater(size, largest), size, largest)
    binade = bit_and(as_integer(largest), splat(np.int64(_EXPONENT_FIELD)))
    shift = splat(rule.scale)
    steps_per_one = multiply(as_float(subtract(splat(np.int64(_TWICE_ONE)), binade)), shift)
    # From +0 on, so that nothing adds up to -0.
    steps = add(splat(np.float64(0.0)), truncate(multiply(total, steps_per_one)))
    for i in range(count):
        p = multiply(splat_at(a, a0 + i), load(b, b0 + i * lanes))
        steps = add(steps, truncate(multiply(p, steps_per_one)))
    spacing = multiply(as_float(binade), splat(rule.spacing))
    return round_exactly(rule.rounding, multiply(steps, spacing))


def _tree(
    rule: Any, a: Any, a0: Any, a1: Any, b: Any, b0: Any, lanes: Any, length: Any, sums: Any
) -> None:
    _sum_tree(rule.rounding, a, a0, b, b0, lanes, length, sums, 0)
    _sum_tree(rule.rounding, a, a1, b, b0, lanes, length, sums, lanes)


@compiled
def _sum_tree(
    rule: Any, a: Any, a0: Any, b: Any, b0: Any, lanes: Any, length: Any, sums: Any, place: Any
) -> None:
    """Sum one row; behind the sums lies a vector per level for a node that waits."""
    one = splat(b.dtype.type(1.0))
    zero = splat(b.dtype.type(0.0))
    for i in range(length):
        node = multiply(splat_at(a, a0 + i), load(b, b0 + i * lanes))
        level = 2
        left = i
        while left & 1:
            node = step(rule, one, node, load(sums, level * lanes))
            left >>= 1
            level += 1
        store(sums, level * lanes, node)
    # The last node of each level waits in its vector, or is `node` if its tree is not full.
    is_full = True
    node = zero
    count = length
    level = 2
    while True:
        if count & 1:
            last = load(sums, level * lanes) if is_full else node
            node = step(rule, one, zero, last)
            is_full = False
        elif not is_full:
            node = step(rule, one, node, load(sums, level * lanes))
        count = (count + 1) >> 1
        level += 1
        if count == 1:
            break
    store(sums, place, load(sums, level * lanes) if is_full else node)


#: The code of each way to sum a chunk.
_CHUNK_SUMS: dict[type, Callable[..., Any]] = {
    GroupedSum: _grouped,
    AlignedSum: _aligned,
    TreeSum: _tree,
}
