"""Joints, moved elements, products and look-ups against PyTorch's autograd, in float64."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from accelsim.numerics.initialize import bind_tensors, he_parameters
from accelsim.numerics.references import total_reference
from accelsim.precision import get_recipe
from accelsim.workload import Workload, lower
from accelsim.workload.settings import step_settings

torch = pytest.importorskip("torch")

BATCH, WORDS, LENGTH, WIDTH, HEADS = 3, 7, 4, 6, 2
#: A network of every kind: words and numbers meet in sums, products, quotients and matrices.
NETWORK: dict[str, Any] = {
    "name": "net",
    "inputs": {
        "words": {"shape": [LENGTH], "kind": "tokens", "vocabulary": WORDS},
        "numbers": {"shape": [WIDTH]},
    },
    "layers": [
        {"name": "e", "kind": "embedding", "vocabulary": WORDS, "features": WIDTH,
         "inputs": ["words"]},
        {"name": "q", "kind": "linear", "in_features": WIDTH, "out_features": WIDTH},
        {"name": "k", "kind": "linear", "in_features": WIDTH, "out_features": WIDTH,
         "inputs": ["e"]},
        {"name": "g", "kind": "linear", "in_features": WIDTH, "out_features": WIDTH,
         "inputs": ["numbers"]},
        {"name": "qg", "kind": "mul", "inputs": ["q", "g"]},
        {"name": "ke", "kind": "sub", "inputs": ["k", "e"]},
        {"name": "qs", "kind": "reshape", "shape": [LENGTH, HEADS, -1], "inputs": ["qg"]},
        {"name": "ks", "kind": "reshape", "shape": [LENGTH, HEADS, -1], "inputs": ["ke"]},
        {"name": "qh", "kind": "transpose", "axes": [1, 0, 2], "inputs": ["qs"]},
        {"name": "kh", "kind": "transpose", "axes": [1, 0, 2], "inputs": ["ks"]},
        {"name": "scores", "kind": "matmul", "transpose_b": True, "inputs": ["qh", "kh"]},
        {"name": "mixed", "kind": "matmul", "inputs": ["scores", "kh"]},
        {"name": "gr", "kind": "reshape", "shape": [3, 2], "inputs": ["g"]},
        {"name": "one", "kind": "matmul", "inputs": ["mixed", "gr"]},
        {"name": "first", "kind": "slice", "axis": 0, "stop": 1, "inputs": ["one"]},
        {"name": "rest", "kind": "slice", "axis": 0, "start": -1, "inputs": ["one"]},
        {"name": "square", "kind": "mul", "inputs": ["rest", "rest"]},
        {"name": "unit", "kind": "constant", "shape": [1]},
        {"name": "below", "kind": "add", "inputs": ["square", "unit", "square"]},
        {"name": "ratio", "kind": "div", "inputs": ["first", "below"]},
        {"name": "both", "kind": "concat", "axis": -1, "inputs": ["ratio", "first"]},
        {"name": "flat", "kind": "flatten"},
        {"name": "fc", "kind": "linear", "in_features": LENGTH * 4, "out_features": 1},
    ],
}  # fmt: skip


def torch_logit(words: Any, numbers: Any, w: dict[str, Any]) -> Any:
    """The same network, written down again with PyTorch's own functions."""
    f = torch.nn.functional

    def linear(x: Any, name: str) -> Any:
        return f.linear(x, w[f"{name}.weight"], w[f"{name}.bias"])

    e = f.embedding(words, w["e.weight"])
    g = linear(numbers, "g")
    q, k = linear(e, "q") * g[:, None], linear(e, "k") - e
    q, k = (x.reshape(BATCH, LENGTH, HEADS, -1).transpose(1, 2) for x in (q, k))
    one = (q @ k.transpose(-1, -2) @ k) @ g.reshape(BATCH, 1, 3, 2)
    first, rest = one[:, :1], one[:, -1:]
    both = torch.cat((first / (2 * rest * rest + w["unit.value"]), first), dim=-1)
    return linear(both.flatten(1), "fc")


def test_a_step_of_training_is_that_of_pytorch() -> None:
    net = Workload.model_validate_json(json.dumps(NETWORK))
    trace = lower(net, get_recipe("fp32"), batch=BATCH, phase="training")
    rng = np.random.default_rng(5)
    start = {
        name: value.astype(np.float64) + 0.1 * rng.standard_normal(value.shape)
        for name, value in he_parameters(net.parameters).items()
    }
    start["unit.value"] = np.array([1.5])
    words = rng.integers(0, WORDS, (BATCH, LENGTH))
    numbers = rng.standard_normal((BATCH, WIDTH))
    labels = rng.integers(0, 2, (BATCH, 1)).astype(float)
    given = {"labels": labels, **step_settings(learning_rate=1.0, momentum=0.0)}
    inputs = {"words": words.astype(float), "numbers": numbers}
    run = total_reference(trace, bind_tensors(trace, start, inputs, more=given))
    weights = {name: torch.tensor(value, requires_grad=True) for name, value in start.items()}
    logit = torch_logit(torch.tensor(words), torch.tensor(numbers), weights)
    loss = torch.nn.functional.binary_cross_entropy_with_logits(logit, torch.tensor(labels))
    loss.backward()
    assert run["loss"][0] == pytest.approx(loss.item(), rel=1e-12)
    np.testing.assert_allclose(run[trace.outputs[0]], logit.detach().numpy(), rtol=1e-10)
    for name, spec in net.parameters.items():
        if spec.learned:
            moved = start[name] - weights[name].grad.numpy()
            got = run[f"{name}.updated"]
            want = moved.T[None] if got.ndim == 3 else moved
            np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-11, err_msg=name)
