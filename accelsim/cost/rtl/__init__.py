"""The arithmetic units in Verilog: their sources, a simulator and a synthesiser for them.

The units are what a cost table prices. Simulated, they give the bits of
`accelsim.formats`; synthesised to a library of cells, they give areas. Neither
Icarus Verilog nor Yosys is needed by anything else of accelsim.
"""

from accelsim.cost.rtl.units import (
    RtlUnit,
    adder_unit,
    dual_product_unit,
    dual_unit,
    get_unit,
    held_two_rate_unit,
    int_unit,
    list_units,
    mac_unit,
    product_unit,
    quantizer_unit,
    two_rate_unit,
    verilog_files,
)

__all__ = [
    "RtlUnit",
    "adder_unit",
    "dual_product_unit",
    "dual_unit",
    "get_unit",
    "held_two_rate_unit",
    "int_unit",
    "list_units",
    "mac_unit",
    "product_unit",
    "quantizer_unit",
    "two_rate_unit",
    "verilog_files",
]
