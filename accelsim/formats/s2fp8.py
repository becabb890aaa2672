"""S2FP8: a tensor squeezed and shifted in log space, so that e5m2 holds it.

References
----------
Cambier et al., "Shifted and Squeezed 8-bit Floating Point format for Low-Precision
Training of Deep Neural Networks", ICLR 2020, arXiv:2001.05674, equations 1 to 5.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelsim.errors import ConfigError
from accelsim.formats.array import as_float_array, widen
from accelsim.formats.base import CodeArray, FloatArray, NumberFormat, TensorFormat
from accelsim.formats.float_format import FloatFormat
from accelsim.formats.rounding import Overflow

#: Where the largest magnitude goes: log2|Y| = 15 (equation 2).
TARGET_MAX = 15.0
#: Bound on the squeeze where all magnitudes are nearly equal.
MAX_ALPHA = 64.0


@dataclass(frozen=True, slots=True)
class S2fp8Statistics:
    """Mean and maximum of log2|x| over the non-zero elements, and what follows from them.

    ``alpha`` (squeeze) and ``beta`` (shift) are float32 values.
    """

    mean: float
    maximum: float
    alpha: float
    beta: float


@dataclass(frozen=True, slots=True)
class S2fp8Tensor:
    """Codes of Y, and the squeeze and shift that lead back: log2|Y| = alpha log2|x| + beta."""

    codes: CodeArray
    alpha: float
    beta: float
    dtype: np.dtype[np.floating[Any]]


def s2fp8_statistics(x: FloatArray) -> S2fp8Statistics:
    """Return the statistics of a tensor (equations 3 and 4).

    Zero, NaN and infinity are left out. A tensor without any other element has
    alpha 1 and beta 0; one whose magnitudes are all equal alpha 1 and
    beta -mean; alpha is at most 64. Logarithms are taken in float64, alpha and
    beta rounded to float32 once.

    Examples
    --------
    >>> s2fp8_statistics([2.0**-1, 2.0**-7])
    S2fp8Statistics(mean=-4.0, maximum=-1.0, alpha=5.0, beta=20.0)
    """
    wide = np.abs(widen(as_float_array(x)))
    logs = np.log2(wide[(wide > 0) & np.isfinite(wide)])
    if logs.size == 0:
        return S2fp8Statistics(mean=0.0, maximum=0.0, alpha=1.0, beta=0.0)
    maximum = float(logs.max())
    if maximum == float(logs.min()):
        return S2fp8Statistics(maximum, maximum, 1.0, float(np.float32(-maximum)))
    mean = math.fsum(logs.tolist()) / logs.size
    spread = maximum - mean
    alpha = MAX_ALPHA if spread * MAX_ALPHA <= TARGET_MAX else TARGET_MAX / spread
    return S2fp8Statistics(
        mean, maximum, float(np.float32(alpha)), float(np.float32(-alpha * mean))
    )


@dataclass(frozen=True, slots=True)
class S2fp8Format(TensorFormat[S2fp8Tensor]):
    """A tensor as (Y in a narrow float, alpha, beta), with alpha and beta found from the data.

    Parameters
    ----------
    name : str
        Unique among tensor formats.
    element_format : FloatFormat
        Format of Y.

    Notes
    -----
    Y = sign(x) 2**(alpha log2|x| + beta), rounded to nearest even, saturating.
    The way back, sign(Y) 2**((log2|Y| - beta) / alpha), is computed in float64
    and rounded to float32 once. Zero stays zero with its sign, NaN stays NaN, and
    infinity stays infinity.

    Examples
    --------
    >>> from accelsim.formats import get_tensor_format
    >>> get_tensor_format("s2fp8").quantize([0.5, -0.0078125, 0.0])
    array([ 0.5      , -0.0078125,  0.       ])
    """

    name: str
    element_format: FloatFormat

    def __post_init__(self) -> None:
        if not (self.element_format.signed and self.element_format.emax >= TARGET_MAX):
            raise ConfigError(
                f"Format {self.name!r}: the element must be signed and reach 2**{TARGET_MAX:.0f}."
            )

    @property
    def element(self) -> NumberFormat:
        """Format of the stored elements."""
        return self.element_format

    @property
    def bits_per_element(self) -> float:
        """Stored bits for each element of a long tensor."""
        return float(self.element_format.bits)

    def encode(self, x: FloatArray) -> S2fp8Tensor:
        """Return codes of Y, alpha and beta."""
        values = as_float_array(x)
        statistics = s2fp8_statistics(values)
        wide = widen(values)
        magnitude = np.abs(wide)
        ordinary = (magnitude > 0) & np.isfinite(magnitude)
        logs = np.log2(np.where(ordinary, magnitude, 1.0))
        transformed = np.copysign(np.exp2(statistics.alpha * logs + statistics.beta), wide)
        y = self.element_format.quantize(
            np.where(ordinary, transformed, 0.0), overflow=Overflow.SATURATE
        )
        kept = np.where(ordinary, y, self.element_format.quantize(wide))
        return S2fp8Tensor(
            codes=self.element_format.encode(kept),
            alpha=statistics.alpha,
            beta=statistics.beta,
            dtype=values.dtype,
        )

    def decode(self, encoded: S2fp8Tensor) -> FloatArray:
        """Return the float32 values that the codes stand for, as float64 if `x` was float64."""
        y = self.element_format.decode(encoded.codes).astype(np.float64)
        magnitude = np.abs(y)
        ordinary = (magnitude > 0) & np.isfinite(magnitude)
        logs = np.log2(np.where(ordinary, magnitude, 1.0))
        widest = float(np.finfo(np.float32).max)
        back = np.exp2(np.minimum((logs - encoded.beta) / encoded.alpha, 128.0))
        values = np.where(ordinary, np.copysign(np.minimum(back, widest), y), y)
        narrow: NDArray[np.float32] = values.astype(np.float32)
        return narrow.astype(encoded.dtype)
