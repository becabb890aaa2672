"""Every operator of ONNX that has a layer, beside onnxruntime or ONNX's own definition."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from accelsim.workload.importers.onnx import load_onnx
from tests.onnx_models import (
    OPSET,
    Array,
    channels_last,
    computed,
    expected,
    make_model,
    node,
    relative_error,
    save,
)

pytest.importorskip("onnx")

ERROR = 2e-6
MAP = (1, 6, 9, 7)


@dataclass(frozen=True)
class Case:
    """A graph from ``x`` (and perhaps ``z``) to ``y``, and the layers that it becomes."""

    name: str
    nodes: Sequence[Any]
    kinds: str
    shape: Sequence[int | str] = MAP
    constants: Mapping[str, Array] = field(default_factory=dict)
    other: Sequence[int | str] | None = None
    is_map: bool = False
    opset: int = OPSET
    error: float = ERROR
    tokens: int = 0
    #: Axis of the output that counts samples, where that is not the first.
    moved_batch: int = 0


def numbers(*shape: int, seed: int = 3, low: float = -1.0, high: float = 1.0) -> Array:
    return np.random.default_rng(seed).uniform(low, high, shape).astype(np.float32)


def whole(*values: int) -> Array:
    return np.array(values, dtype=np.int64)


def scalar(value: float) -> Array:
    return np.array(value, dtype=np.float32)


def conv(kinds: str = "conv2d", weight: tuple[int, ...] = (4, 6, 3, 2), bias: bool = True,
         shape: Sequence[int | str] = MAP, **attributes: Any) -> dict[str, Any]:  # fmt: skip
    constants = {"w": numbers(*weight), **({"b": numbers(weight[0])} if bias else {})}
    made = node("Conv", ["x", "w", "b"] if bias else ["x", "w"], ["y"], **attributes)
    return {"nodes": [made], "kinds": kinds, "constants": constants, "shape": shape}


def one(op: str, kinds: str, *more: str, **attributes: Any) -> dict[str, Any]:
    return {"nodes": [node(op, ["x", *more], ["y"], **attributes)], "kinds": kinds}


MAPS = [
    Case("conv", **conv()),
    Case("conv without bias", **conv(bias=False)),
    Case("conv with padding and stride", **conv(pads=[1, 2, 1, 2], strides=[2, 3])),
    Case("conv with padding at one end", **conv(pads=[0, 1, 2, 0])),
    Case("conv dilated", **conv(dilations=[2, 3])),
    Case("conv in groups", **conv(weight=(4, 3, 3, 2), group=2)),
    Case("conv depthwise", **conv(weight=(12, 1, 3, 3), group=6, pads=[1, 1, 1, 1])),
    Case("conv same upper", **conv(auto_pad="SAME_UPPER", strides=[2, 2])),
    Case("conv same lower", **conv(auto_pad="SAME_LOWER", strides=[2, 2])),
    Case("conv valid", **conv(auto_pad="VALID")),
    Case("conv of any batch", **conv(shape=("N", *MAP[1:]))),
    Case("conv of a series", **conv("reshape conv2d reshape", (4, 6, 3), shape=(1, 6, 11),
                                    pads=[1, 2], strides=[2])),
    Case("conv after a pad", [node("Pad", ["x", "p"], ["q"]), node("Conv", ["q", "w"], ["y"])],
         "conv2d", constants={"p": whole(0, 0, 1, 0, 0, 0, 2, 1), "w": numbers(4, 6, 3, 2)}),
    Case("conv after a pad that is computed",
         [node("Concat", ["p", "q"], ["r"], axis=0), node("Pad", ["x", "r"], ["s"]),
          node("Conv", ["s", "w"], ["y"])],
         "conv2d", constants={"p": whole(0, 0, 1, 0), "q": whole(0, 0, 2, 1),
                              "w": numbers(4, 6, 3, 2)}),
    Case("pad with a number", [node("Pad", ["x", "p", "v"], ["s"]),
                               node("MaxPool", ["s"], ["y"], kernel_shape=[1, 1])],
         "constant concat constant constant concat max_pool2d",
         constants={"p": whole(0, 0, 1, 2, 0, 0, 0, 1), "v": scalar(2)}),
    Case("max pool", **one("MaxPool", "max_pool2d", kernel_shape=[3, 2], strides=[2, 2])),
    Case("max pool padded", **one("MaxPool", "max_pool2d", kernel_shape=[3, 3],
                                  pads=[1, 0, 1, 2], strides=[2, 1])),
    Case("max pool same", **one("MaxPool", "max_pool2d", kernel_shape=[3, 3], strides=[2, 2],
                                auto_pad="SAME_UPPER")),
    Case("max pool rounded up", **one("MaxPool", "max_pool2d", kernel_shape=[2, 2],
                                      strides=[2, 2], ceil_mode=1)),
    Case("max pool dilated", **one("MaxPool", "max_pool2d", kernel_shape=[2, 3],
                                   dilations=[2, 2])),
    Case("max pool of a series", **one("MaxPool", "reshape max_pool2d reshape",
                                       kernel_shape=[3], strides=[2]), shape=(1, 6, 11)),
    Case("average pool", **one("AveragePool", "avg_pool2d", kernel_shape=[3, 2])),
    Case("average pool padded", **one("AveragePool", "avg_pool2d", kernel_shape=[3, 3],
                                      pads=[1, 1, 0, 1], strides=[2, 2])),
    Case("average pool with its padding", **one("AveragePool", "avg_pool2d",
                                                kernel_shape=[3, 3], pads=[1, 1, 0, 1],
                                                count_include_pad=1)),
    Case("average pool rounded up", **one("AveragePool", "avg_pool2d", kernel_shape=[2, 2],
                                          strides=[2, 2], ceil_mode=1)),
    Case("global average", **one("GlobalAveragePool", "global_avg_pool")),
    Case("global largest", **one("GlobalMaxPool", "global_max_pool")),
    Case("mean of a map", **one("ReduceMean", "transpose global_avg_pool", axes=[2, 3])),
    Case("batch norm", [node("BatchNormalization", ["x", "s", "b", "m", "v"], ["y"],
                             epsilon=1e-3)], "batch_norm2d",
         constants={"s": numbers(6), "b": numbers(6, seed=4), "m": numbers(6, seed=5),
                    "v": numbers(6, low=0.5)}),
    Case("batch norm and a scale layer",
         [node("BatchNormalization", ["x", "s", "b", "m", "v"], ["n"]),
          node("Mul", ["n", "f"], ["p"]), node("Add", ["g", "p"], ["y"])], "batch_norm2d",
         constants={"s": numbers(6), "b": numbers(6, seed=4), "m": numbers(6, seed=5),
                    "v": numbers(6, low=0.5), "f": numbers(6, 1, 1), "g": numbers(1, 6, 1, 1)}),
    Case("lrn", **one("LRN", "local_response_norm", size=3, alpha=0.3, beta=0.6, bias=1.5)),
]  # fmt: skip

FUNCTIONS = [
    Case("relu", **one("Relu", "relu")),
    Case("clip", **one("Clip", "clip", "a", "b"), constants={"a": scalar(-0.3), "b": scalar(0.4)}),
    Case("clip from above", **one("Clip", "clip", "", "b"), constants={"b": scalar(0.4)}),
    Case("clip of old", **one("Clip", "clip", min=-0.3, max=0.4), opset=9),
    Case("clip that is relu", **one("Clip", "relu", "a"), constants={"a": scalar(0.0)}),
    Case("leaky relu", **one("LeakyRelu", "leaky_relu", alpha=0.2)),
    Case("parametric relu", **one("PRelu", "leaky_relu", "s"),
         constants={"s": np.full((6, 1, 1), 0.2, np.float32)}),
    Case("elu", **one("Elu", "elu", alpha=0.7)),
    Case("sigmoid", **one("Sigmoid", "sigmoid")),
    Case("tanh", **one("Tanh", "tanh")),
    Case("hard sigmoid", **one("HardSigmoid", "hard_sigmoid")),
    Case("hard swish", **one("HardSwish", "hard_swish")),
    Case("gelu", **one("Gelu", "gelu"), opset=20),
    Case("gelu by tanh", **one("Gelu", "gelu", approximate="tanh"), opset=20),
    Case("gelu written out",
         [node("Div", ["x", "r"], ["a"]), node("Erf", ["a"], ["e"]), node("Add", ["e", "i"], ["s"]),
          node("Mul", ["x", "s"], ["p"]), node("Mul", ["p", "h"], ["y"])], "gelu",
         constants={"r": scalar(2**0.5), "i": scalar(1), "h": scalar(0.5)}),
    Case("gelu by tanh written out",
         [node("Pow", ["x", "three"], ["c"]), node("Mul", ["c", "k"], ["d"]),
          node("Add", ["x", "d"], ["e"]), node("Mul", ["s", "e"], ["f"]),
          node("Tanh", ["f"], ["t"]),
          node("Add", ["t", "i"], ["g"]), node("Mul", ["x", "h"], ["u"]),
          node("Mul", ["u", "g"], ["y"])], "gelu",
         constants={"three": scalar(3), "k": scalar(0.044715), "s": scalar((2 / np.pi) ** 0.5),
                    "i": scalar(1), "h": scalar(0.5)}),
    Case("swish written out", [node("Sigmoid", ["x"], ["s"]), node("Mul", ["x", "s"], ["y"])],
         "swish"),
    Case("hard swish written out",
         [node("Add", ["x", "three"], ["a"]), node("Clip", ["a", "zero", "six"], ["c"]),
          node("Mul", ["x", "c"], ["m"]), node("Div", ["m", "six"], ["y"])], "hard_swish",
         constants={"three": scalar(3), "zero": scalar(0), "six": scalar(6)}),
    Case("what only looks like swish",
         [node("Sigmoid", ["x"], ["s"]), node("Mul", ["s", "s"], ["y"])], "sigmoid mul"),
    Case("softmax over the last axis", **one("Softmax", "softmax"), shape=(1, 5, 7)),
    Case("softmax over channels", **one("Softmax", "transpose softmax", axis=1), is_map=True),
    Case("softmax of old", **one("Softmax", "reshape softmax reshape", axis=2), opset=11,
         shape=(1, 5, 4, 3)),
    Case("layer norm", **one("LayerNormalization", "layer_norm", "s", "b", epsilon=1e-3),
         shape=(1, 5, 8), constants={"s": numbers(8), "b": numbers(8, seed=4)}),
    Case("layer norm written out",
         [node("ReduceMean", ["x"], ["m"], axes=[-1]), node("Sub", ["x", "m"], ["d"]),
          node("Pow", ["d", "two"], ["q"]), node("ReduceMean", ["q"], ["v"], axes=[-1]),
          node("Add", ["v", "e"], ["w"]), node("Sqrt", ["w"], ["r"]),
          node("Div", ["d", "r"], ["n"]),
          node("Mul", ["s", "n"], ["p"]), node("Add", ["p", "b"], ["y"])], "layer_norm",
         shape=(1, 5, 8),
         constants={"two": scalar(2), "e": scalar(1e-3), "s": numbers(8), "b": numbers(8, seed=4)}),
]  # fmt: skip

PRODUCTS = [
    Case("gemm", **one("Gemm", "linear", "w", "b", transB=1), shape=(1, 6),
         constants={"w": numbers(4, 6), "b": numbers(4)}),
    Case("gemm scaled", **one("Gemm", "linear", "w", "b", alpha=0.5, beta=-2.0), shape=(1, 6),
          constants={"w": numbers(6, 4), "b": numbers(1, 4)}),
    Case("gemm with one number", **one("Gemm", "linear", "w", "b"), shape=("N", 6),
         constants={"w": numbers(6, 4), "b": scalar(0.3)}),
    Case("gemm plus a matrix", **one("Gemm", "linear constant add", "w", "b"), shape=(5, 6),
          constants={"w": numbers(6, 4), "b": numbers(5, 4)}),
    Case("gemm turned", **one("Gemm", "transpose linear", "w", transA=1), shape=(6, 5),
          constants={"w": numbers(6, 4)}),
    Case("matmul with weights and a bias",
         [node("MatMul", ["x", "w"], ["p"]), node("Add", ["b", "p"], ["y"])], "linear",
         shape=("N", 5, 6), constants={"w": numbers(6, 4), "b": numbers(4)}),
    Case("matmul with weights on the left", [node("MatMul", ["w", "x"], ["y"])],
         "transpose linear transpose", shape=(1, 5, 6),
         constants={"w": numbers(4, 5)}),
    Case("matmul of two tensors", **one("MatMul", "matmul", "z"), shape=(1, 3, 5, 6),
         other=(1, 3, 6, 4)),
    Case("matmul broadcast", **one("MatMul", "matmul", "z"), shape=(1, 3, 5, 6), other=(1, 1, 6, 4),
         is_map=False),
    Case("matmul with a turned tensor",
         [node("Transpose", ["z"], ["t"], perm=[0, 2, 1]), node("MatMul", ["x", "t"], ["y"])],
         "matmul", shape=(1, 5, 6), other=(1, 4, 6)),
    Case("matmul with a stack of weights", **one("MatMul", "constant matmul", "w"),
         shape=(1, 3, 5, 6), constants={"w": numbers(3, 6, 4)}),
    Case("attention with two heads",
         [*(made for part, turn in (("q", [0, 2, 1, 3]), ("k", [0, 2, 3, 1]), ("v", [0, 2, 1, 3]))
            for made in (node("MatMul", ["x", f"w{part}"], [f"{part}0"]),
                         node("Add", [f"{part}0", f"b{part}"], [f"{part}1"]),
                         node("Reshape", [f"{part}1", "heads"], [f"{part}2"]),
                         node("Transpose", [f"{part}2"], [part], perm=turn))),
          node("MatMul", ["q", "k"], ["s"]), node("Div", ["s", "root"], ["d"]),
          node("Softmax", ["d"], ["p"]), node("MatMul", ["p", "v"], ["a"]),
          node("Transpose", ["a"], ["t"], perm=[0, 2, 1, 3]), node("Reshape", ["t", "all"], ["r"]),
          node("MatMul", ["r", "wo"], ["y"])],
         "linear reshape linear reshape linear reshape transpose transpose matmul constant mul"
         " softmax transpose matmul transpose reshape linear", shape=("N", 5, 6),
         constants={"wq": numbers(6, 8), "wk": numbers(6, 8, seed=5), "wv": numbers(6, 8, seed=6),
                    "wo": numbers(8, 6, seed=7), "bq": numbers(8), "bk": numbers(8, seed=8),
                    "bv": numbers(8, seed=9), "heads": whole(0, 5, 2, 4), "all": whole(0, 5, -1),
                    "root": scalar(2)}),
    Case("flatten and gemm", [node("Flatten", ["x"], ["f"]), node("Relu", ["f"], ["r"]),
                              node("Gemm", ["r", "w"], ["y"])], "reshape relu linear",
         shape=("N", *MAP[1:]), constants={"w": numbers(6 * 9 * 7, 4)}),
]  # fmt: skip

SHAPES = [
    Case("flatten a map", [node("Relu", ["x"], ["r"]), node("MaxPool", ["r"], ["p"],
                                                            kernel_shape=[2, 2]),
                           node("Flatten", ["p"], ["f"]), node("Softmax", ["f"], ["y"])],
         "relu max_pool2d reshape reshape transpose reshape softmax"),
    Case("mean of a map and no more", [node("ReduceMean", ["x", "a"], ["y"], keepdims=0)],
         "transpose global_avg_pool reshape", constants={"a": whole(-1, -2)}, opset=18),
    Case("channel shuffle",
         [node("MaxPool", ["x"], ["p"], kernel_shape=[1, 1]), node("Reshape", ["p", "s"], ["r"]),
          node("Transpose", ["r"], ["t"], perm=[0, 2, 1, 3, 4]), node("Reshape", ["t", "u"], ["v"]),
          node("MaxPool", ["v"], ["y"], kernel_shape=[1, 1])],
         "max_pool2d reshape transpose reshape max_pool2d",
         constants={"s": whole(1, 2, 3, 9, 7), "u": whole(0, 6, 9, 7)}, is_map=True),
    Case("concat of channels", [node("MaxPool", ["x"], ["p"], kernel_shape=[1, 1]),
                                node("Concat", ["p", "x", "p"], ["y"], axis=1)],
         "max_pool2d concat", is_map=True),
    Case("concat of rows", **one("Concat", "concat", "z", axis=1), shape=(1, 5, 6),
         other=(1, 2, 6)),
    Case("concat with a constant", **one("Concat", "constant concat", "c", axis=1),
         shape=(1, 5, 6), constants={"c": numbers(1, 1, 6)}),
    Case("split", [node("MaxPool", ["x"], ["p"], kernel_shape=[1, 1]),
                   node("Split", ["p", "s"], ["a", "b"], axis=1),
                   node("Concat", ["b", "a"], ["y"], axis=1)], "max_pool2d slice slice concat",
         constants={"s": whole(2, 4)}, is_map=True),
    Case("split of old", [node("Split", ["x"], ["a", "b"], axis=2),
                          node("Sub", ["a", "b"], ["y"])], "slice slice sub", shape=(1, 5, 6),
          opset=11),
    Case("slice", **one("Slice", "slice slice", "a", "b", "c", "d"), shape=(1, 8, 9),
         constants={"a": whole(1, -7), "b": whole(2**62, -1), "c": whole(1, -1), "d": whole(3, 2)}),
    Case("gather one", [node("Gather", ["x", "i"], ["g"], axis=1), node("Relu", ["g"], ["y"])],
         "slice relu reshape", shape=(1, 5, 6), constants={"i": np.array(-2)}),
    Case("gather some", **one("Gather", "slice slice concat", "i", axis=1), shape=(1, 5, 6),
          constants={"i": whole(4, 0, 2)}),
    Case("embedding", [node("Gather", ["w", "x"], ["y"])], "embedding", shape=("N", 5),
         constants={"w": numbers(11, 4)}, tokens=11),
    Case("squeeze and unsqueeze", [node("Relu", ["x"], ["r"]), node("Squeeze", ["r", "a"], ["q"]),
                                   node("Unsqueeze", ["q", "b"], ["y"])], "relu reshape",
         shape=(1, 5, 1, 6), constants={"a": whole(0, 2), "b": whole(0, -1)}),
    Case("cast, dropout and identity",
         [node("Cast", ["x"], ["a"], to=1), node("Dropout", ["a"], ["b"]),
          node("Identity", ["b"], ["c"]), node("Relu", ["c"], ["y"])], "relu"),
    Case("arithmetic on shapes",
         [node("Relu", ["x"], ["r"]), node("Shape", ["r"], ["s"]),
          node("Gather", ["s", "zero"], ["n"]), node("Unsqueeze", ["n", "axis"], ["u"]),
          node("Concat", ["u", "rest"], ["t"], axis=0), node("Reshape", ["r", "t"], ["y"])],
         "relu reshape", shape=("N", 6, 10),
         constants={"zero": np.array(0), "axis": whole(0), "rest": whole(4, -1)}),
    Case("constant of a shape",
         [node("ConstantOfShape", ["s"], ["c"]), node("Add", ["x", "c"], ["y"])], "constant add",
         constants={"s": whole(6, 9, 7)}),
    Case("expand to the same", [node("Expand", ["x", "s"], ["e"]), node("Relu", ["e"], ["y"])],
         "relu", shape=(1, 5, 6), constants={"s": whole(1, 1, 6)}),
]  # fmt: skip

ARITHMETIC = [
    Case("add", **one("Add", "add", "z"), other=MAP),
    Case("add broadcast", **one("Add", "reshape add", "z"), shape=(1, 4, 5, 6), other=(1, 5, 1),
         is_map=False),
    Case("add a smaller first", [node("Add", ["z", "x"], ["y"])], "add", shape=(1, 5, 6),
         other=(1, 1, 6)),
    Case("sum", **one("Sum", "add add", "z", "x"), other=MAP),
    Case("mean", **one("Mean", "add constant mul", "z"), other=MAP),
    Case("sub", **one("Sub", "sub", "z"), other=MAP),
    Case("sub from a constant", [node("Sub", ["c", "x"], ["y"])], "constant sub",
         constants={"c": scalar(1)}),
    Case("mul per channel", [node("MaxPool", ["x"], ["p"], kernel_shape=[1, 1]),
                             node("Mul", ["p", "c"], ["y"])], "max_pool2d constant mul",
         constants={"c": numbers(6, 1, 1)}, is_map=True),
    Case("div", **one("Div", "div", "z"), other=MAP, error=2e-5),
    Case("div by a constant", **one("Div", "constant mul", "c"), constants={"c": scalar(0.7)},
         is_map=False),
    Case("squares and cubes", [node("Pow", ["x", "two"], ["a"]), node("Pow", ["x", "three"], ["b"]),
                               node("Sub", ["a", "b"], ["y"])], "mul mul mul sub",
         constants={"two": scalar(2), "three": scalar(3)}),
    Case("neg", **one("Neg", "constant mul")),
    Case("smallest and largest", [node("Min", ["x", "a"], ["m"]), node("Max", ["b", "m"], ["y"])],
         "clip clip", constants={"a": scalar(0.4), "b": scalar(-0.2)}),
    Case("where", [node("Where", ["c", "x", "f"], ["y"])], "constant mul constant add",
         shape=(1, 4, 5, 5),
         constants={"c": np.tri(5, dtype=bool), "f": scalar(-1e4)}),
    Case("squeeze and excitation",
         [node("MaxPool", ["x"], ["p"], kernel_shape=[1, 1]),
          node("GlobalAveragePool", ["p"], ["g"]),
          node("Conv", ["g", "w"], ["c"]), node("Sigmoid", ["c"], ["s"]),
          node("Mul", ["p", "s"], ["y"])], "max_pool2d global_avg_pool conv2d sigmoid mul",
         constants={"w": numbers(6, 6, 1, 1)}, is_map=True),
]  # fmt: skip


def cell(op: str, kinds: str, outputs: Sequence[str], gates: int, more: Sequence[Any] = (),
         directions: int = 1, **attributes: Any) -> dict[str, Any]:  # fmt: skip
    units, features = 4, 3
    constants = {
        "w": numbers(directions, gates * units, features),
        "r": numbers(directions, gates * units, units, seed=4),
        "b": numbers(directions, 2 * gates * units, seed=5),
    }
    made = node(op, ["x", "w", "r", "b"], outputs, hidden_size=units, **attributes)
    return {"nodes": [made, *more], "kinds": kinds, "constants": constants}


RECURRENT = [
    Case("lstm", **cell("LSTM", "reshape lstm reshape", ["y"], 4), shape=(5, 1, 3)),
    Case("lstm of any batch", **cell("LSTM", "lstm reshape", ["y"], 4), shape=(5, "batch", 3),
         moved_batch=2),
    Case("lstm of two directions", **cell("LSTM", "reshape lstm reshape reshape", ["y"], 4,
                                          directions=2, direction="bidirectional"),
         shape=(5, 1, 3)),
    Case("lstm's last state", **cell("LSTM", "reshape lstm reshape", ["", "y"], 4),
         shape=(5, 1, 3)),
    Case("lstm's states and last state",
         **cell("LSTM", "reshape lstm reshape slice slice slice slice concat reshape reshape add"
                " reshape", ["s", "h"], 4, [node("Add", ["s", "h"], ["y"])], directions=2,
                direction="bidirectional"),
         shape=(5, 1, 3)),
    Case("gru", **cell("GRU", "reshape gru reshape", ["y"], 3), shape=(5, 1, 3)),
    Case("gru as in PyTorch", **cell("GRU", "reshape gru reshape", ["y"], 3, linear_before_reset=1),
         shape=(5, 1, 3)),
]  # fmt: skip

CASES = [
    *(replace(case, is_map=True) for case in MAPS),
    *FUNCTIONS, *PRODUCTS, *SHAPES, *ARITHMETIC, *RECURRENT,
]  # fmt: skip


def given_to(network: Any, arrays: Mapping[str, Array]) -> dict[str, Array]:
    """Return ONNX's inputs in the layout of the network's."""
    specs = network.workload.given
    given = {}
    for name, array in arrays.items():
        ours = "input" if len(specs) == 1 else name
        shape = specs[ours].shape
        is_map = shape != array.shape[1:] and shape == channels_last(array).shape[1:]
        turned = channels_last(array) if is_map else array
        if turned.shape[1:] != shape and turned.size != np.prod(shape):  # the batch is axis 1
            turned = np.moveaxis(turned, 1, 0)
        batch = 1 if turned.size == np.prod(shape) else len(turned)
        given[ours] = turned.reshape(batch, *shape)
    return given


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_an_operator_computes_what_onnx_says(case: Case, tmp_path: Path) -> None:
    inputs = {"x": case.shape} | ({"z": case.other} if case.other else {})
    model = make_model(
        case.nodes, inputs, constants=case.constants, opset=case.opset,
        whole=("x",) if case.tokens else (),
    )  # fmt: skip
    network = load_onnx(save(model, tmp_path), strict=True)
    assert " ".join(layer.kind for layer in network.workload.layers) == case.kinds
    arrays = {}
    for seed, (name, shape) in enumerate(inputs.items()):
        extents = tuple(3 if isinstance(extent, str) else extent for extent in shape)
        rng = np.random.default_rng(seed)
        arrays[name] = (
            rng.integers(0, case.tokens, extents) if case.tokens
            else rng.standard_normal(extents, dtype=np.float32)
        )  # fmt: skip
    (theirs,) = expected(model, arrays)
    (ours,) = computed(network, given_to(network, arrays))
    theirs = np.moveaxis(theirs, case.moved_batch, 0)
    if case.is_map:
        theirs = channels_last(theirs)
    assert ours[0].size * len(ours) == theirs.size
    assert relative_error(ours, theirs) < case.error
