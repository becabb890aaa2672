"""How a tensor gets into the memory of the chip: rounded once to its stored format."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelsim.errors import DataError
from accelsim.formats import NumberFormat, Overflow, Rounding
from accelsim.formats.random_bits import Site, StreamKey, random_bits
from accelsim.numerics.vector_ops_arithmetic import is_binary32
from accelsim.precision.scaling import amax_scale
from accelsim.precision.threshold import clipping_threshold
from accelsim.workload.ops import Role, TensorInfo
from accelsim.workload.parameters import TraceParameter

Array = NDArray[np.floating[Any]]


class ParameterMemory:
    """Parameters as they are stored, kept from one execution to the next.

    For traces of one network, lowered with one recipe for inputs of several sizes, and
    one set of parameters.
    """

    def __init__(self) -> None:
        self._kept: dict[tuple[str, tuple[int, ...]], tuple[Array, Array]] = {}

    def load(
        self, tensors: Mapping[str, Array], info: TensorInfo, parameter: TraceParameter
    ) -> tuple[Array, Array]:
        """Return what `load_parameter` does, which runs once for each parameter.

        What `tensors` make when they are asked is made once, too.
        """
        key = (info.name, info.shape)
        if key not in self._kept:
            self._kept[key] = load_parameter(tensors[info.name], info, parameter)
        return self._kept[key]


def store_tensor(
    x: Array,
    fmt: NumberFormat,
    *,
    rounding: Rounding,
    overflow: Overflow | None,
    key: StreamKey,
) -> Array:
    """Round `x` once to `fmt` and return it in the format's value type.

    Random bits of a stochastic rounding are named by `key` and by the element: its
    column is the last axis, its row counts through all others.
    """
    noise = None
    if rounding is Rounding.STOCHASTIC:
        columns = x.shape[-1] if x.ndim else 1
        rows = np.arange(x.size // max(1, columns))[:, None]
        noise = random_bits(key, Site.STORE, rows, np.arange(columns)).reshape(x.shape)
    elif is_binary32(fmt) and x.dtype == np.float32 and overflow is not Overflow.SATURATE:
        return x  # every float32 is a member
    values = fmt.quantize(x, rounding=rounding, overflow=overflow, random_bits=noise)
    return values.astype(fmt.value_dtype, copy=False)


def load_input(x: Array, info: TensorInfo) -> Array:
    """Return a given tensor as it is stored: rounded once, to nearest even."""
    _check_shape(x, info)
    return store_tensor(
        x, info.format, rounding=Rounding.NEAREST_EVEN, overflow=None, key=StreamKey()
    )


def load_parameter(x: Array, info: TensorInfo, parameter: TraceParameter) -> tuple[Array, Array]:
    """Return a parameter as it is stored, and the scales that it was multiplied by.

    What a GEMM multiplies saturates, as activations do in their store; the rest
    follows the overflow rule of its format. Both are rounded once, to nearest even.
    The scales have a shape that broadcasts to the parameter's: one element, (groups, 1, n)
    for one per channel; 1 where the parameter has none.
    """
    _check_shape(x, info)
    scale: Array = np.ones(1)
    if parameter.scale is not None:
        scale = _scales(x, info.format, parameter)
        x = np.asarray(x, dtype=np.float64) * scale
    overflow = Overflow.SATURATE if info.role is Role.WEIGHT else None
    stored = store_tensor(
        x, info.format, rounding=Rounding.NEAREST_EVEN, overflow=overflow, key=StreamKey()
    )
    return stored, scale


def _scales(x: Array, fmt: NumberFormat, parameter: TraceParameter) -> Array:
    """Return the scale of a weight, or of each of its columns."""

    def scale(part: Array) -> float:
        largest = clipping_threshold(
            part,
            fmt,
            parameter.threshold,
            percentile=parameter.percentile,
            power_of_two=parameter.power_of_two,
            margin=parameter.margin,
        )
        return amax_scale(
            largest, fmt.max_finite, power_of_two=parameter.power_of_two, margin=parameter.margin
        )

    if not parameter.per_channel:
        return np.array([scale(x)])
    return np.array([[[scale(column) for column in group.T]] for group in x])


def _check_shape(x: Array, info: TensorInfo) -> None:
    if x.shape != info.shape:
        raise DataError(
            f"Tensor {info.name!r} has shape {x.shape}; the trace was lowered for {info.shape}."
            " Lower the workload again for this input, or give it the right one."
        )
