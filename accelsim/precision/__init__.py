"""Precision: which number goes where."""

from accelsim.precision.accumulator import (
    AccumulationMethod,
    Accumulator,
    IntegerOverflow,
    PairRule,
)
from accelsim.precision.format_ref import (
    ArithmeticFormatRef,
    FormatRef,
    arithmetic_format,
    format_spec,
    stored_format,
)
from accelsim.precision.lookup import get_recipe, list_recipes
from accelsim.precision.recipe import (
    GemmException,
    GemmRule,
    LossScaling,
    OperandFormats,
    Recipe,
    SoftmaxRule,
    StoreRule,
    TensorScaling,
    UpdateRule,
    VectorRule,
)
from accelsim.precision.scaling import amax_scale
from accelsim.precision.tensor_storage import TensorStorage

__all__ = [
    "AccumulationMethod",
    "Accumulator",
    "ArithmeticFormatRef",
    "FormatRef",
    "GemmException",
    "GemmRule",
    "IntegerOverflow",
    "LossScaling",
    "OperandFormats",
    "PairRule",
    "Recipe",
    "SoftmaxRule",
    "StoreRule",
    "TensorScaling",
    "TensorStorage",
    "UpdateRule",
    "VectorRule",
    "amax_scale",
    "arithmetic_format",
    "format_spec",
    "get_recipe",
    "list_recipes",
    "stored_format",
]
