"""ONNX files: what is not modelled, symbolic extents, and files that nobody should trust."""

from __future__ import annotations

import random
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import accelsim
from accelsim.cli import cli
from accelsim.errors import ConfigError, DataError, MissingExtraError
from accelsim.workload.importers.onnx import load_onnx
from tests.onnx_models import (
    IR_VERSION,
    channels_last,
    computed,
    expected,
    make_model,
    node,
    relative_error,
    save,
)

onnx = pytest.importorskip("onnx")


def weights(*shape: int) -> Any:
    return np.random.default_rng(1).standard_normal(shape).astype(np.float32)


def small_model(shape: Sequence[int | str] = ("N", 3, 8, 8)) -> Any:
    nodes = [
        node("Conv", ["data", "w"], ["c"], pads=[1, 1, 1, 1]),
        node("Relu", ["c"], ["r"]),
        node("GlobalAveragePool", ["r"], ["g"]),
        node("Flatten", ["g"], ["f"]),
        node("Gemm", ["f", "v"], ["y"]),
    ]
    return make_model(nodes, {"data": shape}, constants={"w": weights(4, 3, 3, 3),
                                                         "v": weights(4, 5)})  # fmt: skip


def message(path: Path, **options: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        load_onnx(path, **options)
    return str(caught.value)


# What a network says about itself.


def test_a_picture_is_known_by_its_channels_and_convolution(tmp_path: Path) -> None:
    workload = load_onnx(save(small_model(), tmp_path)).workload
    assert workload.input is not None
    assert (workload.input.kind.value, workload.input.shape) == ("image", (8, 8, 3))
    assert workload.name == "net"
    # 8 x 8 pixels x 4 channels x 27 products, and 4 x 5.
    assert workload.macs() == 64 * 4 * 27 + 20


def test_a_channels_last_exporter_needs_no_transpose(tmp_path: Path) -> None:
    nodes = [node("Transpose", ["x"], ["t"], perm=[0, 3, 1, 2]),
             node("Conv", ["t", "w"], ["c"]),
             node("Transpose", ["c"], ["y"], perm=[0, 2, 3, 1])]  # fmt: skip
    model = make_model(nodes, {"x": (1, 8, 8, 3)}, constants={"w": weights(4, 3, 3, 3)})
    network = load_onnx(save(model, tmp_path))
    assert [layer.kind for layer in network.workload.layers] == ["conv2d"]
    x = weights(1, 8, 8, 3)
    (theirs,) = expected(model, {"x": x})
    assert relative_error(computed(network, {"input": x})[0], theirs) < 1e-6


def test_several_inputs_keep_their_names(tmp_path: Path) -> None:
    nodes = [node("Gather", ["table", "words"], ["e"]), node("Add", ["e", "more"], ["y"])]
    model = make_model(nodes, {"words": ("N", 4), "more": ("N", 4, 6)}, whole=["words"],
                       constants={"table": weights(9, 6)})  # fmt: skip
    network = load_onnx(save(model, tmp_path))
    specs = network.workload.given
    assert list(specs) == ["words", "more"]
    assert (specs["words"].kind.value, specs["words"].vocabulary) == ("tokens", 9)
    given = {"words": np.array([[3, 1, 4, 1], [5, 8, 2, 6]]), "more": weights(2, 4, 6)}
    (theirs,) = expected(model, given)
    assert relative_error(computed(network, given)[0], theirs) < 1e-6


def test_a_run_takes_the_weights_of_the_file(tmp_path: Path) -> None:
    path = save(small_model(), tmp_path)
    result = accelsim.run(path, arch="fp32", input="normal")
    assert result.provenance["weights"] == "weights from net.onnx"
    assert accelsim.run(accelsim.from_onnx(path), arch="fp32", numerics="off").totals.macs == 6932


def test_batch_norm_of_a_file_can_be_folded(tmp_path: Path) -> None:
    nodes = [node("Conv", ["x", "w"], ["c"]),
             node("BatchNormalization", ["c", "s", "b", "m", "v"], ["y"])]  # fmt: skip
    constants = {"w": weights(4, 3, 3, 3), "s": weights(4), "b": weights(4), "m": weights(4),
                 "v": abs(weights(4))}  # fmt: skip
    path = save(make_model(nodes, {"x": (1, 3, 8, 8)}, constants=constants), tmp_path)
    result = accelsim.run(path, arch="fp32", numerics="off",
                          overrides=["workload.fold_batch_norm=true"])  # fmt: skip
    assert [op.kind for op in result.ops].count("batch_norm") == 0


# Extents.


def test_a_symbolic_extent_is_asked_for_by_name(tmp_path: Path) -> None:
    path = save(small_model(("N", 3, "height", 8)), tmp_path)
    assert "Axis 2 (height) of the input 'data' has no extent; give it: --dim height=N." in message(
        path
    )
    assert load_onnx(path, dims={"height": 6}).workload.given["input"].shape == (6, 8, 3)


def test_an_extent_without_a_name_is_named_by_its_place(tmp_path: Path) -> None:
    model = small_model(("N", 3, "height", 8))
    model.graph.input[0].type.tensor_type.shape.dim[2].Clear()
    path = save(model, tmp_path)
    assert "--dim data.2=N" in message(path)
    assert load_onnx(path, dims={"data.2": 6}).workload.given["input"].shape == (6, 8, 3)


def test_a_name_that_no_dimension_has_is_refused(tmp_path: Path) -> None:
    text = message(save(small_model(("N", 3, "height", 8)), tmp_path), dims={"heigth": 6})
    assert "No input has a dimension 'heigth'. Did you mean height?" in text


def test_a_batch_that_the_file_fixes_becomes_ours(tmp_path: Path) -> None:
    nodes = [node("Conv", ["x", "w"], ["c"]), node("Reshape", ["c", "s"], ["f"]),
             node("Gemm", ["f", "v"], ["y"])]  # fmt: skip
    constants = {"w": weights(2, 3, 3, 3), "s": np.array([4, 8]), "v": weights(8, 5)}
    model = make_model(nodes, {"x": (4, 3, 4, 4)}, constants=constants)
    network = load_onnx(save(model, tmp_path))
    assert network.notes == ("'x' is a batch of 4 in the file; --batch sets it here.",)
    x = weights(4, 3, 4, 4)
    (theirs,) = expected(model, {"x": x})
    (ours,) = computed(network, {"input": channels_last(x)})
    assert relative_error(ours, theirs) < 1e-6


# What is not modelled.


def model_with_a_hole() -> Any:
    nodes = [
        node("Conv", ["x", "w"], ["c"]),
        node("Softplus", ["c"], ["p"]),
        node("DepthToSpace", ["p"], ["d"], blocksize=2),
        node("Relu", ["d"], ["y"]),
    ]
    return make_model(nodes, {"x": (1, 3, 8, 8)}, constants={"w": weights(4, 3, 3, 3)})


def test_what_is_not_modelled_is_named_and_counted(tmp_path: Path) -> None:
    network = load_onnx(save(model_with_a_hole(), tmp_path))
    (text,) = network.warnings()
    assert text == (
        "2 of 4 nodes of net.onnx are not modelled. They cost no time and no energy, and values"
        " after them mean nothing: 1 Softplus (p): no layer does this; 1 DepthToSpace (d): no"
        " layer does this."
    )
    # Softplus passes its input on; what DepthToSpace makes is a constant of its shape.
    assert [layer.kind for layer in network.workload.layers] == ["conv2d", "constant", "relu"]
    result = accelsim.run(network, arch="fp32", numerics="off")
    assert text in result.warnings


def test_strict_refuses_it_and_names_every_node(tmp_path: Path) -> None:
    text = message(save(model_with_a_hole(), tmp_path), strict=True)
    assert "node p\n  Softplus is not modelled: no layer does this." in text
    assert "node d\n  DepthToSpace is not modelled" in text


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        (node("ConvTranspose", ["x", "w"], ["y"]), "no layer does this"),
        (node("Conv", ["x", "x"], ["y"]), "is computed, not constant"),
        (node("ReduceMean", ["x"], ["y"], axes=[1]), "takes a mean over axes"),
        (node("Pow", ["x", "w"], ["y"]), "its exponent is none of 1, 2 and 3"),
        (node("Cast", ["x"], ["c"], to=7), None),
    ],
)
def test_a_reason_is_given(made: Any, reason: str | None, tmp_path: Path) -> None:
    ahead = [node("Relu", ["r"], ["x"])]
    nodes = [*ahead, made] if reason else [*ahead, made, node("Cast", ["c"], ["y"], to=1)]
    model = make_model(nodes, {"r": (1, 3, 3, 3)}, constants={"w": weights(3, 3, 3, 3)})
    (left,) = load_onnx(save(model, tmp_path)).not_modelled
    assert (reason or "cuts numbers to whole ones") in left.reason


def test_a_node_of_unknown_shape_ends_the_import(tmp_path: Path) -> None:
    made = onnx.helper.make_node("Magic", ["x"], ["m"], name="m", domain="elsewhere")
    model = make_model([node("Relu", ["m"], ["y"])], {"m": (1, 4)})
    model.opset_import.append(onnx.helper.make_opsetid("elsewhere", 1))
    model.graph.input[0].name = "x"
    model.graph.node.insert(0, made)
    text = message(save(model, tmp_path))
    assert "node m\n  elsewhere.Magic is not modelled" in text
    assert "ONNX does not know the shape of its output" in text


# Files that nobody should trust.


@pytest.mark.parametrize("data", [b"", b"\x08", b"not a model", b"\xff" * 1000])
def test_what_is_no_model_is_said_so(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(data)
    assert "It is no ONNX model" in message(path)


def test_a_missing_file_is_said_so(tmp_path: Path) -> None:
    assert "cannot be read: No such file" in message(tmp_path / "none.onnx")


def test_any_damage_is_an_error_of_the_input(tmp_path: Path) -> None:
    data = save(small_model(), tmp_path).read_bytes()
    rng = random.Random(7)
    path = tmp_path / "damaged.onnx"
    for trial in range(300):
        damaged = bytearray(data[: rng.randrange(len(data))] if trial % 4 == 0 else data)
        for _ in range(trial % 4):
            if damaged:
                damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
        path.write_bytes(damaged)
        with suppress(ConfigError, DataError):  # anything else fails the test
            load_onnx(path).weights()


def test_a_circle_is_refused(tmp_path: Path) -> None:
    nodes = [node("Add", ["x", "b"], ["a"]), node("Relu", ["a"], ["b"]), node("Relu", ["b"], ["y"])]
    model = make_model(nodes[2:], {"b": (1, 4)})
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    model.graph.input[0].name = "x"
    assert "ONNX refuses it" in message(save(model, tmp_path))


def external(tmp_path: Path, location: str, **entries: str) -> Path:
    model = small_model()
    tensor = model.graph.initializer[0]
    raw = tensor.raw_data
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    for key, value in {"location": location, **entries}.items():
        tensor.external_data.add(key=key, value=value)
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "weights.bin").write_bytes(b"1234" + raw)
    (tmp_path / "secret.bin").write_bytes(b"1234" + raw)
    (folder / "link.bin").symlink_to(tmp_path / "secret.bin")
    return save(model, folder)


def test_weights_beside_the_model_are_read(tmp_path: Path) -> None:
    network = load_onnx(external(tmp_path, "weights.bin", offset="4"))
    np.testing.assert_array_equal(network.arrays["c.weight"], weights(4, 3, 3, 3))


@pytest.mark.parametrize("location", ["../secret.bin", "/etc/hostname", "link.bin", ".", "", "\0"])
def test_weights_elsewhere_are_not(location: str, tmp_path: Path) -> None:
    assert "cannot be used: its data" in message(external(tmp_path, location, offset="4"))


@pytest.mark.parametrize(
    "entries", [{"offset": "10"}, {"offset": "-1"}, {"length": "3"}, {"offset": "x"}]
)
def test_weights_that_do_not_fill_their_shape_are_refused(
    entries: dict[str, str], tmp_path: Path
) -> None:
    assert "'w' cannot be used" in message(external(tmp_path, "weights.bin", **entries))


BOMBS = {
    "a constant of a shape": [
        node("ConstantOfShape", ["huge"], ["c"]), node("Add", ["c", "one"], ["d"]),
        node("Add", ["x", "d"], ["y"]),
    ],
    "a range": [node("Range", ["zero", "far", "one"], ["r"]), node("Add", ["x", "r"], ["y"])],
    "a tile": [node("Tile", ["one1", "far1"], ["t"]), node("Add", ["x", "t"], ["y"])],
    "an expansion": [
        node("Expand", ["one", "huge"], ["e"]), node("Neg", ["e"], ["n"]),
        node("Add", ["x", "n"], ["y"]),
    ],
    "a doubling": [
        node("Concat", ["one1", "one1"], ["d0"], axis=0),
        *(node("Concat", [f"d{i}", f"d{i}"], [f"d{i + 1}"], axis=0) for i in range(60)),
        node("Add", ["x", "d60"], ["y"]),
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", BOMBS)
def test_a_small_file_cannot_fill_the_memory(name: str, tmp_path: Path) -> None:
    constants = {
        "huge": np.array([2**19, 2**19]), "far": np.array(1e12, np.float32),
        "zero": np.array(0, np.float32), "one": np.array(1, np.float32),
        "one1": np.ones(1, np.float32), "far1": np.array([2**40]),
    }  # fmt: skip
    graph = onnx.helper.make_graph(
        BOMBS[name], "bomb",
        [onnx.helper.make_tensor_value_info("x", 1, [1, 4])],
        [onnx.helper.make_tensor_value_info("y", 1, [None])],
        [onnx.numpy_helper.from_array(array, key) for key, array in constants.items()],
    )  # fmt: skip
    opset = [onnx.helper.make_opsetid("", 17)]
    path = save(onnx.helper.make_model(graph, opset_imports=opset, ir_version=IR_VERSION), tmp_path)
    with pytest.raises((ConfigError, DataError)):
        load_onnx(path).weights()


def function_model(calls: dict[str, list[str]]) -> Any:
    functions = [
        onnx.helper.make_function(
            "own", name, ["a"], ["b"],
            [onnx.helper.make_node(call, ["a"], ["b" if i == 0 else f"t{i}"],
                                   domain="own" if call in calls else "")
             for i, call in enumerate(body)],
            [onnx.helper.make_opsetid("", 17), onnx.helper.make_opsetid("own", 1)],
        )
        for name, body in calls.items()
    ]  # fmt: skip
    call = onnx.helper.make_node(next(iter(calls)), ["x"], ["y"], domain="own")
    graph = onnx.helper.make_graph(
        [call], "g",
        [onnx.helper.make_tensor_value_info("x", 1, [1, 4])],
        [onnx.helper.make_tensor_value_info("y", 1, [1, 4])],
    )  # fmt: skip
    return onnx.helper.make_model(
        graph, functions=functions, ir_version=IR_VERSION,
        opset_imports=[onnx.helper.make_opsetid("", 17), onnx.helper.make_opsetid("own", 1)],
    )  # fmt: skip


def test_a_model_s_own_functions_are_written_out(tmp_path: Path) -> None:
    network = load_onnx(save(function_model({"F": ["G"], "G": ["Relu"]}), tmp_path))
    assert [layer.kind for layer in network.workload.layers] == ["relu"]


def test_functions_that_never_end_are_refused(tmp_path: Path) -> None:
    path = save(function_model({"F": ["G"], "G": ["F"]}), tmp_path)
    assert "calls itself" in message(path)
    laughs = {f"F{i}": [f"F{i + 1}"] * 10 for i in range(9)} | {"F9": ["Relu"]}
    assert "nodes with its functions written out" in message(save(function_model(laughs), tmp_path))


def field(number: int, data: bytes) -> bytes:
    """Return a field of bytes as protobuf writes it."""
    size, out = len(data), bytearray([number << 3 | 2])
    while size > 127:
        out.append(size & 127 | 128)
        size >>= 7
    return bytes(out) + bytes([size]) + data


def test_a_deep_nest_of_graphs_is_refused(tmp_path: Path) -> None:
    graph = b""
    for _ in range(1000):
        graph = field(1, field(5, field(6, graph)))  # a node, its attribute, the graph in it
    path = tmp_path / "deep.onnx"
    path.write_bytes(field(7, graph))
    assert "It is no ONNX model" in message(path)


def test_not_a_number_among_the_weights_is_said_so(tmp_path: Path) -> None:
    bad = weights(4, 3, 3, 3)
    bad[0, 0, 0, 0] = np.nan
    model = make_model([node("Conv", ["x", "w"], ["y"])], {"x": (1, 3, 8, 8)}, constants={"w": bad})
    with pytest.raises(DataError, match="1 NaN or infinite"):
        accelsim.run(save(model, tmp_path), arch="fp32")


def test_without_the_package_the_command_that_installs_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = save(small_model(), tmp_path)
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(MissingExtraError, match=r'pip install "accelsim\[onnx\]"'):
        load_onnx(path)


def test_show_and_check_take_extents_too(tmp_path: Path) -> None:
    path = str(save(small_model(("N", 3, "height", 8)), tmp_path))
    assert accelsim.load_workload(path, dims={"height": 6}).macs() == 6 * 8 * 4 * 27 + 20
    command = CliRunner()
    for words in (["show", "workload"], ["show", "trace"], ["check"]):
        assert command.invoke(cli, [*words, path, "--dim", "height=6"]).exit_code == 0
    with pytest.raises(ConfigError, match="--dim is for the file of another tool"):
        accelsim.load_workload("tiny", dims={"height": 6})
