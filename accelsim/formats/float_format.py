"""A binary floating-point format as data: six numbers and the names of its rules.

Everything else (largest number, smallest number, ulp, which codes are NaN) is
derived. The array code is in `accelsim.formats.array`, the exact definition in
`accelsim.formats.scalar`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from accelsim.errors import ConfigError
from accelsim.formats import array, scalar
from accelsim.formats.base import (
    DEFAULT_RANDOM_BIT_COUNT,
    CodeArray,
    FloatArray,
    NumberFormat,
    RandomBits,
)
from accelsim.formats.float_rules import Specials, Subnormals
from accelsim.formats.rounding import Overflow, Rounding, choose

#: Bounds within which every grid, and one binade beyond it, is exact in float64.
MAX_EXPONENT_BITS = 10
MAX_MANTISSA_BITS = 50
MAX_EXPONENT = 800
MAX_EMIN = 64


@dataclass(frozen=True, slots=True)
class FloatFormat(NumberFormat):
    """A binary floating-point format: (sign,) exponent, fraction.

    The value of an ordinary code is ``(-1)**s * 2**(e - bias) * (1 + f / 2**mantissa_bits)``.

    Parameters
    ----------
    name : str
        Unique in the catalog.
    exponent_bits : int
        1 to 10.
    mantissa_bits : int
        Stored fraction bits, 0 to 50.
    bias : int
        Subtracted from the exponent field.
    specials : Specials
        Which codes are infinity or NaN.
    subnormals : Subnormals
        What exponent field 0 means.
    signed : bool
        Whether there is a sign bit. Without one, negative numbers become 0.
    signed_zero : bool
        Whether -0 differs from +0. Without it, -0 becomes +0 and both codes decode to +0.
    overflow : Overflow
        The rule where a call names none.
    rounding : Rounding
        The rule where a call names none.
    source : str
        Where the format is defined.

    Raises
    ------
    ConfigError
        If the fields contradict one another, leave no number, or leave the range
        in which this package is exact.

    Notes
    -----
    * NaN stays NaN in `quantize`, even in a format without a code for it: a NaN
      must never become a number. `encode` then refuses it.
    * Without subnormals a result is first rounded as if the exponent were
      unbounded below, then flushed: in every rounding mode.
    * Infinity and overflow: under `Overflow.TO_INFINITY` they become infinity,
      else NaN, else the largest number, whichever the format has first; under
      `Overflow.SATURATE` the largest number.

    Examples
    --------
    >>> e5m2 = FloatFormat("e5m2", exponent_bits=5, mantissa_bits=2, bias=15)
    >>> e5m2.max_finite, e5m2.min_positive
    (57344.0, 1.52587890625e-05)
    >>> e5m2.quantize([1.1, -0.3, 70000.0])
    array([ 1.    , -0.3125,     inf])
    """

    name: str
    exponent_bits: int
    mantissa_bits: int
    bias: int
    specials: Specials = Specials.IEEE
    subnormals: Subnormals = Subnormals.GRADUAL
    signed: bool = True
    signed_zero: bool = True
    overflow: Overflow = Overflow.TO_INFINITY
    rounding: Rounding = Rounding.NEAREST_EVEN
    source: str = ""

    def __post_init__(self) -> None:
        problem = _contradiction(self)
        if problem:
            raise ConfigError(f"Format {self.name!r}: {problem}")

    # -- widths ---------------------------------------------------------------

    @property
    def bits(self) -> int:
        """Width of a code in bits."""
        return self.signed + self.exponent_bits + self.mantissa_bits

    @property
    def precision(self) -> int:
        """Significant bits, the leading one included."""
        return self.mantissa_bits + 1

    @property
    def value_dtype(self) -> np.dtype[np.floating[Any]]:
        """Float32 if that holds every value of the format, else float64."""
        fits = (
            self.precision <= 24
            and self.max_finite <= float(np.finfo(np.float32).max)
            and self.min_quantum >= 2.0**-149
        )
        return np.dtype(np.float32 if fits else np.float64)

    # -- which codes are what -------------------------------------------------

    @property
    def has_infinity(self) -> bool:
        """Whether a code means infinity."""
        return self.specials is Specials.IEEE

    @property
    def has_nan(self) -> bool:
        """Whether a code means not-a-number."""
        if self.specials is Specials.IEEE:
            return self.mantissa_bits > 0
        return self.specials is not Specials.NONE

    @property
    def nan_is_negative_zero(self) -> bool:
        """Whether the code that would be -0 is the only NaN."""
        return self.specials is Specials.NEGATIVE_ZERO_NAN

    @property
    def has_subnormals(self) -> bool:
        """Whether underflow is gradual."""
        return self.subnormals is Subnormals.GRADUAL

    @property
    def has_zero(self) -> bool:
        """Whether a code means zero."""
        return self.subnormals is not Subnormals.NO_ZERO

    @property
    def field_zero_is_special(self) -> bool:
        """Whether exponent field 0 is not an ordinary binade."""
        return self.subnormals in (Subnormals.GRADUAL, Subnormals.FLUSHED)

    @property
    def max_code(self) -> int:
        """Magnitude code of the largest finite number."""
        top = (1 << (self.exponent_bits + self.mantissa_bits)) - 1
        match self.specials:
            case Specials.IEEE:
                return top - (1 << self.mantissa_bits)
            case Specials.NAN_ONLY | Specials.MERGED:
                return top - 1
            case Specials.NEGATIVE_ZERO_NAN | Specials.NONE:
                return top

    @property
    def nan_code(self) -> int:
        """Code that `encode` gives to NaN; meaningless where `has_nan` is false."""
        magnitude_bits = self.exponent_bits + self.mantissa_bits
        if self.specials is Specials.NEGATIVE_ZERO_NAN:
            return 1 << magnitude_bits
        if self.specials is Specials.IEEE:
            return self.max_code + 1 + (1 << self.mantissa_bits >> 1)
        return (1 << magnitude_bits) - 1

    def is_nan_code(self, code: int) -> bool:
        """Return whether `code` decodes to NaN."""
        magnitude_bits = self.exponent_bits + self.mantissa_bits
        magnitude_code = code % (1 << magnitude_bits)
        if self.specials is Specials.NEGATIVE_ZERO_NAN:
            return code == 1 << magnitude_bits
        return magnitude_code > self.max_code + (self.specials is Specials.IEEE)

    def magnitude_of(self, magnitude_code: int) -> float:
        """Return the magnitude of a finite code without its sign bit; exact in float64."""
        field, fraction = divmod(magnitude_code, 1 << self.mantissa_bits)
        if field == 0 and self.field_zero_is_special:
            if self.subnormals is Subnormals.FLUSHED:
                return 0.0
            return math.ldexp(fraction, self.emin - self.mantissa_bits)
        if magnitude_code == 0 and self.has_zero:
            return 0.0
        steps = (1 << self.mantissa_bits) + fraction
        return math.ldexp(steps, field - self.bias - self.mantissa_bits)

    # -- range ----------------------------------------------------------------

    @property
    def emin(self) -> int:
        """Exponent of the lowest binade of normal numbers."""
        return (1 if self.field_zero_is_special else 0) - self.bias

    @property
    def emax(self) -> int:
        """Exponent of the largest finite number."""
        return math.frexp(self.max_finite)[1] - 1

    @property
    def max_finite(self) -> float:
        """Largest finite value."""
        return self.magnitude_of(self.max_code)

    @property
    def min_normal(self) -> float:
        """Smallest positive number with a full significand."""
        if self.subnormals is Subnormals.NORMAL_BINADE:
            return self.min_positive
        return 2.0**self.emin

    @property
    def min_subnormal(self) -> float | None:
        """Smallest subnormal number, or None where there are none."""
        if not self.has_subnormals or self.mantissa_bits == 0:
            return None
        return 2.0 ** (self.emin - self.mantissa_bits)

    @property
    def min_positive(self) -> float:
        """Smallest value above zero."""
        if self.min_subnormal is not None:
            return self.min_subnormal
        if self.subnormals is Subnormals.NORMAL_BINADE:
            return self.magnitude_of(1)
        return 2.0**self.emin

    @property
    def min_quantum(self) -> float:
        """Distance between neighbours in the lowest binade; every value is a multiple of it."""
        return 2.0 ** (self.emin - self.mantissa_bits)

    @property
    def unit_roundoff(self) -> float:
        """Largest relative error of a nearest rounding among normal numbers."""
        return 2.0**-self.precision

    def ulp(self, x: float) -> float:
        """Return the distance between neighbours of the format at `x`.

        NaN for NaN and infinity. Below the normal range it is the spacing of the
        lowest binade; beyond the largest number, that of a format without bound.

        Examples
        --------
        >>> from accelsim.formats import get_format
        >>> get_format("fp16_e6m9").ulp(4096.0)
        8.0
        """
        if not math.isfinite(x):
            return math.nan
        e = max(math.frexp(x)[1] - 1, self.emin) if x else self.emin
        return math.ldexp(1.0, e - self.mantissa_bits)

    # -- values and codes -----------------------------------------------------

    def quantize(
        self,
        x: FloatArray,
        *,
        rounding: Rounding | None = None,
        overflow: Overflow | None = None,
        random_bits: RandomBits | None = None,
        random_bit_count: int = DEFAULT_RANDOM_BIT_COUNT,
    ) -> FloatArray:
        """Round every element of `x` to a member of the format, once.

        Parameters
        ----------
        x : array_like
            Any shape, empty included. Float32 and float64 are taken as they are;
            other real types as float64.
        rounding, overflow : optional
            Override the format's own rules.
        random_bits : array of uint32, same shape, optional
            Needed by stochastic rounding; the lowest `random_bit_count` bits count.
        random_bit_count : int
            1 to 32.

        Returns
        -------
        array
            Same shape; float32 if `x` is and the format fits, else float64. NaN
            stays NaN; -0 stays -0 where the format has it.
        """
        return array.quantize(
            x,
            self,
            rounding=choose(rounding, self.rounding),
            overflow=choose(overflow, self.overflow),
            random_bits=random_bits,
            random_bit_count=random_bit_count,
        )

    def encode(self, x: FloatArray) -> CodeArray:
        """Return the codes of `x`, in the smallest unsigned integer type that holds them.

        NaN gets the quiet NaN code without sign. Raises `DataError` for an element
        that is not a member, naming the first one.
        """
        return array.encode(x, self)

    def decode(self, codes: CodeArray) -> FloatArray:
        """Return the value of every code, in `value_dtype`; NaN codes give NaN."""
        return array.decode(codes, self)

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
        return scalar.round_float(
            x,
            self,
            choose(rounding, self.rounding),
            choose(overflow, self.overflow),
            random_bits,
            random_bit_count,
            negative_zero,
        )

    def encode_scalar(self, value: float) -> int:
        """Return the code of one member; the definition of `encode`."""
        return scalar.encode_float(value, self)

    def decode_scalar(self, code: int) -> float:
        """Return the value of one code; the definition of `decode`."""
        return scalar.decode_float(code, self)


def _contradiction(fmt: FloatFormat) -> str:
    """Return what is wrong with the fields of `fmt`, or an empty string."""
    if not 1 <= fmt.exponent_bits <= MAX_EXPONENT_BITS:
        return f"exponent_bits is {fmt.exponent_bits}; it must be 1 to {MAX_EXPONENT_BITS}."
    if not 0 <= fmt.mantissa_bits <= MAX_MANTISSA_BITS:
        return f"mantissa_bits is {fmt.mantissa_bits}; it must be 0 to {MAX_MANTISSA_BITS}."
    highest = (1 << fmt.exponent_bits) - fmt.bias
    if fmt.emin - fmt.mantissa_bits < -MAX_EXPONENT or highest > MAX_EXPONENT:
        return f"bias {fmt.bias} puts numbers outside 2**-{MAX_EXPONENT} .. 2**{MAX_EXPONENT}."
    if fmt.emin > MAX_EMIN:
        return f"bias {fmt.bias} puts the lowest binade above 2**{MAX_EMIN}."
    if fmt.specials is Specials.NEGATIVE_ZERO_NAN and not fmt.signed:
        return "negative_zero_nan needs a sign bit."
    if fmt.subnormals is Subnormals.NO_ZERO and (fmt.signed or not fmt.has_nan):
        return "no_zero needs an unsigned format with a NaN: zero has to become something."
    if fmt.signed_zero and (not fmt.signed or fmt.specials is Specials.NEGATIVE_ZERO_NAN):
        return "signed_zero needs a sign bit, and the code of -0 to be free; set it to false."
    if fmt.max_code < 1 or fmt.magnitude_of(fmt.max_code) == 0:
        return "no finite non-zero number is left."
    return ""
