"""Products of few outputs and long sums: chunks, not columns, in the lanes of a vector.

An inner sum starts from zero whatever came before, so chunks are independent of each
other; only the additions of their sums are bound to their order. Without chunks there is
nothing to lay into lanes.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from accelsim.formats import NumberFormat
from accelsim.numerics import rules
from accelsim.numerics.operands import OperandFacts, ProductFacts
from accelsim.numerics.panels import CACHE_LINE_BYTES, PANEL_BYTES, aligned, lanes_of
from accelsim.numerics.path_choice import PathChoice
from accelsim.numerics.paths import choose_path
from accelsim.numerics.threads import PIECES_PER_THREAD, run_tasks
from accelsim.precision import Accumulator

_Array = NDArray[Any]

#: Most outputs: their sums over one group of chunks stay in the second-level cache.
MAX_OUTPUTS = 1024
#: Bytes of operands that are laid side by side before they are multiplied.
LAID_BYTES = 1 << 16
#: Bytes of chunk sums that are made before they are added.
SUMS_BYTES = 1 << 22
#: Rows, or columns, whose sums are added together; by itself one takes twice its time.
TOGETHER = 4
#: Times in units of a vector's rounded multiply-add, among four rows and with B packed:
#: the same with both factors from memory, to lay a vector of operands, to lay and add a vector
#: of chunk sums, to pack a vector of B for the other kernels, and what a product costs once.
STEP, LAYING, ADDING, PACKING, ONCE = 1.2, 2.5, 6.0, 2.0, 1.5e4
#: Time to look at a vector of an operand, in times of what a look saves in a step.
LOOKING = 4


class Layout(NamedTuple):
    """How an operand lies in memory: runs of `width` numbers for every product of k."""

    #: Rows of A, or columns of B: runs times width, one of which is 1.
    rows: np.int64
    runs: np.int64
    width: np.int64


class Cut(NamedTuple):
    """How two operands lie in memory, and into which groups of chunks they are cut."""

    left: Layout
    right: Layout
    #: Products per output.
    k: np.int64
    #: Products of a full chunk, full chunks, and products of a short last one.
    length: np.int64
    chunks: np.int64
    rest: np.int64
    #: Groups of a batch: of as many chunks as a vector has lanes, and of the short one.
    groups: np.int64
    lanes: np.int64
    #: Steps that are laid side by side at a time.
    block: np.int64


def pays_over_chunks(
    choice: PathChoice, shape: tuple[int, int, int, int], chunk: int, *, work: float = 1.0
) -> bool:
    """Return whether a product is faster with chunks in the lanes, where that can be.

    Its shape is (batch, m, k, n); `work` is the part of its products that the other kernel
    does not skip.
    """
    batches, m, k, n = shape
    if choice.is_stochastic or isinstance(choice.inner, rules.ChunkRule) or m * n > MAX_OUTPUTS:
        return False
    dtype = _carrier(choice)
    lanes, square = lanes_of(dtype), _square(dtype)
    chunks, rest = divmod(k, chunk)
    if chunks < lanes:
        return False
    steps = -(-chunks // lanes) * chunk + rest
    sums = min(m * _alone(n), n * _alone(m))
    laying = LAYING * (m + n) * -(-chunk // square) * square / chunk
    adding = ADDING * chunks * -(-m * n // lanes)
    own = steps * (STEP * sums + laying) + adding + ONCE / max(1, batches)
    return own < k * (work * _alone(m) * -(-n // lanes) + PACKING * n / lanes)


def _alone(count: int) -> int:
    """Return the time of so many rows, or columns, in times of one among four."""
    return count + count % TOGETHER


def choose_unseen(
    formats: tuple[NumberFormat | None, NumberFormat | None],
    shape: tuple[int, int, int, int],
    accumulator: Accumulator,
) -> PathChoice | None:
    """Return a path for operands nobody has looked at, if that is faster and its result tells.

    To look at the operands of few outputs takes as long as their product, and saves nothing
    but the bound of every sum. What formats promise proves all else but that operands are
    finite; where one is not, or a sum overflows, nor is its output.
    """
    batches, m, k, n = shape
    if m * n > LOOKING * (m + n):
        return None
    left, right = (None if fmt is None else OperandFacts.of_format(fmt) for fmt in formats)
    if left is None or right is None:
        return None
    choice = choose_path(ProductFacts.of(left, right, k), accumulator)
    if not (_tells(choice.inner) and _tells(choice.outer)):
        return None
    # The other kernels take the shorter side for rows.
    shape = (batches, min(m, n), k, max(m, n))
    return choice if pays_over_chunks(choice, shape, accumulator.chunk_length(k)) else None


def _tells(rule: rules.Rule | None) -> bool:
    """Return whether a sum that is not finite stays so."""
    if isinstance(rule, rules.Ordered32):
        return True
    if not isinstance(rule, rules.Rule32) or isinstance(rule.bound, rules.Clamped):
        return False
    return isinstance(rule.rounding, rules.Split | rules.Grid)


def multiply_over_chunks(
    a: _Array, b: _Array, accumulator: Accumulator, choice: PathChoice, threads: int = 1
) -> _Array:
    """Run the kernel on (batch, m, k) and (batch, k, n) whether or not it may be run.

    Groups of chunks are summed, then their sums added, a window of groups at a time.
    """
    from accelsim.numerics.kernels.block_over_chunks import add_groups, sum_groups

    (batches, m, k), n = a.shape, b.shape[2]
    if m * _alone(n) > n * _alone(m):
        # Products commute, and it is columns that are added together.
        flipped = b.swapaxes(1, 2), a.swapaxes(1, 2)
        return multiply_over_chunks(*flipped, accumulator, choice, threads).swapaxes(1, 2)
    dtype = _carrier(choice)
    lanes = lanes_of(dtype)
    is_narrow = a.dtype == b.dtype == np.float32 or dtype == np.float32
    read = np.dtype(np.float32 if is_narrow else np.float64)
    (left, lie_left), (right, lie_right) = _flat(a, read), _flat(b.swapaxes(1, 2), read)
    cut = _cut(lie_left, lie_right, k, accumulator.chunk_length(k), dtype)
    groups, outputs = batches * int(cut.groups), m * n
    vectors = batches * -(-outputs // lanes)
    window = max(threads * PIECES_PER_THREAD, SUMS_BYTES // (outputs * PANEL_BYTES))
    sums = aligned((min(window, groups) * outputs * lanes,), dtype)
    totals = aligned((vectors * lanes,), dtype, zeros=True)
    summed = partial(sum_groups, choice.inner, left, right, cut, sums)
    added = partial(add_groups, choice.outer, sums, cut, totals)
    room = (m + n) * int(cut.block) + _square(dtype)
    for origin in range(0, groups, window):
        end = min(groups, origin + window)
        work = partial(_with_room, partial(summed, origin), room * lanes, dtype)
        run_tasks(work, end - origin, threads)
        work = partial(_with_room, partial(added, origin, end), 2 * lanes * lanes, dtype)
        run_tasks(work, vectors, threads)
    return totals.reshape(batches, -1)[:, :outputs].reshape(batches, m, n)


def _with_room(work: Any, size: int, dtype: np.dtype[Any], first: int, last: int) -> None:
    """Do a piece of work with memory of its own; zeros, as any numbers may be slow ones."""
    work(aligned((size,), dtype, zeros=True), first, last)


def _carrier(choice: PathChoice) -> np.dtype[Any]:
    return np.dtype(np.float64 if choice.is_wide else np.float32)


def _square(dtype: np.dtype[Any]) -> int:
    """Return the numbers of a cache line, which are turned over together."""
    return CACHE_LINE_BYTES // dtype.itemsize


def _flat(rows: _Array, dtype: np.dtype[Any]) -> tuple[_Array, Layout]:
    """Return (batch, rows, k) flat, as it lies in memory where it lies densely."""
    by_step = rows.swapaxes(1, 2)
    is_by_step = by_step.flags.c_contiguous and not rows.flags.c_contiguous
    flat = np.ascontiguousarray(by_step if is_by_step else rows, dtype).reshape(-1).view()
    # Numba tells operands that may be written from others, and would compile for both.
    flat.flags.writeable = False
    count, one = np.int64(rows.shape[1]), np.int64(1)
    return flat, Layout(count, one, count) if is_by_step else Layout(count, count, one)


def _cut(left: Layout, right: Layout, k: int, chunk: int, dtype: np.dtype[Any]) -> Cut:
    """Return the groups of chunks, and blocks of steps that stay in a cache."""
    chunks, rest = divmod(k, chunk)
    lanes, square = lanes_of(dtype), _square(dtype)
    fitting = LAID_BYTES // (int(left.rows + right.rows) * PANEL_BYTES)
    block = chunk if chunk <= fitting else max(square, fitting // square * square)
    groups = -(-chunks // lanes) + (rest > 0)
    counts = (k, chunk, chunks, rest, groups, lanes, min(block, k))
    return Cut(left, right, *(np.int64(count) for count in counts))
