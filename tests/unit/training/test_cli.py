"""``accelsim train`` and ``accelsim study training``: what they print, write and refuse."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from accelsim.cli import EXIT_INPUT
from accelsim.training.result import HISTORY_COLUMNS
from accelsim.workload import load_workload
from accelsim.workload.weights import load_weights
from tests.command_line import Run

NETWORK = """
name: small
input: {shape: [8, 8, 1]}
layers:
  - {name: flatten, kind: flatten}
  - {name: fc1, kind: linear, in_features: 64, out_features: 16}
  - {name: relu1, kind: relu}
  - {name: fc2, kind: linear, in_features: 16, out_features: 10}
"""
QUICK = ("--data", "synthetic", "--train-images", 128, "--test-images", 50, "--batch", 32)


@pytest.fixture
def network(tmp_path: Path) -> Path:
    path = tmp_path / "small.yaml"
    path.write_text(NETWORK)
    return path


class TestTrain:
    def test_the_folder_holds_all_that_it_promises(
        self, cli: Run, network: Path, tmp_path: Path
    ) -> None:
        folder = tmp_path / "out"
        outcome = cli("train", network, *QUICK, "--epochs", 2, "-o", folder)
        assert outcome.code == 0, outcome.err
        assert "wang2018" in outcome.out
        rows = list(csv.DictReader((folder / "history.csv").read_text().splitlines()))
        assert tuple(rows[0]) == HISTORY_COLUMNS
        assert [(row["epoch"], row["step"]) for row in rows] == [("1", "4"), ("2", "8")]
        document = json.loads((folder / "result.json").read_text())
        assert document["schema"] == "accelsim.training/1"
        assert document["test_accuracy"] == float(rows[-1]["test_accuracy"])
        page = (folder / "report.html").read_text()
        assert "<svg" in page
        assert "http-equiv" not in page
        # The weights can be loaded for a run, and are the trained ones.
        weights = load_weights(folder / "final.safetensors", load_workload(network).parameters)
        assert weights.arrays["fc1.weight"].shape == (16, 64)
        assert np.any(weights.arrays["fc2.bias"] != 0)
        # Going on needs no --force, starting anew does.
        first = (folder / "result.json").read_bytes()
        again = ("train", network, *QUICK, "--epochs", 2, "-o", folder)
        assert cli(*again).code == EXIT_INPUT
        assert cli(*again, "--resume").code == 0
        assert (folder / "result.json").read_bytes() == first

    def test_the_price_is_that_of_a_step_times_the_steps(self, cli: Run, network: Path) -> None:
        outcome = cli("train", network, *QUICK, "--epochs", 3, "--json")
        prices = json.loads(outcome.out)["prices"]
        assert [price["arch"] for price in prices] == ["fp8_chunk64", "fp16", "fp32"]
        for price in prices:
            assert price["steps"] == 3 * (128 // 32)
            assert price["cycles"] == price["steps"] * price["step_cycles"]
        # Masters and momentum of 64 x 16 + 16 + 16 x 10 + 10 numbers, two bytes each.
        assert prices[0]["weights_bytes"] == prices[0]["state_bytes"] == 2 * 1210
        assert prices[2]["weights_bytes"] == 4 * 1210

    def test_recipes_are_trained_side_by_side(
        self, cli: Run, network: Path, tmp_path: Path
    ) -> None:
        folder = tmp_path / "out"
        recipes = ("--recipe", "fp32", "--recipe", "wang2018")
        outcome = cli("train", network, *QUICK, *recipes, "-o", folder, "--json")
        assert outcome.code == 0, outcome.err
        both = json.loads(outcome.out)["trainings"]
        assert [(one["recipe"], one["arch"]) for one in both] == [
            ("fp32", "fp32"),
            ("wang2018", "fp8_chunk64"),
        ]
        lines = (folder / "history.csv").read_text().splitlines()
        assert lines[0] == "recipe," + ",".join(HISTORY_COLUMNS)
        assert len(lines) == 1 + 2
        for name in ("fp32", "wang2018"):
            assert load_file(folder / name / "final.safetensors")["fc1.weight"].shape == (16, 64)

    def test_what_was_refused_is_no_reason_to_ask_for_force(
        self, cli: Run, network: Path, tmp_path: Path
    ) -> None:
        """Pictures of 8 x 8 are refused by a network for 28 x 28, when the folders are there."""
        recipes = ("--recipe", "fp32", "--recipe", "wang2018", "-o", tmp_path / "out")
        outcome = cli("train", "mlp", *QUICK, *recipes)
        assert outcome.code == EXIT_INPUT
        assert "reads (28, 28, 1)" in outcome.err
        assert cli("train", network, *QUICK, *recipes).code == 0

    def test_a_recipe_that_no_chip_serves_is_trained_in_plain_order(
        self, cli: Run, network: Path
    ) -> None:
        # 24 is no multiple or divisor of the array's 64, so no chunk can end there.
        outcome = cli(
            "train", network, *QUICK, "--set", "recipe.accumulator.chunk_size=24", "--json"
        )
        assert outcome.code == 0, outcome.err
        assert "plain k order" in outcome.err
        document = json.loads(outcome.out)
        assert document["arch"] is None
        assert [price["arch"] for price in document["prices"]] == ["fp16", "fp32"]

    def test_a_training_that_was_killed_ends_as_one_that_was_not(
        self, cli: Run, network: Path, tmp_path: Path
    ) -> None:
        arguments = ("train", network, *QUICK, "--epochs", 12, "--threads", 1)
        whole, killed = tmp_path / "whole", tmp_path / "killed"
        command = [sys.executable, "-m", "accelsim", *map(str, arguments), "-o", str(killed)]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 120
        while not (killed / "checkpoint.safetensors").is_file() and time.monotonic() < deadline:
            time.sleep(0.01)
        assert process.poll() is None, "it ended before it could be killed"
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert not (killed / "result.json").exists()
        assert cli(*arguments, "-o", killed, "--resume").code == 0
        assert cli(*arguments, "-o", whole).code == 0
        for name in ("result.json", "history.csv", "final.safetensors"):
            assert (killed / name).read_bytes() == (whole / name).read_bytes()
        shorter = cli("train", network, *QUICK, "--epochs", 2, "-o", killed, "--resume")
        assert shorter.code == EXIT_INPUT
        assert "these differ: epochs." in shorter.err


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("--data", "nothing"), "Unknown data set"),
        (("--data", "synthetic", "--recipe", "wang2081"), "Did you mean wang2018?"),
        (("--data", "synthetic", "--lr", "-1"), "learning_rate is -1.0"),
        (("--data", "synthetic", "--momentum", "1"), "momentum is 1.0"),
        (("--data", "synthetic", "--batch", "513"), "there are 512 samples"),
        (("--data", "mnist:/no/such/folder"), "there is no train-images"),
        (("--data", "synthetic", "--set", "recipe.nonsense=1"), "nonsense"),
        (("--data", "synthetic", "--arch", "fp32", "--recipe", "wang2018"), "fp32 cannot do"),
        (("--data", "synthetic", "--epochs", "0"), "--epochs"),
        (("--data", "synthetic", "--recipe", "fp32", "--recipe", "fp32", "-o", "x"), "same name"),
        ((), "--data"),
    ],
)
def test_wrong_input_is_refused(
    cli: Run, network: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...], text: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    outcome = cli("train", network, *arguments)
    assert outcome.code == EXIT_INPUT, outcome.err
    assert outcome.out == ""
    assert text in outcome.err
    assert "Traceback" not in outcome.err


class TestStudy:
    def test_it_compares_variants_with_fp32_seed_by_seed(
        self, cli: Run, network: Path, tmp_path: Path
    ) -> None:
        folder = tmp_path / "study"
        arguments = ("study", "training", network, *QUICK, "--seeds", 2,
                     "--variants", "fp32,wang2018", "-o", folder, "--json")  # fmt: skip
        outcome = cli(*arguments)
        assert outcome.code == 0, outcome.err
        study = json.loads(outcome.out)
        errors = {(row["variant"], row["seed"]): row["test_error"] for row in study["rows"]}
        assert len(errors) == 4
        fp32, wang = study["summaries"]
        pairs = [errors["wang2018", seed] - errors["fp32", seed] for seed in (0, 1)]
        assert wang["difference"] == pytest.approx(sum(pairs) / 2)
        assert fp32["difference"] == 0
        assert fp32["mean"] == pytest.approx((errors["fp32", 0] + errors["fp32", 1]) / 2)
        spread = abs(errors["fp32", 0] - errors["fp32", 1]) / 2**0.5
        assert fp32["spread"] == pytest.approx(spread)
        names = {path.name for path in folder.iterdir()}
        assert names == {"result.json", "trainings.csv", "study.svg", "report.html", "trainings"}
        assert cli(*arguments).out == outcome.out  # taken from its checkpoints

    def test_an_unknown_variant_lists_the_known_ones(self, cli: Run) -> None:
        outcome = cli("study", "training", "--data", "synthetic", "--variants", "chunk_2")
        assert outcome.code == EXIT_INPUT
        assert "Did you mean chunk_1?" in outcome.err
