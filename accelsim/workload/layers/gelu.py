"""The Gaussian error linear unit."""

from __future__ import annotations

import math
from enum import StrEnum
from typing import Any, Literal

import numpy as np

from accelsim.workload.builder import Attributes
from accelsim.workload.layers.activations import Activation
from accelsim.workload.layers.base import Float64Array


class GELUApproximation(StrEnum):
    """How the share of a normal variable below x is computed."""

    #: Exactly, by the error function.
    NONE = "none"
    #: By a hyperbolic tangent, as GPT-2 does.
    TANH = "tanh"


class GELU(Activation):
    """x times the share of a standard normal variable below x.

    References
    ----------
    D. Hendrycks, K. Gimpel, "Gaussian error linear units", arXiv 1606.08415, 2016.
    """

    kind: Literal["gelu"] = "gelu"
    approximate: GELUApproximation = GELUApproximation.NONE
    """``none`` for the exact one, ``tanh`` for the approximation of GPT-2."""

    def _value(self, x: Float64Array) -> Any:
        if self.approximate is GELUApproximation.TANH:
            return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
        errors = [math.erf(value / math.sqrt(2)) for value in x.reshape(-1).tolist()]
        return 0.5 * x * (1 + np.reshape(errors, x.shape))

    @property
    def _attributes(self) -> Attributes:
        return (("approximate", self.approximate.value),)
