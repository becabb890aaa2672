"""ONNX's Attention beside its own definition."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from accelsim.workload.importers.onnx import load_onnx
from tests.onnx_models import Array, computed, make_model, node, relative_error, save

onnx = pytest.importorskip("onnx")
#: Since it there is an Attention.
OPSET = 23
pytestmark = pytest.mark.skipif(
    onnx.defs.onnx_opset_version() < OPSET, reason="this onnx has no Attention"
)


def numbers(*shape: int, seed: int) -> Array:
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype(np.float32)


CASES: dict[str, tuple[dict[str, Any], tuple[tuple[int, ...], ...], Array | None]] = {
    "heads first": ({}, ((1, 4, 3, 8), (1, 4, 5, 8), (1, 4, 5, 6)), None),
    "side by side": (
        {"q_num_heads": 4, "kv_num_heads": 2, "scale": 0.2},
        ((1, 3, 32), (1, 5, 16), (1, 5, 12)), None,
    ),
    "causal": ({"is_causal": 1}, ((1, 2, 4, 8),) * 3, None),
    "masked": ({}, ((1, 2, 4, 8),) * 3, np.array([[0, -2, 1, 0.5]] * 4, np.float32)),
    "hidden": ({}, ((1, 2, 3, 8),) * 3, np.array([[True, False, True]] * 3)),
    "mask per head": ({}, ((1, 2, 3, 8),) * 3, numbers(1, 2, 3, 3, seed=9)),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_attention_agrees_with_its_definition(name: str, tmp_path: Path) -> None:
    from onnx.reference import ReferenceEvaluator

    attributes, shapes, mask = CASES[name]
    inputs = ["q", "k", "v", *(["m"] if mask is not None else [])]
    model = make_model(
        [node("Attention", inputs, ["y"], **attributes)],
        dict(zip("qkv", shapes, strict=True)),
        constants={} if mask is None else {"m": mask},
        opset=OPSET,
    )
    network = load_onnx(save(model, tmp_path), strict=True)
    kinds = {layer.kind for layer in network.workload.layers}
    assert ("attention" in kinds) is (name != "mask per head")
    given = {"qkv"[i]: numbers(*shape, seed=i) for i, shape in enumerate(shapes)}
    (theirs,) = ReferenceEvaluator(model).run(None, given)
    (ours,) = computed(network, given)
    assert relative_error(ours, theirs) < 2e-6
