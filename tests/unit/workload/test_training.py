"""Training steps as traces: every backward rule against finite differences, in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from accelsim.precision import get_recipe, list_recipes
from accelsim.workload import Trace, Workload, lower
from accelsim.workload.settings import step_settings
from accelsim.workload.trace_check import check_trace
from tests.finite_differences import check_gradients, parameter_tensors

BATCH = 3


def network(input_shape: list[int], layers: list[dict[str, Any]]) -> Workload:
    named = tuple({"name": f"l{index}", **layer} for index, layer in enumerate(layers))
    return Workload.model_validate(
        {"name": "net", "input": {"shape": tuple(input_shape)}, "layers": named}
    )


def conv(**fields: Any) -> dict[str, Any]:
    return {"kind": "conv2d", "in_channels": 4, "out_channels": 4, "kernel": 3, **fields}


NETWORKS: dict[str, tuple[list[int], list[dict[str, Any]]]] = {
    "linear": (
        [5],
        [
            {"kind": "linear", "in_features": 5, "out_features": 6},
            {"kind": "relu"},
            {"kind": "linear", "in_features": 6, "out_features": 4, "bias": False},
        ],
    ),
    "softmax at the end": (
        [5],
        [{"kind": "linear", "in_features": 5, "out_features": 4}, {"kind": "softmax"}],
    ),
    "strided, dilated, grouped convolution": (
        [7, 6, 3],
        [
            conv(in_channels=3, kernel=(3, 2), padding=(1, 2)),
            conv(stride=(2, 1), dilation=(1, 2), padding=(2, 1), groups=2, bias=False),
            conv(kernel=1, stride=2, padding=0, groups=4),
            {"kind": "global_avg_pool"},
            {"kind": "flatten"},
            {"kind": "linear", "in_features": 4, "out_features": 4},
        ],
    ),
    "pooling": (
        [8, 7, 2],
        [
            conv(in_channels=2, padding=1),
            {"kind": "max_pool2d", "kernel": 3, "stride": 2, "padding": 1},
            conv(padding=1),
            {"kind": "avg_pool2d", "kernel": (2, 3), "stride": 1, "padding": 1,
             "count_include_pad": False},
            conv(padding=2),
            {"kind": "avg_pool2d", "kernel": 2},
            {"kind": "flatten"},
            {"kind": "linear", "in_features": 3 * 3 * 4, "out_features": 4},
        ],
    ),
    "largest of the map": (
        [5, 4, 2],
        [
            conv(in_channels=2, padding=1),
            {"kind": "global_max_pool"},
            {"kind": "flatten"},
            {"kind": "linear", "in_features": 4, "out_features": 4},
        ],
    ),
    "other padding at the end": (
        [8, 7, 2],
        [
            conv(in_channels=2, padding=(0, 2), padding_end=(2, 1), stride=(2, 1)),
            {"kind": "max_pool2d", "kernel": 2, "stride": (1, 2), "padding_end": 1},
            conv(padding=1, padding_end=0, kernel=2, groups=2),
            {"kind": "avg_pool2d", "kernel": 2, "padding": (0, 1), "padding_end": (1, 0),
             "ceil_mode": True},
            {"kind": "flatten"},
            {"kind": "linear", "in_features": 2 * 3 * 4, "out_features": 4},
        ],
    ),
    "activations": (
        [9],
        [
            {"kind": "linear", "in_features": 9, "out_features": 24},
            *(
                layer
                for activation in (
                    {"kind": "tanh"}, {"kind": "swish"}, {"kind": "elu", "alpha": 0.75},
                    {"kind": "leaky_relu"}, {"kind": "clip", "min": -0.25, "max": 0.75},
                    {"kind": "hard_swish"}, {"kind": "hard_sigmoid"}, {"kind": "sigmoid"},
                )
                for layer in (
                    activation, {"kind": "linear", "in_features": 24, "out_features": 24},
                )
            ),
            {"kind": "linear", "in_features": 24, "out_features": 4},
        ],
    ),
    "causal attention with shared heads, and norms": (
        [4, 6],
        [
            {"name": "p", "kind": "positions", "max_length": 7, "offset": 1},
            {"name": "n", "kind": "layer_norm", "num_features": 6},
            {"name": "q", "kind": "linear", "in_features": 6, "out_features": 8, "inputs": ["n"]},
            {"name": "k", "kind": "linear", "in_features": 6, "out_features": 4, "inputs": ["n"]},
            {"name": "v", "kind": "linear", "in_features": 6, "out_features": 6, "inputs": ["n"]},
            {"name": "a", "kind": "attention", "heads": 4, "kv_heads": 2, "causal": True,
             "inputs": ["q", "k", "v"]},
            {"name": "o", "kind": "linear", "in_features": 12, "out_features": 6},
            {"name": "s", "kind": "add", "inputs": ["o", "p"]},
            {"name": "n2", "kind": "layer_norm", "num_features": 6, "eps": 0.01},
            {"name": "up", "kind": "linear", "in_features": 6, "out_features": 9},
            {"name": "g", "kind": "gelu"},
            {"name": "down", "kind": "linear", "in_features": 9, "out_features": 4},
        ],
    ),
    "class token, cross attention, softmax inside": (
        [3, 4],
        [
            {"name": "x", "kind": "linear", "in_features": 4, "out_features": 4},
            {"name": "c", "kind": "class_token"},
            {"name": "p", "kind": "positions", "max_length": 4, "table": "sinusoidal",
             "scale": 1.7},
            {"name": "a", "kind": "attention", "heads": 2, "scale": 0.7, "inputs": ["p", "x", "x"]},
            {"name": "g", "kind": "gelu", "approximate": "tanh"},
            {"name": "w", "kind": "softmax", "inputs": ["g"]},
            {"name": "f", "kind": "flatten"},
            {"name": "fc", "kind": "linear", "in_features": 16, "out_features": 4},
        ],
    ),
    "batch norm and residual": (
        [5, 4, 2],
        [
            conv(name="a", in_channels=2, bias=False),
            {"name": "bn", "kind": "batch_norm2d", "num_features": 4},
            {"name": "ra", "kind": "relu"},
            conv(name="b", padding=1),
            {"name": "bn2", "kind": "batch_norm2d", "num_features": 4},
            {"name": "sum", "kind": "add", "inputs": ["bn2", "ra"]},
            {"name": "twice", "kind": "add", "inputs": ["sum", "sum"]},
            {"name": "rb", "kind": "relu"},
            {"name": "f", "kind": "flatten"},
            {"name": "fc", "kind": "linear", "in_features": 24, "out_features": 4},
        ],
    ),
}  # fmt: skip


def lowered(name: str, **options: Any) -> tuple[Workload, Trace]:
    net = network(*NETWORKS[name])
    return net, lower(net, get_recipe("fp32"), batch=BATCH, phase="training", **options)


def tensors_for(net: Workload, trace: Trace, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    tensors = parameter_tensors(net, trace, rng, seed=seed)
    tensors["input"] = rng.standard_normal(trace.tensors["input"].shape)
    tensors |= step_settings(learning_rate=0.1)
    shape = trace.tensors["labels"].shape
    is_classes = len(shape) < len(trace.tensors[trace.outputs[0]].shape)
    tensors["labels"] = (
        rng.integers(0, 4, shape).astype(float) if is_classes else rng.standard_normal(shape)
    )
    return tensors


@pytest.mark.parametrize("loss", ["cross_entropy", "squared_error"])
@pytest.mark.parametrize("name", NETWORKS)
def test_gradients_are_finite_differences_of_the_loss(name: str, loss: str) -> None:
    net, trace = lowered(name, loss=loss)
    assert check_trace(trace) is None
    learned = {full for full, spec in net.parameters.items() if spec.learned}
    check_gradients(trace, tensors_for(net, trace), learned=learned, count=4)


@pytest.mark.parametrize("recipe", list_recipes())
@pytest.mark.parametrize("name", NETWORKS)
def test_every_recipe_makes_a_valid_trace(name: str, recipe: str) -> None:
    net = network(*NETWORKS[name])
    trace = lower(net, get_recipe(recipe), batch=BATCH, phase="training")
    assert check_trace(trace) is None
