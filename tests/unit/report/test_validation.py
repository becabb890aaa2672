"""The fast parts of the validation page: what must be exact, and what must stay in sight."""

from __future__ import annotations

import pytest

from accelsim.report import validation


def errors(section: validation.Section, column: int = -1) -> list[float]:
    return [float(row[column].removesuffix(" %")) for row in section.rows]


def test_scalesim_closed_forms_are_exact() -> None:
    section = validation.scalesim()
    assert len(section.rows) == 6
    assert all(expected == ours for _, expected, ours, _ in section.rows)


def test_peaks_of_ibm_are_arithmetic() -> None:
    """512 FMA x 2 x 1.5 GHz; 4 x 1,024 x 2 x 1.6 GHz, twice for FP8, eight times for INT4."""
    peaks = [row[2] for row in validation.ibm().rows]
    assert [float(peak) for peak in peaks] == [1.5, 13.1, 26.2, 104.9]


def test_nvdla_is_within_a_third_and_above_128_multipliers_within_a_tenth() -> None:
    found = errors(validation.nvdla())
    assert all(abs(error) < 33 for error in found)
    assert all(abs(error) < 10 for error in found[:5])


def test_the_array_of_eyeriss_is_within_a_sixth() -> None:
    """Processing time, layer by layer; measured silicon."""
    section = validation.eyeriss()
    assert [row[0] for row in section.rows] == [f"CONV{at}" for at in range(1, 6)]
    assert all(abs(error) < 16 for error in errors(section, 3))
    # With mappings of least energy DRAM delays the first layer most; see the page for why.
    assert all(abs(error) < 25 for error in errors(section, 6)[1:])
    assert all(float(row[8]) < 5 * float(row[7]) for row in section.rows)


def test_perceptrons_wait_for_weights_and_board_networks_do_not() -> None:
    perceptron, board, _ = validation.tpu().rows
    active, waiting = ([float(row[at].split()[0]) for row in (perceptron, board)] for at in (2, 4))
    assert waiting[0] > 50 > active[0]
    assert active[1] > 50 > waiting[1]


def test_closed_forms_stay_near_the_events() -> None:
    section = validation.analytic_error(networks=("resnet18",))
    assert all(abs(error) < 4 for column in (4, 7) for error in errors(section, column))


@pytest.mark.parametrize("table", validation.TABLES)
def test_published_tables_name_their_source(table: str) -> None:
    text = (validation.PUBLISHED / f"{table}.csv").read_text(encoding="utf-8")
    assert text.startswith("#")
    assert "source" in text.lower() or "table" in text.lower()
    assert validation.published(table)
