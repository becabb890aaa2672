"""Liberty files: units, axes and figures by hand, on a text that is easy to count."""

from __future__ import annotations

import numpy as np
import pytest

from accelsim.cost.rtl.functions import apply_function, parse_function, verilog_of
from accelsim.cost.rtl.liberty import Table, read_cells, read_flip_flops, read_library
from accelsim.errors import DataError

#: NAND2 has its tables with the transition first and two arcs, INV with the load first.
TOY = """
library(toy) {
  time_unit : "1ns"; leakage_power_unit : "1nW"; capacitive_load_unit (1, pf);
  nom_voltage : 2.0;
  lu_table_template(slope_load) { variable_1 : input_net_transition;
    variable_2 : total_output_net_capacitance; index_1 ("1, 2"); index_2 ("1, 2"); }
  lu_table_template(load_slope) { variable_1 : total_output_net_capacitance;
    variable_2 : input_net_transition; index_1 ("1, 2"); index_2 ("1, 2"); }
  cell(FILL) { area : 1; }
  cell(NAND2) { area : 2; cell_leakage_power : 3;
    pin(A) { direction : input; capacitance : 0.25; }
    pin(B) { direction : input; capacitance : 0.5; }
    pin(Y) { direction : output; function : "(!(A B))";
      timing() { related_pin : "A";
        cell_rise(slope_load) { index_1 ("0.1, 0.3"); index_2 ("1, 3"); values ("1, 2", "3, 4"); }
        cell_fall(slope_load) { index_1 ("0.1, 0.3"); index_2 ("1, 3"); values ("1, 2", "3, 4"); }
        rise_transition(slope_load) { index_1 ("0.1, 0.3"); index_2 ("1, 3"); \\
          values ("0.1, 0.2", "0.1, 0.2"); } }
      timing() { related_pin : "B";
        cell_rise(slope_load) { index_1 ("0.1, 0.3"); index_2 ("1, 3"); values ("3, 4", "5, 6"); }
        cell_fall(slope_load) { index_1 ("0.1, 0.3"); index_2 ("1, 3"); values ("5, 6", "7, 8"); } }
      internal_power() { related_pin : "A";
        rise_power(slope_load) { index_1 ("0.1, 0.3"); index_2 ("1, 3"); \\
          values ("8, 8", "8, 8"); }
        fall_power(slope_load) { index_1 ("0.1, 0.3"); index_2 ("1, 3"); \\
          values ("2, 2", "2, 2"); } } } }
  cell(INV) { area : 1; cell_leakage_power : 1;
    pin(A) { direction : input; capacitance : 0.125; }
    pin(Y) { direction : output; function : "(!A)";
      timing() { related_pin : "A";
        cell_rise(load_slope) { index_1 ("1, 3"); index_2 ("0.1, 0.3"); values ("1, 3", "2, 4"); }
      } } }
  cell(DFF) { area : 10; cell_leakage_power : 5;
    ff(IQ, IQN) { clocked_on : "CK"; next_state : "D"; }
    pin(CK) { direction : input; clock : true; capacitance : 0.5;
      internal_power() {
        rise_power(held) { index_1 ("1, 2, 3"); values ("1, 2, 9"); }
        fall_power(held) { index_1 ("1, 2, 3"); values ("3, 4, 9"); } } }
    pin(D) { direction : input; capacitance : 1; }
    pin(Q) { direction : output; function : "IQ"; } }
}
"""


def test_a_table_is_linear_between_its_points_and_held_beyond() -> None:
    table = Table(np.array([0.1, 0.3]), np.array([1.0, 3.0]), np.array([[1.0, 2.0], [3.0, 4.0]]))
    assert [table.at(0.1, 1.0), table.at(0.3, 3.0), table.at(0.3, 1.0)] == [1.0, 4.0, 3.0]
    # Halfway along both axes: the mean of the four.
    assert table.at(0.2, 2.0) == pytest.approx(2.5)
    assert table.at(0.15, 3.0) == pytest.approx(2.5)
    assert [table.at(0.0, 0.0), table.at(9.0, 9.0)] == [1.0, 4.0]


def test_figures_of_a_library_by_hand(tmp_path) -> None:
    file = tmp_path / "toy.lib"
    file.write_text(TOY, encoding="utf-8")
    library = read_library(file)
    assert (library.voltage_v, library.time_ps, library.load_ff) == pytest.approx((2, 1000, 1000))
    assert library.leakage_uw == pytest.approx(1e-3)
    assert set(library.cells) == {"NAND2", "INV"}
    gate = library.cells["NAND2"]
    assert (gate.area, gate.leakage, gate.capacitances) == (2, 3, {"A": 0.25, "B": 0.5})
    # At 0.2 and 2 the arcs give 2.5 and 4.5 rising, 2.5 and 6.5 falling.
    assert gate.delay("Y", 0.2, 2.0) == pytest.approx((3.5 + 4.5) / 2)
    assert gate.transition("Y", 0.2, 2.0) == pytest.approx(0.15)
    assert gate.energy("Y", 0.2, 2.0) == pytest.approx((8 + 2) / 2)
    # The load comes first here: a load of 3 at the first transition gives 2, not 3.
    assert library.cells["INV"].delay("Y", 0.1, 3.0) == 2
    with pytest.raises(DataError, match=r"^The library has no table rise_power or fall_power"):
        library.cells["INV"].energy("Y", 0.1, 3.0)


def test_a_flip_flop_takes_both_edges_of_its_clock_and_charges_its_pin(tmp_path) -> None:
    """Medians 2 and 4 pJ of the edges, and 0.5 pF at 2 V, up and down: 2 pJ."""
    file = tmp_path / "toy.lib"
    file.write_text(TOY, encoding="utf-8")
    (register,) = read_library(file).flip_flops.values()
    assert (register.area, register.leakage) == (10, 5)
    assert register.clock_pj == pytest.approx(2 + 4 + 0.5 * 2**2)
    assert read_flip_flops("cell (D) { area : 2; ff(q, n) { } }")["D"].clock_pj is None


def test_what_is_no_library_is_refused(tmp_path) -> None:
    with pytest.raises(DataError, match=r"^There is no liberty file .*none\.lib"):
        read_library(tmp_path / "none.lib")
    file = tmp_path / "bare.lib"
    file.write_text("library(bare) { cell(INV) { area : 1; } }", encoding="utf-8")
    with pytest.raises(DataError, match=r"^bare\.lib says no nom_voltage"):
        read_library(file)


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
    function = parse_function(text)
    got = apply_function(function, pins.__getitem__)
    expected = [bool(truth(i & 1, i >> 1 & 1, i >> 2 & 1)) for i in range(8)]
    assert got.tolist() == expected
    # Verilog's operators are Python's.
    code = verilog_of(function, lambda pin: f"pins[{pin!r}]")
    assert eval(code, {"pins": pins}).tolist() == expected


@pytest.mark.parametrize("text", ["", "(A B", "A +", "A ? B", "+ A"])
def test_what_is_no_function_is_refused(text) -> None:
    with pytest.raises(DataError):
        parse_function(text)


def test_cells_with_state_are_not_read() -> None:
    cells = read_cells(TOY)
    assert cells["NAND2"].functions == {"Y": ("!", ("*", "A", "B"))}
    assert "DFF" not in cells
