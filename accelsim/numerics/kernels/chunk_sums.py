"""The sum of one chunk for two rows by one vector of columns, however a chunk is summed.

The *type* of the first argument chooses the code when a kernel is compiled: a
`ChunkRule` of `accelsim.numerics.rules`, or a rule of rounding for one product after the
other. All work on float64 vectors but a tree without randomness, which works on either
float type. Valid where `accelsim.numerics.chunk_paths` and `accelsim.numerics.paths` say so.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba.extending import overload

from accelsim.numerics.kernels.compile import compiled_part, inlined
from accelsim.numerics.kernels.step import step
from accelsim.numerics.kernels.steps_random import (
    field_end,
    is_random,
    random_step,
    round_named,
    words_at,
)
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

#: Most levels of a tree: over up to 2**62 products.
_LEVELS = 64
#: Vectors of scratch: two sums, then for each level of a tree a node and random words.
SCRATCH_VECTORS = 2 + 2 * _LEVELS
_EXPONENT_FIELD = np.int64(0x7FF0000000000000)
#: The bits of 1.0, twice: minus the bits of a power of two, they are those of its reciprocal.
_TWICE_ONE = np.int64(2 * 0x3FF0000000000000)
#: Below all products (`accelsim.numerics.paths.FLOAT64_SAFE_EXPONENT`), so that zeros align.
_LEAST = np.float64(2.0**-950)


def sum_chunk(
    rule: Any, a: Any, a0: Any, a1: Any, b: Any, b0: Any, lanes: Any,
    begin: Any, end: Any, sums: Any, words0: Any, words1: Any,
) -> None:  # fmt: skip
    """Fill two vectors of `sums` with sums of products begin .. end - 1; in compiled code only.

    The rows of `a` begin at `a0` and `a1`, the panel of `b` at `b0`; `words0` and
    `words1` name their random words, as `accelsim.numerics.kernels.steps_random` says.
    """
    raise NotImplementedError


@overload(sum_chunk, inline="always")
def _choose(
    rule: Any, a: Any, a0: Any, a1: Any, b: Any, b0: Any, lanes: Any,
    begin: Any, end: Any, sums: Any, words0: Any, words1: Any,
) -> Any:  # fmt: skip
    part = _CHUNK_SUMS.get(rule.instance_class, _one_by_one)

    def call(
        rule: Any, a: Any, a0: Any, a1: Any, b: Any, b0: Any, lanes: Any,
        begin: Any, end: Any, sums: Any, words0: Any, words1: Any,
    ) -> None:  # fmt: skip
        part(rule, a, a0, a1, b, b0, lanes, begin, end, sums, words0, words1)

    return call


@compiled_part
def _one_by_one(
    rule: Any, a: Any, a0: Any, a1: Any, b: Any, b0: Any, lanes: Any,
    begin: Any, end: Any, sums: Any, words0: Any, words1: Any,
) -> None:  # fmt: skip
    s0 = splat(np.float64(0.0))
    s1 = s0
    w0 = words_at(begin, words0)
    w1 = words_at(begin, words1)
    shared = words0[2]
    for i in range(begin, end):
        if i & ((1 << shared) - 1) == 0:
            w0 = words_at(i, words0)
            w1 = words_at(i, words1)
        field = field_end(i, shared)
        v = load(b, b0 + i * lanes)
        s0 = random_step(rule, splat_at(a, a0 + i), v, s0, w0, field)
        s1 = random_step(rule, splat_at(a, a1 + i), v, s1, w1, field)
    store(sums, 0, s0)
    store(sums, lanes, s1)


@compiled_part
def _grouped(
    rule: Any, a: Any, a0: Any, a1: Any, b: Any, b0: Any, lanes: Any,
    begin: Any, end: Any, sums: Any, words0: Any, words1: Any,
) -> None:  # fmt: skip
    s0 = splat(np.float64(0.0))
    s1 = s0
    for start in range(begin, end, rule.size):
        stop = min(end, start + rule.size)
        for i in range(start, stop):
            v = load(b, b0 + i * lanes)
            s0 = multiply_add(splat_at(a, a0 + i), v, s0)
            s1 = multiply_add(splat_at(a, a1 + i), v, s1)
        # An exact sum of more than three terms is never -0; x + -0 is x.
        sign = splat(np.float64(0.0) if stop - start > 2 else np.float64(-0.0))
        s0 = round_named(rule.rounding, add(s0, sign), start, words0)
        s1 = round_named(rule.rounding, add(s1, sign), start, words1)
    store(sums, 0, s0)
    store(sums, lanes, s1)


@compiled_part
def _aligned(
    rule: Any, a: Any, a0: Any, a1: Any, b: Any, b0: Any, lanes: Any,
    begin: Any, end: Any, sums: Any, words0: Any, words1: Any,
) -> None:  # fmt: skip
    s0 = splat(np.float64(0.0))
    s1 = s0
    for start in range(begin, end, rule.size):
        stop = min(end, start + rule.size)
        s0 = _add_aligned(rule, a, a0, b, b0, lanes, start, stop, s0)
        s0 = round_named(rule.rounding, s0, start, words0)
        s1 = _add_aligned(rule, a, a1, b, b0, lanes, start, stop, s1)
        s1 = round_named(rule.rounding, s1, start, words1)
    store(sums, 0, s0)
    store(sums, lanes, s1)


@inlined
def _add_aligned(
    rule: Any, a: Any, a0: Any, b: Any, b0: Any, lanes: Any, start: Any, stop: Any, total: Any
) -> Any:
    """Add products to a sum exactly, all cut off below the largest one's last fraction bit."""
    largest = magnitude(total)
    least = splat(np.float64(_LEAST))
    largest = select(greater(largest, least), largest, least)
    for i in range(start, stop):
        size = magnitude(multiply(splat_at(a, a0 + i), load(b, b0 + i * lanes)))
        largest = select(greater(size, largest), size, largest)
    binade = bit_and(as_integer(largest), splat(np.int64(_EXPONENT_FIELD)))
    shift = splat(rule.scale)
    steps_per_one = multiply(as_float(subtract(splat(np.int64(_TWICE_ONE)), binade)), shift)
    # From +0 on, so that nothing adds up to -0.
    steps = add(splat(np.float64(0.0)), truncate(multiply(total, steps_per_one)))
    for i in range(start, stop):
        p = multiply(splat_at(a, a0 + i), load(b, b0 + i * lanes))
        steps = add(steps, truncate(multiply(p, steps_per_one)))
    return multiply(steps, multiply(as_float(binade), splat(rule.spacing)))


@compiled_part
def _tree(
    rule: Any, a: Any, a0: Any, a1: Any, b: Any, b0: Any, lanes: Any,
    begin: Any, end: Any, sums: Any, words0: Any, words1: Any,
) -> None:  # fmt: skip
    _sum_tree(rule.rounding, a, a0, b, b0, lanes, begin, end, sums, words0, 0)
    _sum_tree(rule.rounding, a, a1, b, b0, lanes, begin, end, sums, words1, lanes)


@compiled_part
def _sum_tree(
    rule: Any, a: Any, a0: Any, b: Any, b0: Any, lanes: Any,
    begin: Any, end: Any, sums: Any, words: Any, place: Any,
) -> None:  # fmt: skip
    """Sum one row; behind the sums lies a vector per level for a node that waits.

    Nodes are numbered level by level; the first of a level is `base`.
    """
    zero = splat(b.dtype.type(0.0))
    for i in range(begin, end):
        node = multiply(splat_at(a, a0 + i), load(b, b0 + i * lanes))
        slot = 2 * lanes
        index = i - begin
        base = 2 * begin
        count = end - begin
        while index & 1:
            index >>= 1
            node = _add_node(rule, node, load(sums, slot), base, index, sums, slot, lanes, words)
            count = (count + 1) >> 1
            base += count
            slot += lanes
        store(sums, slot, node)
    # The last node of each level waits in its vector, or is `node` if its tree is not full.
    is_full = True
    node = zero
    count = end - begin
    base = 2 * begin
    slot = 2 * lanes
    while True:
        is_odd = count & 1 == 1
        if is_odd or not is_full:
            waiting = load(sums, slot)
            x = waiting if is_full else node
            y = zero if is_odd else waiting
            node = _add_node(rule, x, y, base, (count - 1) >> 1, sums, slot, lanes, words)
            is_full = False
        count = (count + 1) >> 1
        base += count
        slot += lanes
        if count == 1:
            break
    store(sums, place, load(sums, slot) if is_full else node)


def _add_node(
    rule: Any, x: Any, y: Any, base: Any, index: Any, sums: Any, slot: Any, lanes: Any, words: Any
) -> Any:
    """Return a node of a tree, the one with `index` in its level; in compiled code only."""
    raise NotImplementedError


@overload(_add_node, inline="always")
def _choose_node(
    rule: Any, x: Any, y: Any, base: Any, index: Any, sums: Any, slot: Any, lanes: Any, words: Any
) -> Any:
    return _random_node if is_random(rule) else _plain_node


def _plain_node(
    rule: Any, x: Any, y: Any, base: Any, index: Any, sums: Any, slot: Any, lanes: Any, words: Any
) -> Any:
    return step(rule, splat(sums.dtype.type(1.0)), x, y)


def _random_node(
    rule: Any, x: Any, y: Any, base: Any, index: Any, sums: Any, slot: Any, lanes: Any, words: Any
) -> Any:
    # Neighbours in a level share words, but come with others in between.
    position = base + index
    kept = slot + _LEVELS * lanes
    if index == 0 or position & ((1 << words[2]) - 1) == 0:
        store(sums, kept, as_float(words_at(position, words)))
    bits = as_integer(load(sums, kept))
    one = splat(np.float64(1.0))
    return random_step(rule, one, x, y, bits, field_end(position, words[2]))


#: The code of each way to sum a chunk.
_CHUNK_SUMS: dict[type, Callable[..., Any]] = {
    GroupedSum: _grouped,
    AlignedSum: _aligned,
    TreeSum: _tree,
}
