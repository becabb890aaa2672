"""Few-bit activations: groups of a tensor, each on equal steps between its own extremes.

References
----------
J. Chen et al., "ActNN: Reducing Training Memory Footprint via 2-Bit Activation
Compressed Training", ICML 2021, arXiv:2104.14129: groups of 256, their smallest and
largest element, stochastic rounding between.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelsim.errors import ConfigError
from accelsim.formats.array import as_float_array, widen
from accelsim.formats.base import (
    DEFAULT_RANDOM_BIT_COUNT,
    CodeArray,
    FloatArray,
    NumberFormat,
    RandomBits,
    TensorFormat,
)
from accelsim.formats.float_format import FloatFormat
from accelsim.formats.integer import IntegerFormat
from accelsim.formats.rounding import Rounding

DEFAULT_GROUP_SIZE = 256

Float64Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class GroupRangeTensor:
    """Step numbers, and the two ends of every group of the flattened tensor."""

    codes: CodeArray
    lowest: Float64Array
    highest: Float64Array
    group_size: int
    dtype: np.dtype[np.floating[Any]]


@dataclass(frozen=True, slots=True)
class GroupRangeFormat(TensorFormat[GroupRangeTensor]):
    """A tensor of step numbers between the smallest and the largest element of each group.

    Parameters
    ----------
    name : str
        Unique among tensor formats.
    steps : IntegerFormat
        Unsigned format of the step numbers; b bits make 2**b - 1 steps.
    end_format : FloatFormat
        Format of a group's ends: the smallest element rounded toward -infinity, the
        largest toward +infinity, so that every element lies between them.
    group_size : int
        Consecutive elements of the flattened tensor that share ends; the last group
        may be short.

    Notes
    -----
    ``(x - lowest) / step`` is computed in float64 and rounded to a whole number: with
    `random_bits` up where they are below its fraction, so that the mean of the result is
    x; without, to nearest even. Elements of a group with a NaN or infinity, or with ends
    beyond the range of `end_format`, all become NaN. That the ends are bfloat16 in the
    formats that ship is our choice.

    Examples
    --------
    >>> from accelsim.formats import get_tensor_format
    >>> get_tensor_format("range2_group").quantize([0.0, 0.9, 2.2, 3.0])
    array([0., 1., 2., 3.])
    """

    name: str
    steps: IntegerFormat
    end_format: FloatFormat
    group_size: int = DEFAULT_GROUP_SIZE

    def __post_init__(self) -> None:
        if self.steps.signed or self.steps.fraction_bits:
            raise ConfigError(f"Format {self.name!r}: steps must be unsigned whole numbers.")
        if self.group_size < 1:
            raise ConfigError(f"Format {self.name!r}: group_size must be at least 1.")

    @property
    def keeps_signs(self) -> bool:
        """False: zero goes to a step beside it."""
        return False

    @property
    def element(self) -> NumberFormat:
        """Format of the step numbers."""
        return self.steps

    @property
    def bits_per_element(self) -> float:
        """Stored bits for each element of a long tensor, both ends of its group included."""
        return self.steps.bits + 2 * self.end_format.bits / self.group_size

    def encode(self, x: FloatArray, *, random_bits: RandomBits | None = None) -> GroupRangeTensor:
        """Return the step numbers and ends of `x`.

        Parameters
        ----------
        x : float array
            Any shape; empty stays empty.
        random_bits : array of whole numbers below 2**16, in the shape of `x`, optional
            Rounds stochastically.
        """
        values = as_float_array(x)
        wide = widen(values)
        flat = wide.reshape(-1)
        lowest, highest = self._ends(flat)
        low, step = self._spread(lowest, highest, flat.size)
        with np.errstate(invalid="ignore"):
            places = np.divide(flat - low, step, out=np.zeros_like(flat), where=step > 0)
        if random_bits is None:
            numbers = np.rint(places)
        else:
            chance = np.asarray(random_bits, dtype=np.float64).reshape(-1)
            numbers = np.floor(places + chance / 2.0**DEFAULT_RANDOM_BIT_COUNT)
        codes = np.where(np.isnan(low), 0.0, np.minimum(numbers, self.steps.max_integer))
        return GroupRangeTensor(
            self.steps.encode(codes.reshape(wide.shape)),
            lowest,
            highest,
            self.group_size,
            values.dtype,
        )

    def decode(self, encoded: GroupRangeTensor) -> FloatArray:
        """Return ``lowest + code * step``, rounded to float32 once if `x` was float32."""
        numbers = self.steps.decode(encoded.codes).astype(np.float64)
        low, step = self._spread(encoded.lowest, encoded.highest, numbers.size)
        flat = low + numbers.reshape(-1) * step
        return flat.reshape(numbers.shape).astype(encoded.dtype)

    def quantize(self, x: FloatArray, *, random_bits: RandomBits | None = None) -> FloatArray:
        """Return what is left of `x` after it was stored in this format."""
        return self.decode(self.encode(x, random_bits=random_bits))

    def _ends(self, flat: Float64Array) -> tuple[Float64Array, Float64Array]:
        """Return both ends of every group, NaN where it has none."""
        if not flat.size:
            return np.zeros(0), np.zeros(0)
        starts = np.arange(0, flat.size, self.group_size)
        lowest = self.end_format.quantize(
            np.minimum.reduceat(flat, starts), rounding=Rounding.DOWN
        ).astype(np.float64)
        highest = self.end_format.quantize(
            np.maximum.reduceat(flat, starts), rounding=Rounding.UP
        ).astype(np.float64)
        finite = np.isfinite(lowest) & np.isfinite(highest)
        return np.where(finite, lowest, np.nan), np.where(finite, highest, np.nan)

    def _spread(
        self, lowest: Float64Array, highest: Float64Array, size: int
    ) -> tuple[Float64Array, Float64Array]:
        """Return the lower end and the step for each of `size` elements."""
        step = (highest - lowest) / self.steps.max_integer
        low = np.repeat(lowest, self.group_size)[:size]
        return low, np.repeat(step, self.group_size)[:size]
