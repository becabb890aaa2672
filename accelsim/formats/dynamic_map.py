"""The dynamic 8-bit map of 8-bit optimizers: a table on [-1, 1], scaled block by block.

References
----------
Dettmers et al., "8-bit Optimizers via Block-wise Quantization", ICLR 2022,
arXiv:2110.02861: dynamic tree quantization (section 1.3) and blocks of 2048.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelsim.errors import ConfigError
from accelsim.formats.array import as_float_array, require_members, widen
from accelsim.formats.base import CodeArray, FloatArray, NumberFormat, TensorFormat
from accelsim.formats.table import TableFormat

#: Decades of the map, and elements that share a scale.
DECADES = 7
DEFAULT_BLOCK_SIZE = 2048
SCALE_BITS = 32


@lru_cache(maxsize=2)
def dynamic_map(*, signed: bool = True) -> tuple[float, ...]:
    """Return the 256 values of the dynamic map, rising.

    In decade i of 7 there are ``2**i`` values: the midpoints of ``2**i`` equal
    parts of [0.1, 1], times ``10**(i - 6)``, with both signs; and 0 and 1. Without
    signs there are twice as many parts, so that the bit of the sign is one of the
    fraction. Each value is computed exactly and rounded to float32 once.

    Examples
    --------
    >>> values = dynamic_map()
    >>> len(values), values[0], values[-1]
    (256, -0.992968738079071, 1.0)
    """
    positive = []
    for decade in range(DECADES):
        parts = 1 << decade if signed else 2 << decade
        width = Fraction(9, 10) / parts
        scale = Fraction(10) ** (decade - DECADES + 1)
        for part in range(parts):
            midpoint = Fraction(1, 10) + width * (2 * part + 1) / 2
            positive.append(float(np.float32(float(midpoint * scale))))
    negative = [-value for value in positive] if signed else []
    return tuple(sorted([*positive, *negative, 0.0, 1.0]))


@dataclass(frozen=True, slots=True)
class DynamicTensor:
    """Indices into the map and one scale for every block of the flattened tensor."""

    codes: CodeArray
    scales: NDArray[np.float32]
    block_size: int
    dtype: np.dtype[np.floating[Any]]


@dataclass(frozen=True, slots=True)
class DynamicMapFormat(TensorFormat[DynamicTensor]):
    """A tensor of indices into a table on [-1, 1], with the largest magnitude of each block.

    Parameters
    ----------
    name : str
        Unique among tensor formats.
    table : TableFormat
        Element format.
    block_size : int
        Consecutive elements of the flattened tensor that share a scale; the last
        block may be short.

    Notes
    -----
    ``x / absmax`` is computed in float64 and goes to the nearest value, ties to
    the even index (our choice). A block of zeros has scale 0 and stays zero. NaN
    and infinity are refused: they would destroy the scale of their block. A negative
    number becomes 0 where the table has no signs.

    Examples
    --------
    >>> fmt = DynamicMapFormat("dynamic8_block", TableFormat("dynamic8", dynamic_map()))
    >>> fmt.quantize([0.0, 2.0, -0.02])
    array([ 0.       ,  2.       , -0.0194375])
    """

    name: str
    table: TableFormat
    block_size: int = DEFAULT_BLOCK_SIZE

    def __post_init__(self) -> None:
        if self.block_size < 1:
            raise ConfigError(f"Format {self.name!r}: block_size must be at least 1.")

    @property
    def element(self) -> NumberFormat:
        """Format of the stored elements."""
        return self.table

    @property
    def bits_per_element(self) -> float:
        """Stored bits for each element of a long tensor, scales included."""
        return self.table.bits + SCALE_BITS / self.block_size

    def encode(self, x: FloatArray) -> DynamicTensor:
        """Return indices and scales of `x`; refuse NaN and infinity."""
        values = as_float_array(x)
        wide = widen(values)
        require_members(wide, np.abs(wide) <= float(np.finfo(np.float32).max), self.name)
        flat = wide.reshape(-1)
        starts = np.arange(0, flat.size, self.block_size)
        if flat.size:
            scales = np.maximum.reduceat(np.abs(flat), starts).astype(np.float32)
        else:
            scales = np.zeros(0, dtype=np.float32)
        divisor = np.repeat(np.where(scales > 0, scales, 1.0).astype(np.float64), self.block_size)
        codes = self.table.encode(self.table.quantize(flat / divisor[: flat.size]))
        return DynamicTensor(codes.reshape(wide.shape), scales, self.block_size, values.dtype)

    def decode(self, encoded: DynamicTensor) -> FloatArray:
        """Return ``map[code] * absmax``, rounded to float32 once if `x` was float32."""
        flat = self.table.decode(encoded.codes).astype(np.float64).reshape(-1)
        scales = np.repeat(encoded.scales.astype(np.float64), encoded.block_size)[: flat.size]
        return (flat * scales).reshape(encoded.codes.shape).astype(encoded.dtype)
