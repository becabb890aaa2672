"""Refuse to compute if the compiled arithmetic of this installation does not round.

A compiler flag can delete ``(x + M) - M``, silently. So before a process uses a
kind of kernel for the first time, a few hundred sums, made so that nearly all of
them must be rounded, are compared with the definition. It takes milliseconds.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelsim.errors import SelfTestError
from accelsim.formats import FloatFormat
from accelsim.formats.random_bits import StreamKey
from accelsim.numerics.accumulation import accumulate
from accelsim.precision import Accumulator

_Array = NDArray[np.floating[Any]]
#: Multiplies (1, m, k) by (1, k, n) in the way that is to be checked.
Product = Callable[[_Array, _Array], _Array]

#: Columns of the check; small addends are told apart by up to six bits.
COLUMNS = 64
MAX_ADDEND_BITS = 6
#: The key of stochastic checks.
KEY = StreamKey(seed=20181219)
#: What a user may do about it.
ADVICE = (
    "the compiled arithmetic does not round as it must. Reinstall numba and llvmlite,"
    " and remove compiler options such as fast-math."
)


def check_product(product: Product, accumulator: Accumulator) -> None:
    """Compare sums of one large and many small addends with the definition.

    Parameters
    ----------
    product : callable
        The compiled product, with the key `KEY` where it needs one.
    accumulator : Accumulator
        What it claims to be.

    Raises
    ------
    SelfTestError
        If a sum differs: no result of this installation can be trusted.
    """
    operands = _operands(accumulator)
    if operands is None:
        return
    a, b = operands
    found = np.asarray(product(a, b), np.float64)[0]
    expected = accumulate(a[0][:, None, :] * b[0].T, accumulator, key=KEY)
    if not np.array_equal(found, expected):
        wrong = int((found != expected).sum())
        raise SelfTestError(
            f"{wrong} of {found.size} sums in {accumulator.inner.name} differ from the definition:"
            f" {ADVICE}"
        )


def _operands(accumulator: Accumulator) -> tuple[_Array, _Array] | None:
    """Return operands whose sums straddle many ties; None where the range is too short."""
    formats = (accumulator.inner, accumulator.outer)
    floats = [fmt for fmt in formats if isinstance(fmt, FloatFormat)]
    precision = min(fmt.precision for fmt in floats)
    bits = min(precision, MAX_ADDEND_BITS)
    lowest = max(math.ceil(math.log2(fmt.min_positive)) for fmt in floats) + 4
    highest = min(fmt.emax for fmt in floats) - precision - 3
    if lowest > highest:
        return None
    unit = 2.0 ** ((lowest + highest) // 2)
    addends = (np.arange(COLUMNS) % 2**bits) / 16.0
    b = np.stack([np.full(COLUMNS, 2.0**precision), addends, addends[::-1], addends]) * unit
    a = np.ones((6, 4))
    a[1:4] *= -1.0
    a[2:5, 2] *= -1.0
    # In float32 as most data are: a kernel that widens them is compiled for their type.
    with np.errstate(over="ignore"):
        narrow = b.astype(np.float32)
    if np.array_equal(narrow, b):
        return a.astype(np.float32)[None], narrow[None]
    return a[None], b[None]
