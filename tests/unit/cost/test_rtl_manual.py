"""The figures of the page on the Verilog are those of the cost table."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from accelsim.cost.catalog import load_cost_table
from accelsim.cost.shapes import shape_of
from accelsim.cost.table import CostRow, UnitKind, UnitVariant
from accelsim.cost.units import shapes_of

TABLE = load_cost_table("synth45")
PAGE = (Path(__file__).parents[3] / "docs" / "rtl.md").read_text(encoding="utf-8")
WIDE, HALF, FP8 = "fp16_e6m9", "fp16_e5m10", ("fp8_e5m2", "fp8_e4m3fn")
PLAIN, FUSED = UnitVariant.PLAIN, UnitVariant.FUSED


def cells(row: str) -> list[str]:
    (line,) = [one for one in PAGE.splitlines() if one.replace("*", "").startswith(f"| {row} |")]
    return [cell.strip() for cell in line.strip("|").split("|")][1:]


def numbers(cell: str) -> list[float]:
    return [float(one.replace(",", "")) for one in re.findall(r"\d[\d,]*\.?\d*", cell)]


def find(operands: tuple[str, ...], total: str, variant=PLAIN, kind: str = "") -> CostRow:
    row = TABLE.find(
        UnitKind.PE, shapes_of(*operands), accumulator=shape_of(total), variant=variant, kind=kind
    )
    assert row is not None
    return row


BASE = find(("fp8_e5m2",), WIDE).area_um2


@pytest.mark.parametrize(
    ("name", "operands", "total", "variant"),
    [
        ("e5m2 + (1,6,9)", ("fp8_e5m2",), WIDE, PLAIN),
        ("e4m3fn + (1,6,9)", ("fp8_e4m3fn",), WIDE, PLAIN),
        ("both FP8 kinds + (1,6,9)", FP8, WIDE, PLAIN),
        ("e5m2 + FP32", ("fp8_e5m2",), "fp32", PLAIN),
        ("(1,6,9) + (1,6,9), product rounded", (WIDE,), WIDE, PLAIN),
        ("(1,6,9) + (1,6,9), product exact", (WIDE,), WIDE, FUSED),
        ("half + half, product rounded", (HALF,), HALF, PLAIN),
        ("half + half, product exact", (HALF,), HALF, FUSED),
        ("bf16 + FP32", ("bf16",), "fp32", PLAIN),
        ("half + FP32", (HALF,), "fp32", PLAIN),
        ("FP32 + FP32, product rounded", ("fp32",), "fp32", PLAIN),
        ("FP32 + FP32, product exact", ("fp32",), "fp32", FUSED),
        ("int8 + int32", ("int8",), "int32", PLAIN),
    ],
)
def test_elements(name, operands, total, variant) -> None:
    row = find(operands, total, variant)
    area, ratio, _, still, glitching = cells(name)
    assert numbers(area) == [pytest.approx(row.area_um2, abs=0.51)]
    assert numbers(ratio) == [pytest.approx(row.area_um2 / BASE, abs=0.0051)]
    assert numbers(still) == [pytest.approx(row.zero_delay_energy_pj, abs=0.00051)]
    assert numbers(glitching) == [pytest.approx(row.energy_pj, abs=0.0051)]


@pytest.mark.parametrize(
    ("name", "kind"),
    [("two-rate, held between its additions", "rates_1_2"),
     ("two-rate, fused pair", "rates_1_2_fused")],
)  # fmt: skip
def test_two_rates(name, kind) -> None:
    """From pairs of e5m2 to products of (1,6,9)."""
    whole = find((*FP8, WIDE), WIDE, kind=kind)
    small, large = (find((one,), WIDE, kind=kind) for one in ("fp8_e5m2", WIDE))
    area, ratio, _, still, glitching = cells(name)
    assert numbers(area) == [pytest.approx(whole.area_um2, abs=0.51)]
    assert numbers(ratio) == [pytest.approx(whole.area_um2 / BASE, abs=0.0051)]
    assert numbers(still) == [
        pytest.approx(one.zero_delay_energy_pj, abs=0.00051) for one in (small, large)
    ]
    assert numbers(glitching) == [
        pytest.approx(one.energy_pj, abs=0.0051) for one in (small, large)
    ]


def test_adders_and_multipliers_alone() -> None:
    adders = [TABLE.find(UnitKind.ADDER, shapes_of(one)) for one in (WIDE, HALF, "fp32")]
    area, ratio, _, still, glitching = cells("adder (1,6,9) / half / FP32, no registers")
    assert numbers(area) == [pytest.approx(one.area_um2, abs=0.51) for one in adders]
    assert numbers(ratio) == [pytest.approx(one.area_um2 / BASE, abs=0.0051) for one in adders]
    assert numbers(still) == [pytest.approx(one.zero_delay_energy_pj, abs=1e-3) for one in adders]
    assert numbers(glitching) == [pytest.approx(one.energy_pj, abs=0.0051) for one in adders]
    for name, operands in (
        ("multiplier e5m2 / e4m3fn / both kinds, exact", (("fp8_e5m2",), ("fp8_e4m3fn",), FP8)),
        ("multiplier half / FP32, rounded", ((HALF,), ("fp32",))),
    ):
        found = [TABLE.find(UnitKind.MULTIPLIER, shapes_of(*one)).area_um2 for one in operands]
        area, ratio, *_ = cells(name)
        assert numbers(area) == [pytest.approx(one, abs=0.51) for one in found]
        assert numbers(ratio) == [pytest.approx(one / BASE, abs=0.0051) for one in found]


def test_energies_of_wide_formats_and_why() -> None:
    """With the clock of all flip-flops, 8.59 fJ each, relative to the element of e5m2."""

    def whole(operand: str, total: str, *, still: bool = False) -> float:
        row = find((operand,), total)
        return (row.zero_delay_energy_pj if still else row.energy_pj) + row.clock_energy_pj

    text = " ".join(PAGE.split())
    wide = ((WIDE, WIDE), (HALF, "fp32"), ("fp32", "fp32"))
    for said, still in (("(1,6,9) 2.4, half + FP32 4.1, FP32 9.1;", False),
                        ("at zero delay 2.5, 3.6 and 9.0.", True)):  # fmt: skip
        assert said in text
        base = whole("fp8_e5m2", WIDE, still=still)
        got = [whole(*one, still=still) / base for one in wide]
        printed = [float(one) for one in re.findall(r"\d+\.\d", said)]
        assert printed == [pytest.approx(one, abs=0.051) for one in got]
    gradual, flushed = (
        find(("fp32",), "fp32", one).energy_pj for one in (PLAIN, UnitVariant.FLUSH)
    )
    assert f"{gradual:.1f} pJ here and {flushed:.1f} without subnormals" in text
