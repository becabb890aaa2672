"""A torch module as a graph of ATen operators; the only file that knows torch.

``torch.export`` runs the module once on its example, so the module's own Python code
runs. What depends on weights and buffers alone (masks, positions, folded scales) is
computed here by torch itself and becomes a constant.

References
----------
PyTorch 2.6 and later: ``torch.export``, "Core ATen IR".
"""

from __future__ import annotations

import operator
import warnings
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from accelsim.errors import ConfigError, MissingExtraError, Problem
from accelsim.workload.importers.onnx.model import Array, Shape
from accelsim.workload.importers.torch.graph import AtenGraph, AtenInput, AtenNode, Ref

#: Reads a tensor for its shape alone, and fills that with a number.
_FILLED = frozenset({"aten.full_like.default"})


def exported(module: Any, example_inputs: Any, kept: Collection[str]) -> AtenGraph:
    """Return the graph of a module in evaluation mode.

    Parameters
    ----------
    module : torch.nn.Module
        What to export; it is left as it was.
    example_inputs : tensor, sequence of tensors, or mapping from str to tensor
        What it is called with, by position or by keyword. The first axis of each counts
        samples: of several, the first one is taken.
    kept : collection of str
        Operators that are not decomposed into smaller ones.

    Raises
    ------
    ConfigError
        If `module` is no module, an example is no tensor, or torch cannot export it.
    MissingExtraError
        If torch is not installed.
    """
    torch = _torch()
    if not isinstance(module, torch.nn.Module):
        raise ConfigError(f"A torch.nn.Module is imported, not a {type(module).__name__}.")
    label = type(module).__name__
    positional, named = _arguments(example_inputs, label)
    tensors = [*positional, *named.values()]
    extents = {tensor.shape[0] if tensor.ndim else 1 for tensor in tensors}
    batch = extents.pop() if len(extents) == 1 else 1
    if batch > 1:
        positional = tuple(tensor[:1] for tensor in positional)
        named = {name: tensor[:1] for name, tensor in named.items()}
    with _evaluating(module), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own deprecations
        try:
            program = torch.export.export(module, positional, dict(named), strict=False)
            program = program.run_decompositions(_decompositions(kept))
        except Exception as error:  # the module's own code may raise anything
            reason = next(iter(str(error).strip().splitlines()), "") or type(error).__name__
            text = f"torch.export cannot export it: {reason.rstrip('.')}."
            raise ConfigError(Problem(text, file=label)) from error
        with torch.no_grad():
            return _graph(program, label, batch)


def _torch() -> Any:
    """Return torch, whose own types mypy need not know."""
    try:
        import torch
    except ImportError as error:
        raise MissingExtraError("torch", "torch", "Reading a torch module") from error
    return torch


def _arguments(given: Any, label: str) -> tuple[tuple[Any, ...], Mapping[str, Any]]:
    """Return the tensors of an example by position and by keyword."""
    torch = _torch()
    if isinstance(given, torch.Tensor):
        given = (given,)
    positional = tuple(given) if isinstance(given, Sequence) else ()
    named = given if isinstance(given, Mapping) else {}
    tensors = [*positional, *named.values()]
    if not tensors or not all(isinstance(tensor, torch.Tensor) for tensor in tensors):
        text = "example_inputs must be a tensor, a sequence of tensors, or tensors by keyword."
        raise ConfigError(Problem(text, file=label))
    if any(0 in tensor.shape for tensor in tensors):
        raise ConfigError(Problem("An example has no elements.", file=label))
    return positional, named


@contextmanager
def _evaluating(module: Any) -> Iterator[None]:
    """Put a module into evaluation mode for a while, without fused kernels of its layers."""
    torch = _torch()
    modes = [(part, part.training) for part in module.modules()]
    fused = torch.backends.mha.get_fastpath_enabled()
    module.eval()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)
        for part, was_training in modes:
            part.training = was_training


def _decompositions(kept: Collection[str]) -> dict[Any, Any]:
    """Return torch's decompositions, without those of operators that are kept."""
    torch = _torch()
    table = torch.export.default_decompositions()
    return {op: table[op] for op in table if str(op) not in kept}


def _graph(program: Any, label: str, batch: int) -> AtenGraph:
    """Return an exported program as plain data, what is constant computed."""
    torch = _torch()
    values, paths = _given_values(program)
    inputs, nodes = [], []
    for node in program.graph.nodes:
        if node.op == "placeholder" and node.name not in values:
            value = node.meta["val"]
            if isinstance(value, torch.Tensor):
                is_whole = not value.dtype.is_floating_point and not _is_truth(value)
                inputs.append(AtenInput(node.name, _shape(value), is_whole, _is_truth(value)))
        elif node.op == "get_attr":
            values[node.name] = getattr(program.graph_module, node.target, None)
        elif node.op == "call_function" and not _is_part(node):
            if _is_constant(node, values):
                values[node.name] = _computed(node, values)
            else:
                nodes.append(_node(node))
    read = _read_names(nodes, program)
    constants = {
        Ref(name, index): _array(tensor)
        for name, value in values.items()
        for index, tensor in enumerate(value if isinstance(value, list | tuple) else (value,))
        if isinstance(tensor, torch.Tensor) and name in read and _is_plain(tensor)
    }
    return AtenGraph(
        nodes=tuple(nodes),
        inputs=tuple(inputs),
        outputs=tuple(_results(program)),
        constants=constants,
        paths={Ref(name): path for name, path in paths.items()},
        module=label,
        producer=f"torch {torch.__version__}",
        batch=batch,
    )


def _given_values(program: Any) -> tuple[dict[str, Any], dict[str, str]]:
    """Return parameters, buffers and constants, and the paths of those that have one."""
    values, paths = {}, {}
    for spec in program.graph_signature.input_specs:
        if spec.target is None:
            continue
        held = program.state_dict.get(spec.target)
        values[spec.arg.name] = program.constants.get(spec.target) if held is None else held
        paths[spec.arg.name] = spec.target
    return values, paths


def _is_part(node: Any) -> bool:
    """Return whether a node only names an output of another one."""
    return node.target is operator.getitem


def _is_constant(node: Any, values: Mapping[str, Any]) -> bool:
    """Return whether nothing that a node reads is computed, and chance has no part in it."""
    torch = _torch()
    tags = getattr(node.target, "tags", ())
    if torch.Tag.nondeterministic_seeded in tags:
        return False
    if str(node.target) in _FILLED:
        return True
    return all(_source(one).name in values for one in node.all_input_nodes)


def _computed(node: Any, values: Mapping[str, Any]) -> Any:
    """Return what a node makes of constants."""
    torch = _torch()
    if str(node.target) in _FILLED:
        like = node.meta["val"]
        return torch.full(tuple(like.shape), node.args[1], dtype=like.dtype)

    def value(argument: Any) -> Any:
        held = values[_source(argument).name]
        return held[argument.args[1]] if _is_part(argument) else held

    given = torch.fx.node.map_arg((node.args, node.kwargs), value)
    return node.target(*given[0], **given[1])


def _source(node: Any) -> Any:
    """Return the node that computes a tensor."""
    return node.args[0] if _is_part(node) else node


def _read_names(nodes: Sequence[AtenNode], program: Any) -> set[str]:
    """Return who makes a tensor that a node or a result reads."""
    names = {ref.name for ref in _results(program)}
    waiting: list[Any] = [node.arguments for node in nodes]
    while waiting:
        one = waiting.pop()
        if isinstance(one, Ref):
            names.add(one.name)
        elif isinstance(one, Mapping):
            waiting += one.values()
        elif isinstance(one, tuple):
            waiting += one
    return names


def _results(program: Any) -> Iterator[Ref]:
    """Yield the tensors that the module returns."""
    by_name = {node.name: node for node in program.graph.nodes}
    for spec in program.graph_signature.output_specs:
        is_result = spec.kind.name == "USER_OUTPUT" and spec.arg.name in by_name
        if is_result and type(spec.arg).__name__ == "TensorArgument":
            yield _plain(by_name[spec.arg.name])


def _node(node: Any) -> AtenNode:
    """Return a call as plain data."""
    schema = getattr(node.target, "_schema", None)
    declared = schema.arguments if schema is not None else ()
    arguments = {one.name: one.default_value for one in declared}
    names = list(arguments) or [str(index) for index in range(len(node.args))]
    arguments.update(zip(names, node.args, strict=False))
    arguments.update(node.kwargs)
    made = node.meta.get("val")
    outputs = made if isinstance(made, list | tuple) else (made,)
    stack = node.meta.get("nn_module_stack") or {}
    module = next(reversed(stack.values()), ("",))[0]
    return AtenNode(
        op=str(node.target),
        name=node.name,
        module=str(module),
        arguments={name: _plain(value) for name, value in arguments.items()},
        shapes=tuple(_shape(one) for one in outputs),
        truths=tuple(_is_truth(one) for one in outputs),
    )


def _plain(value: Any) -> Any:
    """Return an argument without anything of torch."""
    torch = _torch()
    if isinstance(value, torch.fx.Node):
        return Ref(value.args[0].name, value.args[1]) if _is_part(value) else Ref(value.name)
    if isinstance(value, list | tuple):
        return tuple(_plain(one) for one in value)
    return value if isinstance(value, bool | int | float | str | None) else str(value)


def _shape(value: Any) -> Shape:
    return tuple(int(extent) for extent in getattr(value, "shape", ()))


def _is_truth(value: Any) -> bool:
    return bool(getattr(value, "dtype", None) == _torch().bool)


def _is_plain(tensor: Any) -> bool:
    """Return whether a tensor is a dense array of real numbers."""
    torch = _torch()
    is_special = tensor.is_quantized or tensor.is_complex()
    return bool(tensor.layout == torch.strided and not is_special)


def _array(tensor: Any) -> Array:
    """Return a copy of a tensor, so that training the module on changes nothing here.

    What an expanded tensor repeats is not stored again.
    """
    torch = _torch()
    tensor = tensor.detach().to("cpu")
    if tensor.dtype in (torch.bfloat16, torch.float16):
        tensor = tensor.to(torch.float32)
    repeated = tuple(slice(0, 1) if stride == 0 else slice(None) for stride in tensor.stride())
    return np.broadcast_to(tensor[repeated].clone().numpy(), tuple(tensor.shape))
