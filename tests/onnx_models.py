"""ONNX models made for tests, and what others say that they compute."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelsim.numerics.executor import execute
from accelsim.numerics.initialize import bind_tensors
from accelsim.precision import get_recipe
from accelsim.workload import lower
from accelsim.workload.importers.imported import ImportedNetwork

Array = NDArray[Any]
OPSET = 17
#: Of the file format; every onnxruntime since 2021 reads it.
IR_VERSION = 8


def node(op: str, inputs: Sequence[str], outputs: Sequence[str], **attributes: Any) -> Any:
    """Make a node; named after its first output."""
    import onnx

    return onnx.helper.make_node(op, list(inputs), list(outputs), name=outputs[0], **attributes)


def make_model(
    nodes: Sequence[Any],
    inputs: Mapping[str, Sequence[int | str]],
    outputs: Sequence[str] = ("y",),
    *,
    constants: Mapping[str, Array] | None = None,
    opset: int = OPSET,
    whole: Sequence[str] = (),
) -> Any:
    """Make a model; inputs are float32, those in `whole` int64."""
    from onnx import TensorProto, helper, numpy_helper, shape_inference

    graph = helper.make_graph(
        list(nodes),
        "graph",
        [
            helper.make_tensor_value_info(
                name, TensorProto.INT64 if name in whole else TensorProto.FLOAT, list(shape)
            )
            for name, shape in inputs.items()
        ],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        [
            numpy_helper.from_array(np.array(array, order="C"), name)
            for name, array in (constants or {}).items()
        ],
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=IR_VERSION
    )
    made = shape_inference.infer_shapes(model, data_prop=True)
    for value in made.graph.output:  # the checker wants a shape, be it of nothing known
        if not value.type.tensor_type.HasField("shape"):
            value.CopyFrom(helper.make_tensor_value_info(value.name, TensorProto.FLOAT, [None] * 3))
    return made


def save(model: Any, folder: Path, name: str = "net.onnx") -> Path:
    """Write a model and return its file."""
    path = folder / name
    path.write_bytes(model.SerializeToString())
    return path


def expected(model: Any, given: Mapping[str, Array]) -> list[Array]:
    """Return the outputs of a model as onnxruntime computes them, else as ONNX defines them."""
    data = model.SerializeToString()
    try:
        import onnxruntime
    except ImportError:
        from onnx.reference import ReferenceEvaluator

        return list(ReferenceEvaluator(model).run(None, dict(given)))
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    return list(session.run(None, dict(given)))


def computed(network: ImportedNetwork, given: Mapping[str, Array]) -> list[Array]:
    """Return the outputs of an imported network in the fp32 recipe, plain k order."""
    workload = network.workload
    trace = lower(workload, get_recipe("fp32"), batch=len(next(iter(given.values()))))
    run = execute(
        trace, bind_tensors(trace, network.weights().arrays, given),
        references=False, counts=False, threads=2,
    )  # fmt: skip
    return [run.tensors[name] for name in trace.outputs]


def channels_last(array: Array) -> Array:
    """Return a map (batch, channels, ...) as (batch, ..., channels)."""
    return np.moveaxis(array, 1, -1)


def relative_error(ours: Array, theirs: Array) -> float:
    """Return the largest difference, relative to the largest magnitude."""
    assert ours.size == theirs.size, (ours.shape, theirs.shape)
    difference = np.abs(ours.reshape(theirs.shape) - theirs)
    return float(np.max(difference) / max(float(np.max(np.abs(theirs))), 1e-30))
