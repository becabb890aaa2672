"""Precision: which number goes where."""

from accelsim.precision.accumulator import (
    AccumulationMethod,
    Accumulator,
    IntegerOverflow,
    PairRule,
)
from accelsim.precision.format_ref import FormatRef

__all__ = ["AccumulationMethod", "Accumulator", "FormatRef", "IntegerOverflow", "PairRule"]
