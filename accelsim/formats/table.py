"""Formats that are a sorted list of values, and rounding between neighbours of such a list.

Posits and dynamic maps are spaced too unevenly for a grid, but they are few:
rounding is a search in the list, then one exact comparison with what separates
the two neighbours.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelsim.errors import ConfigError, DataError
from accelsim.formats.array import (
    as_code_array,
    as_float_array,
    as_random_bits,
    away_threshold,
    require_members,
    widen,
)
from accelsim.formats.base import (
    DEFAULT_RANDOM_BIT_COUNT,
    CodeArray,
    FloatArray,
    NumberFormat,
    RandomBits,
)
from accelsim.formats.plan import TINY
from accelsim.formats.rounding import Overflow, Rounding, choose
from accelsim.formats.scalar import check_random_bits, not_a_member, round_to_integer

#: Up to this many random bits the comparison with the residual is exact in float64.
MAX_TABLE_RANDOM_BIT_COUNT = 24


@dataclass(frozen=True, slots=True, eq=False)
class ValueTable:
    """Members of a format in rising order, and what separates them.

    Parameters
    ----------
    values : array of float64, shape (n,)
        Finite members, rising.
    ties : array of float64, shape (n - 1,)
        The number between two neighbours that belongs to neither.
    codes : array of int64, shape (n,)
        Code of every member; a tie goes to the even one.
    first_of_upper : array of float64, shape (n - 1,)
        Smallest float64 that nearest-even takes to the upper of two neighbours.
    """

    values: NDArray[np.float64]
    ties: NDArray[np.float64]
    codes: NDArray[np.int64]
    first_of_upper: NDArray[np.float64]


def make_table(
    values: NDArray[np.float64], ties: NDArray[np.float64], codes: NDArray[np.int64]
) -> ValueTable:
    """Return the table of these members."""
    tie_goes_up = codes[:-1] % 2 == 1
    first_of_upper = np.where(tie_goes_up, ties, np.nextafter(ties, np.inf))
    return ValueTable(values, ties, codes, first_of_upper)


def quantize_to_table(
    x: FloatArray,
    table: ValueTable,
    rounding: Rounding,
    random_bits: RandomBits | None,
    random_bit_count: int,
    *,
    fits_float32: bool,
) -> FloatArray:
    """Round every element to a member of `table`; float32 stays if it holds all members."""
    given = as_float_array(x)
    noise = as_random_bits(random_bits, given.shape, rounding, random_bit_count)
    rounded = round_to_table(widen(given), table, rounding, noise, random_bit_count)
    return rounded.astype(given.dtype) if fits_float32 else rounded


def round_to_table(
    x: NDArray[np.float64],
    table: ValueTable,
    rounding: Rounding,
    random_bits: RandomBits | None,
    random_bit_count: int,
) -> NDArray[np.float64]:
    """Round float64 numbers to members of `table`; saturate beyond its ends; NaN stays NaN."""
    check_table_random_bits(rounding, random_bit_count)
    nan = np.isnan(x)
    if rounding is Rounding.NEAREST_EVEN:
        place = np.searchsorted(table.first_of_upper, x, side="right")
        return np.where(nan, np.nan, table.values[place])
    tiny = (x != 0) & (np.abs(x) < TINY)
    number = np.where(tiny, np.copysign(TINY, x), np.where(nan, 0.0, x))
    bounded = np.clip(number, table.values[0], table.values[-1])
    low = np.clip(np.searchsorted(table.values, bounded, "right") - 1, 0, len(table.ties) - 1)
    low_value, high_value = table.values[low], table.values[low + 1]
    if rounding is Rounding.NEAREST_AWAY:
        tie = table.ties[low]
        upper = (bounded > tie) | ((bounded == tie) & (bounded > 0))
    else:
        negative = bounded < 0
        span = high_value - low_value
        inner = np.where(negative, high_value, low_value)
        threshold = away_threshold(negative, rounding, random_bits, random_bit_count)
        # Exact on both sides: the distance by Sterbenz, the product for want of bits.
        away = (np.abs(bounded - inner) >= span * threshold) & (bounded != inner)
        upper = away != negative
    upper = (upper & (bounded != low_value)) | (bounded == high_value)
    return np.where(nan, np.nan, np.where(upper, high_value, low_value))


def find_members(
    x: NDArray[np.float64], table: ValueTable
) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Return a place in `table` for every number, and whether the number is what stands there.

    -0 is not, nor is NaN.
    """
    place = np.clip(np.searchsorted(table.values, x), 0, len(table.values) - 1)
    return place, (table.values[place] == x) & ~((x == 0) & np.signbit(x))


def check_table_random_bits(rounding: Rounding, random_bit_count: int) -> None:
    """Refuse more random bits than the comparison with the residual can be exact for."""
    if rounding is Rounding.STOCHASTIC and random_bit_count > MAX_TABLE_RANDOM_BIT_COUNT:
        raise ConfigError(
            f"random_bit_count is {random_bit_count}; for posits and tables of values it must"
            f" be at most {MAX_TABLE_RANDOM_BIT_COUNT}."
        )


def round_between(
    x: Fraction,
    low: tuple[Fraction, int],
    high: tuple[Fraction, int],
    tie: Fraction,
    rounding: Rounding,
    random_bits: int | None,
    random_bit_count: int,
) -> Fraction:
    """Round an exact number to one of its two neighbours, each given as (value, code)."""
    if x == low[0]:
        return low[0]
    if rounding in (Rounding.NEAREST_EVEN, Rounding.NEAREST_AWAY):
        if x != tie:
            return high[0] if x > tie else low[0]
        if rounding is Rounding.NEAREST_AWAY:
            return high[0] if x > 0 else low[0]
        return low[0] if low[1] % 2 == 0 else high[0]
    inner, outer = (high[0], low[0]) if x < 0 else (low[0], high[0])
    fraction = (x - inner) / (outer - inner)
    check_table_random_bits(rounding, random_bit_count)
    away = round_to_integer(fraction, x < 0, rounding, random_bits, random_bit_count)
    return outer if away else inner


@dataclass(frozen=True, slots=True)
class TableFormat(NumberFormat):
    """A format given by its values, in rising order; the code of a value is its index.

    Parameters
    ----------
    name : str
        Unique in the catalog.
    values : tuple of float
        Finite, strictly rising, at most 65536, each with at most 24 significant bits.
    rounding : Rounding
        The rule where a call names none.
    source : str
        Where the format is defined.

    Notes
    -----
    Numbers beyond the ends, and infinities, become the ends under either
    overflow rule. There is no -0. NaN stays NaN in `quantize`; `encode` refuses it.

    Examples
    --------
    >>> ternary = TableFormat("ternary", (-1.0, 0.0, 1.0))
    >>> ternary.quantize([0.7, -0.2, -9.0])
    array([ 1.,  0., -1.])
    """

    name: str
    values: tuple[float, ...]
    rounding: Rounding = Rounding.NEAREST_EVEN
    source: str = ""

    def __post_init__(self) -> None:
        array = np.asarray(self.values, dtype=np.float64)
        if not 2 <= array.size <= 1 << 16 or not np.all(np.isfinite(array)):
            raise ConfigError(f"Format {self.name!r}: 2 to 65536 finite values are needed.")
        if np.any(np.diff(array) <= 0) or array[-1] <= 0:
            raise ConfigError(f"Format {self.name!r}: values must rise and end above zero.")
        if np.any(array.astype(np.float32).astype(np.float64) != array):
            raise ConfigError(f"Format {self.name!r}: every value must be a float32.")

    @property
    def bits(self) -> int:
        """Width of a code in bits."""
        return (len(self.values) - 1).bit_length()

    @property
    def max_finite(self) -> float:
        """Largest value."""
        return self.values[-1]

    @property
    def min_positive(self) -> float:
        """Smallest value above zero."""
        return self.values[bisect_right(self.values, 0.0)]

    @property
    def value_dtype(self) -> np.dtype[np.floating[Any]]:
        """Float32: every value is one."""
        return np.dtype(np.float32)

    @property
    def table(self) -> ValueTable:
        """The values, the midpoints between them and their codes."""
        values = np.asarray(self.values, dtype=np.float64) + 0.0
        return make_table(values, (values[1:] + values[:-1]) / 2, np.arange(len(values)))

    def quantize(
        self,
        x: FloatArray,
        *,
        rounding: Rounding | None = None,
        overflow: Overflow | None = None,
        random_bits: RandomBits | None = None,
        random_bit_count: int = DEFAULT_RANDOM_BIT_COUNT,
    ) -> FloatArray:
        """Round every element of `x` to one of the values."""
        mode = choose(rounding, self.rounding)
        return quantize_to_table(
            x, self.table, mode, random_bits, random_bit_count, fits_float32=True
        )

    def encode(self, x: FloatArray) -> CodeArray:
        """Return the index of every element of `x` among the values."""
        given = widen(as_float_array(x))
        codes, member = find_members(given, self.table)
        require_members(given, member, self.name)
        return codes.astype(self.code_dtype)

    def decode(self, codes: CodeArray) -> FloatArray:
        """Return the value of every index."""
        integers = as_code_array(codes, self.bits, self.name)
        if integers.size and integers.max() >= len(self.values):
            raise DataError(f"A code of {self.name} must be 0 to {len(self.values) - 1}.")
        return self.table.values[integers].astype(np.float32)

    def round_scalar(
        self,
        x: Fraction | float,
        *,
        rounding: Rounding | None = None,
        overflow: Overflow | None = None,
        random_bits: int | None = None,
        random_bit_count: int = DEFAULT_RANDOM_BIT_COUNT,
        negative_zero: bool = False,
    ) -> float:
        """Round one exact number; the definition of `quantize`."""
        mode = choose(rounding, self.rounding)
        check_random_bits(random_bits is not None, mode, random_bit_count)
        if isinstance(x, float) and math.isnan(x):
            return math.nan
        if x >= self.values[-1] or x <= self.values[0]:
            return self.values[-1] if x > 0 else self.values[0]
        number = Fraction(x)
        below = bisect_right(self.values, number) - 1
        low = (Fraction(self.values[below]), below)
        high = (Fraction(self.values[below + 1]), below + 1)
        tie = (low[0] + high[0]) / 2
        return float(round_between(number, low, high, tie, mode, random_bits, random_bit_count))

    def encode_scalar(self, value: float) -> int:
        """Return the code of one member; the definition of `encode`."""
        if value not in self.values or (value == 0 and math.copysign(1.0, value) < 0):
            raise not_a_member(value, self)
        return self.values.index(value)

    def decode_scalar(self, code: int) -> float:
        """Return the value of one code; the definition of `decode`."""
        if not 0 <= code < len(self.values):
            raise DataError(f"{code} is no code of {self.name}: it has {len(self.values)} values.")
        return self.values[code]
