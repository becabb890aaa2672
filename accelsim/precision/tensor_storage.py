"""A tensor format where a recipe asks for a number format.

Formats such as S2FP8 and MX find scales in the tensor that they store, so a number
alone has no code in them. Between memory and multiplier they are formats all the same:
so many bits per element in memory, and values that a multiplier of `multiplied_as`
takes. `TensorStorage` is that face of a tensor format.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NoReturn

import numpy as np

from accelsim.errors import UnsupportedError
from accelsim.formats import NumberFormat, Overflow, Rounding, TensorFormat, get_format
from accelsim.formats.base import DEFAULT_RANDOM_BIT_COUNT, CodeArray, FloatArray, RandomBits
from accelsim.formats.block import BlockFormat


@dataclass(frozen=True, slots=True)
class TensorStorage(NumberFormat):
    """A tensor format as the format of a tensor of a trace.

    Parameters
    ----------
    name : str
        Name of the tensor format.
    tensor_format : TensorFormat

    Notes
    -----
    `bits` counts a code without its share of the scales, `stored_bits` with it: S2FP8
    has two numbers a tensor, MX one byte for 32 elements. `quantize` has the tensor
    format's own rounding and overflow and pays no heed to others.

    Examples
    --------
    >>> from accelsim.formats import get_tensor_format
    >>> s2fp8 = TensorStorage("s2fp8", get_tensor_format("s2fp8"))
    >>> s2fp8.bits, s2fp8.quantize(np.array([2.0**-60, -(2.0**-64)]))
    (8, array([ 8.67361738e-19, -5.42101086e-20]))
    """

    name: str
    tensor_format: TensorFormat[Any]

    @property
    def multiplied_as(self) -> NumberFormat:
        """Format that a multiplier of two such values needs: the element's, or FP32."""
        if isinstance(self.tensor_format, BlockFormat):
            return self.tensor_format.element
        return get_format("fp32")

    @property
    def bits(self) -> int:
        """Width of an element's code."""
        return self.tensor_format.element.bits

    @property
    def stored_bits(self) -> float:
        """Bits in memory for each element of a long tensor, scales included."""
        return self.tensor_format.bits_per_element

    @property
    def max_finite(self) -> float:
        """Largest value that any scale gives: that of float32."""
        return float(np.finfo(np.float32).max)

    @property
    def min_positive(self) -> float:
        """Smallest value that any scale gives: that of float32."""
        return float(np.finfo(np.float32).smallest_subnormal)

    @property
    def has_infinity(self) -> bool:
        """Whether an element can be infinite."""
        return self.tensor_format.element.has_infinity

    @property
    def has_nan(self) -> bool:
        """Whether an element can be NaN."""
        return self.tensor_format.element.has_nan

    @property
    def value_dtype(self) -> np.dtype[np.floating[Any]]:
        """Float32."""
        return np.dtype(np.float32)

    def quantize(
        self,
        x: FloatArray,
        *,
        rounding: Rounding | None = None,
        overflow: Overflow | None = None,
        random_bits: RandomBits | None = None,
        random_bit_count: int = DEFAULT_RANDOM_BIT_COUNT,
    ) -> FloatArray:
        """Return what the tensor becomes, with scales found in it."""
        del rounding, overflow, random_bit_count
        return self.tensor_format.quantize(x, random_bits=random_bits)

    def encode(self, x: FloatArray) -> CodeArray:
        """Refuse."""
        self._refuse()

    def decode(self, codes: CodeArray) -> FloatArray:
        """Refuse."""
        self._refuse()

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
        """Refuse."""
        self._refuse()

    def encode_scalar(self, value: float) -> int:
        """Refuse."""
        self._refuse()

    def decode_scalar(self, code: int) -> float:
        """Refuse."""
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise UnsupportedError(
            f"{self.name} has no code for a number alone; use the tensor format's own encode."
        )
