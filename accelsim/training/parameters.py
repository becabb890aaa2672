"""From the tensors of a training trace back to the parameters of the network.

A trace keeps weights channels-last; a weight file, and another trace, want
PyTorch's layout. What `accelsim.workload.parameters` prepared is turned back here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelsim.errors import UnsupportedError
from accelsim.workload.parameters import ParameterSpec, Preparation, TraceParameter

Array = NDArray[Any]


def network_parameters(
    parameters: Iterable[TraceParameter],
    tensors: Mapping[str, Array],
    specs: Mapping[str, ParameterSpec],
) -> dict[str, Array]:
    """Return the network's parameters by full name, in PyTorch's layout.

    Parameters
    ----------
    parameters : iterable of TraceParameter
        Of the trace; those made of nothing, such as the optimizer's state, are left out.
    tensors : mapping from str to array
        By tensor name, in the trace's layout.
    specs : mapping from str to ParameterSpec
        `Workload.parameters`, for the shapes.

    Raises
    ------
    UnsupportedError
        If a tensor is made of more than one parameter, so that it cannot be taken apart.
    """
    result: dict[str, Array] = {}
    for parameter in parameters:
        if not parameter.sources:
            continue
        if len(parameter.sources) > 1:
            raise UnsupportedError(
                f"{parameter.tensor!r} is made of {', '.join(parameter.sources)} and cannot be"
                " taken apart; train the network with fold_batch_norm: false."
            )
        name = parameter.sources[0]
        restored = _restored(parameter, tensors[parameter.tensor], specs[name].shape)
        result[name] = np.ascontiguousarray(restored)
    return result


def _restored(parameter: TraceParameter, tensor: Array, shape: tuple[int, ...]) -> Array:
    """Return one parameter in PyTorch's layout, given its tensor in the trace's."""
    attributes: dict[str, Any] = dict(parameter.attributes)
    match parameter.preparation:
        case Preparation.COPY:
            return tensor.reshape(shape)
        case Preparation.CONV_WEIGHT:
            groups = attributes["groups"]
            out, channels, kernel_y, kernel_x = shape
            taps = tensor.reshape(groups, kernel_y, kernel_x, channels, out // groups)
            restored: Array = taps.transpose(0, 4, 3, 1, 2).reshape(shape)
            return restored
        case Preparation.LINEAR_WEIGHT:
            weight: Array = tensor[0].T  # (out, in)
            if "flattened_from" not in attributes:
                return weight
            channels, height, width = attributes["flattened_from"]
            mapped = weight.reshape(shape[0], height, width, channels).transpose(0, 3, 1, 2)
            return mapped.reshape(shape)
        case other:
            raise UnsupportedError(f"{parameter.tensor!r} was made by {other}, which is one way.")
