"""What every number format can do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from fractions import Fraction
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from accelsim.formats.rounding import Overflow, Rounding

FloatArray = NDArray[np.floating[Any]]
CodeArray = NDArray[np.unsignedinteger[Any]]
RandomBits = NDArray[np.uint32]

#: What a tensor format stores: codes and scales, in a frozen dataclass of its own.
Encoded = TypeVar("Encoded")

#: Random bits of a stochastic rounding where none are stated.
DEFAULT_RANDOM_BIT_COUNT = 16


class NumberFormat(ABC):
    """A finite set of real numbers with codes, and the way into it.

    Subclasses are frozen dataclasses: equal formats compare and hash equal. A
    quantized tensor is an ordinary float array all of whose elements belong to
    the format; codes appear only in `encode` and `decode`.

    The three methods that end in ``_scalar`` are the definition: exact, on
    Python integers and fractions, and slow. The array methods must give the
    same bits; `accelsim.testing.check_format` proves that they do.
    """

    # A dataclass field in every subclass, so there is no slot for it here.
    __slots__ = ()

    #: Name under which the format is known; unique in the catalog.
    name: str

    @property
    @abstractmethod
    def bits(self) -> int:
        """Width of a code in bits."""

    @property
    def stored_bits(self) -> float:
        """Bits in memory for each element of a long tensor; `bits` here."""
        return self.bits

    @property
    @abstractmethod
    def max_finite(self) -> float:
        """Largest finite value."""

    @property
    @abstractmethod
    def min_positive(self) -> float:
        """Smallest value above zero."""

    @property
    def has_infinity(self) -> bool:
        """Whether a code means infinity: no, unless a kind of format says otherwise."""
        return False

    @property
    def has_nan(self) -> bool:
        """Whether a code means not-a-number: no, unless a kind of format says otherwise."""
        return False

    @property
    def code_dtype(self) -> np.dtype[np.unsignedinteger[Any]]:
        """Smallest unsigned integer type that holds a code."""
        for dtype in (np.uint8, np.uint16, np.uint32):
            if self.bits <= 8 * np.dtype(dtype).itemsize:
                return np.dtype(dtype)
        return np.dtype(np.uint64)

    @property
    @abstractmethod
    def value_dtype(self) -> np.dtype[np.floating[Any]]:
        """Float32 if that holds every value of the format, else float64."""

    @abstractmethod
    def quantize(
        self,
        x: FloatArray,
        *,
        rounding: Rounding | None = None,
        overflow: Overflow | None = None,
        random_bits: RandomBits | None = None,
        random_bit_count: int = DEFAULT_RANDOM_BIT_COUNT,
    ) -> FloatArray:
        """Round every element of `x` to a member of the format."""

    @abstractmethod
    def encode(self, x: FloatArray) -> CodeArray:
        """Return the codes of `x`, whose elements must belong to the format."""

    @abstractmethod
    def decode(self, codes: CodeArray) -> FloatArray:
        """Return the value of every code."""

    @abstractmethod
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

    @abstractmethod
    def encode_scalar(self, value: float) -> int:
        """Return the code of one member; the definition of `encode`."""

    @abstractmethod
    def decode_scalar(self, code: int) -> float:
        """Return the value of one code; the definition of `decode`."""


class TensorFormat(ABC, Generic[Encoded]):
    """A way to store a whole tensor: codes of an element format, and scales found from the data.

    What a number becomes depends on its neighbours, so there is no code for a
    number alone. `quantize` is `decode` after `encode`.
    """

    __slots__ = ()

    #: Name under which the format is known; unique among tensor formats.
    name: str

    @property
    @abstractmethod
    def element(self) -> NumberFormat:
        """Format of the stored elements."""

    @property
    @abstractmethod
    def bits_per_element(self) -> float:
        """Stored bits for each element of a long tensor, scales included."""

    @property
    def keeps_signs(self) -> bool:
        """Whether zero stays zero and no number changes its sign; True here."""
        return True

    @abstractmethod
    def encode(self, x: FloatArray) -> Encoded:
        """Return codes and scales of `x`."""

    @abstractmethod
    def decode(self, encoded: Encoded) -> FloatArray:
        """Return the values that codes and scales stand for."""

    def quantize(self, x: FloatArray, *, random_bits: RandomBits | None = None) -> FloatArray:
        """Return what is left of `x` after it was stored in this format.

        `random_bits`, below 2**16 and in the shape of `x`, are for formats that can
        round stochastically; others pay no heed to them, as here.
        """
        del random_bits
        return self.decode(self.encode(x))
