"""The matrix product of a few rows: B is read where it lies.

To lay B out in panels would take longer than the product. A vector may begin at any
column, so the last one ends with the last column, or, where a row of B is shorter than a
vector, reaches into the next rows, whose lanes nobody reads. So few outputs with a long
k take no more memory than their operands.
"""

from __future__ import annotations

from typing import Any

from accelsim.numerics.kernels.block import add_four_rows, add_one_row
from accelsim.numerics.kernels.compile import compiled

#: Products of k that are done before the next columns are begun: rows of B that stay mapped.
K_BLOCK = 256


@compiled
def multiply_rows(
    inner: Any, outer: Any, a: Any, b: Any, out: Any, chunk: Any, n: Any, first: Any, last: Any
) -> None:
    """Compute tasks first .. last - 1 of ``out += a @ b``; a task is a vector of columns.

    `a` is (batch, m, k), m at most four, `b` flat with `n` columns to a row and a vector
    of any numbers behind it where n is less than that, `out` (batch, m, panels, lanes).
    """
    _, m, k = a.shape
    panels = out.shape[2]
    lanes = out.shape[3]
    flat_a = a.reshape(a.size)
    flat_out = out.reshape(out.size)
    block = chunk if chunk >= K_BLOCK else (K_BLOCK // chunk) * chunk
    for k0 in range(0, k, block):
        k1 = min(k, k0 + block)
        for task in range(first, last):
            batch = task // panels
            panel = task % panels
            column = max(0, min(panel * lanes, n - lanes))
            base_b = batch * k * n + column
            base_out = (batch * m * panels + panel) * lanes
            if m == 4:
                add_four_rows(
                    inner, outer, flat_a, batch * m * k, k, b, base_b, n,
                    flat_out, base_out, panels * lanes, chunk, k0, k1,
                )  # fmt: skip
            else:
                for i in range(m):
                    add_one_row(
                        inner, outer, flat_a, (batch * m + i) * k, b, base_b, n,
                        flat_out, base_out + i * panels * lanes, chunk, k0, k1,
                    )  # fmt: skip
