"""What is known about an operand: how wide, how fine and how large its values are.

Dispatch rests on these facts. They come from the operand's format where the
caller names it, else from the data, in one look at every element.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelsim.formats import (
    FloatFormat,
    IntegerFormat,
    NumberFormat,
    PositFormat,
    TableFormat,
)

#: Elements from which compiled code looks at the data, and elements it looks at together.
SCAN_THRESHOLD = 1 << 14
SCAN_LANES = 64


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
    zero_share : float
        Part of the elements that are zero, where it was counted.
    """

    significant_bits: int
    lsb_exponent: int
    amax: float
    finite: bool = True
    zero_share: float = 0.0

    @property
    def is_narrow(self) -> bool:
        """Whether float32 holds every element."""
        return self.significant_bits <= 24 and self.lsb_exponent >= -149 and self.amax < 2.0**128

    @classmethod
    def of_format(
        cls, fmt: NumberFormat, *, amax: float | None = None, finite: bool = True
    ) -> OperandFacts | None:
        """Return what a format promises, or None where that depends on the tensor.

        Examples
        --------
        The magnitudes of int8 go to 128, a power of two; 127 has seven significant bits.

        >>> from accelsim.formats import get_format
        >>> OperandFacts.of_format(get_format("int8"), amax=100.0)
        OperandFacts(significant_bits=7, lsb_exponent=0, amax=100.0, finite=True, zero_share=0.0)
        """
        if isinstance(fmt, FloatFormat):
            lsb = math.frexp(fmt.min_quantum)[1] - 1
            promised = cls(fmt.precision, lsb, fmt.max_finite)
        elif isinstance(fmt, IntegerFormat):
            largest = max(fmt.max_finite, -fmt.min_finite)
            promised = cls(fmt.integer_bits - fmt.signed, -fmt.fraction_bits, largest)
        elif isinstance(fmt, PositFormat | TableFormat):
            promised = _of_all_values(fmt)
        else:
            return None
        return replace(promised, amax=promised.amax if amax is None else amax, finite=finite)

    @classmethod
    def of_data(cls, x: NDArray[Any]) -> OperandFacts:
        """Measure float32 or float64 data; an empty or zero operand has one bit and amax 0.

        Subnormals of the carrier type count as if they had all its bits.
        """
        flat = x.reshape(-1) if x.flags.c_contiguous else x.T.reshape(-1)
        wide = x.dtype == np.float64
        integers: NDArray[Any] = flat.view(np.int64 if wide else np.int32)
        layout = _WIDE if wide else _NARROW
        pattern, largest, smallest, zeros = _scan(integers, layout)
        finite = largest < layout.infinity
        if not finite:
            finite_part = integers[integers & layout.magnitude < layout.infinity]
            pattern, largest, smallest, zeros = _scan_with_numpy(finite_part, layout)
        share = zeros / max(1, integers.size)
        if largest == 0:
            return cls(1, 0, 0.0, finite, share)
        amax = float(np.array(largest, integers.dtype).view(x.dtype))
        lowest = smallest >> layout.fraction_bits
        if lowest == 0:
            lsb = 1 - layout.bias - layout.fraction_bits
            return cls(layout.fraction_bits + 1, lsb, amax, finite, share)
        pattern &= (1 << layout.fraction_bits) - 1
        trailing = (pattern & -pattern).bit_length() - 1
        stored = layout.fraction_bits - trailing if pattern else 0
        return cls(stored + 1, lowest - layout.bias - stored, amax, finite, share)


@lru_cache(maxsize=64)
def _of_all_values(fmt: PositFormat | TableFormat) -> OperandFacts:
    """Return what holds for every finite value of a format with at most 2**16 of them."""
    if isinstance(fmt, TableFormat):
        values = np.asarray(fmt.values)
    else:
        decoded = fmt.decode(np.arange(1 << fmt.bits, dtype=fmt.code_dtype))
        values = np.asarray(decoded, np.float64)
    return replace(OperandFacts.of_data(values[np.isfinite(values)]), zero_share=0.0)


def largest_magnitude(x: NDArray[Any]) -> float:
    """Return the largest magnitude of float32 or float64 data; not finite if an element is not."""
    if x.ndim > 1 and not x.flags.c_contiguous:
        x = x.swapaxes(-1, -2)  # a transposed matrix lies in memory as it was
    if x.dtype == np.float32 and x.flags.c_contiguous:
        largest = _scan(x.reshape(-1).view(np.int32), _NARROW)[1]
        return float(np.array(largest, np.int32).view(np.float32))
    return max(float(np.max(x, initial=0.0)), float(-np.min(x, initial=0.0)))


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where the fields of an IEEE number are."""

    fraction_bits: int
    bias: int
    magnitude: int

    @property
    def infinity(self) -> int:
        """Magnitude bits of infinity."""
        return (2 * self.bias + 1) << self.fraction_bits


_NARROW = _Layout(23, 127, 2**31 - 1)
_WIDE = _Layout(52, 1023, 2**63 - 1)


def _scan(integers: NDArray[Any], layout: _Layout) -> tuple[int, int, int, int]:
    """Return the or of all bits, the largest and the smallest non-zero magnitude, the zeros."""
    whole = integers.size // SCAN_LANES * SCAN_LANES
    if layout is _WIDE or whole < SCAN_THRESHOLD or find_spec("numba") is None:
        return _scan_with_numpy(integers, layout)
    from accelsim.numerics.kernels.measure import scan

    lanes = np.empty(4 * SCAN_LANES, np.int32)
    scan(integers[:whole], lanes)
    rows = lanes.reshape(4, SCAN_LANES)
    rest = _scan_with_numpy(integers[whole:], layout)
    return (
        int(np.bitwise_or.reduce(rows[0])) | rest[0],
        max(int(rows[1].max()), rest[1]),
        min(int(rows[2].min()), rest[2]),
        int(rows[3].sum(dtype=np.int64)) + rest[3],
    )


def _scan_with_numpy(integers: NDArray[Any], layout: _Layout) -> tuple[int, int, int, int]:
    """Do what `_scan` does, in NumPy."""
    magnitudes = integers & layout.magnitude
    nonzero = magnitudes[magnitudes > 0]
    return (
        int(np.bitwise_or.reduce(integers, initial=0)),
        int(magnitudes.max(initial=0)),
        int(nonzero.min(initial=layout.magnitude)),
        integers.size - nonzero.size,
    )


@dataclass(frozen=True, slots=True)
class ProductFacts:
    """Bounds that hold for every product, and for the length of the sums."""

    significant_bits: int
    lsb_exponent: int
    largest: float
    finite: bool
    k: int
    zero_share: float = 0.0
    #: Whether float32 holds every operand.
    narrow: bool = False

    @classmethod
    def of(cls, a: OperandFacts, b: OperandFacts, k: int) -> ProductFacts:
        """Combine two operands."""
        return cls(
            significant_bits=a.significant_bits + b.significant_bits,
            lsb_exponent=a.lsb_exponent + b.lsb_exponent,
            largest=a.amax * b.amax,
            finite=a.finite and b.finite,
            k=k,
            zero_share=a.zero_share,
            narrow=a.is_narrow and b.is_narrow,
        )
