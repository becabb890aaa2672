"""What a layer learns, and how a trace gets it from a weight file.

A workload names parameters as PyTorch does and in PyTorch's layout, because that
is what weight files hold. A trace wants them channels-last, batch norm reduced to
one factor and one summand per channel: each `TraceParameter` says from which
parameters of the workload it is made and how. All of it is float64; the rounding
to the tensor's format comes after, once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelsim.errors import DataError
from accelsim.precision.threshold import Threshold
from accelsim.workload.ops import Attribute, Role

Float64Array = NDArray[np.float64]


class Initial(StrEnum):
    """Distribution of a parameter where no weight file is given."""

    #: Normal, mean 0, variance 2 / fan_in (He et al. 2015).
    HE_NORMAL = "he_normal"
    #: All zero.
    ZERO = "zero"
    #: All one.
    ONE = "one"


@dataclass(frozen=True, slots=True)
class ParameterSpec:
    """A parameter of a layer, in PyTorch's name and layout.

    Parameters
    ----------
    name : str
        Name within the layer, such as ``weight``; with the layer's name before it
        in `Workload.parameters`.
    shape : tuple of int
        Such as (out_channels, in_channels / groups, kernel_height, kernel_width).
    role : Role
        WEIGHT for what a GEMM multiplies, else PARAMETER.
    initial : Initial
        Distribution where no weight file is given.
    fan_in : int
        Products per output, for `Initial.HE_NORMAL`.
    learned : bool
        False for the running mean and variance of batch norm, which no gradient
        changes and parameter counts leave out.
    """

    name: str
    shape: tuple[int, ...]
    role: Role
    initial: Initial
    fan_in: int = 1
    learned: bool = True


class Preparation(StrEnum):
    """How a tensor of a trace is made from parameters of the workload.

    Sources are named in the order in which `TraceParameter.sources` lists them;
    gamma, beta, mean, var are ``weight``, ``bias``, ``running_mean`` and
    ``running_var`` of a batch norm, and factor = gamma / sqrt(var + eps).
    """

    #: (p): p itself.
    COPY = "copy"
    #: (): zeros, of the attribute ``shape``.
    ZEROS = "zeros"
    #: (): sines and cosines of positions, of the attribute ``shape``; see `sinusoids`.
    SINUSOIDS = "sinusoids"
    #: (p): p once for each of ``batch`` samples.
    BROADCAST = "broadcast"
    #: (weight): (out, in / groups, ky, kx) becomes (groups, (ky, kx, in), out / groups).
    CONV_WEIGHT = "conv_weight"
    #: (weight, gamma, var): as CONV_WEIGHT, after multiplying output channel c by factor[c].
    FOLDED_CONV_WEIGHT = "folded_conv_weight"
    #: (weight): (out, in) becomes (1, in, out); with ``flattened_from`` (channels, height,
    #: width) the rows go from that order to (height, width, channels).
    LINEAR_WEIGHT = "linear_weight"
    #: (weight): (gates x units, in) becomes (1, in, (unit, gate)), for gates ``start`` to
    #: ``stop`` of ``gates``.
    GATED_WEIGHT = "gated_weight"
    #: (bias, ...): the sum of (gates x units), as (unit, gate), for the same gates.
    GATED_BIAS = "gated_bias"
    #: (gamma, var): factor.
    BATCH_NORM_SCALE = "batch_norm_scale"
    #: (gamma, beta, mean, var): beta - mean * factor.
    BATCH_NORM_SHIFT = "batch_norm_shift"
    #: (gamma, beta, mean, var[, bias]): beta + (bias - mean) * factor.
    FOLDED_BIAS = "folded_bias"


@dataclass(frozen=True, slots=True)
class TraceParameter:
    """How one stored tensor of a trace is made when the weights are loaded.

    Parameters
    ----------
    tensor : str
        Name of the tensor in the trace; its `TensorInfo` has shape and format.
    preparation : Preparation
        How it is made.
    sources : tuple of str
        Full names of the workload's parameters that it is made of.
    attributes : tuple of (name, value)
        ``batch``, ``groups``, ``eps``, ``shape`` or ``flattened_from``, as the preparation needs.
    scale : str or None
        Name of the tensor that receives the scale of a scaled tensor: of one element, or
        with `per_channel` of one for each column of (groups, k, n), group by group.
    power_of_two, margin
        As in `accelsim.precision.scaling.amax_scale`; meaningful with `scale` only.
    threshold, percentile
        As in `accelsim.precision.threshold.clipping_threshold`; with `scale` only.
    per_channel : bool
        Every column of (groups, k, n) has a scale of its own.
    """

    tensor: str
    preparation: Preparation
    sources: tuple[str, ...]
    attributes: tuple[tuple[str, Attribute], ...] = ()
    scale: str | None = None
    power_of_two: bool = True
    margin: int = 0
    threshold: Threshold = Threshold.AMAX
    percentile: float = 100.0
    per_channel: bool = False

    def attribute(self, name: str) -> Any:
        """Return an attribute by name; KeyError if there is none of that name."""
        return dict(self.attributes)[name]


def prepare_parameter(
    parameter: TraceParameter, parameters: Mapping[str, NDArray[Any]]
) -> Float64Array:
    """Make the unrounded, unscaled contents of a trace's stored tensor.

    Parameters
    ----------
    parameter : TraceParameter
        What to make.
    parameters : mapping from str to array
        The workload's parameters by full name, in PyTorch's layout.

    Returns
    -------
    float64 array
        In the trace's layout. NaN and infinity go through.

    Raises
    ------
    DataError
        If a source is missing, or a variance is negative.
    """
    missing = [name for name in parameter.sources if name not in parameters]
    if missing:
        raise DataError(f"The weights lack {', '.join(missing)}.")
    sources = [np.asarray(parameters[name], dtype=np.float64) for name in parameter.sources]
    return np.ascontiguousarray(_PREPARATIONS[parameter.preparation](parameter, sources))


def _copy(_parameter: TraceParameter, sources: Sequence[Float64Array]) -> Float64Array:
    return sources[0]


def _zeros(parameter: TraceParameter, _sources: Sequence[Float64Array]) -> Float64Array:
    return np.zeros(parameter.attribute("shape"))


def _sinusoids(parameter: TraceParameter, _sources: Sequence[Float64Array]) -> Float64Array:
    return sinusoids(parameter.attribute("shape"))


def sinusoids(shape: tuple[int, int]) -> Float64Array:
    """Return sines and cosines of positions, shape (positions, features).

    Features 2 i and 2 i + 1 of position p are sine and cosine of p / 10000**(2 i / features).

    References
    ----------
    A. Vaswani et al., "Attention is all you need", NeurIPS 2017, section 3.5.
    """
    positions, features = shape
    even = np.arange(features) // 2 * 2
    angles = np.arange(positions)[:, None] / 10000.0 ** (even / features)
    return np.where(np.arange(features) % 2 == 0, np.sin(angles), np.cos(angles))


def _broadcast(parameter: TraceParameter, sources: Sequence[Float64Array]) -> Float64Array:
    return np.broadcast_to(sources[0], (int(parameter.attribute("batch")), *sources[0].shape))


def _conv_weight(parameter: TraceParameter, sources: Sequence[Float64Array]) -> Float64Array:
    weight = sources[0]  # (out, in / groups, ky, kx)
    groups = int(parameter.attribute("groups"))
    out, channels, kernel_y, kernel_x = weight.shape
    grouped = weight.reshape(groups, out // groups, channels, kernel_y, kernel_x)
    return grouped.transpose(0, 3, 4, 2, 1).reshape(groups, -1, out // groups)


def _folded_conv_weight(parameter: TraceParameter, sources: Sequence[Float64Array]) -> Float64Array:
    weight, gamma, var = sources
    factor = _factor(parameter, gamma, var)
    return _conv_weight(parameter, (weight * factor[:, None, None, None],))


def _linear_weight(parameter: TraceParameter, sources: Sequence[Float64Array]) -> Float64Array:
    weight = sources[0]  # (out, in)
    flattened_from = dict(parameter.attributes).get("flattened_from")
    if flattened_from is not None:
        weight = channels_last_columns(weight, flattened_from)  # type: ignore[arg-type]
    return weight.T[None]


def channels_last_columns(
    weight: Float64Array, flattened_from: tuple[int, int, int]
) -> Float64Array:
    """Reorder the columns of (out, in) from (channels, height, width) to channels last."""
    out = weight.shape[0]
    return weight.reshape(out, *flattened_from).transpose(0, 2, 3, 1).reshape(out, -1)


def _gated_weight(parameter: TraceParameter, sources: Sequence[Float64Array]) -> Float64Array:
    chosen = _gates(parameter, sources[0])  # (gates, units, in)
    return chosen.transpose(2, 1, 0).reshape(1, chosen.shape[2], -1)


def _gated_bias(parameter: TraceParameter, sources: Sequence[Float64Array]) -> Float64Array:
    return _gates(parameter, np.sum(sources, axis=0)).T.reshape(-1)


def _gates(parameter: TraceParameter, values: Float64Array) -> Float64Array:
    """Split the first axis into (gates, units) and return the gates that are asked for."""
    gates, start, stop = (int(parameter.attribute(name)) for name in ("gates", "start", "stop"))
    return values.reshape(gates, -1, *values.shape[1:])[start:stop]


def _batch_norm_scale(parameter: TraceParameter, sources: Sequence[Float64Array]) -> Float64Array:
    return _factor(parameter, *sources)


def _batch_norm_shift(parameter: TraceParameter, sources: Sequence[Float64Array]) -> Float64Array:
    gamma, beta, mean, var = sources
    return beta - mean * _factor(parameter, gamma, var)


def _folded_bias(parameter: TraceParameter, sources: Sequence[Float64Array]) -> Float64Array:
    gamma, beta, mean, var, *bias = sources
    own = bias[0] if bias else 0.0
    return beta + (own - mean) * _factor(parameter, gamma, var)


def _factor(parameter: TraceParameter, gamma: Float64Array, var: Float64Array) -> Float64Array:
    if np.any(var < 0):
        raise DataError(f"A variance that {parameter.tensor!r} is made of is negative.")
    return gamma / np.sqrt(var + float(parameter.attribute("eps")))


_PREPARATIONS: Mapping[
    Preparation, Callable[[TraceParameter, Sequence[Float64Array]], Float64Array]
] = MappingProxyType(
    {
        Preparation.COPY: _copy,
        Preparation.ZEROS: _zeros,
        Preparation.SINUSOIDS: _sinusoids,
        Preparation.BROADCAST: _broadcast,
        Preparation.CONV_WEIGHT: _conv_weight,
        Preparation.FOLDED_CONV_WEIGHT: _folded_conv_weight,
        Preparation.LINEAR_WEIGHT: _linear_weight,
        Preparation.GATED_WEIGHT: _gated_weight,
        Preparation.GATED_BIAS: _gated_bias,
        Preparation.BATCH_NORM_SCALE: _batch_norm_scale,
        Preparation.BATCH_NORM_SHIFT: _batch_norm_shift,
        Preparation.FOLDED_BIAS: _folded_bias,
    }
)
