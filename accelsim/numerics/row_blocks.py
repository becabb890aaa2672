"""Work on blocks of rows: what lies between two roundings stays in the cache.

No row depends on another, so neither the blocks nor the threads that share them change a bit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelsim.numerics.threads import run_tasks

Array = NDArray[np.floating[Any]]

#: Elements that element-wise steps work on at a time: few enough for the second-level cache,
#: so many that the calls of a block cost little beside its numbers.
BLOCK_ELEMENTS = 1 << 16


def fill_rows(function: Callable[[slice], Array], out: Array, *, threads: int = 1) -> Array:
    """Fill `out`, shape (rows, columns), with what a function makes of blocks of rows.

    Parameters
    ----------
    function : callable
        Gets a slice of rows and returns those rows of `out`; called on several threads at once.
    out : array
        Rounds nothing: its type holds what the function returns.
    threads : int
        Never changes a bit.

    Returns
    -------
    array
        `out`.

    Examples
    --------
    >>> x = np.arange(6.0).reshape(3, 2)
    >>> fill_rows(lambda part: 2 * x[part], np.empty_like(x)).tolist()
    [[0.0, 2.0], [4.0, 6.0], [8.0, 10.0]]
    """
    rows, columns = out.shape
    step = max(1, BLOCK_ELEMENTS // max(1, columns))
    blocks = -(-rows // step)

    def fill(first: int, last: int) -> None:
        for block in range(first, last):
            part = slice(block * step, (block + 1) * step)
            out[part] = function(part)

    run_tasks(fill, blocks, threads if blocks > 1 else 1)
    return out
