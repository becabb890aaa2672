"""What a network is told about its output: a loss, and the error it sends back."""

from __future__ import annotations

from enum import StrEnum

from accelsim.formats import get_format
from accelsim.workload.builder import TraceBuilder
from accelsim.workload.ops import Phase, Role, TensorInfo

#: Name of the tensor of class numbers or target values, and of the finished loss.
LABELS, LOSS = "labels", "loss"
#: Name of the factor by which all errors are larger than they are.
LOSS_SCALE = "loss_scale"


class Loss(StrEnum):
    """How far an output is from what it should have been."""

    #: Of the softmax over the last axis, for class numbers; mean over rows.
    CROSS_ENTROPY = "cross_entropy"
    #: Of the sigmoid of every number, for targets 0 and 1; mean over numbers.
    BINARY_CROSS_ENTROPY = "binary_cross_entropy"
    #: Mean squared difference to target values.
    SQUARED_ERROR = "squared_error"


def usual_loss(shape: tuple[int, ...]) -> Loss:
    """Return the loss of a network that classifies, by the shape of its output.

    One number says how sure the network is of class 1; more are one for every class.
    """
    return Loss.BINARY_CROSS_ENTROPY if shape[-1] == 1 else Loss.CROSS_ENTROPY


def lower_loss(builder: TraceBuilder, loss: Loss, output: str, *, softmax: str | None) -> str:
    """Emit the loss of an output and return the output's error, loss scale included.

    Parameters
    ----------
    builder : TraceBuilder
        Gets the inputs ``labels`` and ``loss_scale`` and the tensor ``loss``.
    loss : Loss
        For the cross entropies, `output` holds logits.
    output : str
        Tensor of the output.
    softmax : str or None
        Its softmax, if the network computes it.
    """
    rule, shape = builder.recipe.softmax, builder.tensors[output].shape
    fp32 = get_format("fp32")
    label_shape = shape[:-1] if loss is Loss.CROSS_ENTROPY else shape
    builder.tensor(TensorInfo(LABELS, label_shape, Role.LABEL, fp32))
    builder.tensor(TensorInfo(LOSS_SCALE, (1,), Role.SETTING, fp32))
    source = output
    if loss is Loss.CROSS_ENTROPY:
        source = softmax or builder.vector(
            "loss.softmax", "softmax", (output,),
            TensorInfo("loss.softmax", shape, Role.ACTIVATION, rule.output),
            layer=LOSS, compute_format=rule.compute,
        )  # fmt: skip
    builder.vector(
        f"loss.{loss.value}", loss.value, (output, LABELS),
        TensorInfo(LOSS, (1,), Role.ACTIVATION, rule.output),
        layer=LOSS, compute_format=rule.compute,
    )  # fmt: skip
    return builder.vector(
        f"loss.{loss.value}_backward", f"{loss.value}_backward", (source, LABELS, LOSS_SCALE),
        TensorInfo("loss.error", shape, Role.ERROR, rule.output),
        layer=LOSS, compute_format=rule.compute, phase=Phase.BACKWARD,
    )  # fmt: skip
