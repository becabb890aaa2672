"""From the `VectorOp` of a training step to the function that computes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelsim.numerics import vector_ops_backward as backward
from accelsim.numerics import vector_ops_statistics as statistics
from accelsim.numerics.clipping import direction_factor
from accelsim.numerics.update_ops import adam_step, reference_update
from accelsim.numerics.vector_ops import largest_finite
from accelsim.numerics.vector_ops_arithmetic import Arithmetic
from accelsim.numerics.vector_ops_reductions import (
    attribute_number,
    attribute_pair,
    attribute_window,
)
from accelsim.workload.ops import Attribute
from accelsim.workload.training_functions import UPDATE_FUNCTIONS

Array = NDArray[np.floating[Any]]
Attributes = Mapping[str, Attribute]
Function = Callable[[Sequence[Array], Attributes, Arithmetic], Array]


def _plain(function: Callable[..., Array]) -> Function:
    """Return a function of arrays and arithmetic as one that also takes attributes."""

    def call(inputs: Sequence[Array], _attributes: Attributes, arithmetic: Arithmetic) -> Array:
        return function(*inputs, arithmetic)

    return call


def _relu_backward(inputs: Sequence[Array], _attrs: Attributes, _arithmetic: Arithmetic) -> Array:
    return backward.relu_backward(inputs[0], inputs[1])


def _positive(inputs: Sequence[Array], _attrs: Attributes, _arithmetic: Arithmetic) -> Array:
    return (inputs[0] > 0).astype(inputs[0].dtype)


def _largest_place(inputs: Sequence[Array], attrs: Attributes, _arithmetic: Arithmetic) -> Array:
    return backward.largest_place(inputs[0], attribute_window(attrs))


def _place_backward(inputs: Sequence[Array], attrs: Attributes, arithmetic: Arithmetic) -> Array:
    extents, window = attribute_pair(attrs["extents"]), attribute_window(attrs)
    return backward.place_backward(inputs[0], inputs[1], extents, window, arithmetic)


def _max_pool_backward(inputs: Sequence[Array], attrs: Attributes, arithmetic: Arithmetic) -> Array:
    return backward.max_pool_backward(inputs[0], inputs[1], attribute_window(attrs), arithmetic)


def _avg_pool_backward(inputs: Sequence[Array], attrs: Attributes, arithmetic: Arithmetic) -> Array:
    return backward.avg_pool_backward(
        inputs[0],
        attribute_pair(attrs["extents"]),
        attribute_window(attrs),
        arithmetic,
        count_pad=bool(attrs["count_include_pad"]),
    )


def _global_avg_pool_backward(
    inputs: Sequence[Array], attrs: Attributes, arithmetic: Arithmetic
) -> Array:
    extents = attribute_pair(attrs["extents"])
    return backward.global_avg_pool_backward(inputs[0], extents, arithmetic)


def _batch_norm_backward(
    inputs: Sequence[Array], _attrs: Attributes, arithmetic: Arithmetic
) -> Array:
    error, x, mean, inverse, scale, error_mean, product_mean = inputs
    constants = (mean, inverse, scale, error_mean, product_mean)
    return statistics.batch_norm_backward(error, x, constants, arithmetic)


def _inverse_deviation(inputs: Sequence[Array], attrs: Attributes, arithmetic: Arithmetic) -> Array:
    return statistics.inverse_deviation(inputs[0], attribute_number(attrs["eps"]), arithmetic)


def _subtract_product(inputs: Sequence[Array], _attrs: Attributes, arithmetic: Arithmetic) -> Array:
    return arithmetic.subtract(inputs[0], arithmetic.multiply(inputs[1], inputs[2]))


def _divide_by_count(inputs: Sequence[Array], attrs: Attributes, arithmetic: Arithmetic) -> Array:
    return arithmetic.divide_by_count(inputs[0], int(attribute_number(attrs["count"])))


def _running_average(inputs: Sequence[Array], attrs: Attributes, arithmetic: Arithmetic) -> Array:
    keep, take = (
        arithmetic.enter(np.array([attribute_number(attrs[name])])) for name in ("keep", "take")
    )  # fmt: skip
    old, new = arithmetic.multiply(inputs[0], keep), arithmetic.multiply(inputs[1], take)
    return arithmetic.add(old, new)


def _all_finite(inputs: Sequence[Array], _attrs: Attributes, arithmetic: Arithmetic) -> Array:
    return np.full(1, float(np.all(np.isfinite(inputs[0]))), arithmetic.carrier)


def _remember_amax(inputs: Sequence[Array], _attrs: Attributes, arithmetic: Arithmetic) -> Array:
    newest = np.full(1, largest_finite(inputs[0]), arithmetic.carrier)
    return np.concatenate([newest, arithmetic.cast(inputs[1])[:-1]])


def _direction_factor(inputs: Sequence[Array], attrs: Attributes, arithmetic: Arithmetic) -> Array:
    decay, floor = attribute_number(attrs["decay"]), attribute_number(attrs["floor"])
    return arithmetic.enter(np.array([direction_factor(inputs[0], inputs[1], decay, floor)]))


def _adam_step(inputs: Sequence[Array], attrs: Attributes, arithmetic: Arithmetic) -> Array:
    first, second, correction = inputs
    return adam_step(first, second, correction, attribute_number(attrs["epsilon"]), arithmetic)


def _update(
    function: str, inputs: Sequence[Array], _attrs: Attributes, _arithmetic: Arithmetic
) -> Array:
    """Compute an update in float64, the reference of `accelsim.numerics.update_ops`."""
    return reference_update(function, inputs)


#: Functions of training by name; updates give their float64 reading.
TRAINING: Mapping[str, Function] = MappingProxyType(
    {
        "adam_step": _adam_step,
        "all_finite": _all_finite,
        "avg_pool_backward": _avg_pool_backward,
        "batch_norm_backward": _batch_norm_backward,
        "binary_cross_entropy": _plain(backward.binary_cross_entropy),
        "binary_cross_entropy_backward": _plain(backward.binary_cross_entropy_backward),
        "channel_mean": _plain(statistics.channel_mean),
        "channel_sum": _plain(statistics.channel_sum),
        "channel_variance": _plain(statistics.channel_variance),
        "cross_entropy": _plain(backward.cross_entropy),
        "cross_entropy_backward": _plain(backward.cross_entropy_backward),
        "direction_factor": _direction_factor,
        "divide_by_count": _divide_by_count,
        "global_avg_pool_backward": _global_avg_pool_backward,
        "inverse_deviation": _inverse_deviation,
        "largest_place": _largest_place,
        "max_pool_backward": _max_pool_backward,
        "normalized_sum": _plain(statistics.normalized_sum),
        "place_backward": _place_backward,
        "positive": _positive,
        "relu_backward": _relu_backward,
        "remember_amax": _remember_amax,
        "running_average": _running_average,
        "squared_error": _plain(backward.squared_error),
        "squared_error_backward": _plain(backward.squared_error_backward),
        "subtract_product": _subtract_product,
        **{name: partial(_update, name) for name in UPDATE_FUNCTIONS},
    }
)
