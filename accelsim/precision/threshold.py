"""Which magnitude of a tensor a scale moves to the top of the format's range.

The largest loses nothing and may spend the range on a few outliers; a percentile or
the threshold of least squared error lets those saturate.

References
----------
H. Wu et al., "Integer Quantization for Deep Learning Inference: Principles and
Empirical Evaluation", arXiv:2004.09602, section 5 (max, percentile, entropy).
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelsim.formats import NumberFormat, Overflow
from accelsim.precision.scaling import amax_scale

Array = NDArray[np.floating[Any]]

#: Thresholds that are tried for the least squared error: the largest magnitude times
#: 2**(-i / 8), i = 0, 1, ... Steps of an eighth of an octave, four octaves down.
MSE_THRESHOLDS = 33
_STEPS_PER_OCTAVE = 8


class Threshold(StrEnum):
    """Which magnitude of a tensor goes to the top of the range."""

    #: The largest: nothing saturates.
    AMAX = "amax"
    #: A percentile of the magnitudes.
    PERCENTILE = "percentile"
    #: The one with which storing and unscaling loses least, in squares.
    MSE = "mse"


def clipping_threshold(
    x: Array,
    fmt: NumberFormat,
    threshold: Threshold,
    *,
    percentile: float = 100.0,
    power_of_two: bool = False,
    margin: int = 0,
) -> float:
    """Return the magnitude of `x` that a scale shall move to the top of a format's range.

    Parameters
    ----------
    x : array
        Any shape; NaN and infinity are left out. An array without any other element
        has the threshold 0.
    fmt : NumberFormat
        What the scaled tensor is stored in, to nearest even, saturating.
    threshold : Threshold
    percentile : float
        In per cent, for `Threshold.PERCENTILE`: the smallest magnitude that as many are
        not above.
    power_of_two, margin
        Of the scale, for `Threshold.MSE`; see `accelsim.precision.scaling.amax_scale`.

    Examples
    --------
    >>> from accelsim.formats import get_format
    >>> x = np.array([1.0, 2.0, 3.0, 100.0])
    >>> e4m3 = get_format("fp8_e4m3fn")
    >>> [clipping_threshold(x, e4m3, one, percentile=75) for one in Threshold][:2]
    [100.0, 3.0]
    """
    magnitudes = np.abs(x[np.isfinite(x)].astype(np.float64))
    if not magnitudes.size:
        return 0.0
    largest = float(magnitudes.max())
    if threshold is Threshold.AMAX or largest == 0:
        return largest
    if threshold is Threshold.PERCENTILE:
        return float(np.percentile(magnitudes, percentile, method="inverted_cdf"))
    candidates = largest * 2.0 ** (-np.arange(MSE_THRESHOLDS) / _STEPS_PER_OCTAVE)
    errors = {}
    for candidate in candidates.tolist():
        scale = amax_scale(candidate, fmt.max_finite, power_of_two=power_of_two, margin=margin)
        if scale not in errors:
            stored = fmt.quantize(magnitudes * scale, overflow=Overflow.SATURATE)
            loss = np.asarray(stored, dtype=np.float64) / scale - magnitudes
            errors[scale] = (float(loss @ loss), -candidate)
    _, negative = min(errors.values())
    return float(-negative)
