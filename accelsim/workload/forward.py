"""The forward pass of every layer, in order, each output stored for its readers.

As soon as a layer's output is finished, it is stored in the operand format of every
GEMM that will read it, once a format, so that this store can work on the
write-back; vector ops that read the output later (residual adds, pooling) read the
copy in the recipe's storage format.
"""

from __future__ import annotations

import math

from accelsim.formats import NumberFormat, get_format
from accelsim.precision import TensorStorage
from accelsim.precision.recipe import GemmRule, Recipe
from accelsim.workload.builder import TraceBuilder
from accelsim.workload.graph import Graph, Node
from accelsim.workload.input_spec import TOKEN_FORMAT, InputKind
from accelsim.workload.layers import BatchNorm2d, CacheAppend
from accelsim.workload.network import Workload
from accelsim.workload.ops import Role, TensorInfo
from accelsim.workload.scope import LayerScope


def lower_forward(workload: Workload, builder: TraceBuilder) -> dict[str, str]:
    """Emit every layer's forward ops; return the tensor of every layer's output."""
    graph, recipe = workload.graph, builder.recipe
    rules = gemm_rules(workload, recipe)
    produced: dict[str, str] = {}
    for name, spec in workload.given.items():
        is_tokens = spec.kind is InputKind.TOKENS
        role = Role.TOKEN if is_tokens else Role.ACTIVATION
        fmt = get_format(TOKEN_FORMAT) if is_tokens else _input_format(name, graph, rules, recipe)
        produced[name] = builder.tensor(TensorInfo(name, (builder.batch, *spec.shape), role, fmt))
    for name in workload.given:
        _store_for_readers(name, produced, graph, rules, builder)
    for node in graph.nodes:
        scope = _scope(node, produced, graph, rules, builder)
        produced[node.name] = node.layer.lower_forward(scope)
        if not graph.is_alias(node):
            _store_for_readers(node.name, produced, graph, rules, builder)
    return produced


def _input_format(
    name: str, graph: Graph, rules: dict[str, GemmRule], recipe: Recipe
) -> NumberFormat:
    """Return the format in which the network is given an input.

    A cache is kept as the operand that attention reads, if all who read it agree and
    that format finds no scales in the tensor.
    """
    direct = graph.readers.get(name, ())
    caches = [node for node in direct if isinstance(node.layer, CacheAppend)]
    readers = [one for node in caches for one in graph.effective_readers(node.name)]
    wanted = {rules[one.name].operands.activation for one in readers if one.layer.feeds_gemm}
    if len(wanted) != 1 or len(caches) < len(direct):
        return recipe.storage_format
    (fmt,) = wanted
    is_scaled = any(rules[one.name].scaled for one in readers)
    return recipe.storage_format if is_scaled or isinstance(fmt, TensorStorage) else fmt


def output_shapes(
    workload: Workload, builder: TraceBuilder, produced: dict[str, str]
) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the outputs that are tensors under another shape, by tensor."""
    names = [produced[name] for name in workload.output_names]
    return {
        builder.in_memory(name): builder.tensors[name].shape
        for name in names
        if builder.in_memory(name) != name
    }


def gemm_rules(workload: Workload, recipe: Recipe) -> dict[str, GemmRule]:
    """Return what the recipe asks of every layer, exceptions applied."""
    graph = workload.graph
    images = [
        name
        for name, spec in workload.given.items()
        if spec.kind is InputKind.IMAGE and spec.first_layer_exception
    ]
    readers = {node.name for image in images for node in graph.effective_readers(image)}
    with_gemm = [node.name for node in graph.nodes if node.layer.feeds_gemm]
    last = with_gemm[-1] if with_gemm else None
    return {
        node.name: recipe.gemm_rule(reads_image=node.name in readers, is_last=node.name == last)
        for node in graph.nodes
    }


def _scope(
    node: Node,
    produced: dict[str, str],
    graph: Graph,
    rules: dict[str, GemmRule],
    builder: TraceBuilder,
) -> LayerScope:
    """Return a layer's view of the trace in the making."""
    folding = [norm for norm, conv in graph.folded.items() if conv == node.name]
    norms = [other for other in graph.nodes if other.name in folding]
    return LayerScope(
        builder=builder,
        name=node.name,
        inputs=tuple(produced[name] for name in node.inputs),
        input_shapes=node.input_shapes,
        output_shape=node.output_shape,
        rule=rules[node.name],
        continues=_continues(node, graph, training=builder.training),
        is_folded=node.name in graph.folded,
        folds=next(
            ((norm.name, norm.layer.eps) for norm in norms if isinstance(norm.layer, BatchNorm2d)),
            None,
        ),
    )


def _continues(node: Node, graph: Graph, *, training: bool) -> bool:
    """Return whether the output is no result and only the next layer reads it, element-wise.

    In training a layer with statistics of its own reads its input several times.
    """
    readers = graph.effective_readers(node.name)
    following = graph.next_computing(node)
    return (
        node.name not in graph.outputs
        and len(readers) == 1
        and following is not None
        and readers[0].name == following.name
        and following.layer.elementwise
        and math.prod(node.output_shape) == math.prod(following.output_shape)
        and not (training and following.layer.has_statistics)
    )


def _store_for_readers(
    name: str,
    produced: dict[str, str],
    graph: Graph,
    rules: dict[str, GemmRule],
    builder: TraceBuilder,
) -> None:
    """Store a finished tensor in the operand format of every GEMM that reads it."""
    for reader in graph.effective_readers(name):
        later = slice(reader.layer.operand_inputs or len(reader.inputs), None)
        if reader.layer.feeds_gemm and name not in reader.inputs[later]:
            rule = rules[reader.name]
            builder.store(produced[name], rule.operands.activation, scaled=rule.scaled, layer=name)
