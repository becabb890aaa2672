"""Clipping errors where their direction changes least.

An 8-bit integer with one scale gives a long-tailed error few steps near zero.
Clipping the tail makes the steps finer; how far to clip is decided by how much the
stored tensor points elsewhere than the error.

References
----------
F. Zhu et al., "Towards Unified INT8 Training for Convolutional Neural Network",
CVPR 2020: deviation d = 1 - cosine, learning rate times max(exp(-20 d), 0.1). Ours: a
search over fixed thresholds at every step.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelsim.formats import NumberFormat, Overflow
from accelsim.workload.vector_function import CLIPPING_THRESHOLDS

Array = NDArray[np.floating[Any]]


def cosine(x: Array, y: Array) -> float:
    """Return the cosine of the angle between two tensors, in float64.

    1 where one of them is all zero; NaN where one is not finite.

    Examples
    --------
    >>> cosine(np.array([1.0, 0.0]), np.array([2.0, 0.0]))
    1.0
    """
    left, right = (np.asarray(one, dtype=np.float64).reshape(-1) for one in (x, y))
    with np.errstate(all="ignore"):
        norms = math.sqrt(float(left @ left) * float(right @ right))
        return float(left @ right) / norms if norms != 0 else 1.0


def least_turning_scale(
    x: Array, fmt: NumberFormat, amax: float, scale_of: Callable[[float], float]
) -> float:
    """Return the scale of the threshold that turns `x` least when the rest is clipped.

    Parameters
    ----------
    x : array
    fmt : NumberFormat
        In which ``x * scale`` is stored, saturating.
    amax : float
        First threshold; each of the others is 2**-0.5 of the one before. The first of
        equally good ones is taken.
    scale_of : callable
        Scale of a threshold.
    """
    wide = np.asarray(x, dtype=np.float64)
    best, best_cosine = scale_of(amax), -math.inf
    for index in range(CLIPPING_THRESHOLDS):
        scale = scale_of(amax * 2.0 ** (-index / 2))
        found = cosine(wide, fmt.quantize(wide * scale, overflow=Overflow.SATURATE))
        if found > best_cosine:
            best, best_cosine = scale, found
    return best


def direction_factor(x: Array, values: Array, decay: float, floor: float) -> float:
    """Return max(exp(-decay * d), floor), d = 1 - cosine(x, values); NaN gives the floor."""
    factor = math.exp(-decay * max(0.0, 1.0 - cosine(x, values)))
    return factor if factor > floor else floor
