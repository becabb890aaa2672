"""Matrix products with a given accumulator, bit for bit, by the fastest path that may.

The order of additions is k order, whatever the tiles of the schedule. Rows and
columns are independent of each other, so threads, blocks and paths cannot
change a bit.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import lru_cache
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from accelsim.errors import ConfigError, DataError, ShapeError
from accelsim.formats import FloatFormat, NumberFormat
from accelsim.formats.random_bits import StreamKey
from accelsim.numerics.accumulation import accumulate
from accelsim.numerics.addition import FLOAT64_PRECISION, Outputs
from accelsim.numerics.chunk_paths import fits_float32
from accelsim.numerics.compiled_product import by_kernel
from accelsim.numerics.conditions import FLOAT64_SAFE_EXPONENT
from accelsim.numerics.exact_product import multiply_exactly
from accelsim.numerics.operands import OperandFacts, ProductFacts, largest_magnitude
from accelsim.numerics.over_chunks import (
    choose_unseen,
    multiply_over_chunks,
    pays_over_chunks,
)
from accelsim.numerics.panels import skipping_pays
from accelsim.numerics.path_choice import PathChoice, PathName, Product
from accelsim.numerics.paths import choose_path
from accelsim.numerics.rules import Rule32
from accelsim.numerics.selftest import KEY, check_product
from accelsim.numerics.tiled import multiply_tiled
from accelsim.precision import AccumulationMethod, Accumulator

_Array = NDArray[np.floating[Any]]

#: Columns below which a product is computed transposed.
NARROW = 48
#: Products that the definition forms at a time.
DEFINITION_BLOCK = 1 << 20
#: What the record of a path says of a kernel.
OVER_CHUNKS = "chunks are summed side by side"


def matmul(
    a: ArrayLike,
    b: ArrayLike,
    accumulator: Accumulator,
    *,
    threads: int = 1,
    key: StreamKey | None = None,
    path: PathName | str | None = None,
    a_format: NumberFormat | None = None,
    b_format: NumberFormat | None = None,
) -> _Array:
    """Multiply matrices, rounding after every addition as `accumulator` says.

    Parameters
    ----------
    a, b : array_like, shapes (..., m, k) and (..., k, n)
        Operands, already quantized, with any strides; leading axes broadcast.
    accumulator : Accumulator
        Formats, chunks, method and roundings of the sums.
    threads : int
        Threads over blocks of rows; they never change a bit.
    key : StreamKey, optional
        Needed by stochastic rounding.
    path : PathName, optional
        ``definition`` forces the NumPy definition, ``tiled`` the NumPy twin of a
        float32 kernel; another name must be the one that would be chosen anyway.
    a_format, b_format : NumberFormat, optional
        Formats that the operands are known to be in; saves measuring them.

    Returns
    -------
    array, shape (..., m, n)
        Values of the outer accumulator; float32 where that holds them, else
        float64. k = 0 gives +0; NaN and infinity propagate.

    Raises
    ------
    ShapeError, DataError, ConfigError
        If the shapes do not multiply, a product is not exact in float64, the
        path that is asked for may not run, or a key is missing.

    Examples
    --------
    >>> acc = Accumulator(format="fp16_e6m9", chunk_size=64)
    >>> matmul([[1.0, 2.0]], [[3.0], [4.0]], acc)
    array([[11.]], dtype=float32)
    """
    return multiply_matrices(
        a, b, accumulator, threads=threads, key=key, path=path, a_format=a_format, b_format=b_format
    ).values


def multiply_matrices(
    a: ArrayLike,
    b: ArrayLike,
    accumulator: Accumulator,
    *,
    threads: int = 1,
    key: StreamKey | None = None,
    path: PathName | str | None = None,
    a_format: NumberFormat | None = None,
    b_format: NumberFormat | None = None,
) -> Product:
    """Do as `matmul`, and say which path computed the values, and why.

    Examples
    --------
    >>> product = multiply_matrices([[1.0, 2.0]], [[3.0], [4.0]], Accumulator(format="fp32"))
    >>> product.values
    array([[11.]], dtype=float32)
    >>> print(product.path)  # doctest: +ELLIPSIS
    ordered path; both accumulators are float32: one fused multiply-add rounds as they do
    """
    left, right = _operand(a), _operand(b)
    batch = _check_shapes(left, right)
    stacks = _stack(left, batch), _stack(right, batch)
    formats = a_format, b_format
    found = None if path is not None else _multiply_unseen(*stacks, accumulator, formats, threads)
    if found is None:
        known = _facts(left, a_format), _facts(right, b_format)
        if accumulator.method is AccumulationMethod.INTEGER:
            known = _if_integers(known[0], left), _if_integers(known[1], right)
        facts = ProductFacts.of(*known, left.shape[-1])
        choice = _choose(facts, accumulator, path)
        found = _multiply_known(*stacks, accumulator, choice, facts, threads, key)
    out, ran = found
    shape = (*batch, left.shape[-2], right.shape[-1])
    return Product(out.astype(_result_dtype(accumulator), copy=False).reshape(shape), ran)


def _stack(x: _Array, batch: tuple[int, ...]) -> _Array:
    """Return an operand as one matrix per product of a batch."""
    matrix = x.shape[-2:]
    return np.broadcast_to(x, (*batch, *matrix)).reshape(math.prod(batch), *matrix)


def _multiply_unseen(
    a: _Array,
    b: _Array,
    accumulator: Accumulator,
    formats: tuple[NumberFormat | None, NumberFormat | None],
    threads: int,
) -> tuple[_Array, PathChoice] | None:
    """Multiply without a look at the operands, or return None: where that cannot be, or failed."""
    if not (a.size and b.size):
        return None
    choice = choose_unseen(formats, (*a.shape, b.shape[2]), accumulator)
    if choice is None or not has_numba():
        return None
    _trust(choice, accumulator, over_chunks=True)
    out = multiply_over_chunks(a, b, accumulator, choice, threads)
    if not np.isfinite(out).all():
        return None
    return out, choice.because("operands were not looked at").because(OVER_CHUNKS)


def _multiply_known(
    a: _Array,
    b: _Array,
    accumulator: Accumulator,
    choice: PathChoice,
    facts: ProductFacts,
    threads: int,
    key: StreamKey | None,
) -> tuple[_Array, PathChoice]:
    """Multiply (batch, m, k) by (batch, k, n), or the transposed ones; say what ran."""
    if b.shape[2] < min(a.shape[1], NARROW) and choice.may_transpose:
        # Few columns would leave most lanes of a vector idle; products commute.
        flipped = b.swapaxes(1, 2), a.swapaxes(1, 2)
        out, ran = _dispatch(*flipped, accumulator, choice, facts, threads, key)
        return out.swapaxes(1, 2), ran
    return _dispatch(a, b, accumulator, choice, facts, threads, key)


def _dispatch(
    a: _Array,
    b: _Array,
    accumulator: Accumulator,
    choice: PathChoice,
    facts: ProductFacts,
    threads: int,
    key: StreamKey | None,
) -> tuple[_Array, PathChoice]:
    """Multiply (batch, m, k) by (batch, k, n) on the path that was chosen; say what ran."""
    if 0 in (*a.shape, b.shape[-1]):
        choice = PathChoice(PathName.DEFINITION, ("nothing is added",))
    if choice.name is PathName.DEFINITION:
        return _by_definition(a, b, accumulator, key), choice
    if choice.name is PathName.BLAS:
        exact = multiply_exactly(a, b, accumulator, in_float32=fits_float32(facts), key=key)
        return exact, choice
    if choice.name is PathName.TILED:
        assert isinstance(choice.inner, Rule32)
        assert isinstance(choice.outer, Rule32)
        out: _Array = multiply_tiled(
            a, b, choice.inner, choice.outer, accumulator.chunk_length(a.shape[-1])
        )
    else:
        shape = (a.shape[1], *b.shape[1:])
        skips = choice.may_skip_zeros and facts.finite and skipping_pays(facts.zero_share, *shape)
        work = 1.0 - facts.zero_share if skips else 1.0
        chunk = accumulator.chunk_length(a.shape[2])
        if pays_over_chunks(choice, (*a.shape, b.shape[2]), chunk, work=work):
            _trust(choice, accumulator, over_chunks=True)
            out = multiply_over_chunks(a, b, accumulator, choice, threads)
            choice = choice.because(OVER_CHUNKS)
        else:
            _trust(choice, accumulator)
            out = by_kernel(a, b, accumulator, choice, threads, key, skip_zeros=skips)
            choice = choice.because("zero operands are skipped") if skips else choice
    repaired = _repair(out, a, b, accumulator, choice)
    if repaired:
        choice = choice.because(f"{repaired} sums that overflow came from the definition")
    return out, choice


def _operand(x: ArrayLike) -> _Array:
    """Return an operand as float32 or float64."""
    array = np.asarray(x)
    if array.dtype in (np.float32, np.float64):
        return array
    if array.dtype.kind in "cOSUMm":
        raise DataError(f"Operands are real numbers, not {array.dtype}.")
    return array.astype(np.float64)


def _check_shapes(a: _Array, b: _Array) -> tuple[int, ...]:
    """Return the batch shape, or say why the operands do not multiply."""
    if a.ndim < 2 or b.ndim < 2:
        raise ShapeError(f"Operands are matrices or batches of them, not {a.shape} @ {b.shape}.")
    if a.shape[-1] != b.shape[-2]:
        raise ShapeError(
            f"{a.shape} @ {b.shape}: {a.shape[-1]} columns on the left,"
            f" {b.shape[-2]} rows on the right."
        )
    try:
        return np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    except ValueError as error:
        raise ShapeError(f"Batches {a.shape[:-2]} and {b.shape[:-2]} do not broadcast.") from error


def _facts(x: _Array, fmt: NumberFormat | None) -> OperandFacts:
    """Return what is known of an operand: its format's promise, and its largest magnitude."""
    promised = None if fmt is None else OperandFacts.of_format(fmt)
    if promised is not None:
        amax = largest_magnitude(x)
        if np.isfinite(amax):
            return replace(promised, amax=amax)
    return OperandFacts.of_data(x)


def _if_integers(facts: OperandFacts, x: _Array) -> OperandFacts:
    """Return facts that say so if all elements are integers."""
    if facts.lsb_exponent < 0 and np.array_equal(x, np.rint(x)):
        return replace(facts, lsb_exponent=0)
    return facts


def _choose(
    facts: ProductFacts, accumulator: Accumulator, path: PathName | str | None
) -> PathChoice:
    """Pick the path; refuse one that was asked for and may not run."""
    if facts.significant_bits > FLOAT64_PRECISION or not (
        facts.lsb_exponent >= -FLOAT64_SAFE_EXPONENT and facts.largest <= 2.0**FLOAT64_SAFE_EXPONENT
    ):
        raise DataError(
            f"Products with {facts.significant_bits} significant bits between"
            f" 2**{facts.lsb_exponent} and {facts.largest:g} are not exact in float64;"
            " quantize the operands first."
        )
    choice = choose_path(facts, accumulator)
    if path is None:
        kept = choice.name in (PathName.DEFINITION, PathName.BLAS) or has_numba()
        return choice if kept else _plain(choice, "Numba is not installed")
    if path not in list(PathName):
        raise ConfigError(f"{path!r} is no path. Known: {', '.join(PathName)}.")
    wanted = PathName(path)
    if wanted is PathName.DEFINITION:
        return PathChoice(PathName.DEFINITION, (_ASKED_FOR,))
    if wanted is PathName.TILED and isinstance(choice.inner, Rule32):
        return _plain(choice, _ASKED_FOR)
    if wanted is not choice.name:
        raise ConfigError(
            f"Path {wanted} may not run here; {choice.name} would: {'; '.join(choice.reasons)}."
        )
    return choice


_ASKED_FOR = "asked for"


def _plain(choice: PathChoice, reason: str) -> PathChoice:
    """Return the NumPy twin of a path with a kernel, or the definition where it has none."""
    if not isinstance(choice.inner, Rule32) or not isinstance(choice.outer, Rule32):
        return PathChoice(PathName.DEFINITION, (reason,))
    return choice.because(reason, PathName.TILED)


def has_numba() -> bool:
    """Return whether kernels can be compiled, without importing Numba."""
    return find_spec("numba") is not None


def _result_dtype(accumulator: Accumulator) -> np.dtype[Any]:
    """Return float32 where it holds every value of the result."""
    if accumulator.method is AccumulationMethod.INTEGER:
        return np.dtype(np.float64)
    if isinstance(accumulator.outer, FloatFormat):
        return accumulator.outer.value_dtype
    return np.dtype(np.float64)


def _by_definition(a: _Array, b: _Array, accumulator: Accumulator, key: StreamKey | None) -> _Array:
    """Form products block by block and sum them as the definition does."""
    batches, m, k = a.shape
    n = b.shape[-1]
    out = np.zeros((batches, m, n))
    rows = max(1, DEFINITION_BLOCK // max(1, k * n))
    with np.errstate(invalid="ignore"):
        for batch in range(batches):
            right = b[batch].T.astype(np.float64)  # (n, k)
            for start in range(0, m, rows):
                left = a[batch, start : start + rows].astype(np.float64)
                names = Outputs((batch * m + start + np.arange(len(left)))[:, None], np.arange(n))
                out[batch, start : start + rows] = accumulate(
                    left[:, None, :] * right, accumulator, key=key, outputs=names
                )
    return out


@lru_cache(maxsize=256)
def _trust(choice: PathChoice, accumulator: Accumulator, *, over_chunks: bool = False) -> None:
    """Check a kind of kernel once per process; integers are not rounded."""
    if choice.name is PathName.CLAMPED:
        return
    if over_chunks:
        check_product(lambda a, b: multiply_over_chunks(a, b, accumulator, choice), accumulator)
        return
    check_product(
        lambda a, b: by_kernel(a, b, accumulator, choice, threads=1, key=KEY), accumulator
    )


def _repair(out: _Array, a: _Array, b: _Array, accumulator: Accumulator, choice: PathChoice) -> int:
    """Compute poisoned outputs again by the definition; return how many."""
    if not choice.is_poisoned:
        return 0
    batch, row, column = np.nonzero(~np.isfinite(out))
    block = max(1, DEFINITION_BLOCK // a.shape[-1])
    for start in range(0, batch.size, block):
        at = slice(start, start + block)
        left = a[batch[at], row[at]].astype(np.float64)
        right = b[batch[at], :, column[at]].astype(np.float64)
        out[batch[at], row[at], column[at]] = accumulate(left * right, accumulator)
    return int(batch.size)
