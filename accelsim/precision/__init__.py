"""Precision: which number goes where."""

from accelsim.precision.accumulator import (
    AccumulationMethod,
    Accumulator,
    IntegerOverflow,
    PairRule,
)
from accelsim.precision.format_ref import FormatRef
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
    "get_recipe",
    "list_recipes",
]
