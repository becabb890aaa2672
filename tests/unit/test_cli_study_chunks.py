"""``accelsim study chunks``: the figure, the table and what is refused."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from tests.command_line import Run, refused


def test_the_folder_holds_figure_table_and_document(cli: Run, tmp_path: Path) -> None:
    outcome = cli("study", "chunks", "--chunks", "8,64,512", "-o", tmp_path / "out", "--json")
    assert outcome.code == 0
    document = json.loads(outcome.out)
    assert document["schema"] == "accelsim.chunk_cost/1"
    assert document == json.loads((tmp_path / "out" / "result.json").read_text())
    rows = list(csv.DictReader((tmp_path / "out" / "chunks.csv").read_text().splitlines()))
    assert [int(row["chunk_size"]) for row in rows] == [8, 64, 512]
    assert (tmp_path / "out" / "chunks.svg").read_text().startswith("<?xml")


def test_adders_by_hand(cli: Run) -> None:
    """32 columns; the k tile is 32 rows x 2 = 64: a chunk of 8 has 64 / 8 adders a column."""
    rows = json.loads(cli("study", "chunks", "--chunks", "8,64,512", "--json").out)["rows"]
    assert [row["outer_adders"] for row in rows] == [32 * 8, 32, 32]


@pytest.mark.parametrize("text", ["24", "x", "0", ""])
def test_refused(cli: Run, text: str) -> None:
    refused(cli("study", "chunks", "--chunks", text))
