"""``accelsim import``, and files of other tools on the command line."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from accelsim.workload import load_workload
from tests.command_line import Run, refused
from tests.onnx_models import make_model, node, save

#: 8 x 8 pixels, 4 channels, 27 products each.
MACS = 8 * 8 * 4 * 27
VARIED = "arch.cores=1,2"
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


@pytest.fixture
def model(tmp_path: Path) -> Path:
    pytest.importorskip("onnx")
    import numpy as np

    weights = np.random.default_rng(1).standard_normal((4, 3, 3, 3)).astype(np.float32)
    nodes = [node("Conv", ["x", "w"], ["c"], pads=[1, 1, 1, 1]), node("Softplus", ["c"], ["y"])]
    made: Any = make_model(nodes, {"x": ("N", 3, "height", 8)}, constants={"w": weights})
    return save(made, tmp_path)


def test_a_model_becomes_a_network_with_its_weights(cli: Run, model: Path, tmp_path: Path) -> None:
    target = tmp_path / "made.yaml"
    result = cli("import", model, "-o", target, "--dim", "height=8")
    assert result.code == 0, result.err
    assert f"{target}: 1 layers, {MACS:,} MACs, 108 parameters" in result.out
    assert "1 of 2 nodes of net.onnx are not modelled" in result.err
    assert load_workload(target).macs() == MACS
    assert "1 of 2 nodes of net.onnx are not modelled" in load_workload(target).description
    same = cli("run", target, "--weights", tmp_path / "made.safetensors", "--arch", "fp32",
               "--json", "-q")  # fmt: skip
    direct = cli("run", model, "--dim", "height=8", "--arch", "fp32", "--json", "-q")
    one, other = json.loads(same.out), json.loads(direct.out)
    assert one["totals"] == other["totals"]
    assert one["totals"]["macs"] == MACS


def test_nothing_is_overwritten_unless_forced(cli: Run, model: Path, tmp_path: Path) -> None:
    target = tmp_path / "made.yaml"
    target.write_text("mine")
    given = ("import", model, "-o", target, "--dim", "height=8")
    refused(cli(*given), "exists. Use --force")
    assert target.read_text() == "mine"
    assert cli(*given, "--force", "--json").code == 0
    assert load_workload(target).macs() == MACS


def test_a_killed_import_leaves_no_network_beside_weights_of_another(
    cli: Run, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = ("import", model, "-o", tmp_path / "made.yaml", "--dim", "height=8", "--force")
    assert cli(*given).code == 0

    class Killed(BaseException):
        """Stands for a signal that no code sees."""

    def dying(source: Path, target: Path) -> None:
        if Path(target).suffix == ".yaml":
            raise Killed
        rename(source, target)

    rename = os.replace
    monkeypatch.setattr(os, "replace", dying)
    with pytest.raises(Killed):
        cli(*given)
    monkeypatch.setattr(os, "replace", rename)
    assert (tmp_path / "made.safetensors").exists()
    refused(cli("run", tmp_path / "made.yaml"), "Unknown workload")
    assert cli(*given).code == 0
    assert load_workload(tmp_path / "made.yaml").macs() == MACS


@pytest.mark.parametrize("name", ["made.onnx", "nowhere/made.yaml"])
def test_a_target_that_cannot_be_is_refused(
    cli: Run, name: str, model: Path, tmp_path: Path
) -> None:
    refused(cli("import", model, "-o", tmp_path / name, "--dim", "height=8"), str(tmp_path))


def test_a_document_lists_what_is_left_out(cli: Run, model: Path, tmp_path: Path) -> None:
    result = cli("import", model, "-o", tmp_path / "a.yaml", "--dim", "height=8", "--json", "-q")
    document = json.loads(result.out)
    assert document["not_modelled"] == [
        {"op": "Softplus", "node": "y", "reason": "no layer does this"}
    ]
    assert document["macs"] == MACS


def test_a_topology_becomes_a_network_too(cli: Run, tmp_path: Path) -> None:
    topology = tmp_path / "net.csv"
    topology.write_text("Layer,M,N,K,\na,3,4,5,\n")
    result = cli("import", topology, "-o", tmp_path / "net.yaml")
    assert result.code == 0, result.err
    assert load_workload(tmp_path / "net.yaml").macs() == 60
    assert not (tmp_path / "net.safetensors").exists()


def test_every_command_says_which_extent_is_missing(cli: Run, model: Path) -> None:
    for command in (
        ("run", model),
        ("compare", model),
        ("sweep", model, "--vary", "arch.cores=1,2"),
    ):
        refused(cli(*command), "--dim height=N")


def test_strict_and_dim_reach_compare_and_sweep(cli: Run, model: Path) -> None:
    for command in (("compare", model), ("sweep", model, "--vary", VARIED)):
        refused(cli(*command, "--dim", "height=8", "--strict"), "Softplus is not modelled")


def test_the_options_are_for_files_of_other_tools(cli: Run, model: Path) -> None:
    assert "not NAME=N" in cli("run", model, "--dim", "height").err
    assert "such as .onnx" in cli("run", "tiny", "--strict").err


def test_check_reads_a_model(cli: Run, model: Path) -> None:
    assert "--dim height=N" in cli("check", model).err


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
