"""Switching of cells: hand counts on a toy library, and the ratios behind the cost table."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from accelsim.cost.catalog import load_cost_table
from accelsim.cost.rtl import adder_unit, get_unit
from accelsim.cost.rtl.cells import (
    Cell,
    MappedUnit,
    apply_function,
    map_unit,
    parse_function,
    read_cells,
)
from accelsim.cost.rtl.switching import (
    SwitchingRow,
    count_switching,
    element_modes,
    measure_modes,
    settle,
    write_csv,
)
from accelsim.cost.table import Basis, UnitKind
from accelsim.errors import DataError
from tests.unit.cost.rtl_oracle import float_formats, needs_yosys, round_sum, values
from tests.unit.cost.test_rtl_synthesis import LIBERTY, OSU018

needs_osu018 = pytest.mark.skipif(not OSU018.is_file(), reason="needs qflow-tech-osu018")

# y = a AND NOT a, through one inverter: net 2 is a, 3 its inverse, 4 is y.
HAZARD = MappedUnit(
    inputs={"a": (2,)},
    outputs={"y": (4,)},
    cells=(
        Cell(("!", "A"), {"A": 2, "Y": 3}, 3),
        Cell(("*", "A", "B"), {"A": 2, "B": 3, "Y": 4}, 4),
    ),
    loads={2: 3.0, 3: 1.0, 4: 10.0},
)


def test_a_hazard_switches_only_where_delays_count() -> None:
    """At a = 0, 1: a changes (load 3), its inverse changes (1); y is 0 before and after.

    With one delay per cell the gate sees a = 1 before the inverse falls: y rises and
    falls, 2 x 10 more. At a = 1, 0 the gate sees a fall first, and y stays.
    """
    up = count_switching(HAZARD, {"a": np.array([[0, 1]], np.uint64)})
    down = count_switching(HAZARD, {"a": np.array([[1, 0]], np.uint64)})
    assert (up.zero_delay, up.unit_delay) == (4.0, 24.0)
    assert (down.zero_delay, down.unit_delay) == (4.0, 4.0)
    # Four transitions: up, down, none, up.
    mixed = count_switching(HAZARD, {"a": np.array([[0, 1, 0, 0, 1]], np.uint64)})
    assert (mixed.zero_delay, mixed.unit_delay) == (12 / 4, 52 / 4)
    without = count_switching(HAZARD, {"a": np.array([[0, 1]], np.uint64)}, glitches=False)
    assert without.zero_delay == without.unit_delay == 4.0


@pytest.mark.parametrize(
    ("text", "truth"),
    [
        ("(!((A B)+C))", lambda a, b, c: not ((a and b) or c)),
        ("!A B + C'", lambda a, b, c: (not a and b) or not c),
        ("(A^B)^C", lambda a, b, c: (a + b + c) % 2 == 1),
        ("A&B|C", lambda a, b, c: (a and b) or c),
        ("(!((C A) + (!C B)))", lambda a, b, c: not (a if c else b)),
    ],
)
def test_functions_of_cells(text, truth) -> None:
    pins = {name: np.array([i >> at & 1 for i in range(8)], bool) for at, name in enumerate("ABC")}
    got = apply_function(parse_function(text), pins.__getitem__)
    assert got.tolist() == [bool(truth(i & 1, i >> 1 & 1, i >> 2 & 1)) for i in range(8)]


@pytest.mark.parametrize("text", ["", "(A B", "A +", "A ? B", "+ A"])
def test_what_is_no_function_is_refused(text) -> None:
    with pytest.raises(DataError):
        parse_function(text)


def test_cells_of_a_library() -> None:
    cells = read_cells(LIBERTY)
    assert cells["NAND2"].functions == {"Y": ("!", ("*", "A", "B"))}
    assert "DFF" not in cells


@needs_yosys
@needs_osu018
def test_mapped_cells_add_as_the_emulator_does() -> None:
    """The cells of a (1,6,9) adder, on random codes."""
    (wide,) = float_formats("fp16_e6m9")
    mapped = map_unit(adder_unit("fp16_e6m9"), OSU018)
    rng = np.random.default_rng(0)
    first, second = rng.integers(0, 1 << 16, (2, 4000)).astype(np.uint64)
    ports = dict(zip(mapped.inputs, (first, second), strict=True))
    nets = settle(mapped, ports)
    (out,) = mapped.outputs.values()
    got = sum(nets[net].astype(np.uint64) << np.uint64(i) for i, net in enumerate(out))
    with np.errstate(invalid="ignore"):
        expected = round_sum(values(first, wide), values(second, wide)[:, None], wide)
    assert np.array_equal(got, expected)


@needs_yosys
@needs_osu018
def test_the_energies_of_the_two_rate_element_come_out_again() -> None:
    """The ratios behind the table's rows, within the 7 % by which single runs move.

    The same ratio of a half element with an FP32 sum is 3.60 in the 45 nm library:
    3.329 against 0.924 pJ at zero delay; osu018 is within 10 % of it.
    """
    table = load_cost_table("synth45")
    modes = {mode.name: mode for mode in element_modes()}
    wanted = (
        "e5m2",
        "half, FP32 sum",
        *(f"two-rate held, {one}" for one in ("e5m2", "e4m3", "(1,6,9)")),
    )
    rows = measure_modes(OSU018, [modes[name] for name in wanted], glitches=False)
    ratios = {row.mode: row.zero_delay_ratio for row in rows}
    assert ratios["half, FP32 sum"] == pytest.approx(3.329 / 0.924, rel=0.10)
    for mode, operand in (("e5m2", "fp8_e5m2"), ("e4m3", "fp8_e4m3"), ("(1,6,9)", "fp16_e6m9")):
        (row,) = [
            one for one in table.of_unit(UnitKind.PE)
            if one.kind == "rates_1_2" and one.operands == (operand,)
        ]  # fmt: skip
        assert row.basis is Basis.INTERPOLATED
        assert row.energy_pj == pytest.approx(2.473 * ratios[f"two-rate held, {mode}"], rel=0.07)


@needs_yosys
@needs_osu018
def test_a_unit_with_registers_is_refused() -> None:
    with pytest.raises(DataError, match="is not combinational"):
        map_unit(get_unit("pe_int8_int32"), OSU018)


def test_rows_are_written_with_a_header(tmp_path) -> None:
    write_csv([SwitchingRow("e5m2", "toy.lib", 1.0, 2.0, 1.0, 1.0)], tmp_path / "switching.csv")
    with (tmp_path / "switching.csv").open(encoding="utf-8") as file:
        (row,) = csv.DictReader(file)
    assert (row["mode"], row["unit_delay"]) == ("e5m2", "2.0")
