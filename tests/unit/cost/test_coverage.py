"""What a cost table can price: a whole chip, or single units alone."""

from __future__ import annotations

import pytest

from accelsim.arch import load_chip
from accelsim.cost import (
    CostTable,
    UnitKind,
    chip_area,
    describe_coverage,
    load_cost_table,
    whole_chip_gaps,
    whole_chip_tables,
)
from accelsim.errors import UnsupportedError
from accelsim.report.inventory import catalog

SYNTHESIS = load_cost_table("synth45")
LITERATURE = ("horowitz45", "tpuv4i_7nm")


def test_the_table_of_own_units_prices_whole_chips() -> None:
    assert whole_chip_gaps(SYNTHESIS) == ()
    assert "synth45" in whole_chip_tables()
    assert not set(LITERATURE) & set(whole_chip_tables())


@pytest.mark.parametrize("name", LITERATURE)
def test_tables_of_the_literature_say_what_they_lack(name) -> None:
    """Their publications price additions, multiplications and memory bits, nothing else."""
    lacking = " ".join(whole_chip_gaps(load_cost_table(name)))
    for what in ("register_bit", "sram", "wire_bit_mm", "vector_functions", "measured units"):
        assert what in lacking
    assert "dram_bit" not in lacking
    assert catalog("cost_tables")["cost_tables"][name].endswith(
        f"it lacks {'; '.join(whole_chip_gaps(load_cost_table(name)))}."
    )


@pytest.mark.parametrize("name", LITERATURE)
def test_a_chip_that_they_cannot_price_says_which_table_can(name) -> None:
    with pytest.raises(UnsupportedError, match=f"^The cost table '{name}' prices no") as caught:
        chip_area(load_chip("fp8_chunk64"), load_cost_table(name))
    assert "Prices single units, not a whole chip" in str(caught.value)
    assert "Tables that price one: synth45" in str(caught.value)


def without(unit: UnitKind) -> CostTable:
    rows = tuple(row for row in SYNTHESIS.rows if row.unit is not unit)
    return SYNTHESIS.model_copy(update={"rows": rows})


def test_each_gap_is_named_alone() -> None:
    assert whole_chip_gaps(without(UnitKind.WIRE_BIT_MM)) == ("wires (wire_bit_mm)",)
    assert whole_chip_gaps(without(UnitKind.DRAM_BIT)) == ("main memory (dram_bit)",)
    no_memories = SYNTHESIS.model_copy(update={"sram": None})
    assert describe_coverage(no_memories) == (
        "Prices single units, not a whole chip: it lacks memories (sram)."
    )


def test_a_chip_beyond_the_scaling_is_no_gap_of_the_table() -> None:
    chip = load_chip("fp8_chunk64").model_copy(update={"technology_nm": 90.0})
    with pytest.raises(UnsupportedError, match=r"^No published scaling reaches 90 nm") as caught:
        chip_area(chip, SYNTHESIS)
    assert "Tables that price one" not in str(caught.value)
