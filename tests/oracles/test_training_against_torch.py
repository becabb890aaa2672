"""Training steps against PyTorch's autograd and optimizers, both in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from accelsim.numerics.initialize import bind_tensors, he_parameters
from accelsim.numerics.references import total_reference
from accelsim.precision import get_recipe
from accelsim.workload import Workload, lower, prepare_parameter
from accelsim.workload.settings import step_settings

torch = pytest.importorskip("torch")

BATCH, CLASSES, STEPS = 4, 5, 3
LAYERS: tuple[dict[str, Any], ...] = (
    {"name": "c1", "kind": "conv2d", "in_channels": 3, "out_channels": 8, "kernel": 3,
     "stride": 2, "padding": 1, "bias": False},
    {"name": "b1", "kind": "batch_norm2d", "num_features": 8},
    {"name": "r1", "kind": "relu"},
    {"name": "p1", "kind": "max_pool2d", "kernel": 3, "stride": 2, "padding": 1},
    {"name": "c2", "kind": "conv2d", "in_channels": 8, "out_channels": 8, "kernel": (3, 2),
     "padding": (2, 1), "dilation": (2, 2), "groups": 2},
    {"name": "b2", "kind": "batch_norm2d", "num_features": 8},
    {"name": "sum", "kind": "add", "inputs": ("b2", "p1")},
    {"name": "r2", "kind": "relu"},
    {"name": "p2", "kind": "avg_pool2d", "kernel": 2, "stride": 1, "padding": 1,
     "count_include_pad": False},
    {"name": "f", "kind": "flatten"},
    {"name": "fc1", "kind": "linear", "in_features": 200, "out_features": 6,
     "flattened_from": (8, 5, 5)},
    {"name": "r3", "kind": "relu"},
    {"name": "fc2", "kind": "linear", "in_features": 6, "out_features": CLASSES},
)  # fmt: skip


def network() -> Workload:
    return Workload.model_validate(
        {"name": "net", "input": {"shape": (16, 16, 3)}, "layers": LAYERS}
    )


def torch_loss(x: Any, labels: Any, weights: dict[str, Any], statistics: dict[str, Any]) -> Any:
    """The same network, written down again with PyTorch's own functions."""
    f = torch.nn.functional

    def norm(value: Any, name: str) -> Any:
        return f.batch_norm(
            value, statistics[f"{name}.running_mean"], statistics[f"{name}.running_var"],
            weights[f"{name}.weight"], weights[f"{name}.bias"], training=True,
        )  # fmt: skip

    h = f.conv2d(x, weights["c1.weight"], stride=2, padding=1)
    p1 = f.max_pool2d(f.relu(norm(h, "b1")), 3, 2, 1)
    h = f.conv2d(p1, weights["c2.weight"], weights["c2.bias"], padding=(2, 1), dilation=2,
                 groups=2)  # fmt: skip
    h = f.relu(norm(h, "b2") + p1)
    h = f.avg_pool2d(h, 2, 1, 1, count_include_pad=False).flatten(1)
    h = f.relu(f.linear(h, weights["fc1.weight"], weights["fc1.bias"]))
    return f.cross_entropy(f.linear(h, weights["fc2.weight"], weights["fc2.bias"]), labels)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_steps_of_training_are_those_of_pytorch(optimizer: str) -> None:
    net = network()
    trace = lower(net, get_recipe("fp32"), batch=BATCH, phase="training", optimizer=optimizer)
    rng = np.random.default_rng(3)
    start = {
        name: value.astype(np.float64) + 0.1 * rng.standard_normal(value.shape)
        for name, value in he_parameters(net.parameters).items()
    }
    start = {name: np.abs(v) if name.endswith("running_var") else v for name, v in start.items()}
    learned = {name for name, spec in net.parameters.items() if spec.learned}
    weights = {name: torch.tensor(start[name], requires_grad=True) for name in sorted(learned)}
    statistics = {name: torch.tensor(start[name]) for name in start.keys() - learned}
    options = {"lr": 0.05, "weight_decay": 0.01}
    stepper = (
        torch.optim.SGD(weights.values(), momentum=0.9, **options)
        if optimizer == "sgd"
        else torch.optim.Adam(weights.values(), **options)
    )
    state: dict[str, np.ndarray] = {}
    for step in range(1, STEPS + 1):
        x = rng.standard_normal((BATCH, 16, 16, 3))
        labels = rng.integers(0, CLASSES, BATCH)
        given = {
            "labels": labels,
            **step_settings(optimizer, learning_rate=0.05, weight_decay=0.01, step=step),
            **state,
        }
        run = total_reference(trace, bind_tensors(trace, start, x, more=given))
        state = {old: run[new] for old, new in trace.updates.items()}
        loss = torch_loss(
            torch.tensor(x).permute(0, 3, 1, 2), torch.tensor(labels), weights, statistics
        )
        stepper.zero_grad()
        loss.backward()
        stepper.step()
        assert run["loss"][0] == pytest.approx(loss.item(), rel=1e-12)
    now = {name: value.detach().numpy() for name, value in (weights | statistics).items()}
    for parameter in trace.parameters:
        if parameter.tensor in now:
            want = prepare_parameter(parameter, now)
            np.testing.assert_allclose(state[parameter.tensor], want, rtol=1e-7, atol=1e-9)
