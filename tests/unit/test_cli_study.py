"""``accelsim study accumulation``: what it prints and what it leaves in a folder."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from xml.etree import ElementTree

from click.testing import CliRunner, Result

from accelsim.cli import cli
from accelsim.errors import ConfigError, OutputError

QUICK = ("--length", "64", "--trials", "2", "--chunks", "1,8")


def study(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["study", "accumulation", *QUICK, *map(str, arguments)])


def test_the_table_has_a_row_per_accumulator() -> None:
    done = study()
    assert done.exit_code == 0
    assert "sums in fp16_e6m9 of uniform numbers in fp16_e6m9" in done.output
    assert (
        sum(line.strip().startswith(("nearest", "stoch")) for line in done.output.splitlines()) == 4
    )


def test_a_folder_holds_csv_figure_and_document(tmp_path: Path) -> None:
    done = study("-o", tmp_path / "out", "--json")
    document = json.loads(done.output)
    assert document["schema"] == "accelsim.accumulation_study/1"
    assert json.loads((tmp_path / "out" / "result.json").read_text()) == document
    with (tmp_path / "out" / "accumulation.csv").open() as lines:
        rows = list(csv.DictReader(lines))
    # Lengths 16, 24, 32, 48, 64; two chunk sizes; two roundings.
    assert len(rows) == len(document["rows"]) == 5 * 2 * 2
    assert ElementTree.parse(tmp_path / "out" / "accumulation.svg").getroot().tag.endswith("svg")


def test_a_folder_is_not_overwritten_unasked(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    assert isinstance(study("-o", tmp_path).exception, OutputError)
    assert study("-o", tmp_path, "--force").exit_code == 0


def test_figures_of_equal_studies_are_equal_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        assert study("-o", tmp_path / name).exit_code == 0
    one, two = ((tmp_path / name / "accumulation.svg").read_bytes() for name in ("one", "two"))
    assert one == two


def test_chunks_that_are_no_numbers_are_refused() -> None:
    refused = study("--chunks", "1,x").exception
    assert isinstance(refused, ConfigError)
    assert "Chunk sizes are whole numbers." in str(refused)
