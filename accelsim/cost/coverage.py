"""What a cost table can price: a whole chip, or single units alone.

A chip consists of arithmetic in formats that its file chooses, registers, memories,
wires and a vector unit, and it moves bytes from main memory. A table that lacks one
of these can still price units one by one, as tables from the literature do.
"""

from __future__ import annotations

from accelsim.cost.catalog import list_cost_tables, load_cost_table
from accelsim.cost.table import CostTable, UnitKind
from accelsim.cost.units import unit_prices


def whole_chip_gaps(table: CostTable) -> tuple[str, ...]:
    """Return what a table lacks to price any chip; empty where it lacks nothing.

    Examples
    --------
    >>> whole_chip_gaps(load_cost_table("synth45"))
    ()
    >>> whole_chip_gaps(load_cost_table("horowitz45"))[0]
    'registers (register_bit)'
    """
    prices = unit_prices(table)
    needs = {
        "registers (register_bit)": table.find(UnitKind.REGISTER_BIT) is not None,
        "memories (sram)": table.sram is not None,
        "wires (wire_bit_mm)": table.find(UnitKind.WIRE_BIT_MM) is not None,
        "main memory (dram_bit)": table.find(UnitKind.DRAM_BIT, kind=table.dram) is not None,
        "functions of the vector unit (vector_functions)": bool(table.vector_functions),
        "enough measured units to derive those of other formats": prices.model is not None,
    }
    return tuple(what for what, there in needs.items() if not there)


def describe_coverage(table: CostTable) -> str:
    """Return one sentence on what a table can price.

    Examples
    --------
    >>> describe_coverage(load_cost_table("synth45"))
    'Prices whole chips.'
    """
    gaps = whole_chip_gaps(table)
    if not gaps:
        return "Prices whole chips."
    return f"Prices single units, not a whole chip: it lacks {'; '.join(gaps)}."


def whole_chip_tables() -> tuple[str, ...]:
    """Return the names of the tables that can price any chip, sorted.

    Examples
    --------
    >>> whole_chip_tables()
    ('synth45', 'synth45_exact', 'synth45_zero_delay')
    """
    return tuple(name for name in list_cost_tables() if not whole_chip_gaps(load_cost_table(name)))
