"""Layers that join tensors, move elements and look rows up: by hand, and by slopes."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from accelsim.arch import load_chip
from accelsim.cost.traffic import trace_traffic
from accelsim.errors import ShapeError
from accelsim.formats import get_format
from accelsim.numerics.executor import execute
from accelsim.numerics.vector_ops_arithmetic import Arithmetic
from accelsim.numerics.vector_ops_shapes import broadcast_sum, embedding_backward
from accelsim.precision import get_recipe, list_recipes
from accelsim.testing.check_layer import lower_layer
from accelsim.timing import simulate
from accelsim.workload import (
    Add,
    Concat,
    Divide,
    Embedding,
    Layer,
    MatMul,
    Multiply,
    Reshape,
    Slice,
    Trace,
    Transpose,
    Workload,
    lower,
)
from accelsim.workload.settings import step_settings
from accelsim.workload.trace import load_trace
from accelsim.workload.trace_check import check_trace
from tests.finite_differences import check_gradients, parameter_tensors

Shapes = list[tuple[int, ...]]


@pytest.mark.parametrize(
    ("layer", "shapes", "output"),
    [
        (Multiply(name="x"), [(4, 1, 3), (5, 1)], (4, 5, 3)),
        (Reshape(name="x", shape=(-1, 6)), [(3, 4, 5)], (10, 6)),
        (Transpose(name="x", axes=(-1, 0, 1)), [(3, 4, 5)], (5, 3, 4)),
        (Concat(name="x", axis=-2), [(3, 4), (5, 4)], (8, 4)),
        (Slice(name="x", axis=1, start=-3), [(2, 7)], (2, 3)),
        (Slice(name="x", start=1, stop=100, step=3), [(2, 8)], (2, 3)),  # 1, 4, 7
        (MatMul(name="x"), [(2, 1, 4, 5), (3, 5, 6)], (2, 3, 4, 6)),
        (Embedding(name="x", vocabulary=9, features=3), [(4,)], (4, 3)),
    ],
)
def test_shapes_by_hand(layer: Layer, shapes: Shapes, output: tuple[int, ...]) -> None:
    assert layer.output_shape(shapes) == output


@pytest.mark.parametrize(
    ("layer", "shapes", "words"),
    [
        (Add(name="x"), [(4, 5)], "it adds two inputs and is given 1"),
        (Divide(name="x"), [(4, 5)] * 3, "it divides two inputs and is given 3"),
        (Multiply(name="x"), [(4, 5), (4, 3)], "its inputs have different shapes"),
        (Reshape(name="x", shape=(7, -1)), [(4, 5)], r"its shape \[7, -1\] holds 7 elements"),
        (Reshape(name="x", shape=(4,)), [(4, 5)], "holds 4 elements, .* is given 20"),
        (Transpose(name="x", axes=(0, 1)), [(4, 5, 6)], "no order of the 3 axes"),
        (Concat(name="x"), [(4, 5), (3, 5)], "all other extents must be the same"),
        (Concat(name="x", axis=2), [(4, 5), (4, 5)], "it has no axis 2; .* there are 2"),
        (Slice(name="x", start=5, stop=3), [(9,)], "which are none"),
        (MatMul(name="x"), [(4, 5), (4, 5)], "rows of 5 meet columns of 4"),
        (MatMul(name="x"), [(2, 4, 5), (3, 5, 4)], "the leading extents differ"),
        (MatMul(name="x"), [(4,), (4,)], "reshape them"),
    ],
)
def test_what_does_not_fit_is_said(layer: Layer, shapes: Shapes, words: str) -> None:
    with pytest.raises(ShapeError, match=words):
        layer.output_shape(shapes)


def test_what_stays_in_its_order_is_free() -> None:
    recipe = get_recipe("wang2018")
    for layer, shapes in (
        (Reshape(name="x", shape=(20,)), [(4, 5)]),
        (Transpose(name="x", axes=(1, 0, 2)), [(1, 4, 5)]),
        (Slice(name="x"), [(4, 5)]),
    ):
        assert lower_layer(layer, shapes, recipe).ops == ()
    moved = lower_layer(Transpose(name="x", axes=(1, 0)), [(4, 5)], recipe, batch=3)
    (op,) = moved.vector_ops
    assert (op.function, op.elements, op.attribute("axes")) == ("transpose", 60, (0, 2, 1))


def test_a_tensor_under_another_shape_is_the_same_tensor(tmp_path: Any) -> None:
    net = build(
        {"input": {"shape": (2, 2, 3)}},
        [
            {"kind": "conv2d", "in_channels": 3, "out_channels": 4, "kernel": 1},
            {"kind": "flatten"},
            {"kind": "relu"},
            {"kind": "reshape", "shape": (4, 4)},
            {"kind": "softmax"},
            {"kind": "reshape", "shape": (2, 8)},
        ],
    )
    trace = lower(net, get_recipe("fp32"), batch=2)
    assert check_trace(trace) is None
    relu, softmax = trace.vector_ops[-2:]
    assert (relu.inputs, relu.input_shapes) == (("l0",), ((2, 16),))
    assert softmax.input_shapes == ((2, 4, 4),)
    assert (trace.outputs, dict(trace.shapes)) == (("l4",), {"l4": (2, 2, 8)})
    assert set(trace.tensors) == {"input", "l0", "l0.weight", "l0.bias", "l0:sum", "l2", "l4"}
    trace.save(tmp_path / "t.json")
    assert load_trace(tmp_path / "t.json") == trace
    tensors = tensors_for(net, trace)
    run = execute(trace, tensors)
    x = np.asarray(tensors["input"]).reshape(2, 4, 3)
    want = np.maximum(x @ tensors["l0.weight"][0] + tensors["l0.bias"], 0)
    want = np.exp(want) / np.exp(want).sum(axis=-1, keepdims=True)
    np.testing.assert_allclose(run.output, want.reshape(2, 2, 8), rtol=1e-5)


def test_shared_matrices_are_multiplied_in_one_piece() -> None:
    trace = lower_layer(MatMul(name="x"), [(8, 4, 5), (1, 5, 2)], get_recipe("fp32"), batch=3)
    (gemm,) = trace.gemms
    assert (gemm.groups, gemm.m, gemm.n, gemm.k) == (3, 32, 2, 5)
    assert not trace.vector_ops
    apart = lower_layer(MatMul(name="x"), [(8, 4, 5), (8, 5, 2)], get_recipe("fp32"), batch=3)
    assert (apart.gemms[0].groups, apart.gemms[0].m) == (24, 4)
    repeated = lower_layer(MatMul(name="x"), [(1, 4, 5), (8, 5, 2)], get_recipe("fp32"), batch=3)
    assert [op.function for op in repeated.vector_ops] == ["expand"]


def test_both_operands_of_a_product_are_quantised_as_activations() -> None:
    trace = lower_layer(MatMul(name="x"), [(4, 5), (5, 2)], get_recipe("fp8_formats"))
    (gemm,) = trace.gemms
    assert gemm.a.format.name == gemm.b.format.name == "fp8_e4m3fn"
    assert trace.vector_ops[-1].function == "unscale"


def test_a_gradient_of_an_embedding_adds_in_the_order_of_the_rows() -> None:
    # In (1,6,9) the ulp at 1024 is 2: 1024 + 1 is a tie that goes to 1024, twice, but
    # 1 + 1 + 1024 is 1026.
    arithmetic = Arithmetic(get_format("fp16_e6m9"))
    error = np.array([[1024.0], [1.0], [5.0], [1.0], [1.0], [1.0], [1024.0]])
    ids = np.array([2.0, 2.0, 1.0, 2.0, 0.0, 0.0, 0.0])
    got = embedding_backward(error, ids, 4, arithmetic)
    assert got.ravel().tolist() == [1026.0, 5.0, 1024.0, 0.0]


def test_copies_are_added_in_index_order() -> None:
    arithmetic = Arithmetic(get_format("fp16_e6m9"))
    x = np.array([[[1.0, 1024.0], [1.0, 1.0], [1024.0, 1.0]]])
    assert broadcast_sum(x, (1, 1, 2), arithmetic).ravel().tolist() == [1026.0, 1024.0]


def build(given: dict[str, Any], layers: list[dict[str, Any]]) -> Workload:
    named = tuple({"name": f"l{index}", **layer} for index, layer in enumerate(layers))
    return Workload.model_validate_json(json.dumps({"name": "net", **given, "layers": named}))


def linear(name: str, inputs: int, outputs: int, reads: str) -> dict[str, Any]:
    return {"name": name, "kind": "linear", "in_features": inputs, "out_features": outputs,
            "inputs": [reads]}  # fmt: skip


PAIR = {"inputs": {"u": {"shape": (4,)}, "v": {"shape": (6,)}}}
TOKENS = {"inputs": {"ids": {"shape": (3,), "kind": "tokens", "vocabulary": 5},
                     "v": {"shape": (6,)}}}  # fmt: skip
NETWORKS: dict[str, tuple[dict[str, Any], list[dict[str, Any]]]] = {
    "joints": (
        PAIR,
        [
            linear("a", 4, 6, "u"),
            linear("b", 6, 2, "v"),
            {"name": "m", "kind": "reshape", "shape": (3, 2), "inputs": ["a"]},
            {"name": "times", "kind": "mul", "inputs": ["m", "b"]},
            {"name": "minus", "kind": "sub", "inputs": ["b", "times"]},
            linear("d", 6, 1, "v"),
            {"name": "square", "kind": "mul", "inputs": ["d", "d"]},
            {"name": "four", "kind": "constant", "shape": (1,)},
            {"name": "apart", "kind": "mul", "inputs": ["four", "four"]},
            {"name": "below", "kind": "add", "inputs": ["square", "apart", "square"]},
            {"name": "over", "kind": "div", "inputs": ["minus", "below"]},
            {"name": "f", "kind": "flatten"},
            linear("fc", 6, 4, "f"),
        ],
    ),
    "places": (
        PAIR,
        [
            linear("a", 4, 12, "u"),
            linear("b", 6, 12, "v"),
            {"name": "am", "kind": "reshape", "shape": (3, 4), "inputs": ["a"]},
            {"name": "bm", "kind": "reshape", "shape": (3, 4), "inputs": ["b"]},
            {"name": "at", "kind": "transpose", "axes": [1, 0], "inputs": ["am"]},
            {"name": "bt", "kind": "transpose", "axes": [1, 0], "inputs": ["bm"]},
            {"name": "both", "kind": "concat", "axis": 0, "inputs": ["at", "bt", "at"]},
            {"name": "r", "kind": "relu"},
            {"name": "first", "kind": "slice", "axis": 0, "stop": 5, "inputs": ["r"]},
            {"name": "rest", "kind": "slice", "axis": 0, "start": 1, "step": 2, "inputs": ["r"]},
            {"name": "ends", "kind": "concat", "axis": 0, "inputs": ["first", "rest"]},
            {"name": "flat", "kind": "reshape", "shape": [-1]},
            linear("fc", 33, 4, "flat"),
        ],
    ),
    "products": (
        PAIR,
        [
            linear("a", 4, 12, "u"),
            linear("b", 6, 12, "v"),
            linear("c", 6, 6, "v"),
            {"name": "am", "kind": "reshape", "shape": (2, 2, 3), "inputs": ["a"]},
            {"name": "bm", "kind": "reshape", "shape": (2, 2, 3), "inputs": ["b"]},
            {"name": "cm", "kind": "reshape", "shape": (2, 3), "inputs": ["c"]},
            {"name": "dm", "kind": "reshape", "shape": (1, 2, 3), "inputs": ["c"]},
            {"name": "scores", "kind": "matmul", "transpose_b": True, "inputs": ["am", "bm"]},
            {"name": "out", "kind": "matmul", "inputs": ["scores", "bm"]},
            {"name": "shared", "kind": "matmul", "transpose_b": True, "inputs": ["out", "cm"]},
            {"name": "again", "kind": "matmul", "inputs": ["shared", "cm"]},
            {"name": "wide", "kind": "matmul", "transpose_b": True, "inputs": ["dm", "again"]},
            {"name": "f", "kind": "flatten"},
            linear("fc", 8, 4, "f"),
        ],
    ),
    "embedding": (
        TOKENS,
        [
            {"name": "e", "kind": "embedding", "vocabulary": 5, "features": 2, "inputs": ["ids"]},
            {"name": "ef", "kind": "flatten"},
            linear("b", 6, 6, "v"),
            {"name": "times", "kind": "mul", "inputs": ["ef", "b"]},
            {"name": "both", "kind": "concat", "inputs": ["times", "ef"]},
            linear("fc", 12, 4, "both"),
        ],
    ),
}
NETWORKS["one number"] = (TOKENS, [*NETWORKS["embedding"][1][:-1], linear("fc", 12, 1, "both")])
NETWORKS["one sigmoid"] = (TOKENS, [*NETWORKS["one number"][1], {"kind": "sigmoid"}])
BATCH = 3


def tensors_for(net: Workload, trace: Trace, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    tensors = parameter_tensors(net, trace, rng, seed=seed)
    for name, spec in net.given.items():
        shape = trace.tensors[name].shape
        tensors[name] = (
            rng.integers(0, spec.vocabulary, shape).astype(float)
            if spec.vocabulary
            else rng.standard_normal(shape)
        )
    if trace.phase == "training":
        tensors |= step_settings(learning_rate=0.1)
        classes = 2 if trace.tensors["labels"].shape == (BATCH, 1) else 4
        tensors["labels"] = rng.integers(0, classes, trace.tensors["labels"].shape).astype(float)
    return tensors


@pytest.mark.parametrize("name", NETWORKS)
def test_gradients_are_finite_differences_of_the_loss(name: str) -> None:
    net = build(*NETWORKS[name])
    trace = lower(net, get_recipe("fp32"), batch=BATCH, phase="training")
    assert check_trace(trace) is None
    learned = {full for full, spec in net.parameters.items() if spec.learned}
    check_gradients(trace, tensors_for(net, trace), learned=learned, count=6)


@pytest.mark.parametrize("recipe", list_recipes())
@pytest.mark.parametrize("name", NETWORKS)
def test_every_recipe_makes_a_valid_trace(name: str, recipe: str) -> None:
    net = build(*NETWORKS[name])
    for phase in ("inference", "training"):
        trace = lower(net, get_recipe(recipe), batch=BATCH, phase=phase)
        assert check_trace(trace) is None
    if "ids" in net.given:
        assert trace.tensors["ids"].format.name == "int32"


def test_a_lookup_reads_the_rows_that_it_gives() -> None:
    # 3 tokens of 2 features in fp32: 24 bytes of the table, whether it has 5 rows or 5,000;
    # a table of 2 rows is read whole, 16 bytes.
    chip, moved, cycles = load_chip("fp32"), {}, {}
    for rows in (2, 5, 5000):
        given = {"inputs": {"ids": {"shape": (3,), "kind": "tokens", "vocabulary": rows}}}
        embedding = {"kind": "embedding", "vocabulary": rows, "features": 2, "inputs": ["ids"]}
        trace = lower(build(given, [embedding]), get_recipe("fp32"))
        traffic = trace_traffic(
            trace.ops, trace.tensors, outputs=trace.outputs, chip=chip, schedules={}
        )
        moved[rows] = traffic["l0.embedding"].dram_read_bytes
        cycles[rows] = simulate(trace, chip, {}).cycles
    ids = 3 * 4
    assert moved == {2: ids + 16, 5: ids + 24, 5000: ids + 24}
    assert cycles[5] == cycles[5000]
