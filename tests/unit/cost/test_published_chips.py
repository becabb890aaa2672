"""The comparison with published chips, as the manual prints it.

The published figures: B. Fleischer et al., VLSI Circuits 2018, and ISSCC 2021,
paper 9.1 (both from peaks and power); ASAP7 units of the MGS paper; NVDLA's and
TPUv4i's own statements. The manual's columns are recomputed here.
"""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from accelsim import api
from accelsim.arch import Chip, load_chip
from accelsim.cost import (
    CostTable,
    ScalingMethod,
    chip_area,
    count_actions,
    evaluate,
    load_cost_table,
    scale,
)
from accelsim.cost.traffic import trace_traffic
from accelsim.cost.units import shapes_of, unit_prices
from accelsim.report.validation import alexnet_convolutions
from tests.unit.cost.gemms import make_gemm, schedule, tensors_of

MANUAL = Path(__file__).parents[3] / "docs" / "cost.md"
TABLE = load_cost_table("synth45")
#: Share of the peak that a large GEMM reaches; it moves leakage alone.
UTILISATION = 0.9


def manual_row(start: str) -> list[float]:
    """Return the figures of the manual's table row that starts with `start`."""
    return [float(cell) for cell in manual_cells(start)]


def manual_cells(start: str) -> list[str]:
    """Return the cells, but for the first, of the manual's table row that starts with `start`."""
    for line in MANUAL.read_text(encoding="utf-8").splitlines():
        if line.startswith(f"| {start}"):
            return [cell.strip() for cell in line.strip("| ").split("|")[1:]]
    raise AssertionError(f"the manual has no row {start!r}")


def on_chip_pj_per_mac(
    chip: Chip,
    method: ScalingMethod,
    *,
    operand: str,
    rate: int,
    total: str = "fp16_e6m9",
    table: CostTable = TABLE,
) -> float:
    op = make_gemm(2048, 512, 2048, operand=operand, total=total, chunk_size=64)
    plan = schedule(op, chip)
    moved = trace_traffic(
        [op], tensors_of(op), outputs=["out"], chip=chip, schedules={op.name: plan}
    )
    cycles = round(op.macs / chip.peak_macs_per_cycle(rate) / UTILISATION)
    table = table.model_copy(update={"scaling": method})
    counts = count_actions(plan, chip, moved[op.name])
    report = evaluate([counts], chip, table, cycles=[cycles])
    return (report.total_pj - report.ops[0]["dram"]) / op.macs


IBM_CHIPS = pytest.mark.parametrize(
    ("row", "base", "node", "cores", "operand", "rate"),
    [
        ("IBM 14 nm core, FP16", "fp16_fp16acc", 14.0, 1, "fp16_e6m9", 1),
        ("IBM 7 nm chip, HFP8", "fp8_chunk64", 7.0, 4, "fp8_e5m2", 2),
        ("IBM 7 nm chip, FP16", "fp8_chunk64", 7.0, 4, "fp16_e6m9", 1),
    ],
)


@IBM_CHIPS
def test_the_two_scalings_bracket_energies_at_7_and_14_nm(
    row, base, node, cores, operand, rate
) -> None:
    chip = load_chip(base).model_copy(update={"technology_nm": node, "cores": cores})
    published, high, low = manual_row(row)
    methods = (ScalingMethod.PUBLISHED_ENDPOINTS, ScalingMethod.STILLMAKER)
    got = [on_chip_pj_per_mac(chip, method, operand=operand, rate=rate) for method in methods]
    assert got == pytest.approx([high, low], abs=0.006)
    assert got[1] < published
    assert 2.85 * published < got[0] < 3.6 * published


@IBM_CHIPS
def test_without_glitches_the_default_scaling_is_near(
    row, base, node, cores, operand, rate
) -> None:
    chip = load_chip(base).model_copy(update={"technology_nm": node, "cores": cores})
    published, high, low = manual_row(f"no glitches: {row}")
    got = [
        on_chip_pj_per_mac(
            chip, method, operand=operand, rate=rate, table=load_cost_table("synth45_zero_delay")
        )
        for method in (ScalingMethod.PUBLISHED_ENDPOINTS, ScalingMethod.STILLMAKER)
    ]
    assert got == pytest.approx([high, low], abs=0.006)
    assert 1.08 * published < got[0] < 1.25 * published


@pytest.mark.parametrize(
    ("row", "table"),
    [("vendor's NVDLA", "synth45"), ("no glitches: vendor's NVDLA", "synth45_zero_delay")],
)
def test_energies_of_an_integer_engine_are_above_its_vendors_estimate(row, table) -> None:
    """291 mW on average at 269 frames/s of ResNet-50, 4,089,184,256 products: NVDLA primer."""
    published, *printed = manual_row(row)
    assert published == pytest.approx(291e-3 / 269 / 4_089_184_256 * 1e12, abs=0.006)
    chip, prices = load_chip("reference/nvdla_2048"), load_cost_table(table)
    got = [
        on_chip_pj_per_mac(chip, method, operand="int8", rate=1, total="int32", table=prices)
        for method in (ScalingMethod.PUBLISHED_ENDPOINTS, ScalingMethod.STILLMAKER)
    ]
    assert got == pytest.approx(printed, abs=0.006)
    assert min(got) > published


@pytest.mark.parametrize(
    ("row", "operand", "total"),
    [("FP8 e4m3", "fp8_e4m3", "fp16_e6m9"), ("INT8", "int8", "int32")],
)
def test_single_units_are_above_those_of_a_7_nm_library(row, operand, total) -> None:
    unit = unit_prices(TABLE).pe(shapes_of(operand), shapes_of(total))
    published, *printed = manual_row(row)
    got = [
        (unit.energy_pj + unit.clock_pj) * scale(45, 7, method=method).energy
        for method in (ScalingMethod.PUBLISHED_ENDPOINTS, ScalingMethod.STILLMAKER)
    ]
    assert got == pytest.approx(printed, abs=0.006)
    assert min(got) > published


@pytest.mark.parametrize(("row", "node"), [("NVDLA, 2048", 28.0), ("NVDLA, the same, 16 nm", 16.0)])
def test_cell_area_is_a_part_of_a_placed_block(row, node) -> None:
    chip = load_chip("int8")
    chip = chip.model_copy(
        update={
            "technology_nm": node,
            "cores": 1,
            "mac_array": chip.mac_array.model_copy(update={"rows": 32, "cols": 64}),
            "scratchpad": chip.scratchpad.model_copy(update={"capacity_kib": 512}),
        }
    )
    published, printed = manual_row(row)
    got = chip_area(chip, TABLE).total_mm2
    assert got == pytest.approx(printed, abs=0.006)
    assert published / 4 < got < published


def test_a_bf16_element_is_a_part_of_a_placed_one() -> None:
    published, printed = manual_row("TPUv4i, one bf16 MAC")
    got = unit_prices(TABLE).pe(shapes_of("bf16"), shapes_of("fp32")).area_um2 * scale(45, 7).area
    assert got == pytest.approx(printed, abs=0.6)
    assert got < published


@pytest.mark.parametrize(
    ("row", "table"), [("Eyeriss", "synth45"), ("no glitches: Eyeriss", "synth45_zero_delay")]
)
def test_eyeriss_on_the_convolutions_of_alexnet(row, table) -> None:
    """278 mW, 115.3 ms, 2.66 G multiply-accumulates: Y.-H. Chen et al., JSSC 2017, Table V."""
    published, *printed = manual_row(row)
    assert published == pytest.approx(278e-3 * 115.3e-3 / 2.66e9 * 1e12, abs=0.006)
    settings = (f"arch.cost_table={table}", "arch.technology_nm=45")
    energy = eyeriss_energy(settings)
    got = [energy * scale(45, 65, method=method).energy for method in (
        ScalingMethod.PUBLISHED_ENDPOINTS, ScalingMethod.STILLMAKER,
    )]  # fmt: skip
    assert got == pytest.approx(printed, abs=0.006)
    assert eyeriss_energy(settings[:1]) == pytest.approx(got[0])


def eyeriss_energy(settings: tuple[str, ...]) -> float:
    """Return the switching and clock energy per MAC on the chip, in pJ."""
    run = api.run(
        alexnet_convolutions(), arch="reference/eyeriss_v1", batch=4, mode="analytic",
        numerics="off", overrides=settings,
    )  # fmt: skip
    beyond_45 = "arch.technology_nm=45" not in settings
    for warning in ("Sources disagree on the energy", "The memory table ends at 45 nm"):
        assert beyond_45 == any(one.startswith(warning) for one in run.warnings)
    parts = run.totals.energy_by_component_pj
    kept = [pj for name, pj in parts.items() if name not in ("dram", "leakage")]
    return math.fsum(kept) / run.totals.macs
