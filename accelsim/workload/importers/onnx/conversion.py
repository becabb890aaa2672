"""The walk over a graph: every node becomes layers, a constant, or a line of the report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import cast

import numpy as np
from pydantic import ValidationError

from accelsim.errors import AccelsimError, ConfigError, Problem
from accelsim.workload.graph import INPUT
from accelsim.workload.importers.imported import ImportedNetwork, NotModelled
from accelsim.workload.importers.onnx.context import Context, Value
from accelsim.workload.importers.onnx.draft import CannotModelError, first_problem
from accelsim.workload.importers.onnx.folding import (
    FOLDS,
    Budget,
    bounded,
    fold,
    with_folded,
)
from accelsim.workload.importers.onnx.inputs import declare_inputs
from accelsim.workload.importers.onnx.layout import (
    MAP_AXES,
    SERIES_AXES,
    Tensor,
    arranged,
    natural_axes,
    tensor_of,
)
from accelsim.workload.importers.onnx.model import REASON, OnnxModel, OnnxNode, Shape
from accelsim.workload.importers.onnx.node_shapes import output_shapes
from accelsim.workload.importers.onnx.operators import Operator
from accelsim.workload.importers.onnx.ops_arithmetic import ARITHMETIC_OPERATORS
from accelsim.workload.importers.onnx.ops_attention import ATTENTION_OPERATORS
from accelsim.workload.importers.onnx.ops_functions import FUNCTION_OPERATORS
from accelsim.workload.importers.onnx.ops_maps import MAP_OPERATORS
from accelsim.workload.importers.onnx.ops_products import PRODUCT_OPERATORS
from accelsim.workload.importers.onnx.ops_recurrent import RECURRENT_OPERATORS
from accelsim.workload.importers.onnx.ops_shapes import SHAPE_OPERATORS
from accelsim.workload.importers.onnx.patterns import simplified
from accelsim.workload.importers.onnx.reader import read_model
from accelsim.workload.network import Workload

#: What stands for each operator.
OPERATORS: Mapping[str, Operator] = MappingProxyType(
    {
        **ARITHMETIC_OPERATORS,
        **ATTENTION_OPERATORS,
        **FUNCTION_OPERATORS,
        **MAP_OPERATORS,
        **PRODUCT_OPERATORS,
        **RECURRENT_OPERATORS,
        **SHAPE_OPERATORS,
    }
)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a graph comes from.

    Parameters
    ----------
    name : str
        Of the network.
    file : str
        Its file, for errors.
    source : str
        Who made it.
    """

    name: str
    file: str
    source: str


def load_onnx(
    path: str | Path, *, dims: Mapping[str, int] | None = None, strict: bool = False
) -> ImportedNetwork:
    """Read an ONNX model as a network with its weights.

    Parameters
    ----------
    path : str or Path
        An ``.onnx`` file. Tensors that it keeps in other files must be in its folder.
    dims : mapping from str to int, optional
        Extents of symbolic dimensions by name, or by ``INPUT.AXIS``. A first axis
        without an extent is the batch and needs none.
    strict : bool
        Refuse a model with a node that no layer stands for.

    Returns
    -------
    ImportedNetwork
        A node that no layer stands for passes its input on if that has the right shape;
        else a constant takes its place. Maps and outputs that are maps have their
        channels last.

    Raises
    ------
    ConfigError
        If the file is missing, corrupt or refused by ONNX's checker; an extent is
        missing; a node that is not modelled has an output of unknown shape; or, with
        `strict`, a node is not modelled.
    MissingExtraError
        If the onnx package is not installed.
    """
    file = Path(path)
    model = read_model(file, dims or {})
    source = f"ONNX graph {model.name!r} of {model.producer or 'an unnamed exporter'}"
    return network_of(model, Origin(file.stem, str(file), source), strict=strict)


def network_of(model: OnnxModel, origin: Origin, *, strict: bool) -> ImportedNetwork:
    """Return the network of a graph; parameters as for `load_onnx`.

    Raises
    ------
    ConfigError
        As `load_onnx` does once the file is read.
    """
    budget = Budget(model.constants.values())
    model = simplified(with_folded(model, budget))
    context = Context(model, budget)
    declare_inputs(context, model)
    missing = [
        left
        for node in model.nodes
        if (left := _convert(context, node, model, origin.file)) is not None
    ]
    if missing and strict:
        raise ConfigError(
            Problem(f"{left.op} is not modelled: {left.reason}.", f"node {left.node}", origin.file)
            for left in missing
        )
    workload = _workload(context, model, origin)
    return ImportedNetwork(
        workload=workload,
        arrays={name: context.draft.arrays[name] for name in workload.parameters},
        file=Path(origin.file).name,
        node_count=len(model.nodes),
        not_modelled=tuple(missing),
        notes=model.notes,
    )


def _convert(context: Context, node: OnnxNode, model: OnnxModel, file: str) -> NotModelled | None:
    """Give every output of a node a value; return what is not modelled."""
    left = None
    try:
        made = _outputs(context, node)
    except CannotModelError as error:
        left = NotModelled(node.op, node.name, str(error))
        made = _stand_ins(context, node, model, left, file)
    for name, value in zip(node.outputs, made, strict=False):
        if not name:
            continue
        known = model.inferred.get(name)
        if known is not None and value.shape != known and model.batch == 1:
            text = f"{node.op} makes the shape {list(value.shape)}, but {list(known)} is declared."
            raise ConfigError(Problem(text, f"node {node.name}", file))
        context.values[name] = value
    for name in node.inputs:
        context.left[name] -= 1
        if context.left[name] <= 0 and not isinstance(context.values.get(name), Tensor):
            context.values.pop(name, None)
    return left


def _outputs(context: Context, node: OnnxNode) -> tuple[Value, ...]:
    """Return the outputs of a node that is modelled."""
    given = [context.values.get(name, np.empty(0)) for name in node.inputs]
    if node.op in FOLDS and not any(isinstance(value, Tensor) for value in given):
        for index, name in enumerate(node.inputs):
            if name:
                context.value(node, index)
        made = fold(node, cast("list[np.ndarray]", given), context.opset)
        context.folded.count(made)
        return made
    if node.op not in OPERATORS:
        raise CannotModelError(str(node.get(REASON, "no layer does this")))
    try:
        result = OPERATORS[node.op](context, node)
    except AccelsimError:
        raise
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        # The checker passes attributes and inputs that make no sense together.
        raise CannotModelError("its attributes and inputs do not fit each other") from error
    return result if isinstance(result, tuple) else (result,)


def _stand_ins(
    context: Context, node: OnnxNode, model: OnnxModel, left: NotModelled, file: str
) -> tuple[Tensor, ...]:
    """Return what takes the place of a node's outputs: an input of that shape, or a constant."""
    tensors = [
        value for name in node.inputs if isinstance(value := context.values.get(name), Tensor)
    ]
    made = []
    own = output_shapes(node, context.values, context.opset)
    for output in node.outputs:
        shape = own.get(output, model.inferred.get(output))
        if not output:
            made.append(Tensor("", (), ()))
            continue
        if shape is None:
            text = (
                f"{left.op} is not modelled ({left.reason}), and ONNX does not know the shape of"
                " its output, so nothing after it has one."
            )
            raise ConfigError(Problem(text, f"node {node.name}", file))
        same = [tensor for tensor in tensors if tensor.shape == shape]
        made.append(same[0] if same else _placeholder(context, node, shape, file))
    return tuple(made)


def _placeholder(context: Context, node: OnnxNode, shape: Shape, file: str) -> Tensor:
    """Add a constant of zeros."""
    axes = natural_axes(Tensor("", shape, ()))
    extents = tuple(1 if axis is None else shape[axis] for axis in axes)
    try:
        zeros = np.broadcast_to(np.zeros((), np.float32), bounded(extents))
        name = context.draft.add(
            "constant", (), node.name, parameters={"value": zeros}, shape=extents
        )
    except CannotModelError as error:
        text = f"{node.op} is not modelled, and nothing can take its place: {error}."
        raise ConfigError(Problem(text, f"node {node.name}", file)) from error
    return tensor_of(context.draft, name, axes, len(shape))


def _workload(context: Context, model: OnnxModel, origin: Origin) -> Workload:
    """Return the network of a finished draft."""
    draft = context.draft
    try:
        outputs = tuple(dict.fromkeys(_result(context, name) for name in model.outputs))
        kept = tuple(dict.fromkeys((*outputs, *draft.unread())))
        draft.keep(kept)
        if not draft.layers or not draft.inputs:
            raise CannotModelError("it computes nothing from its inputs")
        single = list(draft.inputs) == [INPUT]
        return Workload.model_validate(
            {
                "name": origin.name[:200] or "onnx",
                "description": f"Imported from {Path(origin.file).name}.",
                "source": origin.source,
                **({"input": draft.inputs[INPUT]} if single else {"inputs": draft.inputs}),
                "layers": tuple(draft.layers.values()),
                "outputs": () if kept == (list(draft.layers)[-1],) else kept,
            }
        )
    except CannotModelError as error:
        raise ConfigError(Problem(f"It makes no network: {error}.", file=origin.file)) from error
    except ValidationError as error:
        raise ConfigError(Problem(first_problem(error), file=origin.file)) from error


def _result(context: Context, name: str) -> str:
    """Return the layer of a result: a map channels last, anything else in ONNX's order."""
    value = context.values.get(name)
    if value is None:
        raise CannotModelError(f"its output {name!r} has no value")
    if not isinstance(value, Tensor):
        value = context.constant_layer(value, name)
    natural = natural_axes(value)
    if value.axes in (MAP_AXES, SERIES_AXES):
        natural = tuple(axis for axis in value.axes if axis is not None)
    layer = arranged(context.draft, value, natural).layer
    if layer in context.draft.inputs:
        raise CannotModelError(f"its output {name!r} is what it is given")
    return layer
