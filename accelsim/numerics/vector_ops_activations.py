"""Activation functions and their slopes: float64, then one rounding.

What they compute is in `accelsim.workload.activation_functions`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelsim.numerics.vector_ops_arithmetic import Arithmetic
from accelsim.numerics.vector_ops_reductions import attribute_number
from accelsim.workload.activation_functions import UNBOUNDED
from accelsim.workload.ops import Attribute

Array = NDArray[np.floating[Any]]
Float64Array = NDArray[np.float64]
Attributes = Mapping[str, Attribute]
Function = Callable[[Sequence[Array], Attributes, Arithmetic], Array]
#: A function of one float64 array and the op's attributes.
Curve = Callable[[Float64Array, Attributes], Float64Array]


def clip(x: Array, low: float, high: float, arithmetic: Arithmetic) -> Array:
    """Return `x`, but `low` below it and `high` above it, rounded; NaN stays NaN.

    Rounding keeps the order of numbers, so the bounds can be rounded in the place of
    the results. Infinite bounds do not bound. A zero is +0.

    Examples
    --------
    >>> clip(np.array([-1.0, -0.0, 2.0, 9.0, np.nan]), 0.0, 6.0, Arithmetic(None))
    array([ 0.,  0.,  2.,  6., nan])
    """
    result = arithmetic.cast(x) + 0.0  # -0 + 0 is +0
    bounds = arithmetic.enter(np.array([low, high]))
    if low > -math.inf:
        np.maximum(result, bounds[0], out=result)
    if high < math.inf:
        np.minimum(result, bounds[1], out=result)
    return result


def activate(curve: Curve, x: Array, attributes: Attributes, arithmetic: Arithmetic) -> Array:
    """Return round(f(x)), with f in float64."""
    with np.errstate(all="ignore"):
        return arithmetic.enter(curve(np.asarray(x, dtype=np.float64), attributes))


def pass_back(
    slope: Curve, error: Array, x: Array, attributes: Attributes, arithmetic: Arithmetic
) -> Array:
    """Return round(error * f'(x)), with f' in float64; +0 where f' is 0.

    Examples
    --------
    >>> x = np.array([1.0, -1.0])
    >>> pass_back(lambda x, _: np.where(x > 0, 0.5, 0.0), np.ones(2), x, {}, Arithmetic(None))
    array([0.5, 0. ])
    """
    with np.errstate(all="ignore"):
        slopes_at_x = slope(np.asarray(x, dtype=np.float64), attributes)
        product = np.asarray(error, dtype=np.float64) * slopes_at_x
    return arithmetic.enter(np.where(slopes_at_x == 0, 0.0, product))


def _bounds(attributes: Attributes) -> tuple[float, float]:
    low, high = (
        limit if attributes[name] == UNBOUNDED else attribute_number(attributes[name])
        for name, limit in (("min", -math.inf), ("max", math.inf))
    )
    return low, high


def _sigmoid(x: Float64Array, _attributes: Attributes) -> Float64Array:
    small = np.exp(-np.abs(x))  # never overflows
    return np.where(x < 0, small, 1.0) / (1.0 + small)


def _tanh(x: Float64Array, _attributes: Attributes) -> Float64Array:
    return np.tanh(x)


def _swish(x: Float64Array, attributes: Attributes) -> Float64Array:
    return np.where(x == -np.inf, 0.0, x * _sigmoid(x, attributes))


def _leaky_relu(x: Float64Array, attributes: Attributes) -> Float64Array:
    return np.where(x > 0, x, attribute_number(attributes["negative_slope"]) * x)


def _elu(x: Float64Array, attributes: Attributes) -> Float64Array:
    return np.where(x > 0, x, attribute_number(attributes["alpha"]) * np.expm1(np.minimum(x, 0.0)))


def _hard_sigmoid(x: Float64Array, attributes: Attributes) -> Float64Array:
    line = attribute_number(attributes["alpha"]) * x + attribute_number(attributes["beta"])
    return np.clip(line, 0.0, 1.0)


def _hard_swish(x: Float64Array, _attributes: Attributes) -> Float64Array:
    inside = x * (x + 3.0) / 6.0
    return np.where(x <= -3.0, 0.0, np.where(x >= 3.0, x, inside))


def _clip_slope(x: Float64Array, attributes: Attributes) -> Float64Array:
    low, high = _bounds(attributes)
    return np.where((x > low) & (x < high), 1.0, 0.0)


def _leaky_relu_slope(x: Float64Array, attributes: Attributes) -> Float64Array:
    return np.where(x > 0, 1.0, attribute_number(attributes["negative_slope"]))


def _elu_slope(x: Float64Array, attributes: Attributes) -> Float64Array:
    return np.where(x > 0, 1.0, attribute_number(attributes["alpha"]) * np.exp(np.minimum(x, 0.0)))


def _sigmoid_slope(x: Float64Array, _attributes: Attributes) -> Float64Array:
    small = np.exp(-np.abs(x))
    return small / np.square(1.0 + small)


def _tanh_slope(x: Float64Array, attributes: Attributes) -> Float64Array:
    return 4.0 * _sigmoid_slope(2.0 * x, attributes)  # tanh(x) = 2 sigmoid(2 x) - 1


def _swish_slope(x: Float64Array, attributes: Attributes) -> Float64Array:
    finite = np.clip(x, -1e4, 1e4)  # beyond, the slope is 0 or 1 to the last bit
    return _sigmoid(finite, attributes) + finite * _sigmoid_slope(finite, attributes)


def _hard_sigmoid_slope(x: Float64Array, attributes: Attributes) -> Float64Array:
    alpha = attribute_number(attributes["alpha"])
    line = alpha * x + attribute_number(attributes["beta"])
    return np.where((line > 0) & (line < 1), alpha, 0.0)


def _hard_swish_slope(x: Float64Array, _attributes: Attributes) -> Float64Array:
    return np.where(x < -3.0, 0.0, np.where(x > 3.0, 1.0, x / 3.0 + 0.5))


def _clip(inputs: Sequence[Array], attributes: Attributes, arithmetic: Arithmetic) -> Array:
    return clip(inputs[0], *_bounds(attributes), arithmetic)


def _forward(
    curve: Curve, inputs: Sequence[Array], attributes: Attributes, arithmetic: Arithmetic
) -> Array:
    return activate(curve, inputs[0], attributes, arithmetic)


def _backward(
    slope: Curve, inputs: Sequence[Array], attributes: Attributes, arithmetic: Arithmetic
) -> Array:
    return pass_back(slope, inputs[0], inputs[1], attributes, arithmetic)


_CURVES: Mapping[str, Curve] = MappingProxyType(
    {
        "elu": _elu,
        "hard_sigmoid": _hard_sigmoid,
        "hard_swish": _hard_swish,
        "leaky_relu": _leaky_relu,
        "sigmoid": _sigmoid,
        "swish": _swish,
        "tanh": _tanh,
    }
)
_SLOPES: Mapping[str, Curve] = MappingProxyType(
    {
        "clip": _clip_slope,
        "elu": _elu_slope,
        "hard_sigmoid": _hard_sigmoid_slope,
        "hard_swish": _hard_swish_slope,
        "leaky_relu": _leaky_relu_slope,
        "sigmoid": _sigmoid_slope,
        "swish": _swish_slope,
        "tanh": _tanh_slope,
    }
)
#: Vector functions by name.
ACTIVATIONS: Mapping[str, Function] = MappingProxyType(
    {
        "clip": _clip,
        **{name: partial(_forward, curve) for name, curve in _CURVES.items()},
        **{f"{name}_backward": partial(_backward, slope) for name, slope in _SLOPES.items()},
    }
)
