"""One scale per tensor, from its largest magnitude.

A scaled tensor is stored as format values of ``x * scale`` beside its scale.
The scale moves the largest magnitude to the top of the format's range, so that
small numbers keep as many bits as the format can give them.
"""

from __future__ import annotations

import math
import sys

import numpy as np

#: Scales lie in 2**-126 to 2**126, as exponents of a significand in [1/2, 1): FP32 holds
#: such a scale, and the reciprocal of a power of two among them, as normal numbers.
_MIN_SCALE_EXPONENT, _MAX_SCALE_EXPONENT = -125, 126


def amax_scale(amax: float, max_finite: float, *, power_of_two: bool, margin: int = 0) -> float:
    """Return the factor that moves `amax` to `max_finite` or just below it.

    Parameters
    ----------
    amax : float
        Largest finite magnitude of the tensor. 0 (an all-zero or empty tensor), NaN
        and infinity give a scale of 1.
    max_finite : float
        Largest finite number of the format that the tensor is stored in.
    power_of_two : bool
        Round the scale down to a power of two, so that scaling moves no significand.
    margin : int
        Powers of two to stay below the top of the range.

    Returns
    -------
    float
        A positive number that FP32 holds. ``amax * scale <= max_finite`` up to the
        rounding of the scale to FP32 (toward zero), for scales that FP32 can hold.

    Examples
    --------
    >>> amax_scale(3.0, 448.0, power_of_two=True)
    128.0
    >>> amax_scale(2.0, 127.0, power_of_two=False)
    63.5
    >>> amax_scale(0.0, 448.0, power_of_two=True)
    1.0

    References
    ----------
    P. Micikevicius et al., "FP8 Formats for Deep Learning", arXiv:2209.05433: scale
    per tensor. S. Perez et al., arXiv:2309.17224: floor(log2(max / amax)) - margin.
    """
    if not (math.isfinite(amax) and amax > 0):
        return 1.0
    ratio = min(max_finite / amax, sys.float_info.max)
    significand, exponent = math.frexp(ratio)  # in [1/2, 1) x 2**exponent
    exponent = min(max(exponent - margin, _MIN_SCALE_EXPONENT), _MAX_SCALE_EXPONENT)
    if power_of_two:
        return math.ldexp(1.0, exponent - 1)
    scale = np.float32(math.ldexp(significand, exponent))
    if float(scale) * amax > math.ldexp(max_finite, -margin):
        scale = np.nextafter(scale, np.float32(0))
    return float(scale)
