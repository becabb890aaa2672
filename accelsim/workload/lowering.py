"""From a network and a recipe to the trace: every cast and every rounding explicit."""

from __future__ import annotations

from enum import StrEnum

from accelsim.errors import ConfigError
from accelsim.precision.recipe import Recipe
from accelsim.workload.builder import TraceBuilder
from accelsim.workload.forward import lower_forward, output_shapes
from accelsim.workload.loss import Loss
from accelsim.workload.network import Workload
from accelsim.workload.optimizer import Optimizer
from accelsim.workload.trace import Trace
from accelsim.workload.training import lower_training

#: Samples at once beyond which a batch is a typing error.
MAX_BATCH = 2**20


class RunPhase(StrEnum):
    """What a trace covers."""

    #: The forward pass alone.
    INFERENCE = "inference"
    #: A step of training: forward, errors, gradients, update of the weights.
    TRAINING = "training"


def lower(
    workload: Workload,
    recipe: Recipe,
    *,
    batch: int = 1,
    phase: RunPhase | str = RunPhase.INFERENCE,
    optimizer: Optimizer | str = Optimizer.SGD,
    loss: Loss | str | None = None,
) -> Trace:
    """Lower a network to the trace of what a chip does.

    Parameters
    ----------
    workload : Workload
        The network.
    recipe : Recipe
        Which number goes where.
    batch : int
        Samples at once, 1 to `MAX_BATCH`.
    phase : RunPhase or str
        ``inference`` or ``training``; for the latter see `accelsim.workload.training`.
    optimizer : Optimizer or str
        ``sgd`` or ``adam``; training only.
    loss : Loss or str, optional
        ``cross_entropy``, ``binary_cross_entropy`` or ``squared_error`` of the network's first
        output; training only. Where None, the first, or the second for an output of one number.

    Returns
    -------
    Trace

    Raises
    ------
    ConfigError
        If `batch` is out of range or the phase is none that can be lowered.

    Examples
    --------
    >>> from accelsim.precision import get_recipe
    >>> from accelsim.workload import load_workload
    >>> trace = lower(load_workload("tiny"), get_recipe("wang2018"))
    >>> [op.name for op in trace.ops][:4]
    ['input.store_fp8_e5m2', 'conv1.forward', 'conv1.bias_add', 'relu1.relu']
    """
    if not 1 <= batch <= MAX_BATCH:
        raise ConfigError(f"The batch is {batch}; it must be 1 to {MAX_BATCH:,}.")
    known = [choice.value for choice in RunPhase]
    if phase not in known:
        raise ConfigError(f"The phase is {phase!r}; it must be one of: {', '.join(known)}.")
    if phase == RunPhase.TRAINING:
        chosen = None if loss is None else Loss(loss)
        return lower_training(
            workload, recipe, batch=batch, optimizer=Optimizer(optimizer), loss=chosen
        )
    builder = TraceBuilder(recipe, batch)
    produced = lower_forward(workload, builder)
    return Trace(
        workload=workload.name,
        recipe=recipe.name,
        phase=str(RunPhase(phase)),
        batch=batch,
        ops=tuple(builder.ops),
        tensors=builder.memory,
        inputs=tuple(workload.given),
        parameters=tuple(builder.parameters),
        outputs=tuple(builder.in_memory(produced[name]) for name in workload.output_names),
        shapes=output_shapes(workload, builder, produced),
    )
