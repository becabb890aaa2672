"""Arithmetic of the vector unit: every result rounded once to one format.

`Arithmetic(fmt)` computes in a carrier, float32 or float64, and rounds each
result to `fmt`. The carrier is wide enough that the two roundings equal one: for
a format of p significant bits, a carrier of at least 2p + 2 makes the first
rounding of a sum, difference, product or quotient innocuous
(Figueroa 1995). `Arithmetic(None)` is float64 without further rounding: the
reference.

Rounding here is the format's own deterministic rule. Stochastic rounding belongs
to stores, which know the position of each element.

References
----------
S. A. Figueroa, "When is double rounding innocuous?", SIGNUM Newsletter 30(3), 1995.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelsim.errors import UnsupportedError
from accelsim.formats import FloatFormat, NumberFormat, Overflow, Rounding, Specials, Subnormals

Array = NDArray[np.floating[Any]]

#: Significant bits of IEEE binary32.
FLOAT32_PRECISION = 24
#: Significant bits of IEEE binary64.
FLOAT64_PRECISION = 53
#: Smallest positive float32, a subnormal number.
FLOAT32_QUANTUM = 2.0**-149


def is_binary32(fmt: NumberFormat) -> bool:
    """Return whether the format is IEEE binary32 with its default rules.

    Examples
    --------
    >>> from accelsim.formats import get_format
    >>> is_binary32(get_format("fp32")), is_binary32(get_format("bf16"))
    (True, False)
    """
    return (
        isinstance(fmt, FloatFormat)
        and (fmt.exponent_bits, fmt.mantissa_bits, fmt.bias) == (8, 23, 127)
        and fmt.specials is Specials.IEEE
        and fmt.subnormals is Subnormals.GRADUAL
        and fmt.rounding is Rounding.NEAREST_EVEN
        and fmt.overflow is Overflow.TO_INFINITY
        and fmt.signed_zero
    )


@lru_cache(maxsize=64)
def _fits_float32(fmt: NumberFormat) -> bool:
    """Return whether every operation on members is innocuously rounded in float32."""
    if is_binary32(fmt):
        return True
    if not isinstance(fmt, FloatFormat) or 2 * fmt.precision + 2 > FLOAT32_PRECISION:
        return False
    top = float(np.finfo(np.float32).max)
    # Products neither overflow nor lose bits below; quotients are kept in range too.
    return (
        fmt.max_finite**2 <= top
        and fmt.min_quantum**2 >= FLOAT32_QUANTUM
        and fmt.max_finite / fmt.min_positive <= top
    )


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """Operations on arrays whose elements belong to a format; each result rounded once.

    Operands broadcast as in NumPy. NaN and infinity follow IEEE 754; overflow
    follows the format's own rule. Empty arrays give empty arrays.

    Parameters
    ----------
    format : NumberFormat or None
        Format of every operand and result; None computes in float64 unrounded.
    threads : int
        What sums over many rows may use; never changes a bit.

    Raises
    ------
    UnsupportedError
        If the format is too wide for float64 to carry, or rounds stochastically.

    Examples
    --------
    >>> from accelsim.formats import get_format
    >>> fp16 = Arithmetic(get_format("fp16_e6m9"))
    >>> float(fp16.add(np.array([1024.0]), np.array([1.0]))[0])  # the ulp there is 2: a tie
    1024.0
    """

    format: NumberFormat | None
    threads: int = 1

    def __post_init__(self) -> None:
        fmt = self.format
        if not isinstance(fmt, FloatFormat):
            return
        if 2 * fmt.precision + 2 > FLOAT64_PRECISION:
            raise UnsupportedError(
                f"The vector unit cannot compute in {fmt.name}: {fmt.precision} significant bits;"
                " at most 25 are rounded correctly. Use fp32 or a narrower format."
            )
        if fmt.rounding is Rounding.STOCHASTIC:
            raise UnsupportedError(
                f"The vector unit cannot compute in {fmt.name}, whose default rounding is"
                " stochastic. Ask for stochastic rounding on the store instead."
            )

    @property
    def carrier(self) -> np.dtype[np.floating[Any]]:
        """Type in which operations are carried out before they are rounded."""
        narrow = self.format is not None and _fits_float32(self.format)
        return np.dtype(np.float32 if narrow else np.float64)

    @property
    def is_native(self) -> bool:
        """Whether the carrier's own rounding is already the format's."""
        return self.format is None or is_binary32(self.format)

    def cast(self, x: Array) -> Array:
        """Return `x`, whose elements belong to the format, in the carrier."""
        return np.asarray(x, dtype=self.carrier)

    def enter(self, x: Array) -> Array:
        """Return `x`, of any precision, rounded to the format once."""
        if self.format is None:
            return np.asarray(x, dtype=np.float64)
        if is_binary32(self.format):
            with np.errstate(over="ignore", under="ignore"):
                return np.asarray(x, dtype=np.float32)
        return self.cast(self.format.quantize(x))

    def round(self, x: Array) -> Array:
        """Round a result of the carrier to the format."""
        if self.format is None or self.is_native:
            return x
        return np.asarray(self.format.quantize(x), dtype=self.carrier)

    def add(self, x: Array, y: Array) -> Array:
        """Return round(x + y)."""
        return self._binary(np.add, x, y)

    def subtract(self, x: Array, y: Array) -> Array:
        """Return round(x - y)."""
        return self._binary(np.subtract, x, y)

    def multiply(self, x: Array, y: Array) -> Array:
        """Return round(x * y)."""
        return self._binary(np.multiply, x, y)

    def divide(self, x: Array, y: Array) -> Array:
        """Return round(x / y); x / 0 is an infinity and 0 / 0 NaN, as in IEEE 754."""
        return self._binary(np.divide, x, y)

    def divide_by_count(self, x: Array, count: NDArray[np.int64] | int) -> Array:
        """Return round(x / count), for whole counts below 2**28 that need not be members.

        Zero counts give NaN or infinity.
        """
        with np.errstate(all="ignore"):
            return self.enter(np.asarray(x, dtype=np.float64) / count)

    def exp(self, x: Array) -> Array:
        """Return round(e**x), from a float64 exponential.

        The last bit may differ from the correctly rounded one where e**x lies
        within float64's error of a rounding boundary.
        """
        with np.errstate(all="ignore"):
            return self.enter(np.exp(np.asarray(x, dtype=np.float64)))

    def log(self, x: Array) -> Array:
        """Return round(log x), from a float64 logarithm; -infinity at 0, NaN below.

        The last bit may be off as in `exp`.
        """
        with np.errstate(all="ignore"):
            return self.enter(np.log(np.asarray(x, dtype=np.float64)))

    def sqrt(self, x: Array) -> Array:
        """Return round(sqrt x); NaN below 0.

        A float64 root of at most 26 significant bits is never so near a rounding
        boundary that its own rounding matters (Figueroa 1995).
        """
        with np.errstate(all="ignore"):
            return self.enter(np.sqrt(np.asarray(x, dtype=np.float64)))

    def sum(self, x: Array) -> Array:
        """Return the sum over axis 0, in index order from +0, rounded after each addition.

        Shape (n, ...) gives (...); n = 0 gives +0.
        """
        terms = self.cast(x)
        total = np.zeros(terms.shape[1:], dtype=self.carrier)
        for term in terms:
            total = self.add(total, term)
        return total

    def _binary(self, function: np.ufunc, x: Array, y: Array) -> Array:
        with np.errstate(all="ignore"):
            result: Array = function(self.cast(x), self.cast(y))
        return self.round(result)
