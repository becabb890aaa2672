"""What every number format can do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelsim.formats.rounding import Overflow, Rounding

FloatArray = NDArray[np.floating[Any]]
CodeArray = NDArray[np.unsignedinteger[Any]]


class NumberFormat(ABC):
    """A finite set of real numbers with codes, and the way into it.

    Subclasses are frozen dataclasses: equal formats compare and hash equal. A
    quantized tensor is an ordinary float array all of whose elements belong to
    the format; codes appear only in `encode` and `decode`.
    """

    #: Name under which the format is known; unique in the catalog.
    name: str

    @property
    @abstractmethod
    def bits(self) -> int:
        """Width of a code in bits."""

    @abstractmethod
    def quantize(
        self,
        x: FloatArray,
        *,
        rounding: Rounding | None = None,
        overflow: Overflow | None = None,
        random_bits: NDArray[np.uint32] | None = None,
        random_bit_count: int = 16,
    ) -> FloatArray:
        """Round every element of `x` to a member of the format."""

    @abstractmethod
    def encode(self, x: FloatArray) -> CodeArray:
        """Return the codes of `x`, whose elements must belong to the format."""

    @abstractmethod
    def decode(self, codes: CodeArray) -> FloatArray:
        """Return the value of every code."""
