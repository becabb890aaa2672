"""Attention, norms and GELU against PyTorch's own, values and gradients, in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from accelsim.numerics.initialize import he_parameters
from accelsim.numerics.references import total_reference
from accelsim.precision import get_recipe
from accelsim.workload import Workload, lower, prepare_parameter
from accelsim.workload.settings import step_settings

torch = pytest.importorskip("torch")

BATCH, LENGTH, FEATURES, HEADS = 2, 5, 12, 3


def network(*, causal: bool, approximate: str) -> Workload:
    """One encoder layer: attention and a feed-forward net, each after a norm, and a head."""

    def linear(name: str, source: str, columns: int, rows: int = FEATURES) -> dict[str, Any]:
        return {"name": name, "kind": "linear", "in_features": rows, "out_features": columns,
                "inputs": (source,)}  # fmt: skip

    layers: tuple[dict[str, Any], ...] = (
        linear("x", "input", FEATURES),
        {"name": "n1", "kind": "layer_norm", "num_features": FEATURES},
        linear("q", "n1", FEATURES), linear("k", "n1", FEATURES), linear("v", "n1", FEATURES),
        {"name": "a", "kind": "attention", "heads": HEADS, "causal": causal,
         "inputs": ("q", "k", "v")},
        linear("o", "a", FEATURES),
        {"name": "s1", "kind": "add", "inputs": ("o", "x")},
        {"name": "n2", "kind": "layer_norm", "num_features": FEATURES, "eps": 1e-3},
        linear("up", "n2", 4 * FEATURES),
        {"name": "g", "kind": "gelu", "approximate": approximate},
        linear("down", "g", FEATURES, 4 * FEATURES),
        {"name": "s2", "kind": "add", "inputs": ("down", "s1")},
        linear("head", "s2", 7),
    )  # fmt: skip
    return Workload.model_validate(
        {"name": "net", "input": {"shape": (LENGTH, FEATURES)}, "layers": layers}
    )


def torch_logits(x: Any, w: dict[str, Any], *, causal: bool, approximate: str) -> Any:
    """The same network, written down again with PyTorch's own functions."""
    f = torch.nn.functional

    def linear(value: Any, name: str) -> Any:
        return f.linear(value, w[f"{name}.weight"], w[f"{name}.bias"])

    def norm(value: Any, name: str, eps: float) -> Any:
        return f.layer_norm(value, (FEATURES,), w[f"{name}.weight"], w[f"{name}.bias"], eps)

    def heads(value: Any) -> Any:
        return value.reshape(BATCH, LENGTH, HEADS, -1).transpose(1, 2)

    x = linear(x, "x")
    n = norm(x, "n1", 1e-5)
    a = f.scaled_dot_product_attention(
        heads(linear(n, "q")), heads(linear(n, "k")), heads(linear(n, "v")), is_causal=causal
    )
    s1 = linear(a.transpose(1, 2).reshape(BATCH, LENGTH, FEATURES), "o") + x
    up = f.gelu(linear(norm(s1, "n2", 1e-3), "up"), approximate=approximate)
    return linear(linear(up, "down") + s1, "head")


@pytest.mark.parametrize("approximate", ["none", "tanh"])
@pytest.mark.parametrize("causal", [False, True])
def test_values_and_gradients(causal: bool, approximate: str) -> None:
    net = network(causal=causal, approximate=approximate)
    parameters = he_parameters(net.parameters, seed=1)
    rng = np.random.default_rng(2)
    parameters = {name: one + 0.1 * rng.standard_normal(one.shape)
                  for name, one in parameters.items()}  # fmt: skip
    x = rng.standard_normal((BATCH, LENGTH, FEATURES))
    labels = rng.integers(0, 7, (BATCH, LENGTH))
    weights = {name: torch.tensor(one, requires_grad=True) for name, one in parameters.items()}
    logits = torch_logits(torch.tensor(x), weights, causal=causal, approximate=approximate)
    loss = torch.nn.functional.cross_entropy(logits.reshape(-1, 7), torch.tensor(labels).flatten())
    loss.backward()

    trace = lower(net, get_recipe("fp32"), batch=BATCH, phase="training")
    tensors = {one.tensor: prepare_parameter(one, parameters) for one in trace.parameters}
    tensors |= step_settings(learning_rate=0.1)
    tensors |= {"input": x, "labels": labels.astype(float)}
    gradients = {op.inputs[0]: op.inputs[1] for op in trace.vector_ops
                 if op.function == "l2_regularize"}  # fmt: skip
    got = total_reference(trace, tensors, keep=gradients.values())
    np.testing.assert_allclose(got[trace.outputs[0]], logits.detach().numpy(), rtol=1e-10)
    assert float(got["loss"][0]) == pytest.approx(loss.item(), rel=1e-12)
    for name, weight in weights.items():
        want = weight.grad.numpy()
        found = got[gradients[name]]
        found = found[0].T if found.ndim == 3 else found  # a GEMM's weight is (1, in, out)
        np.testing.assert_allclose(found, want, rtol=1e-8, atol=1e-12, err_msg=name)


def test_cross_attention_with_a_mask_and_shared_heads() -> None:
    rng = np.random.default_rng(3)
    shapes = {"q": (3, 24), "k": (5, 8), "v": (5, 8), "m": (1, 5)}
    given = {name: rng.standard_normal((BATCH, *shape)) for name, shape in shapes.items()}
    net = Workload.model_validate(
        {
            "name": "net",
            "inputs": {name: {"shape": shape} for name, shape in shapes.items()},
            "layers": ({"name": "a", "kind": "attention", "heads": 6, "kv_heads": 2,
                        "inputs": ("q", "k", "v", "m")},),
        }
    )  # fmt: skip
    trace = lower(net, get_recipe("fp32"), batch=BATCH)
    got = total_reference(trace, given)["a"]
    query, key, value, mask = (torch.tensor(given[name]) for name in "qkvm")
    want = torch.nn.functional.scaled_dot_product_attention(
        query.reshape(BATCH, 3, 6, 4).transpose(1, 2),
        key.reshape(BATCH, 5, 2, 4).transpose(1, 2),
        value.reshape(BATCH, 5, 2, 4).transpose(1, 2),
        attn_mask=mask[:, None],
        enable_gqa=True,
    )
    np.testing.assert_allclose(
        got, want.transpose(1, 2).reshape(BATCH, 3, 24).numpy(), rtol=1e-10, atol=1e-12
    )
