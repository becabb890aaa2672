"""How weights move: the update ops of a training step, after all gradients are there.

Stochastic gradient descent is three AXPYs (Wang et al. 2018), each exact inside and
rounded once, with g the gradient, r = 1 / loss_scale, w a weight and v its velocity::

    L2-Reg        g' = weight_decay * w + r * g
    Momentum-Acc  v  = momentum * v + learning_rate * g'
    Weight-Upd    w  = w - v

The learning rate is inside the velocity: it has the effect of PyTorch's form
(w - learning_rate * v) as long as it stays the same. Adam (Kingma and Ba 2015) starts
with L2-Reg too and divides its moments by what their decay has left out.

State may be kept in a tensor format such as ``dynamic8_block``: the next value is then
computed in the recipe's compute format, moves the weight, and is stored for the next
step, with the format's own rounding (Dettmers et al. 2022).

References
----------
N. Wang et al., "Training Deep Neural Networks with 8-bit Floating Point Numbers",
NeurIPS 2018, figure 2. D. Kingma, J. Ba, "Adam: A Method for Stochastic
Optimization", ICLR 2015, algorithm 1. T. Dettmers et al., "8-bit Optimizers via
Block-wise Quantization", ICLR 2022.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from accelsim.formats import NumberFormat, Rounding
from accelsim.precision import TensorStorage
from accelsim.precision.recipe import LossScalingMethod
from accelsim.workload.builder import Attributes, TraceBuilder, store_attributes
from accelsim.workload.loss import LOSS_SCALE
from accelsim.workload.ops import Phase, Role, TensorInfo
from accelsim.workload.parameters import Preparation, TraceParameter

#: Added to the square root of Adam's second moment (algorithm 1).
ADAM_EPSILON = 1e-8
#: Output that is 1 where every gradient is finite, else 0; with a dynamic loss scale only.
FINITE = "gradients_finite"


class Optimizer(StrEnum):
    """How a weight moves along its gradient."""

    SGD = "sgd"
    ADAM = "adam"


#: The numbers that each step is given, and how many elements each has.
SETTINGS: Mapping[Optimizer, Mapping[str, int]] = MappingProxyType(
    {
        Optimizer.SGD: MappingProxyType({"learning_rate": 1, "momentum": 1, "weight_decay": 1}),
        Optimizer.ADAM: MappingProxyType(
            {"learning_rate": 1, "weight_decay": 1, "beta1": 1, "beta2": 1, "bias_correction": 2}
        ),
    }
)


def lower_update(builder: TraceBuilder, optimizer: Optimizer) -> tuple[str, ...]:
    """Emit the update of everything that has a gradient; return the inputs that it needs.

    What takes the place of what goes into `TraceBuilder.updates`.
    """
    compute = builder.recipe.update.compute
    settings = SETTINGS[optimizer]
    for name, elements in settings.items():
        builder.tensor(TensorInfo(name, (elements,), Role.SETTING, compute))
    if builder.recipe.loss_scaling.method is LossScalingMethod.DYNAMIC:
        _check_finite(builder)
    rates = {
        layer: builder.vector(
            f"{layer}.learning_rate", "multiply", ("learning_rate", factor),
            TensorInfo(f"{layer}.learning_rate", (1,), Role.SETTING, compute),
            layer=layer, compute_format=compute, phase=Phase.UPDATE,
        )
        for layer, factor in builder.rate_factors.items()
    }  # fmt: skip
    for weight, gradient in builder.gradients.items():
        rate = rates.get(weight.rpartition(".")[0], "learning_rate")
        update = _Update(builder, weight, rate)
        regularized = update.emit(
            "l2_regularize", (weight, gradient, "weight_decay", LOSS_SCALE), "regularized", compute
        )
        if optimizer is Optimizer.SGD:
            _lower_sgd(update, regularized)
        else:
            _lower_adam(update, regularized)
    return tuple(settings)


def _lower_sgd(update: _Update, gradient: str) -> None:
    velocity = update.state("velocity")
    moved = update.emit_state(
        "momentum_accumulate", velocity, (velocity, gradient, "momentum", update.rate)
    )
    update.emit_weight("weight_update", (update.weight, moved))


def _lower_adam(update: _Update, gradient: str) -> None:
    first, second = update.state("first_moment"), update.state("second_moment")
    mean = update.emit_state("adam_mean", first, (first, gradient, "beta1"))
    square = update.emit_state("adam_square", second, (second, gradient, "beta2"))
    compute = update.builder.recipe.update.compute
    step = update.emit("adam_step", (mean, square, "bias_correction"), "step", compute)
    update.emit_weight("adam_update", (update.weight, step, update.rate))


def _check_finite(builder: TraceBuilder) -> None:
    """Emit the check that lets the training loop skip a step whose gradients overflowed."""
    compute = builder.recipe.softmax.compute
    flags = [
        builder.vector(
            f"{gradient}.all_finite", "all_finite", (gradient,),
            TensorInfo(f"{gradient}.is_finite", (1,), Role.SETTING, compute),
            layer=weight.rpartition(".")[0], compute_format=compute, phase=Phase.UPDATE,
        )
        for weight, gradient in builder.gradients.items()
    ]  # fmt: skip
    total = flags[0]
    for index, flag in enumerate(flags[1:], start=1):
        is_last = index == len(flags) - 1
        total = builder.vector(
            f"{FINITE}.{index}", "multiply", (total, flag),
            TensorInfo(FINITE if is_last else f"{FINITE}:{index}", (1,), Role.SETTING, compute),
            layer=FINITE, compute_format=compute, phase=Phase.UPDATE,
        )  # fmt: skip


class _Update:
    """The update ops of one tensor that learns."""

    def __init__(self, builder: TraceBuilder, weight: str, rate: str) -> None:
        self.builder = builder
        self.weight = weight
        self.rate = rate
        self._info = builder.tensors[weight]

    def state(self, name: str) -> str:
        """Declare state of the optimizer, all zero before the first step; return its tensor."""
        info = self._info
        rule = self.builder.recipe.update
        fmt = rule.second_moment if name == "second_moment" else None
        tensor = TensorInfo(f"{self.weight}.{name}", info.shape, Role.STATE, fmt or rule.state)
        self.builder.parameters.append(
            TraceParameter(tensor.name, Preparation.ZEROS, (), (("shape", info.shape),))
        )
        return self.builder.tensor(tensor)

    def emit_state(self, function: str, old: str, inputs: tuple[str, ...]) -> str:
        """Emit the op that makes the next value of a state, and its store; return the value."""
        builder, info = self.builder, self.builder.tensors[old]
        if not isinstance(info.format, TensorStorage):
            new = self.emit(function, inputs, None, info.format, old)
            builder.updates[old] = new
            return new
        compute = builder.recipe.update.compute
        value = self.emit(function, inputs, old.removeprefix(f"{self.weight}.") + ":next", compute)
        builder.updates[old] = builder.vector(
            f"{old}.store",
            "store",
            (value,),
            TensorInfo(f"{old}.updated", info.shape, Role.STATE, info.format),
            layer=self.weight.rpartition(".")[0],
            compute_format=compute,
            phase=Phase.UPDATE,
            attributes=store_attributes(info.format),
            rounding=Rounding.NEAREST_EVEN,
        )
        return value

    def emit_weight(self, function: str, inputs: tuple[str, ...]) -> None:
        """Emit the op that makes the next weight."""
        new = self.emit(function, inputs, None, self._info.format, self.weight)
        self.builder.updates[self.weight] = new

    def emit(
        self,
        function: str,
        inputs: tuple[str, ...],
        suffix: str | None,
        fmt: NumberFormat,
        replaces: str | None = None,
    ) -> str:
        """Emit an update op and return its tensor, called after what it replaces if anything."""
        rule = self.builder.recipe.update
        role = Role.GRADIENT if replaces is None else self.builder.tensors[replaces].role
        name = f"{self.weight}.{suffix}" if replaces is None else f"{replaces}.updated"
        is_axpy = function != "adam_step"
        attributes: Attributes = (
            (("random_bits", rule.random_bits),) if is_axpy else (("epsilon", ADAM_EPSILON),)
        )
        return self.builder.vector(
            f"{self.weight}.{function}",
            function,
            inputs,
            TensorInfo(name, self._info.shape, role, fmt),
            layer=self.weight.rpartition(".")[0],
            compute_format=rule.compute,
            phase=Phase.UPDATE,
            attributes=attributes,
            rounding=rule.rounding if is_axpy else Rounding.NEAREST_EVEN,
        )
