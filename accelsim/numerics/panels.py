"""How operands are laid out for the kernels, and how their work is cut into tasks."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

_Array = NDArray[Any]

#: Bytes of the vector that a kernel holds in registers; the columns of a panel.
PANEL_BYTES = 256
#: Rows that one task computes.
ROWS_PER_TASK = 64
#: Panels that the zero-skipping kernel does at once.
PANELS_PER_GROUP = 4
#: Part of the work that skipping must leave at most; listing the others costs the rest.
SKIPPING_THRESHOLD = 0.75
#: Pieces of work per thread, so that the last one is not waited for long.
PIECES_PER_THREAD = 4


def lanes_of(dtype: np.dtype[Any]) -> int:
    """Return the columns of a panel."""
    return PANEL_BYTES // dtype.itemsize


def pack(b: _Array, dtype: np.dtype[Any], *, group: int = 1) -> _Array:
    """Cut B into panels: (batch, k, n) -> (batch, panels, k, lanes), padded with zeros.

    The number of panels is a multiple of `group`.
    """
    batches, k, n = b.shape
    lanes = lanes_of(dtype)
    whole, rest = divmod(n, lanes)
    panels = -(-n // (lanes * group)) * group
    packed = (np.empty if panels == whole else np.zeros)((batches, panels, k, lanes), dtype)
    packed[:, :whole] = b[..., : whole * lanes].reshape(batches, k, whole, lanes).swapaxes(1, 2)
    if rest:
        packed[:, whole, :, :rest] = b[..., whole * lanes :]
    return packed


def skipping_pays(zero_share: float, n: int) -> bool:
    """Return whether it is faster to skip the zeros of A, padding of B included."""
    columns = PANEL_BYTES // 4 * PANELS_PER_GROUP
    padding = -(-n // columns) * columns / n
    return (1.0 - zero_share) * padding < SKIPPING_THRESHOLD


def count_tasks(batches: int, m: int, panels: int) -> int:
    """Return the number of tasks of a product."""
    return batches * panels * -(-m // ROWS_PER_TASK)


def run_tasks(work: Callable[[int, int], None], tasks: int, threads: int) -> None:
    """Do tasks 0 .. tasks - 1 on threads; `work` does those from its first argument on."""
    pieces = min(tasks, threads * PIECES_PER_THREAD)
    if threads == 1 or pieces == 1:
        work(0, tasks)
        return
    borders = [tasks * i // pieces for i in range(pieces + 1)]
    with ThreadPoolExecutor(threads) as pool:
        for done in [pool.submit(work, *pair) for pair in itertools.pairwise(borders)]:
            done.result()
