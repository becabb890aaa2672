"""How far values are from a float64 reference, and what happened to them on the way.

`measure` compares two arrays in one pass over cache-sized blocks; `count_events`
counts what a rounding did. Figures are rounded to nine significant digits, so
that they do not depend on the summation order of the machine's BLAS.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelsim.errors import ShapeError
from accelsim.formats import FloatFormat, NumberFormat

Array = NDArray[np.floating[Any]]

#: Elements per pass: a handful of float64 arrays of this size stay in a 1 MiB cache.
BLOCK_ELEMENTS = 1 << 14
#: Significant digits of a reported figure.
DIGITS = 9
#: Sign and exponent bits of a float64: all but these cleared leave a power of two.
_EXPONENT_MASK = np.int64(0x7FF0_0000_0000_0000)


@dataclass(frozen=True, slots=True)
class ErrorFigures:
    """The distance of values from their reference.

    Parameters
    ----------
    elements : int
        Elements compared, the non-finite ones included.
    nonfinite : int
        Elements where value or reference is NaN or infinite; they are in no other figure.
    relative : float
        ``||value - reference|| / ||reference||`` in the Euclidean norm; 0 where both
        norms are 0, infinity where only the reference's is.
    sqnr_db : float
        Signal to quantisation noise, ``-20 log10(relative)``; infinity without error.
    max_abs : float
        Largest ``|value - reference|``.
    max_ulp : float or None
        Largest ``|value - reference|`` in units of the stored format's spacing at the
        reference; None where the format is not a floating-point format.
    """

    elements: int
    nonfinite: int
    relative: float
    sqnr_db: float
    max_abs: float
    max_ulp: float | None


@dataclass(frozen=True, slots=True)
class EventCounts:
    """What happened to the results of an op, counted in elements.

    Parameters
    ----------
    elements : int
        Results looked at: all, or those of a sample.
    overflow : int
        Became infinite, or NaN in a format without infinity, from finite numbers.
    saturation : int
        Were clamped to the largest finite number of their format, not rounded to it.
    underflow : int
        Became zero from a number, or with a reference, that is not zero but below the
        smallest positive number of the format. A sum that cancels to zero is none.
    nan : int
        Are NaN.
    zero : int
        Are zero.
    """

    elements: int = 0
    overflow: int = 0
    saturation: int = 0
    underflow: int = 0
    nan: int = 0
    zero: int = 0


def measure(values: Array, reference: Array, fmt: NumberFormat | None = None) -> ErrorFigures:
    """Compare `values` with `reference`, of equal shape.

    Parameters
    ----------
    values, reference : array
        Any equal shapes; empty gives zero error.
    fmt : NumberFormat, optional
        Stored format of the values, for `max_ulp`.

    Raises
    ------
    ShapeError
        If the shapes differ.

    Examples
    --------
    >>> figures = measure(np.array([3.0, 4.5]), np.array([3.0, 4.0]))
    >>> figures.relative, figures.sqnr_db, figures.max_abs
    (0.1, 20.0, 0.5)
    """
    if values.shape != reference.shape:
        raise ShapeError(f"Values have shape {values.shape}, their reference {reference.shape}.")
    grid = _grid(fmt)
    noise: list[float] = []
    signal: list[float] = []
    nonfinite, max_abs, max_ulp = 0, 0.0, 0.0
    with np.errstate(all="ignore"):
        for value, source in _blocks(values, reference):
            exact: Array = source.astype(np.float64, copy=False)
            difference: Array = value - exact
            square = _sum_of_squares(difference)
            if not math.isfinite(square):
                finite = np.isfinite(value) & np.isfinite(exact)
                nonfinite += int(finite.size - np.count_nonzero(finite))
                difference, exact = difference[finite], exact[finite]
                square = _sum_of_squares(difference)
            noise.append(square)
            signal.append(_sum_of_squares(exact))
            size = np.abs(difference, out=difference)
            max_abs = max(max_abs, float(size.max(initial=0.0)))
            if grid is not None and square > 0:
                max_ulp = max(max_ulp, _largest_in_ulps(size, exact, grid))
    relative = _ratio(math.sqrt(math.fsum(noise)), math.sqrt(math.fsum(signal)))
    return ErrorFigures(
        elements=values.size,
        nonfinite=nonfinite,
        relative=_rounded(relative),
        sqnr_db=_rounded(_decibel(relative)),
        max_abs=_rounded(max_abs),
        max_ulp=None if grid is None else _rounded(max_ulp),
    )


def count_events(values: Array, exact: Array, fmt: NumberFormat) -> EventCounts:
    """Count what rounding `exact` to `fmt` did; `values` is the result.

    `exact` may be a float64 reference instead of the very numbers that were
    rounded; then an overflow inside a sum counts as well.
    """
    top = fmt.max_finite
    beyond = top + (fmt.ulp(top) / 2 if isinstance(fmt, FloatFormat) else 0.0)
    overflow = saturation = underflow = nan = zero = 0
    with np.errstate(all="ignore"):
        for value, source in _blocks(values, exact):
            zero += value.size - int(np.count_nonzero(value))
            small = np.abs(source) < fmt.min_positive
            if int(np.count_nonzero(small)) > source.size - int(np.count_nonzero(source)):
                underflow += int(np.count_nonzero(small & (value == 0) & (source != 0)))
            if -top < float(value.min()) and float(value.max()) < top:
                continue  # neither of them is true of a NaN
            is_nan = np.isnan(value)
            nan += int(np.count_nonzero(is_nan))
            finite = np.isfinite(source)
            overflow += int(np.count_nonzero((is_nan | np.isinf(value)) & finite))
            clamped = (np.abs(value) == top) & (np.abs(source) >= beyond)
            saturation += int(np.count_nonzero(clamped))
    return EventCounts(values.size, overflow, saturation, underflow, nan, zero)


def zero_product_share(a: Array, b: Array) -> float:
    """Return the share of products ``a[g, m, k] * b[g, k, n]`` with a zero factor.

    A multiplier gated by a zero operand saves this share of its switching.
    An empty GEMM has share 0.
    """
    products = int(a.size * b.shape[2])
    if not products:
        return 0.0
    live_a = np.count_nonzero(a, axis=1)  # (groups, k)
    live_b = np.count_nonzero(b, axis=2)  # (groups, k)
    return 1.0 - float(np.vdot(live_a, live_b)) / products


def _blocks(values: Array, reference: Array) -> Iterator[tuple[Array, Array]]:
    """Yield corresponding blocks of both arrays."""
    flat, exact = values.reshape(-1), reference.reshape(-1)
    for start in range(0, flat.size, BLOCK_ELEMENTS):
        part = slice(start, start + BLOCK_ELEMENTS)
        yield flat[part], exact[part]


def _sum_of_squares(x: Array) -> float:
    """Return the sum of squares in one thread: a block is too short to wait for BLAS's."""
    return float(np.einsum("i,i->", x, x))


def _grid(fmt: NumberFormat | None) -> tuple[float, float] | None:
    """Return (smallest binade, spacing relative to a binade) of a floating-point format."""
    if not isinstance(fmt, FloatFormat):
        return None
    return 2.0**fmt.emin, 2.0**-fmt.mantissa_bits


def _largest_in_ulps(size: Array, exact: Array, grid: tuple[float, float]) -> float:
    """Return the largest of `size` in units of the spacing at `exact`."""
    lowest, spacing = grid
    binade: Array = (exact.view(np.int64) & _EXPONENT_MASK).view(np.float64)
    np.maximum(binade, lowest, out=binade)
    np.divide(size, binade, out=binade)
    return float(binade.max(initial=0.0)) / spacing


def _ratio(error: float, norm: float) -> float:
    """Return error / norm; 0 where both are 0."""
    if norm == 0:
        return 0.0 if error == 0 else math.inf
    return error / norm


def _decibel(relative: float) -> float:
    if relative == 0:
        return math.inf
    return -20.0 * math.log10(relative) if math.isfinite(relative) else -math.inf


def _rounded(x: float) -> float:
    return float(f"{x:.{DIGITS}g}")
