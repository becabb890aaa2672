"""OCP microscaling (MX): blocks of narrow elements that share a power-of-two scale.

References
----------
OCP Microscaling Formats (MX) Specification, version 1.0, 2023: section 5.2
(concrete formats), section 6.3 (conversion: the floor rule). The other scale
rules are common in libraries and named after what they do to the exponent.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelsim.errors import ConfigError, ShapeError
from accelsim.formats.array import as_float_array, widen
from accelsim.formats.base import CodeArray, FloatArray, NumberFormat, TensorFormat
from accelsim.formats.float_format import FloatFormat
from accelsim.formats.rounding import Overflow

DEFAULT_BLOCK_SIZE = 32


class ScaleRule(StrEnum):
    """How the largest magnitude of a block gives the exponent of its scale.

    ``emax`` is the exponent of the largest element value, ``max`` that value.
    """

    #: ``floor(log2(amax)) - emax``: the specification's; the largest elements may saturate.
    FLOOR = "floor"
    #: ``ceil(log2(amax)) - emax``.
    CEIL = "ceil"
    #: ``ceil(log2(amax / max))``: the smallest scale with which nothing saturates.
    FIT = "fit"
    #: As floor, after amax was rounded to the element's precision, half upward.
    ROUND = "round"


@dataclass(frozen=True, slots=True)
class BlockTensor:
    """Element codes in the shape of the tensor, and scale codes with `axis` cut into blocks."""

    codes: CodeArray
    scales: CodeArray
    axis: int
    block_size: int
    dtype: np.dtype[np.floating[Any]]


@dataclass(frozen=True, slots=True)
class BlockFormat(TensorFormat[BlockTensor]):
    """Elements of a narrow format in blocks, each with a power-of-two scale.

    Parameters
    ----------
    name : str
        Unique among tensor formats.
    element_format : NumberFormat
        Format of the elements.
    scale_format : FloatFormat
        Format of the scales; its values must be powers of two (E8M0).
    block_size : int
        Consecutive elements along `axis` that share a scale; the last block may be short.
    scale_rule : ScaleRule
        How a scale is found.
    axis : int
        Axis that is cut into blocks: the reduction axis of a dot product.
    source : str
        Where the format is defined.

    Notes
    -----
    Elements round to nearest even and saturate. The exponent of a scale is
    clamped to what the scale format has. A block of zeros has the smallest scale
    (our choice). A block with a NaN or an infinity has a NaN scale and is all
    NaN (our choice, allowed by section 6.3).

    Examples
    --------
    >>> from accelsim.formats import get_tensor_format
    >>> get_tensor_format("mx_fp4").quantize([1.0, 7.0, 0.3])
    array([1. , 6. , 0.5])
    """

    name: str
    element_format: NumberFormat
    scale_format: FloatFormat
    block_size: int = DEFAULT_BLOCK_SIZE
    scale_rule: ScaleRule = ScaleRule.FLOOR
    axis: int = -1
    source: str = ""

    def __post_init__(self) -> None:
        if self.block_size < 1:
            raise ConfigError(f"Format {self.name!r}: block_size must be at least 1.")
        if self.scale_format.mantissa_bits or not self.scale_format.has_nan:
            raise ConfigError(f"Format {self.name!r}: a scale needs 0 mantissa bits and a NaN.")

    @property
    def element(self) -> NumberFormat:
        """Format of the stored elements."""
        return self.element_format

    @property
    def element_emax(self) -> int:
        """Exponent of the largest element value."""
        return math.frexp(self.element_format.max_finite)[1] - 1

    @property
    def _fraction_bits(self) -> int:
        """Fraction bits in the element's top binade."""
        if isinstance(self.element_format, FloatFormat):
            return self.element_format.mantissa_bits
        return self.element_format.bits - 2

    @property
    def bits_per_element(self) -> float:
        """Stored bits for each element of a long tensor, scales included."""
        return self.element_format.bits + self.scale_format.bits / self.block_size

    def encode(self, x: FloatArray) -> BlockTensor:
        """Return element codes and scale codes of `x`, which has at least one axis."""
        values = as_float_array(x)
        if values.ndim == 0:
            raise ShapeError(f"{self.name} needs a tensor with an axis to cut into blocks.")
        axis = self.axis % values.ndim
        wide = np.moveaxis(widen(values), axis, -1)
        exponents, valid = self._scale_exponents(wide)
        scales = np.where(valid, np.ldexp(1.0, exponents), np.nan)
        spread = self._spread(exponents, wide.shape[-1])
        kept = np.where(self._spread(valid, wide.shape[-1]), wide, 0.0)
        elements = self.element_format.quantize(np.ldexp(kept, -spread), overflow=Overflow.SATURATE)
        return BlockTensor(
            codes=np.moveaxis(self.element_format.encode(elements), -1, axis),
            scales=np.moveaxis(self.scale_format.encode(scales), -1, axis),
            axis=axis,
            block_size=self.block_size,
            dtype=values.dtype,
        )

    def decode(self, encoded: BlockTensor) -> FloatArray:
        """Return scale times element, exact in float64, rounded once if `x` was float32."""
        elements = np.moveaxis(self.element_format.decode(encoded.codes), encoded.axis, -1)
        scales = np.moveaxis(self.scale_format.decode(encoded.scales), encoded.axis, -1)
        spread = self._spread(scales.astype(np.float64), elements.shape[-1])
        values = elements.astype(np.float64) * spread
        return np.ascontiguousarray(np.moveaxis(values, -1, encoded.axis)).astype(encoded.dtype)

    def _scale_exponents(
        self, wide: NDArray[np.float64]
    ) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Return the exponent of each block's scale, and whether the block is finite."""
        starts = np.arange(0, wide.shape[-1], self.block_size)
        if wide.size == 0:
            empty = (*wide.shape[:-1], len(starts))
            return np.zeros(empty, dtype=np.int64), np.ones(empty, dtype=np.bool_)
        amax = np.maximum.reduceat(np.abs(wide), starts, axis=-1)
        valid = np.isfinite(amax)
        usable = np.where(valid & (amax > 0), amax, 1.0)
        lowest = self.scale_format.emin
        exponents = np.clip(self._rule(usable), lowest, self.scale_format.emax)
        return np.where(amax > 0, exponents, lowest).astype(np.int64), valid

    def _rule(self, amax: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return the exponent that the scale rule gives for positive magnitudes."""
        mantissa, exponent = np.frexp(amax)
        floor = exponent.astype(np.int64) - 1
        match self.scale_rule:
            case ScaleRule.FLOOR:
                return floor - self.element_emax
            case ScaleRule.CEIL:
                return floor + (mantissa > 0.5) - self.element_emax
            case ScaleRule.FIT:
                top = math.ldexp(self.element_format.max_finite, -self.element_emax - 1)
                return floor + (mantissa > top) - self.element_emax
            case ScaleRule.ROUND:
                carry = mantissa >= 1.0 - 2.0 ** -(self._fraction_bits + 2)
                return floor + carry - self.element_emax

    def _spread(self, per_block: NDArray[Any], length: int) -> NDArray[Any]:
        """Repeat one entry for each block to one for each element."""
        return np.repeat(per_block, self.block_size, axis=-1)[..., :length]
