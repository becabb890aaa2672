"""From a `VectorOp` of a trace to the layer-level function that computes it.

The names, inputs and attributes are those of
`accelsim.workload.vector_functions`. A result is in the op's compute format;
rounding it to the stored format of its output is the executor's part. ``store``
is nothing but that rounding: here it gives its input, scaled where asked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelsim.errors import UnknownNameError
from accelsim.formats import NumberFormat
from accelsim.numerics import vector_ops as elementwise
from accelsim.numerics import vector_ops_reductions as reductions
from accelsim.numerics.clipping import least_turning_scale
from accelsim.numerics.vector_ops_activations import ACTIVATIONS
from accelsim.numerics.vector_ops_arithmetic import Arithmetic
from accelsim.numerics.vector_ops_recurrent import RECURRENT_STEPS
from accelsim.numerics.vector_ops_shapes import SHAPES
from accelsim.numerics.vector_ops_training import TRAINING
from accelsim.numerics.vector_ops_transformer_table import TRANSFORMER
from accelsim.precision.recipe import ScalingMethod
from accelsim.precision.scaling import amax_scale
from accelsim.workload.ops import Attribute, VectorOp
from accelsim.workload.vector_function import SCALED_BY_DIRECTION
from accelsim.workload.vector_functions import VECTOR_FUNCTIONS

Array = NDArray[np.floating[Any]]
Attributes = Mapping[str, Attribute]
Function = Callable[[Sequence[Array], Attributes, Arithmetic], Array]
#: Values of ``scaling`` that come with a scale.
_SCALED = (ScalingMethod.AMAX, SCALED_BY_DIRECTION)


def compute_vector_op(op: VectorOp, inputs: Sequence[Array], arithmetic: Arithmetic) -> Array:
    """Return the result of a vector op in its compute format, before it is stored.

    Parameters
    ----------
    op : VectorOp
        Any function of `accelsim.workload.vector_functions.VECTOR_FUNCTIONS`.
    inputs : sequence of array
        In the op's order, channels last.
    arithmetic : Arithmetic
        ``Arithmetic(op.compute_format)``, or ``Arithmetic(None)`` for the float64
        reference.

    Raises
    ------
    UnknownNameError
        If no function has the op's name.
    """
    function = _FUNCTIONS.get(op.function)
    if function is None:
        raise UnknownNameError("vector function", op.function, _FUNCTIONS)
    return function(inputs, dict(op.attributes), arithmetic)


def makes_parts(op: VectorOp) -> bool:
    """Return whether an op's outputs are the parts of one result, along its first axis."""
    return VECTOR_FUNCTIONS[op.function].splits


def parts_of(op: VectorOp, result: Array) -> tuple[Array, ...]:
    """Return the tensors that the result of `compute_vector_op` stands for."""
    return tuple(result) if makes_parts(op) else (result,)


def is_scaled(op: VectorOp) -> bool:
    """Return whether an op finds a scale for the tensor that it stores."""
    if op.function == "store_delayed":
        return True
    return op.function == "store" and dict(op.attributes).get("scaling") in _SCALED


def store_scale(op: VectorOp, inputs: Sequence[Array], fmt: NumberFormat) -> float | None:
    """Return the scale of a ``store`` or ``store_delayed``; None without one."""
    if not is_scaled(op):
        return None
    attributes = dict(op.attributes)
    remembered = inputs[0]
    if op.function == "store_delayed" and np.any(inputs[1] > 0):
        remembered = inputs[1]
    scale_of = partial(
        amax_scale,
        max_finite=fmt.max_finite,
        power_of_two=bool(attributes["power_of_two"]),
        margin=_integer(attributes["margin"]),
    )
    amax = elementwise.largest_finite(remembered)
    if attributes.get("scaling") == SCALED_BY_DIRECTION:
        return least_turning_scale(inputs[0], fmt, amax, scale_of)
    return scale_of(amax)


def _integer(value: Attribute) -> int:
    assert isinstance(value, int), "a lowered margin or size is a whole number"
    return value


def _bias_add(inputs: Sequence[Array], _attributes: Attributes, arithmetic: Arithmetic) -> Array:
    return arithmetic.add(inputs[0], inputs[1])


def _batch_norm(inputs: Sequence[Array], _attributes: Attributes, arithmetic: Arithmetic) -> Array:
    return elementwise.batch_norm(inputs[0], inputs[1], inputs[2], arithmetic)


def _relu(inputs: Sequence[Array], _attributes: Attributes, _arithmetic: Arithmetic) -> Array:
    return elementwise.relu(inputs[0])


def _max_pool(inputs: Sequence[Array], attributes: Attributes, _arithmetic: Arithmetic) -> Array:
    return reductions.max_pool(inputs[0], reductions.attribute_window(attributes))


def _avg_pool(inputs: Sequence[Array], attributes: Attributes, arithmetic: Arithmetic) -> Array:
    count_pad = bool(attributes.get("count_include_pad", True))
    return reductions.avg_pool(
        inputs[0], reductions.attribute_window(attributes), arithmetic, count_pad=count_pad
    )


def _global_avg_pool(
    inputs: Sequence[Array], _attributes: Attributes, arithmetic: Arithmetic
) -> Array:
    return reductions.global_avg_pool(inputs[0], arithmetic)


def _local_response_norm(
    inputs: Sequence[Array], attributes: Attributes, arithmetic: Arithmetic
) -> Array:
    alpha, beta, k = (
        reductions.attribute_number(attributes[name]) for name in ("alpha", "beta", "k")
    )
    neighbours = reductions.Neighbours(_integer(attributes["size"]), alpha, beta, k)
    return reductions.local_response_norm(inputs[0], neighbours, arithmetic)


def _softmax(inputs: Sequence[Array], _attributes: Attributes, arithmetic: Arithmetic) -> Array:
    return reductions.softmax(inputs[0], arithmetic)


def _store(inputs: Sequence[Array], _attributes: Attributes, _arithmetic: Arithmetic) -> Array:
    return inputs[0]


def _unscale(inputs: Sequence[Array], _attributes: Attributes, arithmetic: Arithmetic) -> Array:
    return elementwise.unscale(inputs[0], inputs[1], inputs[2], arithmetic)


_FUNCTIONS: Mapping[str, Function] = MappingProxyType(
    {
        "avg_pool": _avg_pool,
        "batch_norm": _batch_norm,
        "bias_add": _bias_add,
        "global_avg_pool": _global_avg_pool,
        "local_response_norm": _local_response_norm,
        "max_pool": _max_pool,
        "relu": _relu,
        "softmax": _softmax,
        "store": _store,
        "store_delayed": _store,
        "unscale": _unscale,
        **ACTIVATIONS,
        **SHAPES,
        **RECURRENT_STEPS,
        **TRAINING,
        **TRANSFORMER,
    }
)
