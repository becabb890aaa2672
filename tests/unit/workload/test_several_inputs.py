"""Networks that read several things: files, numbers, runs, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import accelsim
from accelsim.cli import cli
from accelsim.errors import ConfigError, DataError, ShapeError
from accelsim.precision import get_recipe
from accelsim.training.datasets import network_inputs
from accelsim.workload import InputKind, InputSpec, load_workload, lower
from accelsim.workload.inputs import load_inputs

TWO = (
    "name: n\n"
    "inputs:\n"
    "  left: {shape: [4]}\n"
    "  right: {shape: [6]}\n"
    "layers:\n"
    "  - {name: a, kind: linear, in_features: 4, out_features: 3, inputs: [left]}\n"
    "  - {name: b, kind: linear, in_features: 6, out_features: 3, inputs: [right]}\n"
    "  - {name: sum, kind: add, inputs: [a, b]}\n"
)


def saved(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "n.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def problems(tmp_path: Path, text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load_workload(saved(tmp_path, text))
    return str(caught.value).replace(str(tmp_path), "")


def test_layers_read_inputs_by_name(tmp_path: Path) -> None:
    net = load_workload(saved(tmp_path, TWO))
    assert tuple(net.given) == ("left", "right")
    trace = lower(net, get_recipe("fp32"), batch=2)
    assert trace.inputs == ("left", "right")
    assert [trace.tensors[name].shape for name in trace.inputs] == [(2, 4), (2, 6)]
    assert net.macs() == 4 * 3 + 6 * 3
    assert hash(net) == hash(load_workload(saved(tmp_path, TWO)))


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("inputs:\n  left", "input: {shape: [4]}\ninputs:\n  left", "exactly one of the two"),
        (", inputs: [left]", "", "several inputs: name what it reads in its inputs, one of left"),
        ("inputs: [right]", "inputs: [rihgt]", "Did you mean right?"),
        ("name: a", "name: left", "The name 'left' is taken"),
        ("  left", "  other: {shape: [2]}\n  left", "Nothing reads 'other'"),
        ("{shape: [4]}", "{shape: [4], kind: tokens}", "tokens need their vocabulary"),
        ("{shape: [4]}", "{shape: [4], vocabulary: 9}", "only tokens have a vocabulary"),
        ("{shape: [4]}", "{shape: [4], kind: tokens, vocabulary: 9}",
         "linear 'a' computes with numbers and is given tokens"),
    ],
)  # fmt: skip
def test_bad_inputs_are_refused(tmp_path: Path, before: str, after: str, words: str) -> None:
    assert before in TWO
    assert words in problems(tmp_path, TWO.replace(before, after, 1))


def test_neither_input_nor_inputs_is_refused(tmp_path: Path) -> None:
    text = "name: n\nlayers:\n  - {name: r, kind: relu}\n"
    assert "exactly one of the two is given" in problems(tmp_path, text)


GIVEN = {
    "words": InputSpec(shape=(5,), kind=InputKind.TOKENS, vocabulary=7),
    "left": InputSpec(shape=(4,)),
    "right": InputSpec(shape=(4,)),
}


def test_seeded_inputs_differ_and_repeat() -> None:
    one, two = (load_inputs(None, GIVEN, batch=300, seed=1) for _ in range(2))
    for name, values in one.values.items():
        np.testing.assert_array_equal(values, two.values[name])
    assert not np.array_equal(one.values["left"], one.values["right"])
    assert set(np.unique(one.values["words"])) == set(range(7))
    assert one.provenance.startswith("words: uniform tokens, seed 1; left: normal distribution")


def test_arrays_come_by_name_or_from_one_file(tmp_path: Path) -> None:
    arrays = {"words": np.arange(5), "left": np.ones((1, 4)), "right": np.zeros((1, 4))}
    np.savez(tmp_path / "x.npz", **arrays)
    for source in (arrays, tmp_path / "x.npz"):
        loaded = load_inputs(source, GIVEN)
        assert {name: values.shape for name, values in loaded.values.items()} == {
            "words": (1, 5), "left": (1, 4), "right": (1, 4)
        }  # fmt: skip
        assert loaded.values["words"].tolist() == [[0, 1, 2, 3, 4]]


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ({"word": np.zeros((1, 5))}, "no input 'word'. Did you mean words?"),
        ({"words": np.full((1, 5), 7)}, "Input 'words': The input holds the token 7; tokens are"),
        ({"words": np.full((1, 5), 0.5)}, "holds the token 0.5"),
        ({"left": np.full((1, 4), np.nan)}, "Input 'left': The input: 4 of 4 numbers are NaN"),
        ({"left": np.array([["a"] * 4])}, "real numbers are needed"),
        (np.zeros((1, 4)), "give each by name, or an .npz file that holds them all"),
    ],
)
def test_what_cannot_be_an_input_is_said(source: Any, words: str) -> None:
    with pytest.raises(DataError) as caught:
        load_inputs(source, GIVEN)
    assert words in str(caught.value)


def test_a_run_takes_arrays_by_name_and_one_array_for_one_input(tmp_path: Path) -> None:
    file = saved(tmp_path, TWO)
    x = {"left": np.ones((1, 4), np.float32), "right": np.ones((1, 6), np.float32)}
    one, two = (accelsim.run(file, recipe="fp32", arch="fp32", input=x) for _ in range(2))
    np.testing.assert_array_equal(one.outputs["sum"], two.outputs["sum"])
    assert one.input_hashes == two.input_hashes
    assert {"input.left", "input.right"} <= one.input_hashes.keys()
    single = accelsim.run("tiny", input=np.zeros((8, 8, 4), np.float32))
    assert single.config["input"] == "array of float32, shape (8, 8, 4)"


def test_a_data_set_has_a_part_for_every_input() -> None:
    x = np.arange(12).reshape(2, 6)
    given = {"words": InputSpec(shape=(2,), kind=InputKind.TOKENS, vocabulary=9),
             "left": InputSpec(shape=(2, 2))}  # fmt: skip
    found = network_inputs(x, given, (("words", 2), ("left", 4)))
    assert found["words"].tolist() == [[0, 1], [6, 7]]
    assert found["left"].tolist() == [[[2, 3], [4, 5]], [[8, 9], [10, 11]]]
    with pytest.raises(ShapeError, match="The network reads words, left; the data have one part"):
        network_inputs(x, given)
    small = InputSpec(shape=(2,), kind=InputKind.TOKENS, vocabulary=5)
    with pytest.raises(DataError, match="tokens from 0 to 7; the network reads 0 to 4"):
        network_inputs(x, {**given, "words": small}, (("words", 2), ("left", 4)))


def test_the_command_takes_a_file_for_every_input(tmp_path: Path) -> None:
    np.save(tmp_path / "user.npy", np.array([[7]]))
    np.savez(tmp_path / "both.npz", user=np.array([[7]]), item=np.array([[9]]))
    runner = CliRunner()
    command = ["run", "ncf", "--recipe", "fp32", "--arch", "fp32", "-q", "-o"]
    one = runner.invoke(
        cli, [*command, str(tmp_path / "a"), "--input", f"user={tmp_path / 'user.npy'}",
              "--input", "item=normal"],
    )  # fmt: skip
    assert one.exit_code == 0, one.output
    two = runner.invoke(cli, [*command, str(tmp_path / "b"), "--input", f"{tmp_path / 'both.npz'}"])
    assert two.exit_code == 0, two.output
    assert (tmp_path / "b" / "outputs.safetensors").is_file()
    bad = runner.invoke(cli, [*command, str(tmp_path / "c"), "--input", "normal", "--input", "x"])
    assert bad.exit_code == 2
    assert "--input user=users.npy" in bad.output
    unknown = runner.invoke(cli, [*command, str(tmp_path / "c"), "--input", "users=normal"])
    assert "Did you mean user?" in str(unknown.exception)


def test_chips_are_compared_on_several_inputs() -> None:
    compared = accelsim.compare("ncf", archs=("fp32", "fp16"), input="uniform")
    assert [row.result.provenance["input"][:11] for row in compared.rows] == ["user: unifo"] * 2
