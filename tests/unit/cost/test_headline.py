"""The manual's answer to the claim, recomputed from the prices.

The elements' figures come from the synthesis report; ratios are quotients of two of
the manual's own columns, so that a misprint in either shows.
"""

from __future__ import annotations

import pytest

from accelsim.arch import load_chip
from accelsim.cost import chip_area, load_cost_table
from accelsim.cost.actions import Component
from accelsim.cost.chunks import chunk_costs
from accelsim.cost.pe import mac_energy, price_pe
from accelsim.cost.units import shapes_of, unit_prices
from accelsim.formats import get_format
from tests.unit.cost.test_published_chips import manual_row

TABLE = load_cost_table("synth45")
PRICES = unit_prices(TABLE)

SINGLE = {
    "e5m2 + (1,6,9) | 1": (("fp8_e5m2",), "fp16_e6m9"),
    "both FP8 kinds + (1,6,9) | 1": (("fp8_e5m2", "fp8_e4m3"), "fp16_e6m9"),
    "(1,6,9) + (1,6,9) | 1": (("fp16_e6m9",), "fp16_e6m9"),
    "half + half | 1": (("fp16_e5m10",), "fp16_e5m10"),
    "bf16 + FP32 | 1": (("bf16",), "fp32"),
    "half + FP32 | 1": (("fp16_e5m10",), "fp32"),
    "FP32 + FP32 | 1": (("fp32",), "fp32"),
}


@pytest.mark.parametrize("row", SINGLE)
def test_elements_of_one_rate(row) -> None:
    operands, total = SINGLE[row]
    unit = PRICES.pe(shapes_of(*operands), shapes_of(total))
    check(row, 1, unit.area_um2, unit.energy_pj + unit.clock_pj)


@pytest.mark.parametrize(
    ("row", "operand", "products"),
    [("two-rate, e5m2 mode", "fp8_e5m2", 2), ("two-rate, (1,6,9) mode", "fp16_e6m9", 1)],
)
def test_the_element_of_two_rates(row, operand, products) -> None:
    chip = load_chip("fp8_chunk64")
    pe = price_pe(chip.mac_array, chip.accumulator, PRICES)
    fmt = get_format(operand)
    mac = mac_energy(chip.mac_array, (fmt, fmt), get_format("fp16_e6m9"), PRICES)
    energy = mac.multiply_pj + mac.add_pj + pe.clock_pj / products
    check(row, products, pe.area_um2, energy)


def check(row: str, products: int, area: float, energy: float) -> None:
    *_, printed_area, printed_energy, per_area, per_energy = manual_row(row)
    base = PRICES.pe(shapes_of("fp16_e5m10"), shapes_of("fp32"))
    assert (printed_area, printed_energy) == (
        pytest.approx(area, abs=0.6), pytest.approx(energy, abs=0.006)
    )  # fmt: skip
    assert per_area == pytest.approx(products * base.area_um2 / area, abs=0.006)
    assert per_energy == pytest.approx((base.energy_pj + base.clock_pj) / energy, abs=0.006)


def test_scratchpads_dominate_the_area_and_chunks_cost_little() -> None:
    """71 to 74 % of the area; less than 5 % of energy and 1.0 % of area for chunks of 64."""
    for name, printed in (("fp8_chunk64", 0.71), ("fp16", 0.74)):
        area = chip_area(load_chip(name), TABLE)
        share = area.area_mm2[Component.SCRATCHPAD] / area.total_mm2
        assert share == pytest.approx(printed, abs=0.006)
    one, column = chunk_costs(load_chip("fp8_chunk64"), TABLE, chunk_sizes=[1, 64])
    assert column.overhead < 0.05
    assert column.accumulator_area_mm2 / column.chip_area_mm2 == pytest.approx(0.010, abs=0.0006)
    assert one.overhead > 1
