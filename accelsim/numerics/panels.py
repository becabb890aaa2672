"""How operands are laid out for the kernels, and into how many tasks a product is cut."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelsim.numerics.threads import run_tasks

_Array = NDArray[Any]

#: Bytes of the vector that a kernel holds in registers; the columns of a panel.
PANEL_BYTES = 256
#: Bytes that the caches move together.
CACHE_LINE_BYTES = 64
#: Rows that one task computes.
ROWS_PER_TASK = 64
#: Rows up to which B is not laid out anew but read where it lies.
DIRECT_ROWS = 4
#: Part of the dense work that skipping must leave at most, listing included: fours of
#: rows wait for the longest list among them.
SKIPPING_THRESHOLD = 0.75
#: Time to list a block of rows, in times of the dense work of one panel.
LISTING_COST = 0.3
#: Offsets into a panel are kept in 32 bits.
MAX_SKIPPING_K = 2**31 // (PANEL_BYTES // 4)
#: Elements of B from which threads pack it together.
THREADED_PACKING = 1 << 18


def lanes_of(dtype: np.dtype[Any]) -> int:
    """Return the columns of a panel."""
    return PANEL_BYTES // dtype.itemsize


def aligned(shape: tuple[int, ...], dtype: np.dtype[Any], *, zeros: bool = False) -> _Array:
    """Return an array that begins on a cache line, so that no vector lies across two."""
    size = math.prod(shape) * dtype.itemsize
    memory = (np.zeros if zeros else np.empty)(size + CACHE_LINE_BYTES, np.uint8)
    start = -memory.ctypes.data % CACHE_LINE_BYTES
    return memory[start : start + size].view(dtype).reshape(shape)


def pack(b: _Array, dtype: np.dtype[Any], threads: int = 1) -> _Array:
    """Cut B into panels: (batch, k, n) -> (batch, panels, k, lanes), padded with zeros."""
    batches, k, n = b.shape
    lanes = lanes_of(dtype)
    whole, rest = divmod(n, lanes)
    panels = -(-n // lanes)
    packed = aligned((batches, panels, k, lanes), dtype, zeros=panels != whole)

    def fill(first: int, last: int) -> None:
        # NumPy copies without the GIL.
        part = b[:, first:last, : whole * lanes]
        rows = part.reshape(batches, last - first, whole, lanes)
        packed[:, :whole, first:last] = rows.swapaxes(1, 2)
        if rest:
            packed[:, whole, first:last, :rest] = b[:, first:last, whole * lanes :]

    run_tasks(fill, k, threads if b.size >= THREADED_PACKING else 1)
    return packed


def lay_flat(b: _Array, dtype: np.dtype[Any]) -> _Array:
    """Return (batch, k, n) as a flat array, with a vector behind it if n is less than that."""
    lanes = lanes_of(dtype)
    if b.shape[-1] >= lanes:
        return np.ascontiguousarray(b, dtype).reshape(-1)
    flat = aligned((b.size + lanes,), dtype, zeros=True)
    flat[: b.size].reshape(b.shape)[...] = b
    return flat


def skipping_pays(zero_share: float, m: int, k: int, n: int) -> bool:
    """Return whether it is faster to skip the zeros of A."""
    panels = -(-n // (PANEL_BYTES // 4))
    work = 1.0 - zero_share + LISTING_COST / max(1, panels)
    return m > DIRECT_ROWS and k < MAX_SKIPPING_K and work < SKIPPING_THRESHOLD


def count_tasks(batches: int, m: int, panels: int) -> int:
    """Return the number of tasks of a product."""
    return batches * panels * -(-m // ROWS_PER_TASK)
