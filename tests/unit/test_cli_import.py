"""``accelsim import``, and ``.onnx`` files on the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from accelsim.cli import cli
from accelsim.errors import ConfigError, OutputError
from accelsim.workload import load_workload
from tests.onnx_models import make_model, node, save

pytest.importorskip("onnx")

#: 8 x 8 pixels, 4 channels, 27 products each.
MACS = 8 * 8 * 4 * 27
VARIED = "arch.cores=1,2"


def invoke(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, [str(one) for one in arguments])


@pytest.fixture
def model(tmp_path: Path) -> Path:
    import numpy as np

    weights = np.random.default_rng(1).standard_normal((4, 3, 3, 3)).astype(np.float32)
    nodes = [node("Conv", ["x", "w"], ["c"], pads=[1, 1, 1, 1]), node("Softplus", ["c"], ["y"])]
    made: Any = make_model(nodes, {"x": ("N", 3, "height", 8)}, constants={"w": weights})
    return save(made, tmp_path)


def test_a_model_becomes_a_network_with_its_weights(model: Path, tmp_path: Path) -> None:
    target = tmp_path / "made.yaml"
    result = invoke("import", model, "-o", target, "--dim", "height=8")
    assert result.exit_code == 0, result.output
    assert f"{target}: 1 layers, {MACS:,} MACs, 108 parameters" in result.stdout
    assert "1 of 2 nodes of net.onnx are not modelled" in result.stderr
    assert load_workload(target).macs() == MACS
    assert "1 of 2 nodes of net.onnx are not modelled" in load_workload(target).description
    same = invoke("run", target, "--weights", tmp_path / "made.safetensors", "--arch", "fp32",
                  "--json", "-q")  # fmt: skip
    direct = invoke("run", model, "--dim", "height=8", "--arch", "fp32", "--json", "-q")
    one, other = json.loads(same.stdout), json.loads(direct.stdout)
    assert one["totals"] == other["totals"]
    assert one["totals"]["macs"] == MACS


def test_nothing_is_overwritten_unless_forced(model: Path, tmp_path: Path) -> None:
    target = tmp_path / "made.yaml"
    target.write_text("mine")
    given = ("import", model, "-o", target, "--dim", "height=8")
    assert isinstance(invoke(*given).exception, OutputError)
    assert target.read_text() == "mine"
    assert invoke(*given, "--force", "--json").exit_code == 0
    assert load_workload(target).macs() == MACS


@pytest.mark.parametrize("name", ["made.onnx", "nowhere/made.yaml"])
def test_a_target_that_cannot_be_is_refused(name: str, model: Path, tmp_path: Path) -> None:
    result = invoke("import", model, "-o", tmp_path / name, "--dim", "height=8")
    assert isinstance(result.exception, OutputError)


def test_a_document_lists_what_is_left_out(model: Path, tmp_path: Path) -> None:
    result = invoke("import", model, "-o", tmp_path / "a.yaml", "--dim", "height=8", "--json", "-q")
    document = json.loads(result.stdout)
    assert document["not_modelled"] == [
        {"op": "Softplus", "node": "y", "reason": "no layer does this"}
    ]
    assert document["macs"] == MACS


def test_a_topology_becomes_a_network_too(tmp_path: Path) -> None:
    topology = tmp_path / "net.csv"
    topology.write_text("Layer,M,N,K,\na,3,4,5,\n")
    result = invoke("import", topology, "-o", tmp_path / "net.yaml")
    assert result.exit_code == 0, result.output
    assert load_workload(tmp_path / "net.yaml").macs() == 60
    assert not (tmp_path / "net.safetensors").exists()


def test_every_command_says_which_extent_is_missing(model: Path) -> None:
    for command in (
        ("run", model),
        ("compare", model),
        ("sweep", model, "--vary", "arch.cores=1,2"),
    ):
        error = invoke(*command).exception
        assert isinstance(error, ConfigError)
        assert "--dim height=N" in str(error)


def test_strict_and_dim_reach_compare_and_sweep(model: Path) -> None:
    for command in (("compare", model), ("sweep", model, "--vary", VARIED)):
        error = invoke(*command, "--dim", "height=8", "--strict").exception
        assert isinstance(error, ConfigError)
        assert "Softplus is not modelled" in str(error)


def test_the_options_are_for_files_of_other_tools(model: Path) -> None:
    assert "not NAME=N" in invoke("run", model, "--dim", "height").stderr
    assert "such as .onnx" in str(invoke("run", "tiny", "--strict").exception)


def test_check_reads_a_model(model: Path) -> None:
    assert "--dim height=N" in invoke("check", model).stderr
