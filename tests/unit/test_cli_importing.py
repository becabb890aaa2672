"""``accelsim import`` and files of other tools on the command line."""

from __future__ import annotations

from pathlib import Path

from accelsim.workload import load_workload
from tests.unit.test_cli import Run, cli, refused

__all__ = ["cli"]  # a fixture

PROBLEM = """\
problem:
  shape:
    dimensions: [M, N, K, B]
    data_spaces:
    - {name: A, projection: [[[M], [B]], [[K]]]}
    - {name: W, projection: [[[N]], [[K]], [[B]]]}
    - {name: Z, projection: [[[M]], [[N]]], read_write: true}
  instance: {M: 16, N: 8, K: 32, B: 3}
"""


def test_a_problem_of_timeloop_runs_and_is_checked(cli: Run, tmp_path: Path) -> None:
    path = tmp_path / "problem.yaml"
    path.write_text(PROBLEM, encoding="utf-8")
    outcome = cli("run", path, "--numerics", "off")
    assert outcome.code == 0
    assert f"{16 * 8 * 32 * 3:,}" in outcome.out  # a convolution of a series with 3 taps
    assert cli("check", path).code == 0
    path.write_text(PROBLEM.replace("M: 16", "M: x"), encoding="utf-8")
    refused(cli("run", path), "problem.yaml:8", "must be a positive whole number")
    refused(cli("check", path), "problem.yaml:8")


def test_any_network_is_written_as_a_topology(cli: Run, tmp_path: Path) -> None:
    path = tmp_path / "tiny.csv"
    outcome = cli("import", "tiny", "-o", path)
    assert outcome.code == 0
    assert "MACs" in outcome.out
    assert path.read_text().startswith("Layer name, IFMAP Height")
    again = ("import", "tiny", "-o", path, "--topology", "gemm")
    refused(cli(*again), "exists. Use --force")
    assert cli(*again, "--force").code == 0
    assert path.read_text().startswith("Layer, M, N, K")
    assert load_workload(path).macs() == load_workload("tiny").macs()


def test_what_cannot_be_imported_is_refused(cli: Run, tmp_path: Path) -> None:
    output = tmp_path / "x.csv"
    refused(cli("import", "resnet5", "-o", output), "Did you mean resnet50?")
    refused(cli("import", "tiny", "-o", output, "--strict"), "file of another tool")
    refused(cli("import", "net.tflite", "-o", output), "net.tflite is of no known format")
    refused(cli("import", "tiny", "-o", tmp_path / "x.txt"), "must end in .yaml or .csv")
    assert not output.exists()
