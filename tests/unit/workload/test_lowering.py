"""Lowering: formats by role, casts once, fusion, folding, and values against the layers."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from accelsim.errors import ConfigError
from accelsim.numerics.references import total_reference
from accelsim.precision import get_recipe, list_recipes
from accelsim.workload import (
    Gemm,
    Trace,
    VectorOp,
    Workload,
    load_workload,
    lower,
    prepare_parameter,
)
from accelsim.workload.trace_check import check_trace

RESIDUAL = {
    "name": "residual",
    "input": {"shape": [8, 8, 3], "kind": "image"},
    "layers": [
        {"name": "conv1", "kind": "conv2d", "in_channels": 3, "out_channels": 4, "kernel": 3,
         "padding": 1, "bias": False},
        {"name": "bn1", "kind": "batch_norm2d", "num_features": 4},
        {"name": "relu1", "kind": "relu"},
        {"name": "conv2", "kind": "conv2d", "in_channels": 4, "out_channels": 4, "kernel": 3,
         "padding": 1},
        {"name": "bn2", "kind": "batch_norm2d", "num_features": 4, "eps": 0.01},
        {"name": "add", "kind": "add", "inputs": ["bn2", "relu1"]},
        {"name": "relu2", "kind": "relu"},
        {"name": "conv3", "kind": "conv2d", "in_channels": 4, "out_channels": 6, "kernel": 1,
         "stride": 2},
        {"name": "pool", "kind": "max_pool2d", "kernel": 2},
        {"name": "flatten", "kind": "flatten"},
        {"name": "fc", "kind": "linear", "in_features": 24, "out_features": 5},
        {"name": "softmax", "kind": "softmax"},
    ],
}  # fmt: skip


def residual(**changes: object) -> Workload:
    import json

    return Workload.model_validate_json(json.dumps(RESIDUAL | changes))


def formats(trace: Trace, name: str) -> tuple[str, str, str]:
    op = next(op for op in trace.gemms if op.layer == name)
    return op.a.format.name, op.b.format.name, op.out.format.name


def layer_by_layer(network: Workload, x: np.ndarray, seed: int) -> tuple[np.ndarray, dict]:
    """The network by its layers' own float64 definitions, and random parameters."""
    rng = np.random.default_rng(seed)
    parameters = {
        name: rng.uniform(0.5, 1.5, spec.shape)
        if name.endswith("running_var")
        else rng.standard_normal(spec.shape)
        for name, spec in network.parameters.items()
    }
    values = {"input": x}
    for node in network.graph.nodes:
        own = {
            spec.name: parameters[f"{node.name}.{spec.name}"]
            for spec in node.layer.parameters(node.input_shapes)
        }
        values[node.name] = node.layer.reference([values[name] for name in node.inputs], own)
    return values[network.output_names[0]], parameters


@pytest.mark.parametrize("fold_batch_norm", [False, True])
@pytest.mark.parametrize("recipe", ["fp32", "wang2018", "fp8_formats"])
def test_a_trace_means_what_its_layers_mean(recipe: str, fold_batch_norm: bool) -> None:
    network = residual(fold_batch_norm=fold_batch_norm)
    x = np.random.default_rng(1).standard_normal((2, 8, 8, 3))
    want, parameters = layer_by_layer(network, x, seed=2)
    trace = lower(network, get_recipe(recipe), batch=2)
    tensors = {"input": x}
    for parameter in trace.parameters:
        tensors[parameter.tensor] = prepare_parameter(parameter, parameters)
    got = total_reference(trace, tensors)[trace.outputs[0]]
    np.testing.assert_allclose(got, want, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("recipe", list_recipes())
@pytest.mark.parametrize("network", ["resnet18", "alexnet", "cifar10_cnn", "bn50_dnn", "tiny"])
def test_every_trace_is_valid(network: str, recipe: str) -> None:
    assert check_trace(lower(load_workload(network), get_recipe(recipe), batch=2)) is None


def test_wang2018_keeps_image_and_last_layer_in_16_bits() -> None:
    trace = lower(residual(), get_recipe("wang2018"))
    half, quarter = "fp16_e6m9", "fp8_e5m2"
    assert formats(trace, "conv1") == (half, half, half)
    assert formats(trace, "conv2") == (quarter, quarter, half)
    assert formats(trace, "conv3") == (quarter, quarter, half)
    assert formats(trace, "fc") == (half, half, half)


def test_the_exceptions_can_be_dropped() -> None:
    recipe = get_recipe("wang2018").model_copy(update={"first_layer": None, "last_layer": None})
    trace = lower(residual(), recipe)
    assert {formats(trace, name)[:2] for name in ("conv1", "fc")} == {("fp8_e5m2", "fp8_e5m2")}


def test_features_are_no_image() -> None:
    network = residual(input={"shape": [8, 8, 3], "kind": "features"})
    assert formats(lower(network, get_recipe("wang2018")), "conv1")[0] == "fp8_e5m2"


def test_a_network_can_waive_the_exception_for_its_image() -> None:
    image = {"shape": [8, 8, 3], "kind": "image", "first_layer_exception": False}
    trace = lower(residual(input=image), get_recipe("wang2018"))
    assert formats(trace, "conv1")[0] == "fp8_e5m2"


def test_a_tensor_is_stored_once_and_the_residual_reads_the_16_bit_copy() -> None:
    trace = lower(residual(), get_recipe("wang2018"))
    stores = [op.outputs[0] for op in trace.vector_ops if op.function == "store"]
    assert stores == ["relu1:fp8_e5m2", "relu2:fp8_e5m2"]
    add = next(op for op in trace.vector_ops if op.function == "add")
    assert add.inputs == ("bn2", "relu1")
    assert {trace.tensors[name].format.name for name in add.inputs} == {"fp16_e6m9"}


def test_stores_saturate_and_vector_ops_follow_their_format() -> None:
    trace = lower(residual(), get_recipe("wang2018"))
    overflow = {op.function: op.overflow for op in trace.vector_ops}
    assert overflow["store"] == "saturate"
    assert overflow["relu"] is None


def test_element_wise_ops_after_a_gemm_are_fused() -> None:
    trace = lower(residual(), get_recipe("wang2018"))
    fused = {op.name: op.fused for op in trace.vector_ops}
    assert fused == {
        "bn1.batch_norm": True,
        "relu1.relu": True,
        "relu1.store_fp8_e5m2": True,
        "conv2.bias_add": True,
        "bn2.batch_norm": True,
        "add.add": True,
        "relu2.relu": True,
        "relu2.store_fp8_e5m2": True,
        "conv3.bias_add": True,
        "pool.max_pool": False,
        "fc.bias_add": True,
        "softmax.softmax": False,
    }


def test_a_scaled_store_needs_a_pass_of_its_own() -> None:
    trace = lower(residual(), get_recipe("fp8_formats"))
    stores = [op for op in trace.vector_ops if op.function == "store"]
    assert {op.fused for op in stores} == {False}
    assert all(len(op.outputs) == 2 for op in stores)
    # One visit for the largest magnitude, one to scale and convert: 2 x 8 x 8 x 3.
    assert stores[0].elements == 384
    unscaled = [op.layer for op in trace.vector_ops if op.function == "unscale"]
    assert unscaled == ["conv1", "conv2", "conv3", "fc"]


def test_scaled_weights_have_a_scale_and_its_rule() -> None:
    trace = lower(residual(), get_recipe("int8"))
    weight = next(p for p in trace.parameters if p.tensor == "conv2.weight")
    assert weight.scale == "conv2.weight:scale"
    assert not weight.power_of_two
    assert trace.tensors["conv2.weight"].format.name == "int8"
    assert trace.tensors["conv2.weight:scale"].shape == (1,)
    assert formats(trace, "conv2")[2] == "int32"


def test_fused_results_stay_in_the_compute_format_until_they_are_stored() -> None:
    trace = lower(residual(), get_recipe("fp16_mixed"))
    held = {name: trace.tensors[name].format.name for name in ("conv1", "bn1", "relu1", "conv3")}
    assert held == {"conv1": "fp32", "bn1": "fp32", "relu1": "fp16_e5m10", "conv3": "fp16_e5m10"}


def test_a_bare_gemm_in_a_wider_format_is_stored() -> None:
    network = Workload.model_validate_json(
        '{"name": "n", "input": {"shape": [4]}, "layers": [{"name": "fc", "kind": "linear",'
        ' "in_features": 4, "out_features": 2, "bias": false}]}'
    )
    trace = lower(network, get_recipe("bf16_mixed"))
    assert [op.name for op in trace.ops] == ["fc.forward", "fc.store"]
    assert trace.tensors["fc:sum"].format.name == "fp32"
    assert trace.tensors["fc"].format.name == "bf16"
    assert trace.outputs == ("fc",)


def test_folding_leaves_no_batch_norm_and_keeps_the_residual_edge() -> None:
    trace = lower(residual(fold_batch_norm=True), get_recipe("wang2018"))
    assert "batch_norm" not in {op.function for op in trace.vector_ops}
    add = next(op for op in trace.vector_ops if op.function == "add")
    assert add.inputs == ("conv2", "relu1")


def test_transients_never_reach_a_memory() -> None:
    trace = lower(residual(), get_recipe("wang2018"))
    # relu1 is read by the residual add later; conv3 by a pooling that is not fused; relu2 by
    # its fused store alone.
    assert trace.transients() == {"conv1", "bn1", "conv2:sum", "conv2", "bn2", "add", "relu2",
                                  "conv3:sum", "fc:sum"}  # fmt: skip


def test_gemm_extents_of_a_batch() -> None:
    trace = lower(load_workload("alexnet"), get_recipe("fp32"), batch=3)
    op = trace.gemms[1]
    assert (op.groups, op.m, op.n, op.k) == (1, 3 * 27 * 27, 192, 5 * 5 * 64)


def test_an_op_says_what_it_is() -> None:
    op = lower(residual(), get_recipe("fp32")).ops[0]
    assert isinstance(op, Gemm)
    assert (op.name, op.layer, op.phase, op.kind) == ("conv1.forward", "conv1", "forward", "gemm")


def test_attributes_are_found_by_name() -> None:
    trace = lower(residual(), get_recipe("fp32"))
    pool = next(op for op in trace.vector_ops if op.function == "max_pool")
    assert isinstance(pool, VectorOp)
    assert pool.attribute("kernel") == (2, 2)
    with pytest.raises(KeyError):
        pool.attribute("eps")


@pytest.mark.parametrize(
    ("batch", "phase"), [(0, "inference"), (2**40, "inference"), (1, "dreaming")]
)
def test_bad_requests_are_refused(batch: int, phase: str) -> None:
    with pytest.raises(ConfigError, match=r"^The (batch|phase) is"):
        lower(load_workload("tiny"), get_recipe("fp32"), batch=batch, phase=phase)


def test_networks_and_traces_travel_to_other_processes() -> None:
    network = residual()
    assert network.graph.nodes
    trace = lower(network, get_recipe("int8"))
    assert pickle.loads(pickle.dumps(network)) == network
    assert pickle.loads(pickle.dumps(trace)) == trace
