"""LSTM and GRU in the fp32 recipe against onnxruntime and PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from accelsim.numerics.executor import execute
from accelsim.precision import get_recipe
from accelsim.testing.check_layer import lower_layer
from accelsim.workload import GRU, LSTM, prepare_parameter
from accelsim.workload.layers.recurrent import GivenOut, Recurrent

STEPS, FEATURES, UNITS, BATCH = 7, 5, 6, 3
#: Where ONNX's gates stand in PyTorch's order: i o f g, and z r n.
ONNX_GATES = {"lstm": (0, 3, 1, 2), "gru": (1, 0, 2)}


def parameters_of(layer: Recurrent, seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    specs = layer.parameters([(STEPS, FEATURES)])
    return {spec.name: rng.normal(scale=0.5, size=spec.shape).astype(np.float32) for spec in specs}


def sequence(seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(BATCH, STEPS, FEATURES)).astype(np.float32)


def run_layer(
    layer: Recurrent, parameters: dict[str, np.ndarray], x: np.ndarray, recipe: str = "fp32"
) -> np.ndarray:
    trace = lower_layer(layer, [x.shape[1:]], get_recipe(recipe), batch=len(x))
    full_names = {f"{layer.name}.{name}": value for name, value in parameters.items()}
    tensors = {one.tensor: prepare_parameter(one, full_names) for one in trace.parameters}
    return execute(trace, {trace.inputs[0]: x, **tensors}, references=False).output


def onnx_operands(layer: Recurrent, parameters: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return ONNX's W, R and B, directions first, from PyTorch's parameters."""
    order = ONNX_GATES[layer.kind]

    def in_order(name: str) -> np.ndarray:
        gates = parameters[name].reshape(layer.gates, UNITS, -1)[list(order)]
        return gates.reshape(layer.gates * UNITS, -1)

    tags = ["l0", "l0_reverse"][: 2 if layer.bidirectional else 1]
    biases = [
        np.concatenate([in_order(f"bias_{source}_{tag}")[:, 0] for source in ("ih", "hh")])
        for tag in tags
    ]
    return {
        "W": np.stack([in_order(f"weight_ih_{tag}") for tag in tags]),
        "R": np.stack([in_order(f"weight_hh_{tag}") for tag in tags]),
        "B": np.stack(biases),
    }


def onnxruntime_sequence(layer: Recurrent, parameters: dict[str, np.ndarray], x: np.ndarray) -> Any:
    """Run ONNX's operator; (batch, steps, units of all directions)."""
    onnx = pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    operands = {"X": np.ascontiguousarray(x.swapaxes(0, 1)), **onnx_operands(layer, parameters)}
    attributes: dict[str, Any] = {"hidden_size": UNITS}
    if layer.bidirectional:
        attributes["direction"] = "bidirectional"
    if isinstance(layer, GRU):
        attributes["linear_before_reset"] = int(layer.linear_before_reset)
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    node = helper.make_node(layer.kind.upper(), list(operands), ["Y"], **attributes)
    graph = helper.make_graph(
        [node],
        "one",
        [helper.make_tensor_value_info(name, kind, one.shape) for name, one in operands.items()],
        [helper.make_tensor_value_info("Y", kind, None)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    session = runtime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    made = session.run(None, operands)[0]  # (steps, directions, batch, units)
    return made.transpose(2, 0, 1, 3).reshape(len(x), STEPS, -1)


LAYERS = [
    LSTM(name="x", input_size=FEATURES, hidden_size=UNITS),
    LSTM(name="x", input_size=FEATURES, hidden_size=UNITS, bidirectional=True),
    GRU(name="x", input_size=FEATURES, hidden_size=UNITS),
    GRU(name="x", input_size=FEATURES, hidden_size=UNITS, linear_before_reset=False),
    GRU(name="x", input_size=FEATURES, hidden_size=UNITS, linear_before_reset=False,
        bidirectional=True),
]  # fmt: skip


@pytest.mark.parametrize("layer", LAYERS, ids=range(len(LAYERS)))
def test_onnxruntime_agrees(layer: Recurrent) -> None:
    parameters, x = parameters_of(layer, 1), sequence()
    want = onnxruntime_sequence(layer, parameters, x)
    got = run_layer(layer, parameters, x)
    # Sums of some 16 float32 terms, carried over seven steps of slope at most 1.
    np.testing.assert_allclose(got, want, atol=5e-6)


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("kind", [LSTM, GRU])
def test_pytorch_agrees_on_stacked_layers(kind: type[Recurrent], bidirectional: bool) -> None:
    torch = pytest.importorskip("torch")
    layer = kind(
        name="x", input_size=FEATURES, hidden_size=UNITS, num_layers=2, bidirectional=bidirectional
    )
    parameters, x = parameters_of(layer, 2), sequence(3)
    module = getattr(torch.nn, kind.__name__)(
        FEATURES, UNITS, num_layers=2, bidirectional=bidirectional, batch_first=True
    )
    module.load_state_dict({name: torch.from_numpy(value) for name, value in parameters.items()})
    with torch.no_grad():
        made, ends = module(torch.from_numpy(x))
    np.testing.assert_allclose(run_layer(layer, parameters, x), made.numpy(), atol=5e-6)
    last = layer.model_copy(update={"output": GivenOut.LAST})
    states = (ends[0] if kind is LSTM else ends)[-2 if bidirectional else -1 :]
    want = states.numpy().transpose(1, 0, 2).reshape(BATCH, -1)
    np.testing.assert_allclose(run_layer(last, parameters, x), want, atol=5e-6)


@pytest.mark.parametrize("recipe", ["wang2018", "bf16_mixed", "fp8_formats"])
@pytest.mark.parametrize("layer", LAYERS, ids=range(len(LAYERS)))
def test_narrow_formats_stay_near(layer: Recurrent, recipe: str) -> None:
    # Inputs and weights of two mantissa bits are off by an eighth at most; states are below 1.
    parameters, x = parameters_of(layer, 1), sequence()
    difference = run_layer(layer, parameters, x, recipe) - run_layer(layer, parameters, x)
    assert 0 < np.sqrt(np.mean(difference**2)) < 0.1
