"""One table as embedding of two texts and as weight of the last layer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from accelsim.errors import ConfigError
from accelsim.numerics.executor import execute
from accelsim.numerics.initialize import bind_tensors, he_parameters
from accelsim.numerics.references import total_reference
from accelsim.precision import get_recipe, list_recipes
from accelsim.training.parameters import network_parameters
from accelsim.workload import InputKind, Workload, lower, prepare_parameter
from accelsim.workload.settings import step_settings
from accelsim.workload.trace_check import check_trace
from tests.finite_differences import check_gradients

WORDS, FEATURES, LENGTH, BATCH = 9, 4, 3, 2


def network(*, features: int = FEATURES, bias: bool = True, **changes: Any) -> Workload:
    tokens = {"shape": (LENGTH,), "kind": InputKind.TOKENS, "vocabulary": WORDS}
    table = {"kind": "embedding", "vocabulary": WORDS, "features": FEATURES}
    layers: tuple[dict[str, Any], ...] = (
        {"name": "a", "inputs": ("x",), "deviation": 0.5, **table},
        {"name": "b", "inputs": ("y",), "tied_to": "a", **table},
        {"name": "s", "kind": "add", "inputs": ("a", "b")},
        {"name": "n", "kind": "layer_norm", "num_features": FEATURES},
        {"name": "f", "kind": "linear", "in_features": FEATURES, "out_features": features},
        {"name": "head", "kind": "linear", "in_features": features, "out_features": WORDS,
         "tied_to": "a", "bias": bias, **changes},
    )  # fmt: skip
    return Workload.model_validate(
        {"name": "net", "inputs": {"x": tokens, "y": tokens}, "layers": layers}
    )


def given(net: Workload) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    rng = np.random.default_rng(0)
    made = he_parameters(net.parameters, seed=1)
    parameters = {
        name: value + 0.1 * rng.standard_normal(value.shape) for name, value in made.items()
    }
    texts = {name: rng.integers(0, WORDS, (BATCH, LENGTH)).astype(float) for name in "xy"}
    return parameters, texts


def test_the_table_counts_once() -> None:
    net = network()
    assert set(net.parameters) == {
        "a.weight", "n.weight", "n.bias", "f.weight", "f.bias", "head.bias",
    }  # fmt: skip
    # Table; gain and bias of the norm; 4 x 4 + 4; the head's bias.
    assert net.parameter_count == 36 + 8 + 20 + 9


@pytest.mark.parametrize("bias", [False, True])
def test_gradients_of_all_uses_add_up(bias: bool) -> None:
    net = network(bias=bias)
    parameters, texts = given(net)
    trace = lower(net, get_recipe("fp32"), batch=BATCH, phase="training")
    assert check_trace(trace) is None
    tensors = {one.tensor: prepare_parameter(one, parameters) for one in trace.parameters}
    labels = np.array([[1.0, 2.0, 0.0], [8.0, 1.0, 5.0]])
    tensors |= {**texts, **step_settings(learning_rate=0.1), "labels": labels}
    check_gradients(trace, tensors, learned=net.parameters, count=12, abs_error=1e-9)


@pytest.mark.parametrize("recipe", list_recipes())
def test_every_recipe_trains_and_infers_it(recipe: str) -> None:
    net = network()
    parameters, texts = given(net)
    trace = lower(net, get_recipe(recipe), batch=BATCH)
    assert check_trace(trace) is None
    tensors = bind_tensors(trace, parameters, texts)
    logits = execute(trace, tensors, references=False).output
    want = total_reference(trace, {name: tensors[name] for name in tensors})["head"]
    assert np.abs(logits - want).max() <= 0.3 * np.abs(want).max()
    training = lower(net, get_recipe(recipe), batch=BATCH, phase="training")
    assert check_trace(training) is None
    masters = {one.tensor: prepare_parameter(one, parameters) for one in training.parameters}
    restored = network_parameters(training.parameters, masters, net.parameters)
    assert restored.keys() == parameters.keys()
    np.testing.assert_array_equal(restored["a.weight"], parameters["a.weight"])


@pytest.mark.parametrize("features", [4, 12])  # the gradient GEMM streams the longer side
def test_a_tied_weight_is_the_table_transposed(features: int) -> None:
    words, length = 5, 2
    layers: tuple[dict[str, Any], ...] = (
        {"name": "e", "kind": "embedding", "vocabulary": words, "features": features},
        {"name": "head", "kind": "linear", "in_features": features, "out_features": words,
         "tied_to": "e", "bias": False},
    )  # fmt: skip
    spec = {"shape": (length,), "kind": InputKind.TOKENS, "vocabulary": words}
    net = Workload.model_validate({"name": "net", "input": spec, "layers": layers})
    table = np.random.default_rng(0).standard_normal((words, features))
    trace = lower(net, get_recipe("fp32"))
    tokens = np.array([[3.0, 0.0]])
    got = total_reference(trace, bind_tensors(trace, {"e.weight": table}, tokens))["head"]
    np.testing.assert_allclose(got[0], table[[3, 0]] @ table.T, rtol=1e-6)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tied_to": "b"}, r"'head' needs the table \(9, 4\) of an embedding before it, and 'b'"),
        ({"tied_to": "nothing"}, r"'nothing' is none. Such tables: a\."),
        ({"features": 5}, r"needs the table \(9, 5\) .* Such tables: none\."),
    ],
)
def test_a_tie_to_nothing_that_fits_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises((ConfigError, ValueError), match=message):
        network(**changes)


def test_a_tied_weight_is_no_flattened_map() -> None:
    with pytest.raises(ValueError, match="a tied weight is no flattened map"):
        network(flattened_from=(1, 2, 2))
