"""Matrix products by compiled code: operands laid out, a kernel picked, tasks run."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelsim.errors import ConfigError
from accelsim.formats.random_bits import (
    Site,
    StreamKey,
    column_words,
    field_width,
    row_words,
)
from accelsim.numerics import rules
from accelsim.numerics.panels import (
    DIRECT_ROWS,
    aligned,
    count_tasks,
    lanes_of,
    lay_flat,
    pack,
)
from accelsim.numerics.path_choice import PathChoice
from accelsim.numerics.threads import run_tasks
from accelsim.precision import Accumulator

_Array = NDArray[np.floating[Any]]
#: Does tasks from its first argument to before its second.
_Work = Callable[[int, int], None]
#: Bits of a random word, and of its upper half.
_WORD_BITS = 64
_HALF_BITS = np.int64(32)


def by_kernel(
    a: _Array,
    b: _Array,
    accumulator: Accumulator,
    choice: PathChoice,
    threads: int = 1,
    key: StreamKey | None = None,
    skip_zeros: bool = False,
) -> _Array:
    """Run one kernel on (batch, m, k) and (batch, k, n), whether or not it may be run.

    `accelsim.numerics.gemm` has proved that it may; anybody else must.
    """
    dtype = np.dtype(np.float64 if choice.is_wide else np.float32)
    left = np.ascontiguousarray(a, dtype).view()
    # Numba tells operands that may be written from others, and would compile for both.
    left.flags.writeable = False
    is_plain = not (choice.is_stochastic or isinstance(choice.inner, rules.ChunkRule))
    if is_plain and left.shape[1] <= DIRECT_ROWS:
        return _by_rows(left, b, accumulator, choice, threads)
    panels = pack(b, dtype, threads)
    batches, m, k = left.shape
    columns = panels.shape[1] * lanes_of(dtype)
    # The kernel that skips zeros writes every sum once; the others add to what is there.
    out = aligned((batches, m, columns), dtype, zeros=not skip_zeros)
    tasks = count_tasks(batches, m, panels.shape[1])
    arguments = (choice.inner, choice.outer, left, panels, out, accumulator.chunk_length(k))
    if choice.is_stochastic:
        work = _random_work(arguments, key, accumulator)
    else:
        work = _work(arguments, skip_zeros=skip_zeros)
    run_tasks(work, tasks, threads)
    return out[..., : b.shape[-1]]


def _by_rows(
    left: _Array, b: _Array, accumulator: Accumulator, choice: PathChoice, threads: int
) -> _Array:
    """Run the kernel that reads B where it lies."""
    from accelsim.numerics.kernels.block_rows import multiply_rows

    (batches, m, k), n = left.shape, b.shape[-1]
    lanes = lanes_of(left.dtype)
    panels = -(-n // lanes)
    out = aligned((batches, m, panels, lanes), left.dtype, zeros=True)
    flat = lay_flat(b, left.dtype).view()
    flat.flags.writeable = False
    chunk = accumulator.chunk_length(k)
    work = partial(multiply_rows, choice.inner, choice.outer, left, flat, out, chunk, n)
    run_tasks(work, count_tasks(batches, m, panels), threads)
    columns = out.reshape(batches, m, panels * lanes)
    if n % lanes and n > lanes:
        # The last vector began where it ends with the last column.
        columns[..., n - lanes : n] = columns[..., -lanes:].copy()
    return columns[..., :n]


def _work(arguments: tuple[Any, ...], *, skip_zeros: bool) -> _Work:
    """Return the kernel of a rule without randomness."""
    if skip_zeros:
        from accelsim.numerics.kernels.sparse import multiply_tasks_sparse

        return partial(multiply_tasks_sparse, *arguments)
    if isinstance(arguments[0], rules.ChunkRule):
        from accelsim.numerics.kernels.block_chunks import multiply_tasks_chunks

        return partial(multiply_tasks_chunks, *arguments, ())
    from accelsim.numerics.kernels.block import multiply_tasks

    return partial(multiply_tasks, *arguments)


def _random_work(
    arguments: tuple[Any, ...], key: StreamKey | None, accumulator: Accumulator
) -> _Work:
    """Return the kernel of a stochastic rule, with the words of rows and columns."""
    if key is None:
        raise ConfigError("Stochastic rounding needs a key: randomness is explicit.")
    inner, _, left, panels, out, _ = arguments
    names = np.arange(left.shape[0] * left.shape[1], dtype=np.uint64)
    inside = Site.TREE if isinstance(inner, rules.TreeSum) else Site.INNER
    rows = [row_words(key.base(site), names) for site in (inside, Site.OUTER)]
    columns = column_words(np.arange(out.shape[-1])).view(np.int64)
    if isinstance(inner, rules.Stochastic32):
        from accelsim.numerics.kernels.block_random32 import multiply_tasks_random32

        halves = _columns_by_halves(columns, panels.shape[-1])
        return partial(multiply_tasks_random32, *arguments, *rows, halves)
    from accelsim.numerics.kernels.block_chunks import multiply_tasks_chunks

    shared = (_WORD_BITS // field_width(accumulator.random_bits)).bit_length() - 1
    return partial(multiply_tasks_chunks, *arguments, (*rows, columns, shared))


def _columns_by_halves(columns: NDArray[np.int64], lanes: int) -> NDArray[np.int64]:
    """Return by panel the words of even columns, their upper halves, and those of odd ones."""
    pairs = columns.reshape(-1, lanes // 2, 2)
    words = [word for i in range(2) for word in (pairs[..., i], pairs[..., i] >> _HALF_BITS)]
    out: NDArray[np.int64] = aligned((2 * columns.size,), columns.dtype)
    np.stack(words, axis=1, out=out.reshape(-1, len(words), lanes // 2))
    return out
