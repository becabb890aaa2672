"""The network file: what is refused, where, and in which words."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest

from accelsim.config import json_schema
from accelsim.errors import ConfigError, UnknownNameError
from accelsim.precision import get_recipe
from accelsim.registry import Registry
from accelsim.workload import ReLU, Workload, load_workload, lower, network
from accelsim.workload.scope import LayerScope

HEAD = "name: n\ninput: {shape: [8, 8, 4]}\nlayers:\n"
CONV = "  - {name: conv1, kind: conv2d, in_channels: 4, out_channels: 16, kernel: 3}\n"


def problems(tmp_path: Path, text: str) -> str:
    file = tmp_path / "n.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_workload(file)
    return str(caught.value).replace(str(tmp_path), "")


def test_layers_that_do_not_chain_name_both_and_the_line(tmp_path: Path) -> None:
    text = HEAD + CONV + CONV.replace("conv1", "conv2")
    assert problems(tmp_path, text) == (
        "/n.yaml:5:5  layers[1]\n"
        "  conv2d 'conv2' does not fit 'conv1' (6, 6, 16): it takes 4 channels and is given 16; "
        "set in_channels: 16, or change the layer before."
    )


def test_unknown_input_has_a_hint(tmp_path: Path) -> None:
    text = HEAD + CONV + "  - {name: relu1, kind: relu, inputs: [conv]}\n"
    assert problems(tmp_path, text) == (
        "/n.yaml:5:31  layers[1].inputs\n"
        "  'relu1' reads 'conv', which is no layer before it. Did you mean conv1?"
    )


def test_unknown_kind_has_a_hint_and_a_list(tmp_path: Path) -> None:
    said = problems(tmp_path, HEAD + CONV.replace("conv2d", "conv2"))
    assert said.startswith(
        "/n.yaml:4:25  layers[0].kind\n  Unknown layer 'conv2'. Did you mean conv2d? Known: add, "
    )


def test_all_problems_of_all_layers_are_reported_together(tmp_path: Path) -> None:
    said = problems(tmp_path, HEAD + CONV.replace("in_channels: 4", "in_channels: 0") + "  - 7\n")
    assert "layers[0].in_channels\n  Got 0, expected at least 1." in said
    assert "layers[1]\n  A layer is a mapping such as" in said


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        ("  []\n", "A network needs at least one layer."),
        (CONV + CONV, "The name 'conv1' is taken"),
        (CONV.replace("conv1", "input"), "The name 'input' is taken"),
        (
            CONV + "  - {name: a, kind: relu}\n  - {name: b, kind: relu, inputs: [conv1]}\n",
            "Nothing reads the output of 'a', which is not the last layer.",
        ),
        (
            CONV + "  - {name: a, kind: relu, inputs: [conv1, conv1]}\n",
            "relu 'a' reads 2 tensors and takes 1; the rest would be ignored.",
        ),
        (CONV.replace("kernel: 3", "kernel: 1048577"), "1048576"),
        (
            CONV.replace("16, kernel: 3", "1048576, kernel: 1, padding: 1048576"),
            "more than the 17,179,869,184 that can be simulated",
        ),
        ("  - {kind: relu}\n", "layers[0].name"),
        ("  - {name: relu}\n", "A layer needs a kind, one of: add, "),
        ("  - {name: 'a:b', kind: relu}\n", "layers[0].name"),
    ],
)
def test_bad_layers_are_refused(tmp_path: Path, layers: str, words: str) -> None:
    assert words in problems(tmp_path, HEAD + layers)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{shape: [8, 8], kind: image}", "an image has the shape"),
        ("{shape: [8, 8, 3], mean: [0.5]}", "mean has 1 numbers for 3 channels"),
        ("{shape: [8, 8, 3], std: [1, 1, 0]}", "input.std[2]"),
        ("{shape: []}", "input.shape"),
        ("{shape: [0]}", "input.shape[0]"),
    ],
)
def test_bad_inputs_are_refused(tmp_path: Path, line: str, words: str) -> None:
    text = f"name: n\ninput: {line}\nlayers:\n  - {{name: relu1, kind: relu}}\n"
    assert words in problems(tmp_path, text)


def test_an_unread_layer_may_be_an_output(tmp_path: Path) -> None:
    file = tmp_path / "n.yaml"
    file.write_text(
        HEAD + CONV + "  - {name: a, kind: relu}\n  - {name: b, kind: relu, inputs: [conv1]}\n"
        "outputs: [a, b]\n",
        encoding="utf-8",
    )
    assert load_workload(file).output_names == ("a", "b")


def test_unknown_output_is_refused(tmp_path: Path) -> None:
    said = problems(tmp_path, HEAD + CONV + "outputs: [relu]\n")
    assert said == "/n.yaml:5:11  outputs[0]\n  'relu' is no layer of this network."


def test_unknown_name_lists_the_networks_that_ship() -> None:
    with pytest.raises(UnknownNameError, match=r"^Unknown workload 'resnet5'\. Did you mean resn"):
        load_workload("resnet5")


def test_an_override_names_its_option() -> None:
    with pytest.raises(ConfigError, match=r"--set workload\.layers\[0\]\.in_channels=x"):
        load_workload("tiny", overrides=[("layers[0].in_channels", "x")])


def test_a_network_survives_json() -> None:
    network = load_workload("cifar10_cnn")
    assert Workload.model_validate_json(network.model_dump_json()) == network


def test_the_schema_knows_every_layer() -> None:
    assert {"Conv2d", "Linear", "BatchNorm2d", "Add"} <= set(json_schema(Workload)["$defs"])


def test_a_layer_of_another_package_is_written_like_any_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Twice(ReLU):
        kind: Literal["twice"] = "twice"  # type: ignore[assignment]

        def lower_forward(self, scope: LayerScope) -> str:
            return scope.vector("add", (scope.inputs[0], scope.inputs[0]))

    registry = Registry("layer", group="test.layers")
    registry.register("twice", Twice)
    monkeypatch.setattr(network, "layer_registry", lambda: registry)
    file = tmp_path / "n.yaml"
    file.write_text(HEAD + "  - {name: double, kind: twice}\n", encoding="utf-8")
    trace = lower(load_workload(file), get_recipe("fp32"))
    assert [op.name for op in trace.ops] == ["double.add"]
    with pytest.raises(ConfigError, match=r"Unknown layer 'relu'\. Known: twice\."):
        load_workload("tiny")


def test_a_changed_copy_has_its_own_graph() -> None:
    folded = load_workload("resnet18").model_copy(update={"fold_batch_norm": True})
    assert folded.graph.folded["bn1"] == "conv1"
    assert not load_workload("resnet18").graph.folded


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        ("{name: a, kind: relu, inputs: []}", "'a' must read something."),
        ("{name: a, kind: constant, shape: [3], inputs: [input]}", "'a' reads nothing; leave its"),
    ],
)
def test_who_reads_and_who_does_not(tmp_path: Path, layer: str, words: str) -> None:
    assert words in problems(tmp_path, HEAD + f"  - {layer}\n")


@pytest.mark.parametrize(
    ("fields", "place"),
    [("kind: max_pool2d", "kernel"), ("kind: avg_pool2d, kernel: 0", "kernel[0]")],
)
def test_a_pool_without_a_valid_kernel_is_refused(tmp_path: Path, fields: str, place: str) -> None:
    said = problems(tmp_path, HEAD + f"  - {{name: p, {fields}, inputs: [input]}}\n")
    assert f"layers[0].{place}\n" in said
