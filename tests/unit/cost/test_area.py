"""Area of chips: sums of units, checked by hand, and what is left out."""

from __future__ import annotations

import math

import pytest

from accelsim.arch import list_chips, load_chip
from accelsim.cost.area import AREA_COMPONENTS, chip_area, outer_adder_count, price_units
from accelsim.cost.catalog import load_cost_table
from accelsim.cost.sram import load_sram_table
from accelsim.errors import UnsupportedError

TABLE = load_cost_table("synth45")
FLIP_FLOP_UM2 = 4.522
OUTER_ADDER_UM2 = 633.79 + 16 * FLIP_FLOP_UM2
AREA_45_TO_14 = 0.17  # Stillmaker and Baas


def test_the_default_chip_by_hand() -> None:
    """4 cores of 32 x 32 elements of 3,453.83 um2, each with a second register of 16 bits."""
    chip = load_chip("fp8_chunk64")
    area = chip_area(chip, TABLE)
    element = 3376.52 + 16 * FLIP_FLOP_UM2
    assert area.area_mm2["mac_array"] == pytest.approx(4096 * element * AREA_45_TO_14 * 1e-6)
    # 64 lanes of FP32 elements, which hold FP16 (1, 6, 9) as well.
    assert area.area_mm2["vector_unit"] == pytest.approx(4 * 64 * 6601.77 * AREA_45_TO_14 * 1e-6)
    # 128 bytes each way on two directions, in and out.
    stop = 128 * 8 * 2 * 2 * FLIP_FLOP_UM2
    assert area.area_mm2["interconnect"] == pytest.approx(4 * stop * AREA_45_TO_14 * 1e-6)
    assert area.total_mm2 == math.fsum(area.area_mm2.values())
    assert area.total_leakage_mw == math.fsum(area.leakage_mw.values())
    assert tuple(area.area_mm2) == tuple(str(component) for component in AREA_COMPONENTS)


def test_accumulators_are_outer_adders_and_their_memory() -> None:
    """Per core 32 adders with flip-flops, and 512 entries of 32 x 2 bytes: 32 KiB, 64 wide."""
    chip = load_chip("fp8_chunk64").model_copy(update={"technology_nm": 45.0})
    assert TABLE.sram is not None
    sram = load_sram_table_of(TABLE).cost(32 * 1024, 64, node_nm=45)
    got = chip_area(chip, TABLE).area_mm2["accumulator"]
    assert got == pytest.approx(4 * (32 * OUTER_ADDER_UM2 * 1e-6 + sram.area_mm2))


def load_sram_table_of(table):
    from pathlib import Path

    return load_sram_table(
        Path(table.sram.file), cell=table.sram.cell, objective=table.sram.objective
    )


def test_short_chunks_need_taps() -> None:
    """A column of 32 elements at rate 2 is 64 products: 1 chunk of 64, 4 of 16, 64 of 1."""
    chip = load_chip("fp8_chunk64")
    assert [outer_adder_count(chip, chunk) for chunk in (None, 128, 64, 16, 1)] == [
        32, 32, 32, 128, 2048,
    ]  # fmt: skip
    extra = 4 * (128 - 32) * OUTER_ADDER_UM2 * 1e-6 * AREA_45_TO_14
    plain, tapped = (
        chip_area(chip, TABLE, chunk_size=chunk).area_mm2["accumulator"] for chunk in (64, 16)
    )
    assert tapped - plain == pytest.approx(extra)


def test_an_idealised_scratchpad_has_no_area_and_says_so() -> None:
    area = chip_area(load_chip("scalesim_ws_32x32"), TABLE)
    assert area.area_mm2["scratchpad"] == 0
    assert any(note.startswith("scratchpad.capacity_kib is null") for note in area.notes)
    assert any(note.startswith("accumulator.entries is null") for note in area.notes)


def test_the_conflict_of_the_scaling_sources_is_in_the_result() -> None:
    notes = chip_area(load_chip("fp8_chunk64"), TABLE).notes
    assert any("Sources disagree on the energy from 45 to 14 nm" in note for note in notes)
    assert len(set(notes)) == len(notes)


def test_where_each_component_comes_from_is_in_the_result() -> None:
    basis = chip_area(load_chip("fp8_chunk64"), TABLE).basis
    assert basis == {
        "mac_array": "measured",
        "accumulator": "measured",
        "vector_unit": "measured",
        "scratchpad": "interpolated",
        "interconnect": "estimate",
    }


def test_areas_of_chips_have_the_order_of_their_formats() -> None:
    area = {
        name: chip_area(load_chip(name), TABLE).area_mm2["mac_array"]
        for name in ("fp8_only", "fp16_fp16acc", "bf16", "fp16", "fp32")
    }
    assert sorted(area, key=area.__getitem__) == list(area)


@pytest.mark.parametrize("name", list_chips())
def test_every_chip_that_ships_has_a_price(name) -> None:
    units = price_units(load_chip(name), TABLE)
    assert units.pe.area_um2 > 0


def test_literature_tables_price_no_memories() -> None:
    chip = load_chip("fp32").model_copy(update={"technology_nm": 45.0})
    with pytest.raises(UnsupportedError, match=r"^The cost table 'horowitz45'") as caught:
        chip_area(chip, load_cost_table("horowitz45"))
    assert "synth45" in str(caught.value)


def test_kernel_rows_stay_in_register_files() -> None:
    """(224 + 12) words of 16 bits and 24 sums of 32 bits in each of 12 x 14 elements."""
    chip = load_chip("reference/eyeriss_v1").model_copy(update={"technology_nm": 45.0})
    moving = chip.mac_array.model_copy(update={"dataflow": "weight_stationary"})
    area = chip_area(chip, TABLE)
    without = chip_area(chip.model_copy(update={"mac_array": moving}), TABLE)
    bits = (224 + 12) * 16 + 24 * 32
    assert area.area_mm2["mac_array"] - without.area_mm2["mac_array"] == pytest.approx(
        12 * 14 * bits * FLIP_FLOP_UM2 * 1e-6
    )
    assert any("Register files" in note for note in area.notes)
    assert not any("Register files" in note for note in without.notes)
