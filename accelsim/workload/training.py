"""A step of training as a trace: forward, errors, gradients, and the update of the weights.

`lower(workload, recipe, batch=n, phase="training")` makes it, and
`accelsim.numerics.executor.execute` runs it like any other trace.

Inputs (`Trace.inputs`), given for every step:

* ``input``, or the network's inputs by name: the batch, channels last;
* ``labels``: class numbers, in the shape of the logits without their last axis; for the
  binary cross entropy 0 and 1, and for the squared error target values, in the output's shape;
* ``loss_scale``: one number, 1 for recipes without loss scaling;
* with ``sgd``: ``learning_rate``, ``momentum``, ``weight_decay``, one number each;
* with ``adam``: ``learning_rate``, ``weight_decay``, ``beta1``, ``beta2``, and
  ``bias_correction``, the two numbers 1 / (1 - beta**t) at step t = 1, 2, ...
  `accelsim.workload.settings.step_settings` makes all but samples and labels.

Parameters (`Trace.parameters`): for every parameter ``fc.weight`` of the network a master
copy of that name, in the trace's layout and the recipe's ``update.master`` format;
``fc.weight.velocity`` (Adam: ``.first_moment``, ``.second_moment``), which start at zero;
running statistics of batch norm. Before the first step `bind_tensors` makes them.

Outputs (`Trace.outputs`): the network's own outputs, the first of them first; ``loss``, one
number, without the loss scale; ``gradients_finite``, one number, with a dynamic loss scale
only (where it is 0, the update is to be dropped); and whatever takes the place of a
parameter in the next step. `Trace.updates` says which: ``{"fc.weight":
"fc.weight.updated", "fc.weight.velocity": "fc.weight.velocity.updated", ...}``. So the
training loop is::

    state = {old: run.tensors[new] for old, new in trace.updates.items()}

and the next step gets ``{**settings, "input": x, "labels": y, **state}``.

A layer that ends the network as a softmax counts as part of the cross entropy, and a
sigmoid as part of the binary one, which takes the logits before it. Batch norm uses the
statistics of the batch and is never folded. The errors of several readers are added from
the last reader to the first.
"""

from __future__ import annotations

from accelsim.errors import ConfigError
from accelsim.precision.recipe import GemmRule, LossScalingMethod, Recipe
from accelsim.workload.backward_scope import BackwardScope
from accelsim.workload.builder import TraceBuilder
from accelsim.workload.forward import gemm_rules, lower_forward, output_shapes
from accelsim.workload.graph import Graph, Node
from accelsim.workload.layers import Sigmoid, Softmax
from accelsim.workload.loss import LABELS, LOSS, LOSS_SCALE, Loss, lower_loss, usual_loss
from accelsim.workload.network import Workload
from accelsim.workload.ops import Phase, Role, TensorInfo
from accelsim.workload.optimizer import FINITE, Optimizer, lower_update
from accelsim.workload.trace import Trace


def lower_training(
    workload: Workload, recipe: Recipe, *, batch: int, optimizer: Optimizer, loss: Loss | None
) -> Trace:
    """Lower a step of training; see the head of this file and `accelsim.workload.lower`.

    Raises
    ------
    ConfigError
        If the network has nothing to learn.
    UnsupportedError
        If a layer has no backward pass.
    """
    if workload.fold_batch_norm:
        workload = workload.model_copy(update={"fold_batch_norm": False})
    learns = _learning(workload.graph)
    if not any(learns.values()):
        raise ConfigError(f"{workload.name} has no parameters, so there is nothing to train.")
    builder = TraceBuilder(recipe, batch, training=True)
    produced = lower_forward(workload, builder)
    last = workload.graph.nodes[_index(workload.graph, workload.output_names[0])]
    loss = loss or usual_loss(last.output_shape)
    _lower_backward(workload, builder, produced, last, loss, learns)
    settings = lower_update(builder, optimizer)
    is_dynamic = recipe.loss_scaling.method is LossScalingMethod.DYNAMIC
    outputs = (
        *(builder.in_memory(produced[name]) for name in workload.output_names),
        LOSS,
        *((FINITE,) if is_dynamic else ()),
        *builder.updates.values(),
    )
    return Trace(
        workload=workload.name,
        recipe=recipe.name,
        phase="training",
        batch=batch,
        ops=tuple(builder.ops),
        tensors=builder.memory,
        inputs=(*workload.given, LABELS, LOSS_SCALE, *settings),
        parameters=tuple(builder.parameters),
        outputs=tuple(dict.fromkeys(outputs)),
        updates=dict(builder.updates),
        shapes=output_shapes(workload, builder, produced),
    )


def _index(graph: Graph, name: str) -> int:
    return next(node.index for node in graph.nodes if node.name == name)


def _learning(graph: Graph) -> dict[str, bool]:
    """Return, for every input and layer, whether it or anything before it learns."""
    learns = dict.fromkeys(graph.inputs, False)
    for node in graph.nodes:
        specs = node.layer.parameters(node.input_shapes)
        own = node.layer.tied_layer() is not None or any(spec.learned for spec in specs)
        learns[node.name] = own or any(learns[name] for name in node.inputs)
    return learns


def _lower_backward(
    workload: Workload,
    builder: TraceBuilder,
    produced: dict[str, str],
    last: Node,
    loss: Loss,
    learns: dict[str, bool],
) -> None:
    """Emit the loss and, from the last layer to the first, errors and gradients."""
    graph = workload.graph
    rules = gemm_rules(workload, builder.recipe)
    source, softmax = last.name, None
    if loss is Loss.CROSS_ENTROPY and isinstance(last.layer, Softmax):
        source, softmax = last.inputs[0], produced[last.name]
    elif loss is Loss.BINARY_CROSS_ENTROPY and isinstance(last.layer, Sigmoid):
        source = last.inputs[0]
    error = lower_loss(builder, loss, produced[source], softmax=softmax)
    shares: dict[str, list[str]] = {source: [error]}
    for node in reversed(graph.nodes):
        arrived = shares.pop(node.name, [])
        if not arrived or not learns[node.name]:
            continue
        scope = _scope(node, graph, builder, produced, rules[node.name], learns, arrived, shares)
        for name, made in zip(node.inputs, node.layer.lower_backward(scope), strict=True):
            if made is not None and learns[name]:
                shares.setdefault(name, []).append(made)


def _scope(
    node: Node,
    graph: Graph,
    builder: TraceBuilder,
    produced: dict[str, str],
    rule: GemmRule,
    learns: dict[str, bool],
    arrived: list[str],
    shares: dict[str, list[str]],
) -> BackwardScope:
    """Return a layer's view of the backward pass; adds up what its readers sent first."""
    return BackwardScope(
        builder=builder,
        name=node.name,
        inputs=tuple(produced[name] for name in node.inputs),
        output=produced[node.name],
        input_shapes=node.input_shapes,
        output_shape=node.output_shape,
        rule=rule,
        error=_total_error(node, builder, arrived),
        needs=tuple(learns[name] for name in node.inputs),
        continues=tuple(
            name not in shares and _continues(node, name, graph) for name in node.inputs
        ),
    )


def _total_error(node: Node, builder: TraceBuilder, arrived: list[str]) -> str:
    """Return the error of a layer's output: what its readers sent, added in that order."""
    recipe, total = builder.recipe, arrived[0]
    for index, share in enumerate(arrived[1:], start=1):
        name = f"{node.name}.error_sum{'' if index == len(arrived) - 1 else index}"
        shape = builder.tensors[total].shape
        total = builder.vector(
            name, "add", (total, share),
            TensorInfo(name, shape, Role.ERROR, recipe.storage_format),
            layer=node.name, compute_format=recipe.vector.compute, phase=Phase.BACKWARD,
        )  # fmt: skip
    return total


def _continues(node: Node, source: str, graph: Graph) -> bool:
    """Return whether the error of a layer's input goes straight into an element-wise op.

    It does if this layer alone reads the input, and the layer before it in the list is
    the one that made it.
    """
    if source in graph.inputs or len(graph.readers[source]) > 1:
        return False
    maker = graph.nodes[_index(graph, source)]
    return maker.index == node.index - 1 and maker.layer.passes_errors_on
