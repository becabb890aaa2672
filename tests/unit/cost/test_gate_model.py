"""The model fitted to synthesised rows: how far it is off, and what it keeps to."""

from __future__ import annotations

import pytest

from accelsim.cost.catalog import load_cost_table
from accelsim.cost.gate_model import (
    Residual,
    area_residuals,
    energy_residuals,
    fit_gate_model,
    pe_amounts,
)
from accelsim.cost.shapes import shape_of
from accelsim.cost.table import Basis, UnitKind, UnitVariant
from accelsim.cost.units import shapes_of, unit_prices

TABLE = load_cost_table("synth45")
PRICES = unit_prices(TABLE)
FP16 = shapes_of("fp16_e6m9")


#: Points of the fit: elements of floats and adders; those with multipliers and the integer one.
ENERGIES, AREAS = 47, 52


@pytest.mark.parametrize(
    ("operands", "total", "low", "high"),
    [("fp16_e5m10", "fp16_e5m10", 1.84, 2.18), ("fp16_e5m10", "fp32", 2.79, 3.03),
     ("fp32", "fp32", 6.44, 7.36)],
)  # fmt: skip
def test_area_ratios_lie_within_the_spread_of_four_libraries(operands, total, low, high) -> None:
    """Another Verilog in Nangate 45, sky130, ASAP7 and osu018, relative to its own FP8 element.

    Its report says that any single area moves by 5 to 7 %, so 5 % is allowed beyond the
    spread; the fitted model alone is held to the ratio and the 15 % that it promises.
    """
    base = PRICES.pe(shapes_of("fp8_e5m2"), FP16).area_um2
    ratio = PRICES.pe(shapes_of(operands), shapes_of(total)).area_um2 / base
    assert low / 1.05 <= ratio <= high * 1.05
    assert fitted_area(operands, total) / fitted_area("fp8_e5m2", "fp16_e6m9") == pytest.approx(
        ratio, rel=0.15
    )


def fitted_area(operand: str, total: str) -> float:
    """Return the model's area of an element whose own row is taken out of the table."""
    shape = shapes_of(operand)
    rows = tuple(
        row
        for row in TABLE.rows
        if not (row.unit is UnitKind.PE and row.shapes == shape and row.accumulator == total)
    )
    table = TABLE.model_copy(update={"rows": rows})
    unit = unit_prices(table).pe(shape, shapes_of(total))
    assert unit.basis is Basis.FITTED
    return unit.area_um2


def test_the_model_meets_every_area_left_out_within_15_percent() -> None:
    """Elements, adders and multipliers; of integers too, though none of them is in the fit."""
    residuals = area_residuals(TABLE)
    assert len(residuals) == AREAS
    worst = max(residuals, key=lambda one: abs(one.left_out))
    assert abs(worst.left_out) <= 0.15, worst
    assert root_mean_square(residuals) < 0.07


@pytest.mark.parametrize("glitches", [False, True])
def test_the_model_meets_every_energy_left_out_within_15_percent(glitches) -> None:
    """Switching alone: the clock, which is counted exactly, would only flatter the model."""
    residuals = energy_residuals(TABLE, glitches=glitches)
    assert len(residuals) == ENERGIES
    worst = max(residuals, key=lambda one: abs(one.left_out))
    assert abs(worst.left_out) <= 0.15, worst
    assert root_mean_square(residuals) < 0.07


def root_mean_square(residuals: tuple[Residual, ...]) -> float:
    return (sum(one.left_out**2 for one in residuals) / len(residuals)) ** 0.5


def test_elements_glitch_three_to_five_times_what_they_must() -> None:
    """And of the same small operands those with FP32 sums, whose chains are longer, the more."""
    glitching = {
        (row.operands, row.accumulator): row.energy_pj / row.zero_delay_energy_pj
        for row in TABLE.of_unit(UnitKind.PE)
        if row.energy_pj and row.variant is UnitVariant.PLAIN and not row.kind
    }
    # An integer element has no shifters.
    assert 1 < glitching.pop((("int8",), "int32")) < 2
    assert all(3 < factor < 5 for factor in glitching.values())
    small = ("fp8_e5m2", "fp8_e4m3fn", "float_e3m4", "float_e5m3", "float_e2m3", "float_e2m1")
    for operand in small:
        assert glitching[(operand,), "fp32"] > glitching[(operand,), "fp16_e6m9"]


def test_areas_are_sums_of_positive_blocks() -> None:
    model = fit_gate_model(TABLE)
    for fit in (model.area_um2, model.energy_pj, model.zero_delay_energy_pj):
        assert all(value >= 0 for value in fit.values())


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("operand", ["fp8_e5m2", "float_e5m5", "fp16_e5m10", "fp32"])
def test_a_wider_sum_never_costs_less(operand, exact) -> None:
    """Through the width at which it holds every product, of the model alone."""
    model, a = fit_gate_model(TABLE), shape_of(operand)
    amounts = [
        pe_amounts(a, a, shape_of(f"float_e8m{bits}"), rounded=not exact) for bits in range(4, 40)
    ]
    for figures in ([model.area(one) for one in amounts], [model.energy(one) for one in amounts]):
        assert figures == sorted(figures)


def test_integers_that_are_added_as_floats_cost_an_addition() -> None:
    """No less than with an integer sum, whose adder aligns nothing."""
    for total in ("fp16_e6m9", "fp32"):
        mac = PRICES.mac(shapes_of("int8"), shapes_of(total))
        assert mac.add_pj > PRICES.mac(shapes_of("int8"), shapes_of("int32")).add_pj > 0


def test_a_wider_unit_never_costs_less() -> None:
    for mantissa in range(1, 12):
        one, two = (
            PRICES.pe(frozenset({shape_of(f"float_e5m{m}")}), FP16)
            for m in (mantissa, mantissa + 1)
        )
        if Basis.MEASURED in (one.basis, two.basis):
            continue
        assert two.area_um2 > one.area_um2
        assert two.energy_pj > one.energy_pj
