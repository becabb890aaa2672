"""Number formats: what numbers exist, how a number becomes one, and its code."""

from accelsim.formats.array import Engine
from accelsim.formats.base import (
    CodeArray,
    FloatArray,
    NumberFormat,
    RandomBits,
    TensorFormat,
)
from accelsim.formats.block import BlockFormat, BlockTensor, ScaleRule
from accelsim.formats.dynamic_map import DynamicMapFormat, DynamicTensor
from accelsim.formats.float_format import FloatFormat
from accelsim.formats.float_rules import Specials, Subnormals
from accelsim.formats.integer import (
    IntegerFormat,
    IntegerScaling,
    IntegerTensor,
    IntegerTensorFormat,
)
from accelsim.formats.lookup import (
    FormatSpec,
    decode,
    encode,
    format_registry,
    get_format,
    get_tensor_format,
    list_formats,
    list_tensor_formats,
    quantize,
    tensor_format_registry,
)
from accelsim.formats.posit import PositFormat
from accelsim.formats.rounding import Overflow, Rounding
from accelsim.formats.s2fp8 import S2fp8Format, S2fp8Statistics, S2fp8Tensor, s2fp8_statistics
from accelsim.formats.scalar import decode_scalar, encode_scalar, round_scalar
from accelsim.formats.table import TableFormat

__all__ = [
    "BlockFormat",
    "BlockTensor",
    "CodeArray",
    "DynamicMapFormat",
    "DynamicTensor",
    "Engine",
    "FloatArray",
    "FloatFormat",
    "FormatSpec",
    "IntegerFormat",
    "IntegerScaling",
    "IntegerTensor",
    "IntegerTensorFormat",
    "NumberFormat",
    "Overflow",
    "PositFormat",
    "RandomBits",
    "Rounding",
    "S2fp8Format",
    "S2fp8Statistics",
    "S2fp8Tensor",
    "ScaleRule",
    "Specials",
    "Subnormals",
    "TableFormat",
    "TensorFormat",
    "decode",
    "decode_scalar",
    "encode",
    "encode_scalar",
    "format_registry",
    "get_format",
    "get_tensor_format",
    "list_formats",
    "list_tensor_formats",
    "quantize",
    "round_scalar",
    "s2fp8_statistics",
    "tensor_format_registry",
]
