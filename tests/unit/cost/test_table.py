"""Cost tables as files: what they must say, what is refused, and the kit that proves it."""

from __future__ import annotations

from pathlib import Path

import pytest

from accelsim.arch import list_chips, load_chip
from accelsim.cost.catalog import list_cost_tables, load_cost_table
from accelsim.cost.shapes import shape_of
from accelsim.cost.table import Basis, CostTable, UnitKind, UnitVariant
from accelsim.cost.units import shapes_of
from accelsim.errors import ConfigError, UnknownNameError
from accelsim.testing.check_cost_table import check_cost_table

TABLE = load_cost_table("synth45")

MINIMAL = """
name: mine
technology_nm: 45
rows:
  - {unit: adder, operands: [fp32], energy_pj: 0.9, area_um2: 1, source: "a paper, 2020",
     basis: published, technology_nm: 45}
"""


def write(folder: Path, text: str) -> Path:
    file = folder / "mine.yaml"
    file.write_text(text, encoding="utf-8")
    return file


@pytest.mark.parametrize("name", list_cost_tables())
def test_every_table_that_ships_keeps_the_laws(name) -> None:
    check_cost_table(load_cost_table(name))


@pytest.mark.parametrize("name", list_chips())
def test_the_default_table_prices_every_chip_that_ships(name) -> None:
    check_cost_table(TABLE, chip=load_chip(name))


def test_published_figures_stand_as_printed() -> None:
    """Horowitz, ISSCC 2014, and Jouppi et al., ISCA 2021."""
    horowitz, jouppi = load_cost_table("horowitz45"), load_cost_table("tpuv4i_7nm")
    figures = [
        ("adder", "int8", 0.03, 0.007),
        ("adder", "int32", 0.1, 0.03),
        ("adder", "fp32", 0.9, 0.38),
        ("multiplier", "int8", 0.2, 0.07),
        ("multiplier", "int32", 3.1, 1.48),
        ("multiplier", "fp32", 3.7, 1.31),
        ("multiplier", "fp16_e5m10", 1.1, 0.34),
    ]
    for unit, operand, at_45, at_7 in figures:
        for table, figure in ((horowitz, at_45), (jouppi, at_7)):
            row = table.find(UnitKind(unit), shapes_of(operand))
            assert row is not None
            assert (row.energy_pj, row.basis) == (figure, Basis.PUBLISHED)


def test_dram_is_priced_per_bit_with_a_choice() -> None:
    """HBM 7.03, LPDDR4 512 pJ / 64 bit, DDR3 640 pJ / 32 bit."""
    energies = {row.kind: row.energy_pj for row in TABLE.of_unit(UnitKind.DRAM_BIT)}
    assert energies == {"hbm": 7.03, "lpddr4": 512 / 64, "ddr3": 640 / 32}


def test_rows_are_found_by_the_widths_of_their_formats() -> None:
    row = TABLE.find(UnitKind.PE, shapes_of("fp8_e4m3fn"), accumulator=shape_of("dlfloat16"))
    assert row is not None
    assert row.area_um2 == 943.59
    flushed = TABLE.find(
        UnitKind.PE,
        shapes_of("fp8_e5m2"),
        accumulator=shape_of("fp16_e6m9"),
        variant=UnitVariant.FLUSH,
    )
    assert flushed is not None
    assert flushed.area_um2 == 834.44
    assert TABLE.find(UnitKind.PE, shapes_of("float_e4m4")) is None


def test_a_table_is_found_by_name_and_by_path(tmp_path: Path) -> None:
    assert load_cost_table(write(tmp_path, MINIMAL)).name == "mine"
    with pytest.raises(UnknownNameError, match="Did you mean synth45"):
        load_cost_table("synth54")


def test_a_memory_file_stands_beside_its_table(tmp_path: Path) -> None:
    text = MINIMAL + 'sram: {file: m.csv, cell: hp, objective: ED2, source: "a generator"}\n'
    table = load_cost_table(write(tmp_path, text))
    assert table.sram is not None
    assert table.sram.file == str(tmp_path / "m.csv")


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ('source: "a paper, 2020",', "", "source"),
        ("energy_pj: 0.9, area_um2: 1, ", "", "a row needs energy_pj or area_um2"),
        ("energy_pj", "energy_nj", "Did you mean energy_pj"),
        ("operands: [fp32], ", "", "operands belong to pe, multiplier and adder"),
        ("unit: adder", "unit: pe", "a pe needs an accumulator"),
        (", technology_nm: 45}", "}", "technology_nm may be null only for what is off the chip"),
        ("name: mine", "name: mine\ndram: hbm", "no dram_bit row has that kind"),
        ("0.9", "-0.9", "Got -0.9, expected at least 0"),
    ],
)
def test_a_wrong_table_says_where_and_why(tmp_path: Path, old, new, text) -> None:
    with pytest.raises(ConfigError) as caught:
        load_cost_table(write(tmp_path, MINIMAL.replace(old, new)))
    assert text in str(caught.value)
    assert "mine.yaml" in str(caught.value)


def test_two_rows_for_one_unit_are_refused(tmp_path: Path) -> None:
    row = MINIMAL[MINIMAL.index("  - {") :]
    with pytest.raises(ConfigError, match="two rows price the same unit: adder"):
        load_cost_table(write(tmp_path, MINIMAL + row))


def changed(**update) -> CostTable:
    """Return the default table with fields of its first row, an FP8 element, changed."""
    first = TABLE.rows[0].model_copy(update=update)
    return TABLE.model_copy(update={"rows": (first, *TABLE.rows[1:])})


@pytest.mark.parametrize(
    ("update", "text"),
    [
        ({"source": "guess"}, "the source 'guess' names nothing"),
        ({"basis": Basis.FITTED}, "fitted figures are computed"),
        ({"technology_nm": 7.0}, "one table mixes no nodes"),
        ({"area_um2": 100.0}, "smaller than its 32 flip-flops"),
        ({"area_um2": 9000.0}, "less than the narrower"),
    ],
)
def test_the_kit_finds_what_is_wrong(update, text) -> None:
    with pytest.raises(AssertionError, match=text):
        check_cost_table(changed(**update))
