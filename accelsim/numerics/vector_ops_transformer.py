"""What transformers need of the vector unit: norms of rows, softmax with a mask, rows.

What every function computes, and in which order, is in
`accelsim.workload.transformer_functions`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelsim.numerics.normal_distribution import normal_density, normal_distribution
from accelsim.numerics.vector_ops_arithmetic import Arithmetic
from accelsim.numerics.vector_ops_statistics import channel_sum, inverse_deviation, ordered_sum

Array = NDArray[np.floating[Any]]
Float64Array = NDArray[np.float64]

#: sqrt(2 / pi) and the cubic term of the approximation of the normal distribution function:
#: D. Hendrycks, K. Gimpel, "Gaussian error linear units", arXiv 1606.08415, 2016.
_TANH_SLOPE, _TANH_CUBIC = math.sqrt(2 / math.pi), 0.044715


def row_sum(x: Array, arithmetic: Arithmetic) -> Array:
    """Return the ordered rounded sum over the last axis, which stays with extent 1.

    Examples
    --------
    >>> row_sum(np.array([[1.0, 2.0], [3.0, 4.0]]), Arithmetic(None)).tolist()
    [[3.0], [7.0]]
    """
    rows = arithmetic.cast(x).reshape(-1, x.shape[-1])
    return ordered_sum(np.ascontiguousarray(rows.T), arithmetic).reshape(*x.shape[:-1], 1)


def layer_norm(x: Array, gain: Array, bias: Array, eps: float, arithmetic: Arithmetic) -> Array:
    """Return the layer norm over the last axis.

    Parameters
    ----------
    x : array (..., features)
        A row with NaN or infinity becomes NaN.
    gain, bias : array (features,)
    eps : float
        Added to the variance.
    arithmetic : Arithmetic
    """
    normal, _ = _normalize(x, eps, arithmetic)
    return arithmetic.add(arithmetic.multiply(normal, gain), bias)


def layer_norm_backward(
    error: Array, x: Array, gain: Array, eps: float, arithmetic: Arithmetic
) -> Array:
    """Return the error of the layer norm's input `x`."""
    normal, inverse = _normalize(x, eps, arithmetic)
    weighted, count = arithmetic.multiply(error, gain), x.shape[-1]
    mean = arithmetic.divide_by_count(row_sum(weighted, arithmetic), count)
    products = row_sum(arithmetic.multiply(weighted, normal), arithmetic)
    product_mean = arithmetic.divide_by_count(products, count)
    rest = arithmetic.subtract(
        arithmetic.subtract(weighted, mean), arithmetic.multiply(normal, product_mean)
    )
    return arithmetic.multiply(rest, inverse)


def layer_norm_weight_gradient(error: Array, x: Array, eps: float, arithmetic: Arithmetic) -> Array:
    """Return the gradient of the layer norm's gain, (features,)."""
    normal, _ = _normalize(x, eps, arithmetic)
    return channel_sum(arithmetic.multiply(error, normal), arithmetic)


def gelu(x: Float64Array, *, is_tanh: bool) -> Float64Array:
    """Return x P(x) in float64; 0 at -infinity."""
    with np.errstate(invalid="ignore"):
        return np.where(x == -np.inf, 0.0, x * _share_below(x, is_tanh=is_tanh))


def gelu_slope(x: Float64Array, *, is_tanh: bool) -> Float64Array:
    """Return P(x) + x P'(x) in float64; 0 at -infinity and 1 at infinity."""
    bounded = np.clip(x, -100.0, 100.0)  # beyond, the slope is 0 or 1 to the last bit
    share = _share_below(bounded, is_tanh=is_tanh)
    if is_tanh:
        inner = 2 * _TANH_SLOPE * (1 + 3 * _TANH_CUBIC * np.square(bounded))
        density = share * (1 - share) * inner
    else:
        density = normal_density(bounded)
    return np.asarray(share + bounded * density)


def softmax_backward(error: Array, y: Array, scale: float, arithmetic: Arithmetic) -> Array:
    """Return the error of a softmax's input, before it was multiplied by `scale`."""
    total = row_sum(arithmetic.multiply(error, y), arithmetic)
    share = arithmetic.multiply(arithmetic.subtract(error, total), y)
    return arithmetic.multiply(share, _entered(scale, arithmetic))


def scaled_softmax(
    x: Array, mask: Array | None, scale: float, arithmetic: Arithmetic, *, causal: bool
) -> Array:
    """Return the softmax of ``x * scale + mask`` over the last axis.

    Parameters
    ----------
    x : array (batch, heads, queries, keys)
        Any shape with a last axis where nothing is masked.
    mask : array (batch, queries or 1, keys), optional
        Summands; -infinity or a large negative number hides a key.
    scale : float
        Rounded to the format first.
    arithmetic : Arithmetic
    causal : bool
        Query i of n sees the first keys - n + 1 + i keys; the others get +0.

    Returns
    -------
    array
        In the shape of x. A row that sees nothing, or has NaN or +infinity, becomes NaN.
    """
    values = arithmetic.multiply(x, _entered(scale, arithmetic))
    if mask is not None:
        values = arithmetic.add(values, mask[:, None])
    if causal:
        queries, keys = x.shape[-2:]
        is_seen = np.arange(keys) <= np.arange(queries)[:, None] + (keys - queries)
        values = np.where(is_seen, values, -np.inf)
    top = np.max(values, axis=-1, keepdims=True) if values.size else values
    powers = arithmetic.exp(arithmetic.subtract(values, top))
    if causal:
        powers = np.where(is_seen, powers, powers.dtype.type(0.0))
    return arithmetic.divide(powers, row_sum(powers, arithmetic))


def position_add(
    x: Array, table: Array, offset: int, scale: float, arithmetic: Arithmetic
) -> Array:
    """Return x (..., length, features) times a number, plus rows of a table from `offset` on."""
    return arithmetic.add(rescale(x, scale, arithmetic), table[offset : offset + x.shape[-2]])


def rescale(x: Array, scale: float, arithmetic: Arithmetic) -> Array:
    """Return x times a number, which is rounded to the format first."""
    return arithmetic.multiply(x, _entered(scale, arithmetic))


def position_gradient(error: Array, offset: int, rows: int, arithmetic: Arithmetic) -> Array:
    """Return the gradient of such a table: (batch, length, features) gives (rows, features)."""
    length, features = error.shape[-2:]
    out = np.zeros((rows, features), arithmetic.carrier)
    flat = error.reshape(-1, length * features)
    out[offset : offset + length] = ordered_sum(flat, arithmetic).reshape(length, features)
    return out


def prepend_row(x: Array, row: Array) -> Array:
    """Return x (batch, length, features) with a row (features,) before each sample's."""
    first = np.broadcast_to(row.astype(x.dtype), (*x.shape[:-2], 1, x.shape[-1]))
    return np.concatenate([first, x], axis=-2)


def first_row_sum(error: Array, arithmetic: Arithmetic) -> Array:
    """Return the ordered sum of the first row of every sample: the gradient of such a row."""
    return ordered_sum(arithmetic.cast(error[..., 0, :]).reshape(-1, error.shape[-1]), arithmetic)


def append_rows(past: Array, x: Array) -> Array:
    """Return the rows of `x` behind those of `past`, along the last axis but one."""
    return np.concatenate([past, x], axis=-2)


def drop_rows(x: Array, count: int) -> Array:
    """Return x without its first rows, along the last axis but one."""
    return np.ascontiguousarray(x[..., count:, :])


def _entered(number: float, arithmetic: Arithmetic) -> Array:
    return arithmetic.enter(np.array([number]))


def _normalize(x: Array, eps: float, arithmetic: Arithmetic) -> tuple[Array, Array]:
    """Return the normalised rows and the inverse deviation of each, (..., 1)."""
    count = x.shape[-1]
    mean = arithmetic.divide_by_count(row_sum(x, arithmetic), count)
    centred = arithmetic.subtract(x, mean)
    squares = row_sum(arithmetic.multiply(centred, centred), arithmetic)
    inverse = inverse_deviation(arithmetic.divide_by_count(squares, count), eps, arithmetic)
    return arithmetic.multiply(centred, inverse), inverse


def _share_below(x: Float64Array, *, is_tanh: bool) -> Float64Array:
    """Return P(x); with the approximation (1 + tanh u) / 2 = 1 / (1 + exp(-2 u))."""
    if not is_tanh:
        return normal_distribution(x)
    inner = _TANH_SLOPE * (x + _TANH_CUBIC * x * np.square(x))
    with np.errstate(over="ignore", invalid="ignore"):
        return np.asarray(1.0 / (1.0 + np.exp(-2.0 * inner)))
