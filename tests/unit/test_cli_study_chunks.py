"""``accelsim study chunks``: the figure, the table and what is refused."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import pytest

from accelsim.cli import EXIT_INPUT, main


def call(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["accelsim", "study", "chunks", *arguments])
    with pytest.raises(SystemExit) as stopped:
        main()
    return int(stopped.value.code or 0)


def test_the_folder_holds_figure_table_and_document(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert call(monkeypatch, "--chunks", "8,64,512", "-o", str(tmp_path / "out"), "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "accelsim.chunk_cost/1"
    assert document == json.loads((tmp_path / "out" / "result.json").read_text())
    rows = list(csv.DictReader((tmp_path / "out" / "chunks.csv").read_text().splitlines()))
    assert [int(row["chunk_size"]) for row in rows] == [8, 64, 512]
    assert (tmp_path / "out" / "chunks.svg").read_text().startswith("<?xml")


def test_adders_by_hand(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """32 columns; the k tile is 32 rows x 2 = 64: a chunk of 8 has 64 / 8 adders a column."""
    assert call(monkeypatch, "--chunks", "8,64,512", "--json") == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert [row["outer_adders"] for row in rows] == [32 * 8, 32, 32]


@pytest.mark.parametrize("text", ["24", "x", "0", ""])
def test_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    assert call(monkeypatch, "--chunks", text) == EXIT_INPUT
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "Traceback" not in captured.err
