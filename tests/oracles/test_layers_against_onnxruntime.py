"""Layers in the fp32 recipe against onnxruntime's operators."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from accelsim.numerics.executor import execute
from accelsim.precision import get_recipe
from accelsim.testing.check_layer import lower_layer
from accelsim.workload import Layer
from accelsim.workload.layers import BUILTIN

onnx = pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")

MAP = (2, 9, 8, 6)
POOLS: list[dict[str, Any]] = [
    {"kernel_shape": [3, 2], "strides": [2, 3]},
    {"kernel_shape": [3, 2], "strides": [2, 3], "pads": [1, 0, 0, 1]},
    {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1},
    {"kernel_shape": [2, 3], "strides": [3, 2], "pads": [0, 1, 1, 0], "ceil_mode": 1},
]
#: Layer, its fields, ONNX's operator, its attributes.
OPERATORS: list[tuple[str, dict[str, Any], str, dict[str, Any]]] = [
    ("clip", {"min": -0.5, "max": 0.75}, "Clip", {}),
    ("leaky_relu", {"negative_slope": 0.2}, "LeakyRelu", {"alpha": 0.2}),
    ("elu", {"alpha": 1.5}, "Elu", {"alpha": 1.5}),
    ("sigmoid", {}, "Sigmoid", {}),
    ("tanh", {}, "Tanh", {}),
    ("hard_sigmoid", {"alpha": 0.2, "beta": 0.5}, "HardSigmoid", {"alpha": 0.2, "beta": 0.5}),
    ("hard_swish", {}, "HardSwish", {}),
    ("global_max_pool", {}, "GlobalMaxPool", {}),
    *(
        ("local_response_norm", fields, "LRN", {"bias": fields["k"], **fields})
        for fields in (
            {"size": 5, "alpha": 0.4, "beta": 0.75, "k": 2.0},
            {"size": 3, "alpha": 3.0, "beta": 0.5, "k": 1.0},
        )
    ),
]


def onnxruntime_output(operator: str, inputs: dict[str, np.ndarray], **attributes: Any) -> Any:
    """Run one operator on float32 inputs and return its first output."""
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    node = helper.make_node(operator, list(inputs), ["y"], **attributes)
    graph = helper.make_graph(
        [node],
        "one",
        [helper.make_tensor_value_info(name, kind, x.shape) for name, x in inputs.items()],
        [helper.make_tensor_value_info("y", kind, None)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    session = runtime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return session.run(None, inputs)[0]


def run_layer(layer: Layer, x: np.ndarray) -> np.ndarray:
    """Execute a layer without parameters in the fp32 recipe."""
    trace = lower_layer(layer, [x.shape[1:]], get_recipe("fp32"), batch=len(x))
    return execute(trace, {trace.inputs[0]: x}, references=False).output


def channels_first(x: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(np.moveaxis(x, -1, 1))


@pytest.mark.parametrize(("kind", "fields", "operator", "attributes"), OPERATORS)
def test_operators_agree(
    kind: str, fields: dict[str, Any], operator: str, attributes: dict[str, Any]
) -> None:
    x = np.random.default_rng(0).normal(scale=2.0, size=MAP).astype(np.float32)
    inputs = {"x": channels_first(x)}
    if operator == "Clip":
        inputs |= {name: np.array(fields[name], np.float32) for name in ("min", "max")}
    attributes = {key: value for key, value in attributes.items() if key != "k"}
    want = onnxruntime_output(operator, inputs, **attributes)
    got = run_layer(BUILTIN[kind](name="x", **fields), x)
    # Both round each step to float32; onnxruntime's exponentials are good to some ulps.
    np.testing.assert_allclose(channels_first(got), want, rtol=2e-6, atol=1e-7)


@pytest.mark.parametrize("include", [0, 1])
@pytest.mark.parametrize("attributes", POOLS, ids=range(len(POOLS)))
def test_pooling_agrees(attributes: dict[str, Any], include: int) -> None:
    x = np.random.default_rng(1).normal(size=MAP).astype(np.float32)
    pads = attributes.get("pads", [0, 0, 0, 0])
    fields = {
        "kernel": tuple(attributes["kernel_shape"]),
        "stride": tuple(attributes["strides"]),
        "padding": tuple(pads[:2]),
        "padding_end": tuple(pads[2:]),
        "ceil_mode": bool(attributes.get("ceil_mode", 0)),
    }
    inputs = {"x": channels_first(x)}
    mean = onnxruntime_output("AveragePool", inputs, count_include_pad=include, **attributes)
    layer = BUILTIN["avg_pool2d"](name="x", count_include_pad=bool(include), **fields)
    np.testing.assert_allclose(channels_first(run_layer(layer, x)), mean, rtol=1e-5, atol=1e-6)
    largest = onnxruntime_output("MaxPool", inputs, **attributes)
    layer = BUILTIN["max_pool2d"](name="x", **fields)
    np.testing.assert_array_equal(channels_first(run_layer(layer, x)), largest)
