"""How a network is trained: everything that decides the result besides network, recipe and data."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from accelsim.errors import ConfigError
from accelsim.workload.optimizer import Optimizer

#: Parts of the training after which the step schedule divides the learning rate, and by what
#: (He et al. 2016 for CIFAR-10).
STEP_PLACES = (0.5, 0.75)
STEP_FACTOR = 0.1


class Schedule(StrEnum):
    """How the learning rate changes."""

    #: Not at all.
    CONSTANT = "constant"
    #: A tenth after half of the steps, and again after three quarters.
    STEP = "step"
    #: Along half a cosine to zero (Loshchilov and Hutter 2017, without restarts).
    COSINE = "cosine"


@dataclass(frozen=True, slots=True)
class TrainingSettings:
    """Optimizer, schedule, length and seed of a training.

    Parameters
    ----------
    epochs, batch : int
        Times through the data, and samples per step. A last batch that is not full is
        left out; the next epoch's order brings its samples to other places.
    learning_rate : float
        Before the schedule.
    optimizer : Optimizer
    momentum : float
        Of stochastic gradient descent.
    weight_decay : float
        L2 regularisation.
    beta1, beta2 : float
        Of Adam.
    schedule : Schedule
    seed : int
        Names the initial weights, the order of the samples and the random bits.
    train_samples, test_samples : int or None
        Samples of each split that are used, from the first on; all where None.

    Raises
    ------
    ConfigError
        With every setting that is out of range.
    """

    epochs: int = 1
    batch: int = 64
    learning_rate: float = 0.05
    optimizer: Optimizer = Optimizer.SGD
    momentum: float = 0.9
    weight_decay: float = 0.0
    beta1: float = 0.9
    beta2: float = 0.999
    schedule: Schedule = Schedule.CONSTANT
    seed: int = 0
    train_samples: int | None = None
    test_samples: int | None = None

    def __post_init__(self) -> None:
        problems = [
            f"{name} is {getattr(self, name)}; it must be at least 1."
            for name in ("epochs", "batch", "train_samples", "test_samples")
            if getattr(self, name) is not None and getattr(self, name) < 1
        ]
        if not (math.isfinite(self.learning_rate) and self.learning_rate > 0):
            problems.append(f"learning_rate is {self.learning_rate}; it must be positive.")
        if not (math.isfinite(self.weight_decay) and self.weight_decay >= 0):
            problems.append(f"weight_decay is {self.weight_decay}; it must not be negative.")
        problems += [
            f"{name} is {getattr(self, name)}; it must be at least 0 and less than 1."
            for name in ("momentum", "beta1", "beta2")
            if not 0 <= getattr(self, name) < 1
        ]
        if not 0 <= self.seed < 2**63:
            problems.append(f"seed is {self.seed}; it must be 0 to 2**63 - 1.")
        if problems:
            raise ConfigError("\n".join(problems))

    def document(self) -> dict[str, Any]:
        """Return the settings as a JSON-ready mapping."""
        return {name: value if value is None or isinstance(value, int | float) else str(value)
                for name, value in asdict(self).items()}  # fmt: skip


def learning_rate_at(settings: TrainingSettings, step: int, steps: int) -> float:
    """Return the learning rate of a step, 0 to steps - 1, in float64.

    Examples
    --------
    >>> settings = TrainingSettings(learning_rate=0.1, schedule=Schedule.STEP)
    >>> [round(learning_rate_at(settings, step, 8), 6) for step in (0, 3, 4, 6)]
    [0.1, 0.1, 0.01, 0.001]

    References
    ----------
    K. He et al., "Deep Residual Learning for Image Recognition", CVPR 2016, section 4.2.
    I. Loshchilov, F. Hutter, "SGDR", ICLR 2017, equation 5.
    """
    rate = settings.learning_rate
    if settings.schedule is Schedule.STEP:
        passed = sum(step >= place * steps for place in STEP_PLACES)
        return float(rate * STEP_FACTOR**passed)
    if settings.schedule is Schedule.COSINE:
        return rate * 0.5 * (1.0 + math.cos(math.pi * step / steps))
    return rate
