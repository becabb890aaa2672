"""The model fitted to synthesised rows: how far it is off, and what it keeps to."""

from __future__ import annotations

import pytest

from accelsim.cost.catalog import load_cost_table
from accelsim.cost.gate_model import Term, area_residuals, energy_residuals, fit_gate_model
from accelsim.cost.shapes import shape_of
from accelsim.cost.table import Basis, UnitKind
from accelsim.cost.units import shapes_of, unit_prices

TABLE = load_cost_table("synth45")
PRICES = unit_prices(TABLE)
FP16 = shapes_of("fp16_e6m9")


@pytest.mark.parametrize(
    ("operands", "total", "low", "high"),
    [("fp16_e5m10", "fp16_e5m10", 1.84, 2.18), ("fp16_e5m10", "fp32", 2.79, 3.03),
     ("fp32", "fp32", 6.44, 7.36)],
)  # fmt: skip
def test_area_ratios_lie_within_the_spread_of_four_libraries(operands, total, low, high) -> None:
    """Nangate 45, sky130, ASAP7 and osu018, each relative to its own FP8 element.

    Two figures of the spread, so half a unit of the last one is allowed; the fitted
    model alone is held to the same spread and the 15 % that it promises.
    """
    base = PRICES.pe(shapes_of("fp8_e5m2"), FP16).area_um2
    ratio = PRICES.pe(shapes_of(operands), shapes_of(total)).area_um2 / base
    assert low - 0.005 <= ratio <= high + 0.005
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
    residuals = area_residuals(TABLE)
    # Measured: 26 elements of floats, one of integers, three adders, four multipliers.
    assert len(residuals) == 34
    worst = max(residuals, key=lambda one: abs(one.left_out))
    assert abs(worst.left_out) <= 0.15, worst
    rms = (sum(one.left_out**2 for one in residuals) / len(residuals)) ** 0.5
    assert rms < 0.06


def root_mean_square(errors) -> float:
    return (sum(error**2 for error in errors) / len(errors)) ** 0.5


def test_the_model_meets_every_energy_at_zero_delay_left_out_within_15_percent() -> None:
    """Switching alone; with the clock, which is counted, within 12 %."""
    residuals = energy_residuals(TABLE, glitches=False)
    assert len(residuals) == 26
    worst = max(residuals, key=lambda one: abs(one.left_out))
    assert abs(worst.left_out) <= 0.15, worst
    assert root_mean_square([one.left_out for one in residuals]) < 0.07
    clocked = [
        one.left_out * one.figure / (one.figure + (one.row.clock_energy_pj or 0.0))
        for one in residuals
    ]
    assert max(abs(error) for error in clocked) < 0.12


def test_energies_with_glitches_scatter_as_the_docstring_says() -> None:
    """9 % in the mean square, up to 19 %: single runs differ by glitches."""
    residuals = energy_residuals(TABLE)
    assert len(residuals) == 26
    assert max(abs(one.left_out) for one in residuals) < 0.195
    assert root_mean_square([one.left_out for one in residuals]) < 0.095


def test_glitches_grow_with_the_chain_and_stop_at_a_register() -> None:
    """Measured: 2.4 to 3.5 times zero delay; with a register in the middle 2.0 to 2.4."""
    factor = fit_gate_model(TABLE).glitches
    for bits in (10, 11, 24):
        plain = factor.of({Term.SUM: float(bits)})
        cut = factor.of({Term.SUM: float(bits), Term.TWO_STAGE: 1.0})
        assert 2.4 < plain < 3.5
        assert 1.9 < cut < 2.45
    assert factor.per_sum_bit > 0
    assert factor.per_ratio > 0


def test_areas_are_sums_of_positive_blocks() -> None:
    model = fit_gate_model(TABLE)
    assert all(value > 0 for value in model.area_um2.values())
    assert all(value > 0 for value in model.energy_pj.values())


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
