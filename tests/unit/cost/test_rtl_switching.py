"""Energies of cells: hand counts, and ratios that another library must give again."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from accelsim.cost.catalog import load_cost_table
from accelsim.cost.rtl import adder_unit, get_unit, int_unit, mac_unit
from accelsim.cost.rtl.cells import Cell, MappedUnit, map_unit
from accelsim.cost.rtl.elements import Element, list_elements
from accelsim.cost.rtl.glitches import glitch_energy_pj
from accelsim.cost.rtl.liberty import read_library
from accelsim.cost.rtl.measure import main, measure
from accelsim.cost.rtl.switching import (
    CHUNK,
    CHUNKS,
    ChunkSums,
    Mode,
    count_changes,
    count_switching,
    measure_switching,
    settle,
)
from accelsim.cost.table import UnitKind
from accelsim.errors import DataError
from tests.unit.cost.rtl_oracle import (
    float_formats,
    needs_iverilog,
    needs_yosys,
    round_sum,
    values,
)
from tests.unit.cost.test_rtl_synthesis import OSU018

needs_osu018 = pytest.mark.skipif(not OSU018.is_file(), reason="needs qflow-tech-osu018")


def hazard(gate_delay_ps: float) -> MappedUnit:
    """y = a AND NOT a: net 2 is a, 3 its inverse, 10 ps later, 4 is y."""
    return MappedUnit(
        inputs={"a": (2,)},
        outputs={"y": (4,)},
        cells=(
            Cell(("!", "A"), {"A": 2, "Y": 3}, 3, 10.0),
            Cell(("*", "A", "B"), {"A": 2, "B": 3, "Y": 4}, 4, gate_delay_ps),
        ),
        energies_pj={2: 3.0, 3: 1.0, 4: 10.0},
    )


def codes(*bits: int) -> dict[str, np.ndarray]:
    return {"a": np.array([bits], np.uint64)}


@needs_iverilog
def test_a_hazard_switches_where_it_lasts_longer_than_the_gate() -> None:
    """At a = 0, 1: a changes (3 pJ), its inverse changes (1); y is 0 before and after.

    For 10 ps the gate sees a and its inverse both 1: one of 5 ps lets the pulse through,
    2 x 10 pJ more, one of 20 ps does not. At a = 1, 0 there is no pulse.
    """
    for delay, pulse in ((5.0, 20.0), (20.0, 0.0)):
        unit = hazard(delay)
        up, down = (count_switching(unit, codes(*bits)) for bits in ((0, 1), (1, 0)))
        assert (up.zero_delay_pj, up.glitch_pj) == pytest.approx((4.0, 4.0 + pulse))
        assert (down.zero_delay_pj, down.glitch_pj) == pytest.approx((4.0, 4.0))
        # Four transitions: up, down, none, up.
        mixed = count_switching(unit, codes(0, 1, 0, 0, 1))
        assert mixed.zero_delay_pj == pytest.approx(12 / 4)
        assert mixed.glitch_pj == pytest.approx((12 + 2 * pulse) / 4)
    assert unit.critical_path_ps == 30.0


@needs_iverilog
def test_sequences_do_not_follow_each_other() -> None:
    """1, 1 and then 0, 0: nothing changes within either."""
    inputs = {"a": np.array([[1, 1], [0, 0]], np.uint64)}
    assert glitch_energy_pj(hazard(5.0), inputs) == 0.0
    with pytest.raises(DataError, match="no change to count"):
        glitch_energy_pj(hazard(5.0), {"a": np.array([[1]], np.uint64)})


@needs_iverilog
def test_a_late_port_changes_when_the_rest_has_settled() -> None:
    """y = a XOR b from 0, 0 to 1, 1: at once it may glitch, with b late it does so surely.

    A gate of 5 ps sees both inputs change in the same instant and stays; half a cycle
    apart it rises and falls, 2 x 10 pJ.
    """
    unit = MappedUnit(
        inputs={"a": (2,), "b": (3,)},
        outputs={"y": (4,)},
        cells=(Cell(("^", "A", "B"), {"A": 2, "B": 3, "Y": 4}, 4, 5.0),),
        energies_pj={2: 0.0, 3: 0.0, 4: 10.0},
    )
    inputs = {port: np.array([[0, 1]], np.uint64) for port in "ab"}
    assert glitch_energy_pj(unit, inputs) == 0.0
    assert glitch_energy_pj(unit, inputs, late="b") == pytest.approx(20.0)


@needs_yosys
@needs_osu018
def test_mapped_cells_add_as_the_emulator_does() -> None:
    """The cells of a (1,6,9) adder, on random codes."""
    (wide,) = float_formats("fp16_e6m9")
    mapped = map_unit(adder_unit("fp16_e6m9"), read_library(OSU018))
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
@needs_iverilog
@needs_osu018
def test_another_library_gives_the_same_ratios_of_energies() -> None:
    """Half with FP32 sums to e5m2 with (1,6,9) ones at zero delay: within 20 % of the table's.

    The table's library is of 45 nm, this one of 180, with fewer cells; and single runs move.
    """
    rows = {
        (one.operands, one.accumulator): one
        for one in load_cost_table("synth45").of_unit(UnitKind.PE)
        if one.variant == "plain" and not one.kind
    }
    small, large = rows[("fp8_e5m2",), "fp16_e6m9"], rows[("fp16_e5m10",), "fp32"]
    library = read_library(OSU018)
    found = []
    for a, total in (("fp8_e5m2", "fp16_e6m9"), ("fp16_e5m10", "fp32")):
        gates = mac_unit("fp_mac", a, a, total)
        found.append(measure_switching(map_unit(gates, library), Mode(gates, a, a)))
    one, other = found
    expected = large.zero_delay_energy_pj / small.zero_delay_energy_pj
    assert other.zero_delay_pj / one.zero_delay_pj == pytest.approx(expected, rel=0.20)
    # Units this deep glitch two to five times as much as they must, in either library.
    for figures, row in ((one, small), (other, large)):
        assert 2 < figures.glitch_pj / figures.zero_delay_pj < 5
        assert 2 < row.energy_pj / row.zero_delay_energy_pj < 5


@needs_yosys
@needs_iverilog
@needs_osu018
def test_an_adder_over_chunks_runs_on_as_the_emulator_does() -> None:
    """Its energy is that of sums which the emulator rounds, of chunks of 64 products."""
    (wide,) = float_formats("fp16_e6m9")
    unit = adder_unit(wide.name)
    mapped = map_unit(unit, read_library(OSU018))
    left, right = np.random.default_rng(0).standard_normal((2, CHUNKS, CHUNK, CHUNK))
    chunks = wide.quantize(np.einsum("ijk,ijk->ij", left, right))
    sums = np.zeros_like(chunks)
    for cycle in range(1, CHUNK):
        sums[:, cycle] = wide.quantize(sums[:, cycle - 1] + chunks[:, cycle - 1])
    ports = {"a": wide.encode(sums), "b": wide.encode(chunks)}
    expected = count_switching(mapped, {name: one.astype(np.uint64) for name, one in ports.items()})
    assert measure_switching(mapped, ChunkSums(unit, wide.name)) == expected
    assert 2 < expected.glitch_pj / expected.zero_delay_pj < 5


@needs_yosys
@needs_iverilog
@needs_osu018
def test_an_element_is_its_gates_and_its_flip_flops() -> None:
    """Of int2 with an int5 sum: 9 flip-flops, of 96 um2 each in this library."""
    gates = int_unit(2, 5, registered=False)
    element = Element(UnitKind.PE, ("int2",), "int5", gates, 9, (Mode(gates, "int2", "int2"),))
    library = read_library(OSU018)
    unit, register = map_unit(gates, library), library.flip_flops["DFFPOSX1"]
    alone = replace(element, register_bits=0, modes=())
    row, bare = measure(library, (element, alone))
    assert bare.area == pytest.approx(unit.area)
    assert row.area == pytest.approx(unit.area + 9 * 96)
    assert row.clock_energy_pj == pytest.approx(9 * register.clock_pj)
    assert (bare.energy_pj, bare.clock_energy_pj) == (None, None)
    assert row.energy_pj >= row.zero_delay_energy_pj > 0
    inputs = {port: np.zeros((1, 3), np.uint64) for port in unit.inputs}
    assert set(count_changes(unit, inputs).values()) == {0.0}


def test_no_two_elements_are_the_same_row() -> None:
    keys = [(e.unit, e.operands, e.accumulator, e.variant, e.kind) for e in list_elements()]
    assert len(set(keys)) == len(keys)


@needs_yosys
@needs_osu018
def test_a_unit_with_registers_is_refused() -> None:
    with pytest.raises(DataError, match="is not combinational"):
        map_unit(get_unit("pe_int8_int32"), read_library(OSU018))


def test_a_library_that_is_not_there_is_refused(tmp_path, capsys) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["--liberty", str(tmp_path / "none.lib"), "-o", str(tmp_path)])
    assert stopped.value.code == 2
    assert "There is no liberty file" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@needs_osu018
def test_a_folder_that_cannot_be_is_refused_before_anything_runs(tmp_path, capsys) -> None:
    (tmp_path / "taken").write_text("mine", encoding="utf-8")
    with pytest.raises(SystemExit) as stopped:
        main(["--liberty", str(OSU018), "-o", str(tmp_path / "taken")])
    assert stopped.value.code == 2
    assert "taken" in capsys.readouterr().err
    assert (tmp_path / "taken").read_text(encoding="utf-8") == "mine"
