"""Refuse to round if the compiled loops of this installation do not.

A compiler flag can delete ``(x + magic) - magic``, silently. So before a process rounds
in a new way by a compiled loop, a few hundred numbers are compared with the NumPy twin:
in every part of the format's range, halfway between its numbers, just beside that, and
beyond its ends. It takes a fraction of a millisecond.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelsim.errors import SelfTestError
from accelsim.formats.base import FloatArray, RandomBits
from accelsim.formats.plan import RoundingPlan

#: Rounds `x` into `out`, with random bits and the value of the lowest of them.
Loop = Callable[[FloatArray, FloatArray, RandomBits, float], None]
#: What the loop must equal: rounds float64 numbers, with random bits.
Twin = Callable[[NDArray[np.float64], RandomBits], NDArray[np.float64]]

#: Binades that are looked at, and random bits of the check.
BINADES = 24
RANDOM_BIT_COUNT = 8


def check_loop(
    loop: Loop, twin: Twin, plan: RoundingPlan, dtypes: tuple[np.dtype[Any], np.dtype[Any]]
) -> None:
    """Compare a compiled loop with its NumPy twin.

    Parameters
    ----------
    loop, twin : callable
        With `RANDOM_BIT_COUNT` random bits.
    plan : RoundingPlan
        What both claim to follow.
    dtypes : (dtype, dtype)
        Of the numbers that go in and of those that come out, float32 or float64.

    Raises
    ------
    SelfTestError
        If a number differs: no result of this installation can be trusted.
    """
    with np.errstate(over="ignore"):
        x = _numbers(plan).astype(dtypes[0])
    noise = np.arange(x.size, dtype=np.uint32) * np.uint32(37) % np.uint32(1 << RANDOM_BIT_COUNT)
    out = np.empty(x.shape, dtypes[1])
    loop(x, out, noise, 2.0**-RANDOM_BIT_COUNT)
    expected = twin(x.astype(np.float64), noise).astype(dtypes[1])
    same = (out == expected) & (np.signbit(out) == np.signbit(expected))
    wrong = int((~(same | (np.isnan(out) & np.isnan(expected)))).sum())
    if wrong:
        raise SelfTestError(
            f"{wrong} of {x.size} numbers are rounded otherwise than by NumPy: the compiled"
            " arithmetic does not round as it must. Reinstall numba and llvmlite, and remove"
            " compiler options such as fast-math."
        )


def _numbers(plan: RoundingPlan) -> NDArray[np.float64]:
    """Return numbers in a sample of binades, between the plan's, of both signs, and specials."""
    top = int(np.frexp(plan.limit)[1])
    bottom = int(np.frexp(plan.min_positive)[1]) - 3
    exponents = np.unique(np.linspace(bottom, top, BINADES).astype(np.int64))
    # In eighths of the spacing: members, ties (4 and 12), and what lies beside them.
    eighths = np.array([0, 1, 3, 4, 5, 7, 8, 12, 20])
    significands = 1.0 + eighths * 2.0 ** -(min(plan.mantissa_bits, 48) + 3)
    with np.errstate(over="ignore"):
        magnitudes = np.ldexp(significands[:, None], exponents).ravel()
    some = np.concatenate([[0.0, np.inf, np.nan], magnitudes])
    return np.concatenate([some, -some])
