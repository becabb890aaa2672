"""The manual's table of whole networks, run again."""

from __future__ import annotations

import re
from functools import cache
from math import prod

import pytest

from accelsim import api
from accelsim.results import Comparison
from tests.unit.cost.test_published_chips import MANUAL

#: The table's columns; resnet50 takes longest and is left to who regenerates the table.
NETWORKS = ("resnet50", "resnet18", "alexnet", "bn50_dnn")
BASELINE = "fp16"


def printed_rows() -> dict[tuple[str, str], list[tuple[float, float]]]:
    """Return (speed-up, energy efficiency) of each network and their mean, by (held, chip)."""
    lines = MANUAL.read_text(encoding="utf-8").splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("| held equal, chip |"))
    assert lines[start].strip("| ").split(" | ")[1:-1] == list(NETWORKS)
    rows = {}
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        name, *cells = line.strip("| ").split("|")
        held, chip = name.strip().split(", ")
        pairs = [cell.split("/") for cell in cells]
        rows[held, chip] = [(float(speed), float(energy)) for speed, energy in pairs]
    return rows


ROWS = printed_rows()


@cache
def comparison(held: str) -> Comparison:
    chips = [BASELINE, *(chip for other, chip in ROWS if other == held)]
    return api.compare(
        NETWORKS[1:], archs=chips, baseline=BASELINE, hold=held, mode="analytic", numerics="off"
    )


@pytest.mark.parametrize("row", ROWS, ids=", ".join)
def test_a_row_is_what_the_simulator_says(row: tuple[str, str]) -> None:
    held, chip = row
    found = {
        entry.result.workload: (entry.speedup, 1 / entry.energy_ratio)
        for entry in comparison(held).rows
        if entry.result.arch == chip
    }
    for network, printed in zip(NETWORKS[1:], ROWS[row][1:-1], strict=True):
        assert found[network] == pytest.approx(printed, abs=0.006), network


@pytest.mark.parametrize(
    ("network", "printed"),
    [("alexnet", "53 (`fp16`) to 58 % (`fp8_chunk64`)"), ("bn50_dnn", "81 to 82 %")],
)
def test_dram_takes_most_of_the_energy_of_large_layers(network: str, printed: str) -> None:
    assert printed in MANUAL.read_text(encoding="utf-8")
    shares = sorted(
        100 * entry.result.totals.energy_by_component_pj["dram"] / entry.result.totals.energy_pj
        for entry in comparison("pe_count").rows
        if entry.result.workload == network
    )
    said = [float(one) for one in re.findall(r"\b\d\d\b", printed.replace("fp16", ""))]
    assert shares == pytest.approx(said, abs=0.6)


@pytest.mark.parametrize("row", ROWS, ids=", ".join)
def test_the_last_column_is_the_geometric_mean_of_the_others(row: tuple[str, str]) -> None:
    *networks, mean = ROWS[row]
    for place in range(2):
        figures = [figure[place] for figure in networks]
        assert mean[place] == pytest.approx(prod(figures) ** (1 / len(figures)), abs=0.011)
