"""What an execution says: the value of tensors, and what each op lost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelsim.numerics.errors_report import ErrorFigures, EventCounts
from accelsim.numerics.telemetry import AdditionCounts

Array = NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True)
class Record:
    """What one op did to its values.

    Parameters
    ----------
    name : str
        Name of the op.
    events : EventCounts
        Overflows and the like among the results that were looked at.
    error_local : ErrorFigures or None
        Against the same quantised inputs in float64; None without references.
    error_total : ErrorFigures or None
        Against the whole network in float64; None without references.
    zero_products : float or None
        Share of the products with a zero factor; None for a vector op.
    sampled_rows : int or None
        Rows of the GEMM that went through the real accumulator; None where all did.
    arithmetic : str or None
        The path of `accelsim.numerics` that computed the GEMM; None for a vector op.
    additions : AdditionCounts or None
        What the additions of some outputs lost; None unless asked for.
    """

    name: str
    events: EventCounts
    error_local: ErrorFigures | None = None
    error_total: ErrorFigures | None = None
    zero_products: float | None = None
    sampled_rows: int | None = None
    arithmetic: str | None = None
    additions: AdditionCounts | None = None


@dataclass(frozen=True, slots=True)
class Execution:
    """The values of a trace.

    Parameters
    ----------
    outputs : tuple of str
        Names of the trace's outputs.
    tensors : mapping from str to array
        Stored values of the outputs and of the tensors that were to be kept.
    references : mapping from str to float64 array
        The same tensors of the whole network in float64; empty without references.
    records : tuple of Record
        One per op, in trace order.
    output_error : ErrorFigures or None
        Of the first output against the whole network in float64; None without references.
    """

    outputs: tuple[str, ...]
    tensors: Mapping[str, Array]
    references: Mapping[str, Array]
    records: tuple[Record, ...]
    output_error: ErrorFigures | None

    @property
    def output(self) -> Array:
        """The trace's first output."""
        return self.tensors[self.outputs[0]]
