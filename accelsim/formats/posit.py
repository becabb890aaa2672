"""Posits: sign, run-length coded regime, exponent, fraction; one code that is not a real.

References
----------
Posit Working Group, "Standard for Posit Arithmetic (2022)": es = 2 at every
width. The other exponent sizes follow Gustafson and Yonemoto, "Beating Floating
Point at its Own Game", 2017, with the same rounding.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelsim.errors import ConfigError
from accelsim.formats.array import (
    as_code_array,
    as_float_array,
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
from accelsim.formats.rounding import Overflow, Rounding, choose
from accelsim.formats.scalar import check_code, check_random_bits, not_a_member
from accelsim.formats.table import (
    ValueTable,
    find_members,
    make_table,
    quantize_to_table,
    round_between,
)

MIN_POSIT_BITS = 3
MAX_POSIT_BITS = 16
MAX_EXPONENT_SIZE = 4


@dataclass(frozen=True, slots=True)
class PositFormat(NumberFormat):
    """A posit of up to 16 bits.

    Parameters
    ----------
    name : str
        Unique in the catalog.
    posit_bits : int
        Width of a code, 3 to 16.
    exponent_size : int
        Most exponent bits (es), 0 to 4.
    rounding : Rounding
        The rule where a call names none.
    source : str
        Where the format is defined.

    Notes
    -----
    * A real never becomes 0 or NaR, in any rounding mode: beyond the ends it
      becomes the largest or the smallest posit of its sign.
    * Nearest rounding is the standard's: to the nearer code in the sense of the
      posit with one bit more that lies between the two, ties to the even code.
      Where regime or exponent are cut off, that posit is not the arithmetic mean.
    * The other modes are not in the standard: the directed ones take the
      neighbour in their direction, stochastic rounding the linear fraction
      between the neighbours (our choice), with at most 24 random bits.
    * NaN and infinity become NaR, which decodes to NaN. There is no -0.

    Examples
    --------
    >>> posit8 = PositFormat("posit8", 8, 2)
    >>> posit8.max_finite, posit8.min_positive
    (16777216.0, 5.960464477539063e-08)
    >>> posit8.encode([1.0, -1.0])
    array([ 64, 192], dtype=uint8)
    """

    name: str
    posit_bits: int
    exponent_size: int
    rounding: Rounding = Rounding.NEAREST_EVEN
    source: str = ""

    def __post_init__(self) -> None:
        if not MIN_POSIT_BITS <= self.posit_bits <= MAX_POSIT_BITS:
            raise ConfigError(
                f"Format {self.name!r}: posit_bits is {self.posit_bits}; it must be"
                f" {MIN_POSIT_BITS} to {MAX_POSIT_BITS}."
            )
        if not 0 <= self.exponent_size <= MAX_EXPONENT_SIZE:
            raise ConfigError(
                f"Format {self.name!r}: exponent_size is {self.exponent_size}; it must be"
                f" 0 to {MAX_EXPONENT_SIZE}."
            )

    @property
    def bits(self) -> int:
        """Width of a code in bits."""
        return self.posit_bits

    @property
    def max_scale(self) -> int:
        """Exponent of the largest posit; minus the exponent of the smallest."""
        return (self.posit_bits - 2) << self.exponent_size

    @property
    def max_finite(self) -> float:
        """Largest value, maxPos."""
        return 2.0**self.max_scale

    @property
    def min_positive(self) -> float:
        """Smallest value above zero, minPos."""
        return 2.0**-self.max_scale

    @property
    def max_precision(self) -> int:
        """Significant bits of the numbers about 1, the leading one included."""
        return max(self.posit_bits - 3 - self.exponent_size, 0) + 1

    @property
    def quire_bits(self) -> int:
        """Width of the exact accumulator of the 2022 standard: 16 times the posit."""
        return 16 * self.posit_bits

    @property
    def has_nan(self) -> bool:
        """Whether a code means not-a-real: yes, one."""
        return True

    @property
    def nan_code(self) -> int:
        """The code of NaR."""
        return 1 << (self.posit_bits - 1)

    @property
    def value_dtype(self) -> np.dtype[np.floating[Any]]:
        """Float32 if that holds every value of the format, else float64."""
        return np.dtype(np.float32 if self.max_scale < 126 else np.float64)

    def quantize(
        self,
        x: FloatArray,
        *,
        rounding: Rounding | None = None,
        overflow: Overflow | None = None,
        random_bits: RandomBits | None = None,
        random_bit_count: int = DEFAULT_RANDOM_BIT_COUNT,
    ) -> FloatArray:
        """Round every element of `x` to a posit; NaN and infinity give NaN."""
        given = as_float_array(x)
        real = np.where(np.isinf(given), given.dtype.type(np.nan), given)
        tiny = (real != 0) & (np.abs(real) < self.min_positive)
        return quantize_to_table(
            np.where(tiny, np.copysign(given.dtype.type(self.min_positive), real), real),
            _table(self),
            choose(rounding, self.rounding),
            random_bits,
            random_bit_count,
            fits_float32=self.value_dtype == np.float32,
        )

    def encode(self, x: FloatArray) -> CodeArray:
        """Return the codes of `x`, NaR for NaN; refuse what is not a member."""
        given = widen(as_float_array(x))
        table, nan = _table(self), np.isnan(given)
        place, member = find_members(given, table)
        require_members(given, member | nan, self.name)
        return np.where(nan, self.nan_code, table.codes[place]).astype(self.code_dtype)

    def decode(self, codes: CodeArray) -> FloatArray:
        """Return the value of every code; NaR gives NaN."""
        integers = as_code_array(codes, self.posit_bits, self.name)
        values = _decode_table(self)[integers]
        return np.asarray(values.astype(self.value_dtype))

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
        if isinstance(x, float) and not math.isfinite(x):
            return math.nan
        number = Fraction(x)
        largest, smallest = Fraction(self.max_finite), Fraction(self.min_positive)
        if number == 0:
            return 0.0
        if abs(number) >= largest or abs(number) <= smallest:
            end = largest if abs(number) >= largest else smallest
            return math.copysign(float(end), number)
        code = _code_below(abs(number), self)
        low = decode_posit(code, self.posit_bits, self.exponent_size)
        high = decode_posit(code + 1, self.posit_bits, self.exponent_size)
        tie = decode_posit(2 * code + 1, self.posit_bits + 1, self.exponent_size)
        if number > 0:
            pair = ((low, code), (high, code + 1))
        else:
            pair, tie = ((-high, code + 1), (-low, code)), -tie
        return float(round_between(number, *pair, tie, mode, random_bits, random_bit_count))

    def encode_scalar(self, value: float) -> int:
        """Return the code of one member; the definition of `encode`."""
        if math.isnan(value):
            return self.nan_code
        if value == 0 and math.copysign(1.0, value) > 0:
            return 0
        magnitude = abs(value)
        if self.min_positive <= magnitude <= self.max_finite:
            code = _code_below(Fraction(magnitude), self)
            if decode_posit(code, self.posit_bits, self.exponent_size) == magnitude:
                return code if value > 0 else (1 << self.posit_bits) - code
        raise not_a_member(value, self)

    def decode_scalar(self, code: int) -> float:
        """Return the value of one code; the definition of `decode`."""
        check_code(code, self)
        if code == self.nan_code:
            return math.nan
        if code > self.nan_code:
            mirrored = (1 << self.posit_bits) - code
            return -float(decode_posit(mirrored, self.posit_bits, self.exponent_size))
        return float(decode_posit(code, self.posit_bits, self.exponent_size))


@lru_cache(maxsize=1 << 16)
def decode_posit(code: int, bits: int, exponent_size: int) -> Fraction:
    """Return the exact value of a posit code that is zero or positive.

    The regime is a run of equal bits, ended by the opposite bit or by the end of
    the code: a run of r ones means r - 1, of r zeros -r. Exponent bits that no
    longer fit are zero.
    """
    if code == 0:
        return Fraction(0)
    body = format(code, f"0{bits - 1}b")
    run = len(body) - len(body.lstrip(body[0]))
    regime = run - 1 if body[0] == "1" else -run
    rest = body[run + 1 :]
    exponent = int(rest[:exponent_size].ljust(exponent_size, "0") or "0", 2)
    fraction = rest[exponent_size:]
    significand = Fraction(int("1" + fraction, 2), 1 << len(fraction))
    return significand * Fraction(2) ** ((regime << exponent_size) + exponent)


def _code_below(magnitude: Fraction, fmt: PositFormat) -> int:
    """Return the code of the largest posit that is not above a magnitude in range."""
    low, high = 1, fmt.nan_code - 1
    while low < high:
        middle = (low + high + 1) // 2
        if decode_posit(middle, fmt.posit_bits, fmt.exponent_size) <= magnitude:
            low = middle
        else:
            high = middle - 1
    return low


@lru_cache(maxsize=32)
def _table(fmt: PositFormat) -> ValueTable:
    """Return all posits in rising order, the ties between them, and their codes."""
    finer = _positive_posits(fmt.posit_bits + 1, fmt.exponent_size)
    # The even codes of the finer posit are the posits themselves, the odd ones the ties.
    values, ties = finer[1::2], finer[2:-1:2]
    codes = np.arange(1, fmt.nan_code)
    # Nothing but zero itself may become zero: the ties next to it are the ends.
    return make_table(
        values=np.concatenate([-values[::-1], [0.0], values]),
        ties=np.concatenate([-ties[::-1], [-0.0, 0.0], ties]),
        codes=np.concatenate([(1 << fmt.posit_bits) - codes[::-1], [0], codes]),
    )


def _positive_posits(bits: int, exponent_size: int) -> NDArray[np.float64]:
    """Return the values of codes 1 to the largest, as float64."""
    largest = (1 << (bits - 1)) - 1
    return np.array([float(decode_posit(c, bits, exponent_size)) for c in range(1, largest + 1)])


@lru_cache(maxsize=32)
def _decode_table(fmt: PositFormat) -> NDArray[np.float64]:
    """Return the value of every code."""
    table = _table(fmt)
    values = np.full(1 << fmt.posit_bits, np.nan)
    values[table.codes] = table.values
    return values
