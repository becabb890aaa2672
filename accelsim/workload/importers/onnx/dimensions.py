"""Extents of a graph's inputs: symbolic ones given by name, the batch set to 1."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from accelsim.errors import ConfigError, Problem, near_miss_hint
from accelsim.workload.importers.onnx.model import GraphInput

#: Operators that read a map with the batch in front, channels next.
_MAP_OPS = frozenset({"Conv", "MaxPool", "AveragePool", "GlobalAveragePool"})


@dataclass(frozen=True, slots=True)
class Settled:
    """The inputs of a graph with every extent known.

    Parameters
    ----------
    inputs : tuple of GraphInput
        In order, without constants.
    batch : int
        Batch that the file was made for where it names one; 1 otherwise.
    notes : tuple of str
        What was assumed.
    """

    inputs: tuple[GraphInput, ...]
    batch: int
    notes: tuple[str, ...]


def settle_dimensions(
    graph: Any, dims: Mapping[str, int], constants: set[str], file: Path
) -> Settled:
    """Write an extent into every dimension of a graph's inputs.

    The axis that is called a batch, else the first one, is the batch where its extent
    is not written in the file, or where the input is a batch of maps: it becomes 1,
    because a network here has its batch beside it.

    Parameters
    ----------
    graph : onnx.GraphProto
        Changed in place.
    dims : mapping from str to int
        Extents by the name of a dimension, or by ``INPUT.AXIS``.
    constants : set of str
        Inputs that have a value.
    file : Path
        For errors.

    Raises
    ------
    ConfigError
        For every extent that is missing, and every name in `dims` that means nothing.
    """
    values = [value for value in graph.input if value.name not in constants]
    problems = list(_problems(values, dims, file))
    if problems:
        raise ConfigError(problems)
    known = dict(dims)
    notes: list[str] = []
    batch = 1
    has_maps = any(node.op_type in _MAP_OPS for node in graph.node)
    batch_axes = [_batch_axis(value) for value in values]
    for value, batch_axis in zip(values, batch_axes, strict=True):
        shape = value.type.tensor_type.shape
        if shape.dim and not _extent(value, batch_axis, dims):
            known.setdefault(shape.dim[batch_axis].dim_param, 1)
        for axis, dim in enumerate(shape.dim):
            dim.dim_value = _extent(value, axis, known) or 1
        if has_maps and len(shape.dim) == 4 and shape.dim[0].dim_value > 1:
            batch = shape.dim[0].dim_value
            notes.append(f"{value.name!r} is a batch of {batch} in the file; --batch sets it here.")
            shape.dim[0].dim_value = 1
    if batch == 1:
        _name_extents([*graph.value_info, *graph.output], known)
    else:
        _forget_shapes(graph)
    inputs = tuple(map(_graph_input, values, batch_axes))
    return Settled(inputs, batch, tuple(notes))


def _problems(values: Any, dims: Mapping[str, int], file: Path) -> Iterator[Problem]:
    """Yield what is missing, and what is named in vain."""
    names = set()
    for value in values:
        if not (value.type.HasField("tensor_type") and value.type.tensor_type.HasField("shape")):
            text = f"The input {value.name!r} is no tensor of known rank; such are not read."
            yield Problem(text, file=str(file))
            continue
        for axis, dim in enumerate(value.type.tensor_type.shape.dim):
            names |= {dim.dim_param, f"{value.name}.{axis}"}
            if axis != _batch_axis(value) and not _extent(value, axis, dims):
                name = dim.dim_param or f"{value.name}.{axis}"
                called = f" ({dim.dim_param})" if dim.dim_param else ""
                text = (
                    f"Axis {axis}{called} of the input {value.name!r} has no extent;"
                    f" give it: --dim {name}=N."
                )
                yield Problem(text, file=str(file))
    for name, extent in dims.items():
        if name not in names:
            symbols = sorted(names - {""})
            hint = near_miss_hint(name, symbols)
            text = f"No input has a dimension {name!r}.{hint} There are: {', '.join(symbols)}."
            yield Problem(text, file=f"--dim {name}={extent}")
        elif extent < 1:
            yield Problem("An extent is at least 1.", file=f"--dim {name}={extent}")


def _batch_axis(value: Any) -> int:
    """Return the axis that is called a batch; the first where none is."""
    names = [dim.dim_param.casefold() for dim in value.type.tensor_type.shape.dim]
    return next((axis for axis, name in enumerate(names) if "batch" in name), 0)


def _extent(value: Any, axis: int, dims: Mapping[str, int]) -> int:
    """Return the extent of an axis of an input, or 0 where nobody knows it."""
    dim = value.type.tensor_type.shape.dim[axis]
    place = f"{value.name}.{axis}"
    if place in dims:
        return dims[place]
    if dim.HasField("dim_value") and dim.dim_value > 0:
        return int(dim.dim_value)
    return dims.get(dim.dim_param, 0) if dim.dim_param else 0


def _name_extents(values: Any, known: Mapping[str, int]) -> None:
    """Write extents into the symbolic dimensions of tensors."""
    for value in values:
        for dim in value.type.tensor_type.shape.dim:
            if dim.HasField("dim_param") and dim.dim_param in known:
                dim.dim_value = known[dim.dim_param]


def _forget_shapes(graph: Any) -> None:
    """Drop shapes that were made for another batch."""
    del graph.value_info[:]
    for value in graph.output:
        for dim in value.type.tensor_type.shape.dim:
            dim.Clear()


def _graph_input(value: Any, batch_axis: int) -> GraphInput:
    import onnx

    tensor = value.type.tensor_type
    whole = (onnx.TensorProto.INT32, onnx.TensorProto.INT64)
    shape = tuple(dim.dim_value for dim in tensor.shape.dim)
    return GraphInput(value.name, shape, tensor.elem_type in whole, batch_axis)
