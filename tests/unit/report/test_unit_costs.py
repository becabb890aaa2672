"""The page of unit prices: what stands in the table, and what it says of the rest."""

from __future__ import annotations

import pytest

from accelsim.errors import ConfigError, UnknownNameError
from accelsim.report.unit_costs import units_page


def cells(operand: str, accumulator: str, table: str) -> dict[str, list[str]]:
    """Return the rows of a page: first word of the unit -> its other cells."""
    _, listed = units_page(operand, accumulator=accumulator, cost_table=table)
    columns = [list(column.cells) for column in listed.columns]
    return {unit.split()[0]: [*rest] for unit, *rest in zip(*columns, strict=True)}


def test_measured_units_stand_as_synthesised() -> None:
    """922.8 um2, 2.801 pJ, 32 flip-flops of 8.59 fJ; multiplier 138.6 and adder 633.8 um2.

    The adder's energy, 2.352 pJ, is measured too; the multiplier's is not.
    """
    rows = cells("fp8_e5m2", "fp16_e6m9", "synth45")
    assert rows["processing"] == ["922.8", "2.801", "0.275", "19.9", "32", "measured"]
    assert rows["multiplier"][0] == "138.6"
    assert rows["multiplier"][-1] == "measured; energy fitted"
    assert rows["adder"][:2] == ["633.8", "2.352"]
    assert rows["adder"][-1] == "measured"
    assert len(rows) == 8


def test_any_format_has_a_price_and_its_basis() -> None:
    rows = cells("{exponent_bits: 4, mantissa_bits: 1}", "float_e7m12", "synth45")
    assert rows["processing"][-1] == rows["multiplier"][-1] == "fitted"
    assert rows["stochastic"][-1] == rows["statistics"][-1] == "estimate"
    assert all(float(row[0]) > 0 for row in rows.values())


def test_literature_prices_what_it_lists() -> None:
    """Horowitz, ISSCC 2014: an FP16 multiplication 1.1 pJ and 1640 um2."""
    intro, _ = units_page("fp16_e5m10", accumulator="fp32", cost_table="horowitz45")
    assert "not a whole chip" in intro
    rows = cells("fp16_e5m10", "fp32", "horowitz45")
    assert rows["multiplier"][:2] == ["1640", "1.1"]
    assert rows["processing"][-1] == "energy or area not in the table"


def test_what_has_no_name_is_refused() -> None:
    with pytest.raises(UnknownNameError):
        list(units_page("nope", accumulator="fp32", cost_table="synth45"))
    with pytest.raises(ConfigError, match="mx_fp4"):
        list(units_page("mx_fp4", accumulator="fp32", cost_table="synth45"))
