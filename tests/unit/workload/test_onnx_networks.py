"""The nine networks inside the onnx package: their MACs, and their values beside onnxruntime's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from accelsim.workload.importers.onnx import load_onnx
from tests.onnx_models import channels_last, computed, expected, relative_error, save

onnx = pytest.importorskip("onnx")

#: Millions of multiply-accumulates at 224 x 224, as published with each network.
MEGA_MACS = {
    "bvlc_alexnet": 655, "densenet121": 2834, "inception_v1": 1432, "inception_v2": 2019,
    "resnet50": 4089, "shufflenet": 125, "squeezenet": 349, "vgg19": 19632, "zfnet512": 1482,
}  # fmt: skip
#: Networks that take more than a few seconds.
LARGE = {"bvlc_alexnet", "densenet121", "inception_v1", "inception_v2", "resnet50", "vgg19",
         "zfnet512"}  # fmt: skip
ERROR = 1e-4
#: Units between the last layers of three networks, and how many are left of them here: most
#: of the time would go to drawing and copying 100 million weights.
HIDDEN, FEWER = 4096, 256


def light_model(name: str) -> Path:
    folder = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
    return folder / f"light_{name}.onnx"


@pytest.mark.parametrize("name", sorted(MEGA_MACS))
def test_a_real_graph_has_its_multiplications(name: str) -> None:
    network = load_onnx(light_model(name), strict=True)
    assert round(network.workload.macs() / 1e6) == MEGA_MACS[name]


def test_resnet50_has_the_parameters_of_torchvision_s() -> None:
    assert load_onnx(light_model("resnet50")).workload.parameter_count == 25_557_032


def with_seeded_weights(model: Any, seed: int) -> Any:
    """Put seeded random arrays where the file makes constant ones; variances are positive.

    What the last softmax reads becomes the output: with random weights it often leaves
    nothing but zeros and a one.
    """
    rng = np.random.default_rng(seed)
    shapes = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    variances = {n.input[4] for n in model.graph.node if n.op_type == "BatchNormalization"}
    scales = {n.input[1] for n in model.graph.node if n.op_type == "BatchNormalization"}
    kept, made = [], []
    (output,) = model.graph.output
    extents = {output.name: [dim.dim_value for dim in output.type.tensor_type.shape.dim]}
    for node in model.graph.node:
        if node.op_type == "Softmax":
            output = onnx.helper.make_tensor_value_info(node.input[0], 1, extents[node.output[0]])
            continue
        if node.op_type != "ConstantOfShape":
            kept.append(node)
            continue
        written = (int(extent) for extent in shapes[node.input[0]])
        shape = tuple(FEWER if extent == HIDDEN else extent for extent in written)
        name = node.output[0]
        if name in variances or name in scales:
            array = rng.uniform(0.5, 1.5, shape)
        elif len(shape) > 1:
            array = rng.standard_normal(shape, dtype=np.float32)
            array *= np.float32((2.0 / np.prod(shape[1:])) ** 0.5)
        else:
            array = rng.normal(0.0, 0.1, shape)
        made.append(onnx.numpy_helper.from_array(array.astype(np.float32), name))
    graph = onnx.helper.make_graph(
        kept, model.graph.name,
        [value for value in model.graph.input if value.name not in shapes],
        [output], [*model.graph.initializer, *made],
    )  # fmt: skip
    return onnx.helper.make_model(graph, opset_imports=model.opset_import, ir_version=8)


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.slow if name in LARGE else ()) for name in MEGA_MACS],
)
def test_the_fp32_recipe_agrees_with_onnxruntime(name: str, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    model = with_seeded_weights(onnx.load(light_model(name)), seed=1)
    network = load_onnx(save(model, tmp_path), strict=True)
    image = np.random.default_rng(2).standard_normal((1, 3, 224, 224), dtype=np.float32)
    (given,) = [value.name for value in model.graph.input]
    (theirs,) = expected(model, {given: image})
    (ours,) = computed(network, {"input": channels_last(image)})
    assert relative_error(ours, theirs) < ERROR
