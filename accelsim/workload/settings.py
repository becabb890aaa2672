"""The numbers that a step of training is given besides its samples."""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from accelsim.errors import ConfigError
from accelsim.workload.loss import LABELS, LOSS_SCALE, Loss
from accelsim.workload.optimizer import SETTINGS, Optimizer
from accelsim.workload.trace import Trace

Settings = dict[str, NDArray[np.float64]]

#: Stream of random numbers for labels, apart from those of inputs and weights.
_LABEL_STREAM = 0x6C6162656C
#: Learning rate of a step that nobody sets, for stochastic gradient descent and for Adam.
_LEARNING_RATES = MappingProxyType({Optimizer.SGD: 0.01, Optimizer.ADAM: 0.001})


def step_settings(
    optimizer: Optimizer | str = Optimizer.SGD,
    *,
    learning_rate: float,
    momentum: float = 0.9,
    betas: Sequence[float] = (0.9, 0.999),
    weight_decay: float = 0.0,
    loss_scale: float = 1.0,
    step: int = 1,
) -> Settings:
    """Return the inputs of a training trace that are no samples, by name.

    Parameters
    ----------
    optimizer : Optimizer or str
        That of the trace.
    learning_rate, weight_decay, loss_scale : float
        Of this step.
    momentum : float
        For ``sgd``.
    betas : (float, float)
        For ``adam``: decay of the first and of the second moment.
    step : int
        1 for the first step; for ``adam``.

    Returns
    -------
    dict from str to float64 array
        Unrounded; the trace rounds each once to its format.

    Raises
    ------
    ConfigError
        If `step` is less than 1 or a beta is not in [0, 1).

    Examples
    --------
    >>> sorted(step_settings(learning_rate=0.1))
    ['learning_rate', 'loss_scale', 'momentum', 'weight_decay']
    """
    if step < 1:
        raise ConfigError(f"The first step is step 1, not {step}.")
    numbers: dict[str, tuple[float, ...]] = {
        "learning_rate": (learning_rate,),
        "weight_decay": (weight_decay,),
        LOSS_SCALE: (loss_scale,),
    }
    if Optimizer(optimizer) is Optimizer.SGD:
        numbers["momentum"] = (momentum,)
    else:
        beta1, beta2 = betas
        if not (0 <= beta1 < 1 and 0 <= beta2 < 1):
            raise ConfigError(f"Adam's betas are {beta1} and {beta2}; both must be in [0, 1).")
        numbers |= {
            "beta1": (beta1,),
            "beta2": (beta2,),
            "bias_correction": (1 / (1 - beta1**step), 1 / (1 - beta2**step)),
        }
    return {name: np.array(values) for name, values in numbers.items()}


def seeded_inputs(trace: Trace, *, seed: int = 0, loss_scale: float = 1.0) -> Settings:
    """Return all inputs of a trace but those of the network, for a training step on seeded labels.

    Class numbers are uniform, over the logits' last axis or 0 and 1, target values normal; the
    optimizer's numbers are usual ones. A trace without such inputs gives none.

    Parameters
    ----------
    trace : Trace
    seed : int
        Of the labels.
    loss_scale : float
        Of the step.
    """
    if LABELS not in trace.inputs:
        return {}
    optimizer = next(
        choice for choice, numbers in SETTINGS.items() if trace.inputs[-1] == [*numbers][-1]
    )
    loss = next(op for op in trace.vector_ops if LABELS in op.inputs)
    logits, shape = trace.tensors[loss.inputs[0]].shape, trace.tensors[LABELS].shape
    generator = np.random.Generator(np.random.PCG64((_LABEL_STREAM, seed)))
    if loss.function == Loss.BINARY_CROSS_ENTROPY:
        labels = generator.integers(0, 2, shape).astype(np.float64)
    elif shape == logits[:-1]:
        labels = generator.integers(0, logits[-1], shape).astype(np.float64)
    else:
        labels = generator.standard_normal(shape)
    learning_rate = _LEARNING_RATES[optimizer]
    numbers = step_settings(optimizer, learning_rate=learning_rate, loss_scale=loss_scale)
    return {LABELS: labels, **numbers}
