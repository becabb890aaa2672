"""The tensor formats that ship: integers with scales, MX blocks, dynamic 8-bit, S2FP8."""

from __future__ import annotations

from typing import Any

from accelsim.formats.base import TensorFormat
from accelsim.formats.block import BlockFormat
from accelsim.formats.catalog import FP8, INTEGERS, MICROSCALING, TABLES, WIDE
from accelsim.formats.dynamic_map import DynamicMapFormat
from accelsim.formats.float_format import FloatFormat
from accelsim.formats.group_range import GroupRangeFormat
from accelsim.formats.integer import IntegerFormat, IntegerScaling, IntegerTensorFormat
from accelsim.formats.s2fp8 import S2fp8Format

_FLOATS: dict[str, FloatFormat] = {fmt.name: fmt for fmt in (*FP8, *MICROSCALING, *WIDE)}
_INTEGERS: dict[str, IntegerFormat] = {fmt.name: fmt for fmt in INTEGERS}
_OCP_MX = "OCP Microscaling Formats (MX) Specification, version 1.0, 2023, table 1"

#: MX name -> element format; e8m0 scales, blocks of 32 along the last axis, the floor rule.
_MX_FLOAT_ELEMENTS = {
    "mx_fp8_e5m2": "fp8_e5m2",
    "mx_fp8_e4m3": "fp8_e4m3fn",
    "mx_fp6_e3m2": "fp6_e3m2",
    "mx_fp6_e2m3": "fp6_e2m3",
    "mx_fp4": "fp4_e2m1",
}

MX = (
    *(
        BlockFormat(name, _FLOATS[element], _FLOATS["e8m0"], source=_OCP_MX)
        for name, element in _MX_FLOAT_ELEMENTS.items()
    ),
    BlockFormat("mx_int8", _INTEGERS["mx_int8_element"], _FLOATS["e8m0"], source=_OCP_MX),
)

SCALED_INTEGERS = tuple(
    IntegerTensorFormat(f"int{bits}_{scaling}", _INTEGERS[f"int{bits}"], scaling)
    for bits in (4, 8, 16)
    for scaling in IntegerScaling
)

#: Activations that wait for the backward pass.
GROUP_RANGES = tuple(
    GroupRangeFormat(f"range{bits}_group", _INTEGERS[f"uint{bits}"], _FLOATS["bf16"])
    for bits in (2, 4, 8)
)

ALL: tuple[TensorFormat[Any], ...] = (
    *MX,
    *SCALED_INTEGERS,
    *GROUP_RANGES,
    *(DynamicMapFormat(f"{table.name}_block", table) for table in TABLES),
    S2fp8Format("s2fp8", _FLOATS["fp8_e5m2"]),
)

#: Provider of the entry-point group ``accelsim.tensor_formats``: name -> tensor format.
BUILTIN: dict[str, TensorFormat[Any]] = {fmt.name: fmt for fmt in ALL}
