"""Random networks: whatever is connected how, the trace means what the layers mean."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from accelsim.numerics.references import total_reference
from accelsim.precision import get_recipe, list_recipes
from accelsim.workload import Gemm, Workload, lower, prepare_parameter
from accelsim.workload.trace_check import check_trace

Layer = dict[str, Any]


@st.composite
def networks(draw: st.DrawFn) -> Workload:
    """A chain of layers with residual edges; what nobody reads becomes an output."""
    shapes = {"input": (6, 6, 4)}
    layers: list[Layer] = []
    last = "input"
    for index in range(draw(st.integers(1, 7))):
        height, width, channels = shapes[last]
        name = f"n{index}"
        kind = draw(st.sampled_from(["conv2d", "batch_norm2d", "relu", "add", "max_pool2d"]))
        layer: Layer = {"name": name, "kind": kind, "inputs": [last]}
        if kind == "conv2d":
            out = draw(st.sampled_from([2, 4]))
            stride = draw(st.integers(1, 2))
            layer |= {"in_channels": channels, "out_channels": out, "kernel": 3, "padding": 1,
                      "stride": stride, "groups": draw(st.integers(1, 2)),
                      "bias": draw(st.booleans())}  # fmt: skip
            shape = ((height - 1) // stride + 1, (width - 1) // stride + 1, out)
        elif kind == "max_pool2d":
            layer |= {"kernel": 3, "padding": 1, "stride": 1}
            shape = shapes[last]
        else:
            shape = shapes[last]
            if kind == "batch_norm2d":
                layer["num_features"] = channels
            elif kind == "add":
                same = [other for other, found in shapes.items() if found == shape]
                layer["inputs"] = [last, draw(st.sampled_from(same))]
        layers.append(layer)
        shapes[name] = shape
        last = draw(st.sampled_from([name, name, name, *shapes]))
    read = {source for layer in layers for source in layer["inputs"]}
    unread = [layer["name"] for layer in layers if layer["name"] not in read]
    document = {
        "name": "random",
        "input": {"shape": [6, 6, 4], "kind": "image"},
        "layers": layers,
        "outputs": unread,
        "fold_batch_norm": draw(st.booleans()),
    }
    return Workload.model_validate_json(json.dumps(document))


@settings(max_examples=60, deadline=None)
@given(networks(), st.sampled_from(list_recipes()), st.integers(0, 2**32 - 1))
def test_the_trace_means_what_the_layers_mean(network: Workload, recipe: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    parameters = {
        name: rng.uniform(0.5, 1.5, spec.shape) for name, spec in network.parameters.items()
    }
    values = {"input": rng.standard_normal((2, *network.input.shape))}
    for node in network.graph.nodes:
        specs = node.layer.parameters(node.input_shapes)
        own = {spec.name: parameters[f"{node.name}.{spec.name}"] for spec in specs}
        values[node.name] = node.layer.reference([values[name] for name in node.inputs], own)
    trace = lower(network, get_recipe(recipe), batch=2)
    tensors = {"input": values["input"]}
    for parameter in trace.parameters:
        tensors[parameter.tensor] = prepare_parameter(parameter, parameters)
    made = total_reference(trace, tensors) if trace.ops else tensors
    for name, tensor in zip(network.output_names, trace.outputs, strict=True):
        scale = np.max(np.abs(values[name]))
        assert np.max(np.abs(made[tensor] - values[name])) <= 1e-10 * max(scale, 1.0)


@settings(max_examples=60, deadline=None)
@given(networks(), st.sampled_from(list_recipes()))
def test_every_trace_keeps_its_rules(network: Workload, name: str) -> None:
    recipe = get_recipe(name)
    trace = lower(network, recipe, batch=2)
    assert check_trace(trace) is None
    assert trace.macs == network.macs(2)
    stores = [(op.inputs, op.outputs[0]) for op in trace.vector_ops if op.function == "store"]
    assert len(set(stores)) == len(stores)
    for tensor in trace.outputs:
        assert trace.tensors[tensor].format == recipe.storage_format
    kept = {op.out.tensor for op in trace.ops if isinstance(op, Gemm)} | set(trace.outputs)
    assert trace.transients() <= trace.tensors.keys()
    assert not trace.transients() & set(trace.outputs)
    assert kept <= trace.tensors.keys()
