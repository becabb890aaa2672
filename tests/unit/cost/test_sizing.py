"""Chips of equal area, and the column counts that ship."""

from __future__ import annotations

import pytest

from accelsim.arch import load_chip
from accelsim.cost.area import chip_area
from accelsim.cost.catalog import load_cost_table
from accelsim.cost.sizing import (
    Hold,
    fastest_rate,
    hold_equal,
    peak_macs_per_second,
    resize_to_area,
    with_cols,
)
from accelsim.errors import MappingError

TABLE = load_cost_table("synth45")
REFERENCE = load_chip("fp8_chunk64")


@pytest.mark.parametrize("base", ["fp16", "fp32"])
def test_iso_area_chips_that_ship_have_the_computed_columns(base) -> None:
    computed = hold_equal(load_chip(base), REFERENCE, Hold.AREA, table=TABLE)
    shipped = load_chip(f"{base}_iso_area")
    assert shipped.mac_array.cols == computed.mac_array.cols
    same = {"name", "description", "sources"}
    assert shipped.model_dump(exclude=same) == computed.model_dump(exclude=same)


@pytest.mark.parametrize("name", ["fp8_only", "fp16_fp16acc", "bf16", "fp32"])
def test_one_more_column_would_be_too_large(name) -> None:
    target = chip_area(REFERENCE, TABLE).total_mm2
    chip = resize_to_area(load_chip(name), target, table=TABLE)
    more = with_cols(chip, chip.mac_array.cols + 1)
    assert chip_area(chip, TABLE).total_mm2 <= target < chip_area(more, TABLE).total_mm2


def test_a_chip_resized_to_its_own_area_is_itself() -> None:
    assert hold_equal(REFERENCE, REFERENCE, Hold.AREA, table=TABLE) == REFERENCE


def test_equal_elements_and_equal_throughput() -> None:
    """The FP8 chip makes 2 MACs an element and cycle, so FP16 needs twice the columns."""
    fp16 = load_chip("fp16")
    assert fastest_rate(REFERENCE) == 2
    assert peak_macs_per_second(REFERENCE) == 4 * 32 * 32 * 2 * 1.5e9
    assert hold_equal(fp16, REFERENCE, Hold.PE_COUNT, table=TABLE).mac_array.cols == 32
    fast = hold_equal(fp16, REFERENCE, Hold.THROUGHPUT, table=TABLE)
    assert fast.mac_array.cols == 64
    assert peak_macs_per_second(fast) == peak_macs_per_second(REFERENCE)


def test_an_area_too_small_for_one_column_says_by_how_much() -> None:
    with pytest.raises(MappingError, match=r"^fp32 cannot be resized to 1 mm2") as caught:
        resize_to_area(load_chip("fp32"), 1.0, table=TABLE)
    assert "area with a single column: needs" in str(caught.value)
    assert "a smaller scratchpad" in str(caught.value)


def test_nothing_held_leaves_every_chip_as_it_is() -> None:
    small = load_chip("fp32_iso_area")
    assert hold_equal(small, REFERENCE, Hold.NOTHING, table=TABLE) is small
