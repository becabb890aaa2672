"""Integers, fixed point, and tensors of integers with a scale and a zero point."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelsim.errors import ConfigError
from accelsim.formats.array import (
    as_code_array,
    as_float_array,
    quantize_to_plan,
    require_members,
    widen,
)
from accelsim.formats.base import (
    DEFAULT_RANDOM_BIT_COUNT,
    CodeArray,
    FloatArray,
    NumberFormat,
    RandomBits,
    TensorFormat,
)
from accelsim.formats.plan import RoundingPlan, thresholds
from accelsim.formats.rounding import Overflow, Rounding, choose
from accelsim.formats.scalar import check_code, not_a_member, round_to_integer

MAX_INTEGER_BITS = 48
FLOAT32_PRECISION = 24


@dataclass(frozen=True, slots=True)
class IntegerFormat(NumberFormat):
    """Two's complement or unsigned integers, times ``2**-fraction_bits``.

    Parameters
    ----------
    name : str
        Unique in the catalog.
    integer_bits : int
        Width of a code, 2 to 48 (1 to 48 if unsigned).
    signed : bool
        Two's complement if true.
    fraction_bits : int
        Binary places, 0 to 48: 0 for integers, more for fixed point.
    rounding : Rounding
        The rule where a call names none.
    source : str
        Where the format is defined.

    Notes
    -----
    There is no infinity, no NaN and no -0: overflow and infinity saturate under
    either rule, -0 becomes 0, NaN stays NaN in `quantize` and is refused by `encode`.

    Examples
    --------
    >>> int8 = IntegerFormat("int8", 8)
    >>> int8.quantize([1.5, 2.5, -200.0])
    array([   2.,    2., -128.])
    >>> int8.encode([-1.0])
    array([255], dtype=uint8)
    """

    name: str
    integer_bits: int
    signed: bool = True
    fraction_bits: int = 0
    rounding: Rounding = Rounding.NEAREST_EVEN
    source: str = ""

    def __post_init__(self) -> None:
        fewest = 2 if self.signed else 1
        if not fewest <= self.integer_bits <= MAX_INTEGER_BITS:
            raise ConfigError(
                f"Format {self.name!r}: integer_bits is {self.integer_bits}; it must be"
                f" {fewest} to {MAX_INTEGER_BITS}."
            )
        if not 0 <= self.fraction_bits <= MAX_INTEGER_BITS:
            raise ConfigError(
                f"Format {self.name!r}: fraction_bits is {self.fraction_bits}; it must be"
                f" 0 to {MAX_INTEGER_BITS}."
            )

    @property
    def bits(self) -> int:
        """Width of a code in bits."""
        return self.integer_bits

    @property
    def max_integer(self) -> int:
        """Largest code, as an integer."""
        return (1 << (self.integer_bits - self.signed)) - 1

    @property
    def min_integer(self) -> int:
        """Smallest code, as an integer."""
        return -self.max_integer - 1 if self.signed else 0

    @property
    def step(self) -> float:
        """Distance between neighbours."""
        return 2.0**-self.fraction_bits

    @property
    def max_finite(self) -> float:
        """Largest value."""
        return self.max_integer * self.step

    @property
    def min_finite(self) -> float:
        """Smallest value."""
        return self.min_integer * self.step

    @property
    def min_positive(self) -> float:
        """Smallest value above zero."""
        return self.step

    @property
    def value_dtype(self) -> np.dtype[np.floating[Any]]:
        """Float32 if that holds every value of the format, else float64."""
        narrow = self.integer_bits - self.signed <= FLOAT32_PRECISION
        return np.dtype(np.float32 if narrow else np.float64)

    def quantize(
        self,
        x: FloatArray,
        *,
        rounding: Rounding | None = None,
        overflow: Overflow | None = None,
        random_bits: RandomBits | None = None,
        random_bit_count: int = DEFAULT_RANDOM_BIT_COUNT,
    ) -> FloatArray:
        """Round every element of `x` to a multiple of `step` within the range."""
        mode = choose(rounding, self.rounding)
        return quantize_to_plan(x, _plan(self, mode), random_bits, random_bit_count)

    def encode(self, x: FloatArray) -> CodeArray:
        """Return the two's complement codes of `x`; refuse what is not a member."""
        values = widen(as_float_array(x))
        finite = np.isfinite(values)
        steps = np.ldexp(np.where(finite, values, 0.0), self.fraction_bits)
        member = finite & (steps == np.floor(steps)) & ~(np.signbit(values) & (values == 0))
        member &= (steps >= self.min_integer) & (steps <= self.max_integer)
        require_members(values, member, self.name)
        codes = steps.astype(np.int64) & ((1 << self.integer_bits) - 1)
        return codes.astype(self.code_dtype)

    def decode(self, codes: CodeArray) -> FloatArray:
        """Return the value of every code."""
        integers = as_code_array(codes, self.integer_bits, self.name)
        if self.signed:
            integers = integers - ((integers > self.max_integer) * (1 << self.integer_bits))
        return np.ldexp(integers.astype(np.float64), -self.fraction_bits).astype(self.value_dtype)

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
        if isinstance(x, float) and not math.isfinite(x):
            if math.isnan(x):
                return math.nan
            return self.max_finite if x > 0 else self.min_finite
        mode = choose(rounding, self.rounding)
        scaled = Fraction(x) * 2**self.fraction_bits
        whole = round_to_integer(abs(scaled), scaled < 0, mode, random_bits, random_bit_count)
        integer = -whole if scaled < 0 else whole
        return float(min(max(integer, self.min_integer), self.max_integer) * Fraction(self.step))

    def encode_scalar(self, value: float) -> int:
        """Return the code of one member; the definition of `encode`."""
        if not math.isfinite(value) or (value == 0 and math.copysign(1.0, value) < 0):
            raise not_a_member(value, self)
        scaled = Fraction(value) * 2**self.fraction_bits
        if scaled.denominator != 1 or not self.min_integer <= scaled <= self.max_integer:
            raise not_a_member(value, self)
        return int(scaled) % (1 << self.integer_bits)

    def decode_scalar(self, code: int) -> float:
        """Return the value of one code; the definition of `decode`."""
        check_code(code, self)
        integer = code
        if self.signed and code >> (self.integer_bits - 1):
            integer = code - (1 << self.integer_bits)
        return integer * self.step


@lru_cache(maxsize=128)
def _plan(fmt: IntegerFormat, rounding: Rounding) -> RoundingPlan:
    """Return the plan of fixed point: one binade that holds all, spaced by the step."""
    top = fmt.integer_bits - fmt.signed - fmt.fraction_bits + 1
    positive, negative = thresholds(rounding)
    return RoundingPlan(
        rounding=rounding,
        mantissa_bits=top + fmt.fraction_bits,
        grid_emin=top,
        limit=2.0**top,
        max_finite=fmt.max_finite,
        min_positive=fmt.step,
        below=0.0,
        # The lowest number has a larger magnitude than the highest: it is what it becomes.
        over_positive=fmt.max_finite,
        over_negative=fmt.min_finite,
        infinity_positive=fmt.max_finite,
        infinity_negative=fmt.min_finite,
        threshold_positive=positive,
        threshold_negative=negative,
        signed=fmt.signed,
        signed_zero=False,
        has_zero=True,
        fits_float32=fmt.value_dtype == np.float32,
    )


class IntegerScaling(StrEnum):
    """How real numbers are laid over the integers."""

    #: ``x = scale * q`` with ``scale = max|x| / max(q)``; zero point 0, the lowest code unused.
    SYMMETRIC = "symmetric"
    #: ``x = scale * (q - zero_point)`` from the minimum and maximum, zero included.
    AFFINE = "affine"


@dataclass(frozen=True, slots=True)
class IntegerTensor:
    """Integers with their scale and zero point (scalars, or shaped to broadcast along `axis`)."""

    codes: CodeArray
    scale: NDArray[np.float32]
    zero_point: NDArray[np.int64]
    dtype: np.dtype[np.floating[Any]]


@dataclass(frozen=True, slots=True)
class IntegerTensorFormat(TensorFormat[IntegerTensor]):
    """A tensor of integers with one scale, or one for every index along an axis.

    Parameters
    ----------
    name : str
        Unique among tensor formats.
    integer : IntegerFormat
        Element format, without fraction bits.
    scaling : IntegerScaling
        Symmetric or affine.
    axis : int, optional
        One scale and zero point for every index along this axis (per channel);
        one for the tensor where it is None.

    Notes
    -----
    Statistics ignore NaN and infinity; infinity saturates, NaN is refused. A
    tensor without a finite non-zero element has scale 1. The scale is rounded to
    float32 once, the division is in float64 and rounds to nearest even once.

    References
    ----------
    Jacob et al., "Quantization and Training of Neural Networks for Efficient
    Integer-Arithmetic-Only Inference", CVPR 2018, section 2.1.

    Examples
    --------
    >>> int8 = IntegerTensorFormat("int8_symmetric", IntegerFormat("int8", 8))
    >>> int8.encode([1.0, -2.0, 0.25]).codes
    array([ 64, 129,  16], dtype=uint8)
    """

    name: str
    integer: IntegerFormat
    scaling: IntegerScaling = IntegerScaling.SYMMETRIC
    axis: int | None = None

    def __post_init__(self) -> None:
        if self.integer.fraction_bits:
            raise ConfigError(f"Format {self.name!r}: the scale replaces fraction_bits; use 0.")
        if self.scaling is IntegerScaling.SYMMETRIC and not self.integer.signed:
            raise ConfigError(f"Format {self.name!r}: symmetric scaling needs signed integers.")

    @property
    def element(self) -> NumberFormat:
        """Format of the stored elements."""
        return self.integer

    @property
    def bits_per_element(self) -> float:
        """Stored bits for each element of a long tensor."""
        return float(self.integer.bits)

    def encode(self, x: FloatArray) -> IntegerTensor:
        """Return integers, scale and zero point of `x`; refuse NaN."""
        values = as_float_array(x)
        wide = widen(values)
        require_members(wide, ~np.isnan(wide), self.name)
        scale, zero_point, lowest = self._parameters(wide)
        ratio = wide / scale.astype(np.float64) + 0.0
        rounded = self.integer.quantize(np.rint(ratio) + zero_point, overflow=Overflow.SATURATE)
        codes = self.integer.encode(np.maximum(rounded, lowest) + 0.0)
        return IntegerTensor(codes, scale, zero_point, values.dtype)

    def decode(self, encoded: IntegerTensor) -> FloatArray:
        """Return ``scale * (q - zero_point)``, rounded to float32 once if `x` was float32."""
        integers = self.integer.decode(encoded.codes).astype(np.float64)
        values = encoded.scale.astype(np.float64) * (integers - encoded.zero_point)
        return values.astype(encoded.dtype)

    def _parameters(
        self, wide: NDArray[np.float64]
    ) -> tuple[NDArray[np.float32], NDArray[np.int64], int]:
        """Return scale, zero point and the lowest integer in use."""
        axes = None
        if self.axis is not None:
            kept = self.axis % max(wide.ndim, 1)
            axes = tuple(axis for axis in range(wide.ndim) if axis != kept)
        finite = np.where(np.isfinite(wide), wide, 0.0)
        low = np.min(finite, axis=axes, keepdims=axes is not None, initial=0.0)
        high = np.max(finite, axis=axes, keepdims=axes is not None, initial=0.0)
        if self.scaling is IntegerScaling.SYMMETRIC:
            scale = _usable(np.maximum(high, -low) / self.integer.max_integer)
            return scale, np.zeros(scale.shape, dtype=np.int64), -self.integer.max_integer
        lowest = self.integer.min_integer
        scale = _usable((high - low) / (self.integer.max_integer - lowest))
        zero_point = np.rint(lowest - low / scale.astype(np.float64)).astype(np.int64)
        return scale, zero_point, lowest


def _usable(scale: Any) -> NDArray[np.float32]:
    """Return `scale` as float32, with 1 where it is zero and the largest float32 at most."""
    limits = np.finfo(np.float32)
    bounded = np.clip(scale, float(limits.smallest_normal), float(limits.max))
    return np.asarray(np.where(np.asarray(scale) == 0, 1.0, bounded), dtype=np.float32)
