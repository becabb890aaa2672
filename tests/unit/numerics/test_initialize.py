"""Weights from a seed: their moments, their streams, and what calibration fixes."""

from __future__ import annotations

import json

import numpy as np
import pytest

from accelsim.numerics.initialize import (
    RESIDUAL_WEIGHT,
    VARIANCE_FLOOR,
    bind_tensors,
    calibrate_batch_norm,
    he_parameters,
    initialize,
    residual_branches,
)
from accelsim.numerics.references import total_reference
from accelsim.precision import get_recipe
from accelsim.workload.lowering import lower
from accelsim.workload.network import Workload, load_workload
from accelsim.workload.ops import Role
from accelsim.workload.parameters import Initial, ParameterSpec


def block(**changes: object) -> Workload:
    """Return a residual block: two convolutions beside a projection."""
    layers = [
        {"name": "stem", "kind": "conv2d", "in_channels": 3, "out_channels": 8, "kernel": 3},
        {"name": "bn0", "kind": "batch_norm2d", "num_features": 8},
        {"name": "relu0", "kind": "relu"},
        {"name": "a", "kind": "conv2d", "in_channels": 8, "out_channels": 8, "kernel": 3,
         "padding": 1, "bias": False},
        {"name": "bna", "kind": "batch_norm2d", "num_features": 8},
        {"name": "relua", "kind": "relu"},
        {"name": "b", "kind": "conv2d", "in_channels": 8, "out_channels": 8, "kernel": 1},
        {"name": "bnb", "kind": "batch_norm2d", "num_features": 8},
        {"name": "side", "kind": "conv2d", "in_channels": 8, "out_channels": 8, "kernel": 1,
         "inputs": ["relu0"]},
        {"name": "bns", "kind": "batch_norm2d", "num_features": 8},
        {"name": "joint", "kind": "add", "inputs": ["bns", "bnb"]},
    ]  # fmt: skip
    data = {"name": "block", "input": {"shape": [12, 12, 3]}, "layers": layers, **changes}
    return Workload.model_validate_json(json.dumps(data))


def photo(batch: int = 2) -> np.ndarray:
    return np.random.default_rng(1).normal(2.0, 3.0, size=(batch, 12, 12, 3))


def test_he_weights_have_mean_0_and_variance_2_over_fan_in() -> None:
    spec = ParameterSpec("weight", (256, 128, 3, 3), Role.WEIGHT, Initial.HE_NORMAL, 1152)
    ones = ParameterSpec("weight", (7,), Role.PARAMETER, Initial.ONE)
    zeros = ParameterSpec("bias", (7,), Role.PARAMETER, Initial.ZERO)
    drawn = he_parameters({"c.weight": spec, "bn.weight": ones, "bn.bias": zeros})
    w = drawn["c.weight"]
    n, sigma = w.size, np.sqrt(2 / 1152)
    assert w.dtype == np.float32
    assert abs(float(w.mean())) < 5 * sigma / np.sqrt(n)
    assert abs(float(w.std()) / sigma - 1) < 5 / np.sqrt(2 * n)
    assert (drawn["bn.weight"] == 1).all()
    assert (drawn["bn.bias"] == 0).all()


def test_a_parameter_keeps_its_numbers_when_the_network_around_it_changes() -> None:
    spec = ParameterSpec("weight", (3, 5), Role.WEIGHT, Initial.HE_NORMAL, 5)
    alone = he_parameters({"b.weight": spec}, seed=4)["b.weight"]
    both = he_parameters({"a.weight": spec, "b.weight": spec}, seed=4)
    np.testing.assert_array_equal(both["b.weight"], alone)
    assert (both["a.weight"] != alone).any()
    assert (he_parameters({"b.weight": spec}, seed=5)["b.weight"] != alone).any()


@pytest.mark.parametrize("folded", [False, True])
def test_calibrated_batch_norm_gives_mean_0_and_variance_1_on_its_input(folded: bool) -> None:
    workload, x = block(fold_batch_norm=folded), photo()
    tuned = calibrate_batch_norm(workload, he_parameters(workload.parameters), x)
    plain = block()
    trace = lower(plain, get_recipe("fp32"), batch=2)
    values = total_reference(trace, bind_tensors(trace, tuned, x), keep=("bn0", "bna", "bnb"))
    for name in ("bn0", "bna", "bnb"):
        rows = values[name].reshape(-1, 8)
        np.testing.assert_allclose(rows.mean(axis=0), 0, atol=1e-12)
        np.testing.assert_allclose(rows.var(axis=0), 1, rtol=1e-4)  # eps = 1e-5 beside it


def test_statistics_are_those_of_the_layers_own_definition() -> None:
    workload, x = block(), photo()
    parameters = he_parameters(workload.parameters)
    tuned = calibrate_batch_norm(workload, parameters, x)
    stem = workload.graph.nodes[0].layer
    own = {name: parameters[f"stem.{name}"].astype(np.float64) for name in ("weight", "bias")}
    rows = stem.reference([x], own).reshape(-1, 8)
    np.testing.assert_allclose(tuned["bn0.running_mean"], rows.mean(axis=0), rtol=1e-10)
    np.testing.assert_allclose(tuned["bn0.running_var"], rows.var(axis=0), rtol=1e-10)
    assert parameters["bn0.running_mean"].sum() == 0, "the given parameters are untouched"


def test_a_channel_that_does_not_vary_is_not_magnified() -> None:
    workload, x = block(), photo()
    parameters = he_parameters(workload.parameters)
    parameters["stem.weight"][3] = 0.0
    tuned = calibrate_batch_norm(workload, parameters, x)
    variance = tuned["bn0.running_var"]
    others = np.delete(variance, 3)
    assert variance[3] == pytest.approx(VARIANCE_FLOOR * others.sum() / 8, rel=1e-9)
    constant = calibrate_batch_norm(workload, parameters, np.zeros((1, 12, 12, 3)))
    assert (constant["bn0.running_var"] == 1).all()


def test_the_deeper_input_of_an_addition_is_the_branch() -> None:
    # stem, bn0, relu0, then a, bna, relua, b, bnb (depth 8) against side, bns (depth 5).
    assert residual_branches(block()) == ("bnb",)
    weights = initialize(block(), photo(), seed=3)
    assert (weights.arrays["bnb.weight"] == np.float32(RESIDUAL_WEIGHT)).all()
    assert (weights.arrays["bns.weight"] == 1).all()
    assert not weights.trained
    assert weights.provenance == (
        "He initialisation, seed 3, residual branches at 0.2, batch norm calibrated on the input"
    )
    tiny = load_workload("tiny")
    assert residual_branches(tiny) == ()
    assert initialize(tiny, np.zeros((1, 8, 8, 4))).provenance == "He initialisation, seed 0"


def test_resnet50_has_one_branch_a_block() -> None:
    # Stages of 3, 4, 6 and 3 blocks; bn3 ends each branch.
    branches = residual_branches(load_workload("resnet50"))
    assert len(branches) == 16
    assert all(name.endswith(".bn3") for name in branches)


def test_bound_tensors_are_a_mapping_of_inputs_and_prepared_parameters() -> None:
    workload, x = block(), photo()
    trace = lower(workload, get_recipe("wang2018"), batch=2)
    weights = initialize(workload, x)
    bound = bind_tensors(trace, weights.arrays, x)
    assert set(bound) == {*trace.inputs, *(p.tensor for p in trace.parameters)}
    assert len(bound) == len(set(bound))
    assert "nothing" not in bound
    with pytest.raises(KeyError):
        bound["nothing"]
    (weight,) = [p for p in trace.parameters if p.sources == ("a.weight",)]
    expected = weights.arrays["a.weight"].transpose(2, 3, 1, 0).reshape(1, 72, 8)
    np.testing.assert_array_equal(bound[weight.tensor], expected)
