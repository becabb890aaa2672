"""The formats that ship, as data, each with its source.

Where a source is silent, the choice made here is marked "our choice"; any of
these rules can be changed in an inline format.
"""

from __future__ import annotations

from accelsim.formats.base import NumberFormat
from accelsim.formats.dynamic_map import dynamic_map
from accelsim.formats.float_format import FloatFormat
from accelsim.formats.float_rules import Specials, Subnormals
from accelsim.formats.integer import IntegerFormat
from accelsim.formats.posit import PositFormat
from accelsim.formats.rounding import Rounding
from accelsim.formats.table import TableFormat

_IEEE = "IEEE Std 754-2019"
_OCP_FP8 = "OCP 8-bit Floating Point Specification (OFP8), revision 1.0, 2023"
_OCP_MX = "OCP Microscaling Formats (MX) Specification, version 1.0, 2023"
_ML_DTYPES = "ml_dtypes"
_FNUZ = "Noune et al., arXiv:2206.02915; StableHLO RFC FP8 FNUZ; ml_dtypes"
#: Exponent size of the posit standard.
STANDARD_EXPONENT_SIZE = 2
_DLFLOAT = "Agrawal et al., ARITH 2019; US patent 10,656,913; IBM zDNN and fms-model-optimizer"

#: 8-bit floats and their 9-bit union.
FP8 = (
    FloatFormat("fp8_e5m2", 5, 2, 15, source=f"{_OCP_FP8}; Wang et al., NeurIPS 2018"),
    FloatFormat("fp8_e4m3fn", 4, 3, 7, Specials.NAN_ONLY, source=_OCP_FP8),
    FloatFormat("fp8_e4m3", 4, 3, 7, source=f"{_ML_DTYPES} float8_e4m3 (IEEE rules)"),
    FloatFormat("fp8_e3m4", 3, 4, 3, source=f"{_ML_DTYPES} float8_e3m4 (IEEE rules)"),
    FloatFormat("fp8_e3m4fn", 3, 4, 3, Specials.NAN_ONLY, source="Intel FP8 Emulation Toolkit"),
    FloatFormat(
        "fp8_e4m3b11",
        4,
        3,
        11,
        Specials.NONE,
        source="Sun et al., NeurIPS 2019 (HFP8 forward: exponent bias moved by 4); "
        "no special codes: our choice",
    ),
    FloatFormat(
        "fp8_e4m3b11fnuz",
        4,
        3,
        11,
        Specials.NEGATIVE_ZERO_NAN,
        signed_zero=False,
        source=f"{_ML_DTYPES} float8_e4m3b11fnuz",
    ),
    FloatFormat(
        "fp8_e4m3fnuz", 4, 3, 8, Specials.NEGATIVE_ZERO_NAN, signed_zero=False, source=_FNUZ
    ),
    FloatFormat(
        "fp8_e5m2fnuz", 5, 2, 16, Specials.NEGATIVE_ZERO_NAN, signed_zero=False, source=_FNUZ
    ),
    FloatFormat(
        "fp9_e5m3",
        5,
        3,
        15,
        source="Sun et al., NeurIPS 2019 (holds both HFP8 kinds); IEEE rules: our choice",
    ),
)

#: IBM's DLFloat family: field 0 is an ordinary binade, one code for NaN and infinity.
DLFLOAT = (
    FloatFormat(
        "dlfloat16",
        6,
        9,
        31,
        Specials.MERGED,
        Subnormals.NORMAL_BINADE,
        rounding=Rounding.NEAREST_AWAY,
        source=_DLFLOAT,
    ),
    FloatFormat(
        "dl8",
        4,
        3,
        7,
        Specials.MERGED,
        Subnormals.NORMAL_BINADE,
        rounding=Rounding.NEAREST_AWAY,
        source=f"{_DLFLOAT} (8-bit kin)",
    ),
)

#: 16 bits and wider.
WIDE = (
    FloatFormat(
        "fp16_e6m9",
        6,
        9,
        31,
        source="Wang et al., NeurIPS 2018 (1, 6, 9); IEEE rules and subnormals: our choice",
    ),
    FloatFormat("fp16_e5m10", 5, 10, 15, source=f"{_IEEE} binary16"),
    FloatFormat("bf16", 8, 7, 127, source="Google Brain bfloat16; IEEE rules"),
    FloatFormat("tf32", 8, 10, 127, source="NVIDIA A100 whitepaper, 2020"),
    FloatFormat("fp32", 8, 23, 127, source=f"{_IEEE} binary32"),
)

#: Elements and scale of the OCP microscaling formats.
MICROSCALING = (
    FloatFormat("fp6_e3m2", 3, 2, 3, Specials.NONE, source=_OCP_MX),
    FloatFormat("fp6_e2m3", 2, 3, 1, Specials.NONE, source=_OCP_MX),
    FloatFormat("fp4_e2m1", 2, 1, 1, Specials.NONE, source=_OCP_MX),
    FloatFormat(
        "e8m0",
        8,
        0,
        127,
        Specials.NAN_ONLY,
        Subnormals.NO_ZERO,
        signed=False,
        signed_zero=False,
        source=_OCP_MX,
    ),
)

#: Unsigned floats, for what a ReLU has passed.
UNSIGNED = (
    FloatFormat(
        "ufp8_e5m3",
        5,
        3,
        15,
        Specials.NONE,
        signed=False,
        signed_zero=False,
        source="Huang et al., FFP8, arXiv:2104.07329; finite codes only: our choice",
    ),
    FloatFormat(
        "ufp8_e4m4",
        4,
        4,
        7,
        Specials.NONE,
        signed=False,
        signed_zero=False,
        source="Huang et al., FFP8, arXiv:2104.07329; finite codes only: our choice",
    ),
)

#: Two's complement, unsigned, and the fixed point element of MX.
INTEGERS = (
    *(IntegerFormat(f"int{n}", n, source="two's complement") for n in (2, 4, 8, 16, 32)),
    *(IntegerFormat(f"uint{n}", n, signed=False, source="unsigned") for n in (1, 2, 4, 8, 16)),
    IntegerFormat("mx_int8_element", 8, fraction_bits=6, source=_OCP_MX),
)

#: Posits; es = 2 is the 2022 standard's.
POSITS = tuple(
    PositFormat(
        f"posit{bits}_es{size}",
        bits,
        size,
        source="Standard for Posit Arithmetic (2022)"
        if size == STANDARD_EXPONENT_SIZE
        else "Gustafson and Yonemoto, 2017; rounding of the 2022 standard",
    )
    for bits in (8, 16)
    for size in (0, 1, 2)
)

#: Values on [-1, 1] that block scaling stretches.
_DETTMERS = "Dettmers et al., ICLR 2022"
TABLES = (
    TableFormat("dynamic8", dynamic_map(), source=_DETTMERS),
    TableFormat("dynamic8_unsigned", dynamic_map(signed=False), source=_DETTMERS),
)

#: Provider of the entry-point group ``accelsim.formats``: name -> format.
BUILTIN: dict[str, NumberFormat] = {
    fmt.name: fmt
    for fmt in (
        *FP8,
        *DLFLOAT,
        *WIDE,
        *MICROSCALING,
        *UNSIGNED,
        *INTEGERS,
        *POSITS,
        *TABLES,
    )
}
