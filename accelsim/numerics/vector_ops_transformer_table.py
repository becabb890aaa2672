"""From the `VectorOp` of a transformer to the function that computes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelsim.numerics import vector_ops_transformer as transformer
from accelsim.numerics.vector_ops_activations import activate, pass_back
from accelsim.numerics.vector_ops_arithmetic import Arithmetic
from accelsim.workload.ops import Attribute

Array = NDArray[np.floating[Any]]
Float64Array = NDArray[np.float64]
Attributes = Mapping[str, Attribute]
Function = Callable[[Sequence[Array], Attributes, Arithmetic], Array]


def _layer_norm(inputs: Sequence[Array], attributes: Attributes, arithmetic: Arithmetic) -> Array:
    x, gain, bias = inputs
    return transformer.layer_norm(x, gain, bias, _number(attributes, "eps"), arithmetic)


def _layer_norm_backward(
    inputs: Sequence[Array], attributes: Attributes, arithmetic: Arithmetic
) -> Array:
    error, x, gain = inputs
    return transformer.layer_norm_backward(error, x, gain, _number(attributes, "eps"), arithmetic)


def _layer_norm_weight_gradient(
    inputs: Sequence[Array], attributes: Attributes, arithmetic: Arithmetic
) -> Array:
    error, x = inputs
    eps = _number(attributes, "eps")
    return transformer.layer_norm_weight_gradient(error, x, eps, arithmetic)


def _gelu_curve(x: Float64Array, attributes: Attributes) -> Float64Array:
    return transformer.gelu(x, is_tanh=attributes["approximate"] == "tanh")


def _gelu_slope(x: Float64Array, attributes: Attributes) -> Float64Array:
    return transformer.gelu_slope(x, is_tanh=attributes["approximate"] == "tanh")


def _gelu(inputs: Sequence[Array], attributes: Attributes, arithmetic: Arithmetic) -> Array:
    return activate(_gelu_curve, inputs[0], attributes, arithmetic)


def _gelu_backward(
    inputs: Sequence[Array], attributes: Attributes, arithmetic: Arithmetic
) -> Array:
    return pass_back(_gelu_slope, inputs[0], inputs[1], attributes, arithmetic)


def _scaled_softmax(
    inputs: Sequence[Array], attributes: Attributes, arithmetic: Arithmetic
) -> Array:
    x, mask = (*inputs, None)[:2]
    assert x is not None, "a softmax has an input"
    scale, causal = _number(attributes, "scale"), bool(attributes["causal"])
    return transformer.scaled_softmax(x, mask, scale, arithmetic, causal=causal)


def _softmax_backward(
    inputs: Sequence[Array], attributes: Attributes, arithmetic: Arithmetic
) -> Array:
    scale = _number(attributes, "scale")
    return transformer.softmax_backward(inputs[0], inputs[1], scale, arithmetic)


def _position_add(inputs: Sequence[Array], attributes: Attributes, arithmetic: Arithmetic) -> Array:
    x, table = inputs
    offset, scale = int(_number(attributes, "offset")), _number(attributes, "scale")
    return transformer.position_add(x, table, offset, scale, arithmetic)


def _rescale(inputs: Sequence[Array], attributes: Attributes, arithmetic: Arithmetic) -> Array:
    return transformer.rescale(inputs[0], _number(attributes, "scale"), arithmetic)


def _rows(
    function: Callable[..., Array],
    names: tuple[str, ...],
    inputs: Sequence[Array],
    attributes: Attributes,
    arithmetic: Arithmetic,
) -> Array:
    """Call a function of arrays, whole numbers and arithmetic."""
    return function(*inputs, *(int(_number(attributes, name)) for name in names), arithmetic)


def _moved(
    function: Callable[..., Array],
    names: tuple[str, ...],
    inputs: Sequence[Array],
    attributes: Attributes,
    _arithmetic: Arithmetic,
) -> Array:
    """Call a function that only moves numbers."""
    return function(*inputs, *(int(_number(attributes, name)) for name in names))


def _number(attributes: Attributes, name: str) -> float:
    value = attributes[name]
    assert isinstance(value, int | float), "a lowered op says numbers"
    return float(value)


#: Functions of transformers by name.
TRANSFORMER: Mapping[str, Function] = MappingProxyType(
    {
        "append_rows": partial(_moved, transformer.append_rows, ()),
        "drop_rows": partial(_moved, transformer.drop_rows, ("count",)),
        "first_row_sum": partial(_rows, transformer.first_row_sum, ()),
        "gelu": _gelu,
        "gelu_backward": _gelu_backward,
        "layer_norm": _layer_norm,
        "layer_norm_backward": _layer_norm_backward,
        "layer_norm_weight_gradient": _layer_norm_weight_gradient,
        "masked_softmax": _scaled_softmax,
        "position_add": _position_add,
        "position_gradient": partial(_rows, transformer.position_gradient, ("offset", "rows")),
        "prepend_row": partial(_moved, transformer.prepend_row, ()),
        "rescale": _rescale,
        "scaled_softmax": _scaled_softmax,
        "softmax_backward": _softmax_backward,
    }
)
