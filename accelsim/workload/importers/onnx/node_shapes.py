"""The shapes of one node's outputs, asked of ONNX with the node alone.

Its inputs have the shapes that the walk over the graph has found, so an answer is
there also where ONNX's inference over the whole graph loses track.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from accelsim.workload.importers.onnx.context import Value
from accelsim.workload.importers.onnx.layout import Tensor
from accelsim.workload.importers.onnx.model import OnnxNode, Shape
from accelsim.workload.importers.onnx.tensors import MAX_SHAPE_ELEMENTS


def output_shapes(node: OnnxNode, values: Mapping[str, Value], opset: int) -> dict[str, Shape]:
    """Return the shapes of a node's outputs that ONNX is sure of.

    Parameters
    ----------
    node : OnnxNode
        Of ONNX's own operators; others have no shapes.
    values : mapping from str to Tensor or array
        What is known of its inputs; computed ones count as float32.
    opset : int
        Version of ONNX's operators.
    """
    import onnx

    domain, _, op = node.op.rpartition(".")
    if domain:
        return {}
    inputs, constants = [], []
    for name in dict.fromkeys(one for one in node.inputs if one):
        value = values.get(name)
        if value is None:
            return {}
        dtype = np.dtype(np.float32) if isinstance(value, Tensor) else value.dtype
        kind = onnx.helper.np_dtype_to_tensor_dtype(dtype)
        inputs.append(onnx.helper.make_tensor_value_info(name, kind, value.shape))
        if not isinstance(value, Tensor) and value.size <= MAX_SHAPE_ELEMENTS:
            constants.append(onnx.numpy_helper.from_array(np.array(value), name))
    outputs = [onnx.helper.make_empty_tensor_value_info(name) for name in node.outputs if name]
    made = onnx.helper.make_node(op, node.inputs, node.outputs, **_attributes(node))
    graph = onnx.helper.make_graph([made], "node", inputs, outputs, constants)
    opsets = [onnx.helper.make_opsetid("", opset)]
    try:
        model = onnx.helper.make_model(graph, opset_imports=opsets)
        found = onnx.shape_inference.infer_shapes(model).graph
    except (onnx.shape_inference.InferenceError, ValueError, RuntimeError):
        return {}
    return known_shapes([*found.output, *found.value_info])


def known_shapes(values: Any) -> dict[str, Shape]:
    """Return the names and shapes of tensors all of whose extents are known."""
    shapes = {}
    for value in values:
        tensor = value.type.tensor_type
        if value.type.HasField("tensor_type") and tensor.HasField("shape"):
            dims = tensor.shape.dim
            if all(dim.HasField("dim_value") and dim.dim_value > 0 for dim in dims):
                shapes[value.name] = tuple(dim.dim_value for dim in dims)
    return shapes


def _attributes(node: OnnxNode) -> dict[str, Any]:
    import onnx

    return {
        name: onnx.numpy_helper.from_array(np.array(value)) if isinstance(value, np.ndarray)
        else value
        for name, value in node.attributes.items()
        if value is not None
    }  # fmt: skip
