"""Memories: the table's own points, what lies between, and the edges."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from accelsim.cost.catalog import load_cost_table
from accelsim.cost.memories import price_memory
from accelsim.cost.scaling import scale
from accelsim.cost.sram import load_sram_table, monotonic
from accelsim.cost.units import unit_prices
from accelsim.errors import ConfigError, DataError, UnsupportedError

TABLE = load_cost_table("synth45")
assert TABLE.sram is not None
FILE = Path(TABLE.sram.file)
SRAM = load_sram_table(FILE, cell=TABLE.sram.cell, objective=TABLE.sram.objective)
KIB = 1024


def test_a_point_of_the_table_is_met() -> None:
    """CACTI 7, 64 KB, 16 B, 45 nm hp: 33.23 pJ read, 28.76 pJ write, 59.68 mW, 0.188 mm2."""
    got = SRAM.cost(64 * KIB, 16, node_nm=45)
    assert got.read_pj == pytest.approx(33.23)
    assert got.write_pj == pytest.approx(28.76)
    assert got.leakage_mw == pytest.approx(59.68)
    assert got.area_mm2 == pytest.approx(0.188, rel=0.02)  # one point in a fall of area


def test_every_point_is_met_within_what_monotony_costs() -> None:
    """Energy within 9 % and leakage at all points, area within 18 %: what the file itself jumps."""
    lines = [line for line in FILE.read_text().splitlines() if not line.startswith("#")]
    mine = [p for p in csv.DictReader(lines) if (p["cell"], p["objective"]) == ("hp", "ED2")]
    assert len(mine) == 3 * 71
    for p in mine:
        got = SRAM.cost(
            int(p["capacity_bytes"]), int(p["width_bytes"]), node_nm=float(p["tech_nm"])
        )
        assert got.read_pj == pytest.approx(float(p["read_pJ"]), rel=0.09)
        assert got.write_pj == pytest.approx(float(p["write_pJ"]), rel=0.09)
        assert got.leakage_mw == pytest.approx(float(p["leakage_mW"]), rel=1e-6)
        assert got.area_mm2 == pytest.approx(float(p["area_mm2"]), rel=0.19)


@given(
    small=st.integers(2 * KIB, 16384 * KIB),
    more=st.floats(1, 4),
    width=st.sampled_from([4, 16, 64, 128]),
    node=st.sampled_from([22.0, 28.0, 45.0]),
)
def test_a_larger_memory_never_costs_less(small, more, width, node) -> None:
    one = SRAM.cost(small, width, node_nm=node)
    two = SRAM.cost(int(small * more), width, node_nm=node)
    if one.notes != two.notes:  # another number of banks: their energy is that of a smaller bank
        assert two.area_mm2 >= 0.9 * one.area_mm2
        return
    assert two.read_pj >= one.read_pj * (1 - 1e-9)
    assert two.leakage_mw >= one.leakage_mw * (1 - 1e-9)
    assert two.area_mm2 >= one.area_mm2 * (1 - 1e-9)


def test_between_two_nodes_lies_between_their_prices() -> None:
    fine, between, coarse = (SRAM.cost(64 * KIB, 32, node_nm=node) for node in (22, 28, 32))
    assert fine.read_pj < between.read_pj < coarse.read_pj


def test_beyond_the_table_is_several_equal_memories() -> None:
    half = SRAM.cost(4096 * KIB, 128, node_nm=22)
    got = SRAM.cost(8192 * KIB, 256, node_nm=22)
    assert got.read_pj == pytest.approx(2 * half.read_pj)  # both slices are read
    assert got.area_mm2 == pytest.approx(2 * half.area_mm2)
    assert "2 slices" in got.notes[0]
    banked = SRAM.cost(8192 * KIB, 128, node_nm=22)
    assert banked.read_pj == pytest.approx(half.read_pj)  # one bank is read, both leak
    assert banked.leakage_mw == pytest.approx(2 * half.leakage_mw)
    assert "2 banks" in banked.notes[0]


def test_a_tiny_memory_is_made_of_flip_flops() -> None:
    """1,000 bytes are 8,000 flip-flops of 4.522 um2."""
    got = price_memory(TABLE, unit_prices(TABLE), capacity_bytes=1000, width_bytes=4, node_nm=45)
    assert got.area_mm2 == pytest.approx(8000 * 4.522e-6)
    assert got.write_pj_per_byte == pytest.approx(8 * 0.00859)
    with pytest.raises(UnsupportedError, match=r"^A memory of 1,000 bytes is below"):
        SRAM.cost(1000, 4, node_nm=45)


def test_a_node_finer_than_the_table_is_scaled_and_says_so() -> None:
    got = price_memory(
        TABLE, unit_prices(TABLE), capacity_bytes=64 * KIB, width_bytes=64, node_nm=14
    )
    at_22 = SRAM.cost(64 * KIB, 64, node_nm=22)
    assert got.area_mm2 < at_22.area_mm2
    assert got.read_pj_per_byte < at_22.read_pj / 64
    assert any("ends at 22 nm" in note for note in got.notes)


def test_a_node_coarser_than_the_table_is_scaled_and_says_so() -> None:
    """Stillmaker and Baas: from 65 to 45 nm an area of 0.66, so from 45 to 65 its inverse."""
    got = price_memory(
        TABLE, unit_prices(TABLE), capacity_bytes=64 * KIB, width_bytes=64, node_nm=65
    )
    at_45 = SRAM.cost(64 * KIB, 64, node_nm=45)
    assert got.area_mm2 == pytest.approx(at_45.area_mm2 / 0.66)
    assert got.leakage_mw == pytest.approx(at_45.leakage_mw / 0.66)
    factor = scale(45, 65).energy
    assert factor > 1
    assert got.read_pj_per_byte == pytest.approx(at_45.read_pj / 64 * factor)
    assert any("ends at 45 nm" in note and "to 65 nm" in note for note in got.notes)
    with pytest.raises(UnsupportedError, match=r"^No published scaling reaches 90 nm"):
        price_memory(TABLE, unit_prices(TABLE), capacity_bytes=64 * KIB, width_bytes=64, node_nm=90)


def test_the_table_itself_ends_where_it_ends() -> None:
    with pytest.raises(UnsupportedError, match=r"covers 22 to 45 nm, not 65 nm"):
        SRAM.cost(64 * KIB, 64, node_nm=65)


def test_a_fall_is_pooled_to_its_mean() -> None:
    """Pool adjacent violators: 3, 2 become 2.5 twice; 1 stays."""
    got = monotonic(np.array([[1.0], [3.0], [2.0]]), along_width=False)
    np.testing.assert_allclose(got[:, 0], [1, 2.5, 2.5])


@given(st.integers(0, 2**32 - 1))
def test_a_monotonic_grid_is_monotonic_and_stays(seed) -> None:
    grid = np.random.default_rng(seed).normal(size=(5, 4))
    got = monotonic(grid, along_width=True)
    assert (np.diff(got, axis=0) >= -1e-9).all()
    assert (np.diff(got, axis=1) >= -1e-9).all()
    np.testing.assert_allclose(monotonic(got, along_width=True), got, atol=1e-9)
    # Nearest: no farther than another monotonic grid, the running maximum.
    other = np.maximum.accumulate(np.maximum.accumulate(grid, axis=0), axis=1)
    assert ((got - grid) ** 2).sum() <= ((other - grid) ** 2).sum() + 1e-9


def test_files_that_are_no_table_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not a readable table of memories"):
        load_sram_table(tmp_path / "none.csv", cell="hp", objective="ED2")
    bad = tmp_path / "bad.csv"
    bad.write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match="not a readable table of memories"):
        load_sram_table(bad, cell="hp", objective="ED2")
    with pytest.raises(ConfigError, match=r"no points for hpx ED2; it has: \['hp ED2'"):
        load_sram_table(FILE, cell="hpx", objective="ED2")
