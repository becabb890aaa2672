"""The matrix product of few outputs and many chunks: lane c of a vector sums chunk c.

Inner sums start from zero, so chunks wait for nothing: as many as a vector has lanes are
laid side by side and summed at once, each in its own order. Their sums are then laid by
outputs, and added chunk after chunk. So lanes work where a row of outputs is far shorter
than a vector. A last chunk that is short is a group of its own.
"""

from __future__ import annotations

from typing import Any

from accelsim.numerics.kernels.compile import compiled, compiled_part, inlined
from accelsim.numerics.kernels.step import step
from accelsim.numerics.kernels.transpose import lay_side_by_side
from accelsim.numerics.kernels.vector import load, splat, store


@compiled
def sum_groups(
    inner: Any, a: Any, b: Any, cut: Any, sums: Any, origin: Any, laid: Any, first: Any, last: Any
) -> None:
    """Fill groups first .. last - 1 of `sums`, (groups, outputs, lanes), from `origin` on.

    Groups are counted through all batches, outputs through all rows. All arrays are flat,
    the operands cut as `accelsim.numerics.over_chunks.Cut` says; `laid` holds the vectors of a
    block of steps.
    """
    lanes = cut.lanes
    for number in range(first, last):
        batch = (origin + number) // cut.groups
        chunk = (origin + number) % cut.groups * lanes
        count = min(lanes, cut.chunks - chunk)
        length = cut.length
        if count <= 0:
            chunk, count, length = cut.chunks, 1, cut.rest
        at = number * cut.left.rows * cut.right.rows * lanes
        for start in range(0, length, cut.block):
            steps = min(cut.block, length - start)
            k = chunk * cut.length + start
            for side in range(2):
                operand = b if side else a
                lie = cut.right if side else cut.left
                place = side * cut.left.rows * steps * lanes
                for run in range(lie.runs):
                    begin = ((batch * lie.runs + run) * cut.k + k) * lie.width
                    lay_side_by_side(
                        operand, begin, cut.length * lie.width, count, steps * lie.width,
                        laid, place + run * steps * lanes, lanes,
                    )  # fmt: skip
            _add_block(inner, cut, laid, steps, sums, at, start > 0)


@inlined
def _add_block(
    inner: Any, cut: Any, laid: Any, steps: Any, sums: Any, at: Any, goes_on: Any
) -> None:
    """Add the products of a block of steps to the sums of all outputs."""
    lanes = cut.lanes
    m = cut.left.rows
    n = cut.right.rows
    # From one row of an operand, and from one step, to the next.
    row_a = lanes if cut.left.runs == 1 else steps * lanes
    row_b = lanes if cut.right.runs == 1 else steps * lanes
    step_a = cut.left.width * lanes
    step_b = cut.right.width * lanes
    for i in range(m):
        x = i * row_a
        j = 0
        while j < n:
            y = m * steps * lanes + j * row_b
            place = at + (i * n + j) * lanes
            if j + 4 <= n:
                _add_four(
                    inner, laid, x, step_a, y, step_b, row_b, steps, sums, place, lanes, goes_on
                )
                j += 4
            else:
                _add_one(inner, laid, x, step_a, y, step_b, steps, sums, place, goes_on)
                j += 1


@compiled_part
def _add_four(
    inner: Any, laid: Any, x: Any, step_x: Any, y: Any, step_y: Any, row_y: Any, steps: Any,
    sums: Any, at: Any, lanes: Any, goes_on: Any,
) -> None:  # fmt: skip
    """Add the products of one row of vectors with four others to four vectors of sums."""
    s0 = splat(sums.dtype.type(0.0))
    s1 = s0
    s2 = s0
    s3 = s0
    if goes_on:
        s0 = load(sums, at)
        s1 = load(sums, at + lanes)
        s2 = load(sums, at + 2 * lanes)
        s3 = load(sums, at + 3 * lanes)
    for i in range(steps):
        v = load(laid, x + i * step_x)
        place = y + i * step_y
        s0 = step(inner, load(laid, place), v, s0)
        s1 = step(inner, load(laid, place + row_y), v, s1)
        s2 = step(inner, load(laid, place + 2 * row_y), v, s2)
        s3 = step(inner, load(laid, place + 3 * row_y), v, s3)
    store(sums, at, s0)
    store(sums, at + lanes, s1)
    store(sums, at + 2 * lanes, s2)
    store(sums, at + 3 * lanes, s3)


@compiled_part
def _add_one(
    inner: Any, laid: Any, x: Any, step_x: Any, y: Any, step_y: Any, steps: Any,
    sums: Any, at: Any, goes_on: Any,
) -> None:  # fmt: skip
    """Add the products of two rows of vectors to one vector of sums."""
    s = load(sums, at) if goes_on else splat(sums.dtype.type(0.0))
    for i in range(steps):
        s = step(inner, load(laid, y + i * step_y), load(laid, x + i * step_x), s)
    store(sums, at, s)


@compiled
def add_groups(
    outer: Any, sums: Any, cut: Any, totals: Any, origin: Any, end: Any, laid: Any,
    first: Any, last: Any,
) -> None:  # fmt: skip
    """Add the chunk sums of groups origin .. end - 1 to vectors first .. last - 1 of `totals`.

    `totals`, (batch, vectors, lanes), holds those of earlier groups, at first zeros. `laid`
    has room for a vector per chunk of a group.
    """
    lanes = cut.lanes
    outputs = cut.left.rows * cut.right.rows
    vectors = (outputs + lanes - 1) // lanes
    one = splat(totals.dtype.type(1.0))
    for vector in range(first, last):
        batch = vector // vectors
        output = vector % vectors * lanes
        width = min(lanes, outputs - output)
        t = load(totals, vector * lanes)
        for group in range(max(origin, batch * cut.groups), min(end, (batch + 1) * cut.groups)):
            count = max(1, min(lanes, cut.chunks - group % cut.groups * lanes))
            at = ((group - origin) * outputs + output) * lanes
            lay_side_by_side(sums, at, lanes, width, count, laid, 0, lanes)
            for chunk in range(count):
                t = step(outer, one, load(laid, chunk * lanes), t)
        store(totals, vector * lanes, t)
