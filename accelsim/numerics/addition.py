"""One addition of a narrow accumulator: exact, then rounded once.

Float64 carries the sum. Its own rounding error is found by Knuth's TwoSum and
folded into the last bit ("round to odd"), so that a second rounding, to a
format at least two bits narrower, gives what one rounding of the exact sum
would give, in every rounding mode.

References
----------
D. Knuth, The Art of Computer Programming 2, 4.2.2: TwoSum.
S. Boldo, G. Melquiond, "Emulation of a FMA and correctly rounded sums: proved
algorithms using rounding to odd", IEEE Trans. Computers 57 (2008).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelsim.errors import ConfigError
from accelsim.formats import FloatFormat, NumberFormat, Overflow, Rounding
from accelsim.formats.random_bits import Site, StreamKey, random_bits

Float64Array = NDArray[np.float64]

#: Significant bits of float64.
FLOAT64_PRECISION = 53


@dataclass(frozen=True, slots=True)
class Outputs:
    """The names of the output elements that an array of sums stands for.

    `rows` and `columns` broadcast to the shape of the sums.
    """

    rows: NDArray[np.int64]
    columns: NDArray[np.int64]

    @classmethod
    def of_shape(cls, shape: tuple[int, ...]) -> Outputs:
        """Return the names in an array of `shape`: the last axis is the column."""
        leading = shape[:-1]
        rows = np.arange(int(np.prod(leading, dtype=np.int64)), dtype=np.int64)
        columns = np.arange(shape[-1] if shape else 1, dtype=np.int64)
        if not shape:
            return cls(np.zeros((), np.int64), np.zeros((), np.int64))
        return cls(rows.reshape(*leading, 1), columns)


@dataclass(frozen=True, slots=True)
class AdditionRule:
    """What happens to an exact sum.

    Parameters
    ----------
    format : NumberFormat
        Where sums are rounded to.
    rounding : Rounding
        How.
    saturate : bool
        Clamp to the largest finite number instead of the format's own overflow rule.
    random_bits : int
        Bits of a stochastic rounding.
    site : Site
        Which additions these are, for the random stream.
    """

    format: NumberFormat
    rounding: Rounding
    saturate: bool = False
    random_bits: int = 16
    site: Site = Site.INNER

    def __post_init__(self) -> None:
        spare = self.random_bits if self.rounding is Rounding.STOCHASTIC else 1
        fmt = self.format
        if isinstance(fmt, FloatFormat) and fmt.precision + spare + 1 > FLOAT64_PRECISION:
            raise ConfigError(
                f"{fmt.name} cannot be an accumulator here: {fmt.precision} significant bits"
                f" and {spare} bits to round by do not fit in the 53 of float64."
            )

    def round(
        self, x: Float64Array, position: int, key: StreamKey | None, outputs: Outputs
    ) -> Float64Array:
        """Round exact or odd-rounded sums; -0, NaN and infinity as `quantize` has them."""
        bits = None
        if self.rounding is Rounding.STOCHASTIC:
            if key is None:
                raise ConfigError("Stochastic rounding needs a key: randomness is explicit.")
            bits = random_bits(
                key,
                self.site,
                outputs.rows,
                outputs.columns,
                position=position,
                count=self.random_bits,
            )
            bits = np.broadcast_to(bits, x.shape)
        rounded = self.format.quantize(
            x,
            rounding=self.rounding,
            overflow=Overflow.SATURATE if self.saturate else None,
            random_bits=bits,
            random_bit_count=self.random_bits,
        )
        return as_float64(rounded)

    def add(
        self,
        total: Float64Array,
        addend: Float64Array,
        position: int,
        key: StreamKey | None,
        outputs: Outputs,
    ) -> Float64Array:
        """Add exactly and round once. Exact zero is +0 unless both addends are -0."""
        return self.round(odd_sum(total, addend), position, key, outputs)


def two_sum(a: Float64Array, b: Float64Array) -> tuple[Float64Array, Float64Array]:
    """Return the float64 sum and its exact error; the error of a non-finite sum is 0."""
    with np.errstate(invalid="ignore", over="ignore"):
        s = a + b
        b_part = s - a
        error = (a - (s - b_part)) + (b - b_part)
    return s, np.where(np.isfinite(s), error, 0.0)


def to_odd(s: Float64Array, error: Float64Array) -> Float64Array:
    """Fold a rounding error into the last bit of the sum that made it."""
    even = (np.ascontiguousarray(s).view(np.int64) & 1) == 0
    neighbour = np.nextafter(s, np.where(error > 0, np.inf, -np.inf))
    return np.where((error != 0) & even.reshape(s.shape), neighbour, s)


def odd_sum(a: Float64Array, b: Float64Array) -> Float64Array:
    """Add with rounding to odd: the exact sum, with a sticky last bit."""
    return to_odd(*two_sum(np.asarray(a, np.float64), np.asarray(b, np.float64)))


def odd_sum_3(a: Float64Array, b: Float64Array, c: Float64Array) -> Float64Array:
    """Add three numbers exactly, with a sticky last bit (Boldo and Melquiond, algorithm 5)."""
    u, u_error = two_sum(np.asarray(b, np.float64), np.asarray(c, np.float64))
    t, t_error = two_sum(np.asarray(a, np.float64), u)
    tail = odd_sum(t_error, u_error)
    return np.where(tail == 0, t, odd_sum(t, tail))


def as_float64(x: Any) -> Float64Array:
    """Return `x` as a float64 array."""
    return np.asarray(x, dtype=np.float64)
