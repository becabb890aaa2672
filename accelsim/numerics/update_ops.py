"""The update of weights: exact multiply-adds, each rounded once to its stored format.

What they compute is in `accelsim.workload.training_functions`. Products of two
numbers of at most 26 significant bits are exact in float64, and `axpy` adds a third
product to one of them exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelsim.formats import NumberFormat, Overflow
from accelsim.formats.random_bits import StreamKey
from accelsim.numerics.elementwise import axpy
from accelsim.numerics.vector_ops_arithmetic import Arithmetic
from accelsim.workload.ops import VectorOp

Array = NDArray[np.floating[Any]]
#: alpha, x and y of alpha * x + y.
Terms = tuple[Array, Array, Array]


def compute_update(
    op: VectorOp, inputs: Sequence[Array], fmt: NumberFormat, key: StreamKey
) -> Array:
    """Return the result of an update, rounded once to `fmt` as the op says.

    Parameters
    ----------
    op : VectorOp
        One of `accelsim.workload.training_functions.UPDATE_FUNCTIONS`.
    inputs : sequence of array
        In the op's order.
    fmt : NumberFormat
        Format of the output.
    key : StreamKey
        Names the random bits of a stochastic rounding.
    """
    alpha, x, y = _TERMS[op.function](inputs, Arithmetic(op.compute_format))
    bits = op.attribute("random_bits")
    assert isinstance(bits, int), "a lowered update says its random bits"
    return axpy(
        alpha, x, y, fmt,
        rounding=op.rounding,
        saturate=op.overflow is Overflow.SATURATE,
        random_bits=bits,
        key=key,
    )  # fmt: skip


def reference_update(function: str, inputs: Sequence[Array]) -> Array:
    """Return the result of an update in float64."""
    alpha, x, y = _TERMS[function](inputs, Arithmetic(None))
    return np.asarray(alpha * x + y, dtype=np.float64)


def adam_step(
    first: Array, second: Array, correction: Array, epsilon: float, arithmetic: Arithmetic
) -> Array:
    """Return Adam's step, the corrected mean over the root of the corrected square."""
    mean = arithmetic.multiply(first, correction[:1])
    root = arithmetic.sqrt(arithmetic.multiply(second, correction[1:]))
    with np.errstate(all="ignore"):
        divisor = arithmetic.enter(np.asarray(root, dtype=np.float64) + epsilon)
    return arithmetic.divide(mean, divisor)


def _l2_regularize(inputs: Sequence[Array], arithmetic: Arithmetic) -> Terms:
    weight, gradient, weight_decay, loss_scale = inputs
    inverse = arithmetic.enter(1.0 / np.asarray(loss_scale, dtype=np.float64))
    return weight_decay, weight, _product(gradient, inverse)


def _momentum_accumulate(inputs: Sequence[Array], _arithmetic: Arithmetic) -> Terms:
    velocity, gradient, momentum, learning_rate = inputs
    return momentum, velocity, _product(gradient, learning_rate)


def _weight_update(inputs: Sequence[Array], _arithmetic: Arithmetic) -> Terms:
    weight, velocity = inputs
    return np.full(1, -1.0, velocity.dtype), velocity, weight


def _adam_mean(inputs: Sequence[Array], arithmetic: Arithmetic) -> Terms:
    first, gradient, beta = inputs
    return beta, first, _product(gradient, _rest(beta, arithmetic))


def _adam_square(inputs: Sequence[Array], arithmetic: Arithmetic) -> Terms:
    second, gradient, beta = inputs
    square = arithmetic.multiply(gradient, gradient)
    return beta, second, _product(square, _rest(beta, arithmetic))


def _adam_update(inputs: Sequence[Array], _arithmetic: Arithmetic) -> Terms:
    weight, step, learning_rate = inputs
    return -learning_rate, step, weight


def _rest(beta: Array, arithmetic: Arithmetic) -> Array:
    return arithmetic.subtract(np.ones(1, beta.dtype), beta)


def _product(x: Array, factor: Array) -> Array:
    """Return the exact product in float64."""
    with np.errstate(all="ignore"):
        return np.asarray(x, dtype=np.float64) * np.asarray(factor, dtype=np.float64)


_TERMS: Mapping[str, Callable[[Sequence[Array], Arithmetic], Terms]] = MappingProxyType(
    {
        "adam_mean": _adam_mean,
        "adam_square": _adam_square,
        "adam_update": _adam_update,
        "l2_regularize": _l2_regularize,
        "momentum_accumulate": _momentum_accumulate,
        "weight_update": _weight_update,
    }
)
