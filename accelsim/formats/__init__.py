"""Number formats: what numbers exist, how a number becomes one, and its code."""

from accelsim.formats.base import CodeArray, FloatArray, NumberFormat, RandomBits
from accelsim.formats.float_format import FloatFormat, Specials, Subnormals
from accelsim.formats.lookup import (
    FormatSpec,
    decode,
    encode,
    format_registry,
    get_format,
    list_formats,
    quantize,
)
from accelsim.formats.rounding import Overflow, Rounding
from accelsim.formats.scalar import decode_scalar, encode_scalar, round_scalar

__all__ = [
    "CodeArray",
    "FloatArray",
    "FloatFormat",
    "FormatSpec",
    "NumberFormat",
    "Overflow",
    "RandomBits",
    "Rounding",
    "Specials",
    "Subnormals",
    "decode",
    "decode_scalar",
    "encode",
    "encode_scalar",
    "format_registry",
    "get_format",
    "list_formats",
    "quantize",
    "round_scalar",
]
