"""The matrix product: four rows by one vector of columns, held in registers.

B is packed once into panels, ``[batch][panel][k][lanes]``, so that one k step
reads one vector. Running sums stay in registers for a whole chunk; totals over
chunks live in the output, so k may be cut into blocks that fit a cache. Each
output is one lane of one task: threads and blocks cannot change its bits.
"""

from __future__ import annotations

from typing import Any

from accelsim.numerics.kernels.compile import compiled
from accelsim.numerics.kernels.step import step
from accelsim.numerics.kernels.vector import load, splat, splat_at, store
from accelsim.numerics.panels import ROWS_PER_TASK

#: Products of k that are done before the next rows are begun, chunk permitting.
K_BLOCK = 1024


@compiled
def multiply_tasks(
    inner: Any, outer: Any, a: Any, b: Any, out: Any, chunk: Any, first: Any, last: Any
) -> None:
    """Compute tasks first .. last - 1 of ``out += a @ b``.

    `a` is (batch, m, k), `b` (batch, panels, k, lanes), `out` (batch, m, panels *
    lanes), all contiguous, of one float type; `out` holds zeros at first.
    """
    _, m, k = a.shape
    panels = b.shape[1]
    lanes = b.shape[3]
    row_blocks = (m + ROWS_PER_TASK - 1) // ROWS_PER_TASK
    n = out.shape[2]
    flat_a = a.reshape(a.size)
    flat_b = b.reshape(b.size)
    flat_out = out.reshape(out.size)
    block = chunk if chunk >= K_BLOCK else (K_BLOCK // chunk) * chunk
    for task in range(first, last):
        batch = task // (panels * row_blocks)
        panel = task // row_blocks % panels
        start = task % row_blocks * ROWS_PER_TASK
        stop = min(m, start + ROWS_PER_TASK)
        base_b = (batch * panels + panel) * k * lanes
        base_a = batch * m * k
        base_out = batch * m * n + panel * lanes
        for k0 in range(0, k, block):
            k1 = min(k, k0 + block)
            i = start
            while i < stop:
                if i + 4 <= stop:
                    add_four_rows(
                        inner, outer, flat_a, base_a + i * k, k, flat_b, base_b, lanes,
                        flat_out, base_out + i * n, n, chunk, k0, k1,
                    )  # fmt: skip
                    i += 4
                else:
                    add_one_row(
                        inner, outer, flat_a, base_a + i * k, flat_b, base_b, lanes,
                        flat_out, base_out + i * n, chunk, k0, k1,
                    )  # fmt: skip
                    i += 1


@compiled
def add_four_rows(
    inner: Any,
    outer: Any,
    a: Any,
    a0: Any,
    lda: Any,
    b: Any,
    b0: Any,
    lanes: Any,
    out: Any,
    o0: Any,
    ldo: Any,
    chunk: Any,
    k0: Any,
    k1: Any,
) -> None:
    """Add products k0 .. k1 - 1 to four rows of totals."""
    a1, a2, a3 = a0 + lda, a0 + 2 * lda, a0 + 3 * lda
    o1, o2, o3 = o0 + ldo, o0 + 2 * ldo, o0 + 3 * ldo
    one = splat(b.dtype.type(1.0))
    for start in range(k0, k1, chunk):
        s0 = splat(b.dtype.type(0.0))
        s1 = s0
        s2 = s0
        s3 = s0
        for k in range(start, min(k1, start + chunk)):
            v = load(b, b0 + k * lanes)
            s0 = step(inner, splat_at(a, a0 + k), v, s0)
            s1 = step(inner, splat_at(a, a1 + k), v, s1)
            s2 = step(inner, splat_at(a, a2 + k), v, s2)
            s3 = step(inner, splat_at(a, a3 + k), v, s3)
        store(out, o0, step(outer, one, s0, load(out, o0)))
        store(out, o1, step(outer, one, s1, load(out, o1)))
        store(out, o2, step(outer, one, s2, load(out, o2)))
        store(out, o3, step(outer, one, s3, load(out, o3)))


@compiled
def add_one_row(
    inner: Any,
    outer: Any,
    a: Any,
    a0: Any,
    b: Any,
    b0: Any,
    lanes: Any,
    out: Any,
    o0: Any,
    chunk: Any,
    k0: Any,
    k1: Any,
) -> None:
    """Add products k0 .. k1 - 1 to one row of totals."""
    one = splat(b.dtype.type(1.0))
    for start in range(k0, k1, chunk):
        s = splat(b.dtype.type(0.0))
        for k in range(start, min(k1, start + chunk)):
            s = step(inner, splat_at(a, a0 + k), load(b, b0 + k * lanes), s)
        store(out, o0, step(outer, one, s, load(out, o0)))
