"""What is known about an operand: how wide, how fine and how large its values are.

Dispatch rests on these facts. They come from the operand's format where the
caller names it, else from the data, in one look at every element.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelsim.formats import FloatFormat, NumberFormat


@dataclass(frozen=True, slots=True)
class OperandFacts:
    """Bounds that hold for every element of an operand.

    Parameters
    ----------
    significant_bits : int
        No element has more.
    lsb_exponent : int
        Every element is a multiple of 2 to this power.
    amax : float
        Largest magnitude among the finite elements.
    finite : bool
        Whether there is no NaN and no infinity.
    """

    significant_bits: int
    lsb_exponent: int
    amax: float
    finite: bool = True

    @classmethod
    def of_format(
        cls, fmt: NumberFormat, *, amax: float | None = None, finite: bool = True
    ) -> OperandFacts | None:
        """Return what a float format promises, or None for another kind of format."""
        if not isinstance(fmt, FloatFormat):
            return None
        return cls(
            significant_bits=fmt.precision,
            lsb_exponent=math.frexp(fmt.min_quantum)[1] - 1,
            amax=fmt.max_finite if amax is None else amax,
            finite=finite,
        )

    @classmethod
    def of_data(cls, x: NDArray[Any]) -> OperandFacts:
        """Measure float32 or float64 data; an empty or zero operand has one bit and amax 0.

        Subnormals of the carrier type count as if they had all its bits.
        """
        wide = x.dtype == np.float64
        integers: NDArray[Any] = np.ascontiguousarray(x).view(np.int64 if wide else np.int32)
        fraction_bits, exponent_bits = (52, 11) if wide else (23, 8)
        fields = (integers >> fraction_bits) & ((1 << exponent_bits) - 1)
        finite = bool((fields < (1 << exponent_bits) - 1).all())
        if not finite:
            integers = np.where(fields < (1 << exponent_bits) - 1, integers, 0)
            fields = (integers >> fraction_bits) & ((1 << exponent_bits) - 1)
        magnitudes = integers & ((1 << (fraction_bits + exponent_bits)) - 1)
        largest = int(magnitudes.max(initial=0))
        if largest == 0:
            return cls(1, 0, 0.0, finite)
        amax = float(np.array(largest, integers.dtype).view(x.dtype))
        lowest = int(fields[magnitudes > 0].min())
        bias = (1 << (exponent_bits - 1)) - 1
        if lowest == 0:
            return cls(fraction_bits + 1, 1 - bias - fraction_bits, amax, finite)
        pattern = int(np.bitwise_or.reduce(integers, axis=None)) & ((1 << fraction_bits) - 1)
        stored = fraction_bits - ((pattern & -pattern).bit_length() - 1) if pattern else 0
        return cls(stored + 1, lowest - bias - stored, amax, finite)


@dataclass(frozen=True, slots=True)
class ProductFacts:
    """Bounds that hold for every product, and for the length of the sums."""

    significant_bits: int
    lsb_exponent: int
    largest: float
    finite: bool
    k: int

    @classmethod
    def of(cls, a: OperandFacts, b: OperandFacts, k: int) -> ProductFacts:
        """Combine two operands."""
        return cls(
            significant_bits=a.significant_bits + b.significant_bits,
            lsb_exponent=a.lsb_exponent + b.lsb_exponent,
            largest=a.amax * b.amax,
            finite=a.finite and b.finite,
            k=k,
        )
