"""ONNX files read without trust: bounded, checked, every input shape settled.

The bytes are parsed by protobuf, large tensors are taken out at once, and only what
is left goes through ONNX's checker and shape inference, so that neither copies the
weights. Nothing in a file is executed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from accelsim.errors import ConfigError, MissingExtraError, Problem
from accelsim.workload.importers.onnx.dimensions import settle_dimensions
from accelsim.workload.importers.onnx.functions import inline_functions
from accelsim.workload.importers.onnx.model import Array, OnnxModel, OnnxNode, Shape
from accelsim.workload.importers.onnx.node_shapes import known_shapes
from accelsim.workload.importers.onnx.tensors import (
    MAX_SHAPE_ELEMENTS,
    TensorReader,
    attribute_values,
)

#: Protobuf cannot read more from one file.
MAX_FILE_BYTES = 2**31 - 1
#: As many layers as a network may have.
MAX_NODES = 100_000
#: Before it a broadcast was an attribute and dropout had a mode.
MIN_OPSET = 7
_NO_TEXT = "A name in it is no UTF-8 text; it is damaged"
_DEFAULT_DOMAINS = ("", "ai.onnx")


def read_model(path: str | Path, dims: Mapping[str, int]) -> OnnxModel:
    """Read a model, check it, and settle every extent of its inputs.

    Parameters
    ----------
    path : str or Path
        An ``.onnx`` file.
    dims : mapping from str to int
        Extents by the name of a symbolic dimension, or by ``INPUT.AXIS``.

    Raises
    ------
    ConfigError
        If the file is missing, too large, no valid ONNX model, older than operator set
        7, or has an input with an extent that nobody gave.
    MissingExtraError
        If the onnx package is not installed.
    """
    file = Path(path)
    try:
        return _read(file, dims)
    except UnicodeDecodeError as error:
        raise _refused(file, _NO_TEXT) from error


def _read(file: Path, dims: Mapping[str, int]) -> OnnxModel:
    """Return the checked model of a file."""
    model = _parsed(file)
    graph = model.graph
    opset = _opset(model, file)
    if model.functions:
        model = inline_functions(model, file, limit=MAX_NODES)
        graph = model.graph
    if len(graph.node) > MAX_NODES:
        raise _refused(file, f"It has {len(graph.node):,} nodes; at most {MAX_NODES:,} are read")
    reader = TensorReader(file)
    constants = _take_constants(graph, reader, file)
    settled = settle_dimensions(graph, dims, set(constants), file)
    inferred = _inferred(model, file)
    return OnnxModel(
        nodes=tuple(_nodes(graph, reader)),
        inputs=settled.inputs,
        outputs=tuple(value.name for value in graph.output),
        constants=constants,
        inferred=inferred,
        opset=opset,
        name=graph.name,
        producer=f"{model.producer_name} {model.producer_version}".strip(),
        batch=settled.batch,
        notes=settled.notes,
    )


def _parsed(file: Path) -> Any:
    """Return the model of a file."""
    try:
        import onnx
        from google.protobuf.message import DecodeError
    except ImportError as error:
        raise MissingExtraError("onnx", "onnx", f"Reading {file}") from error
    try:
        with file.open("rb") as stream:
            data = stream.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise _refused(file, f"It cannot be read: {error.strerror or error}") from error
    if len(data) > MAX_FILE_BYTES:
        raise _refused(file, "It is larger than 2 GiB; keep its weights in files of their own")
    try:
        model = onnx.ModelProto.FromString(data)
    except (DecodeError, RecursionError) as error:
        raise _refused(file, "It is no ONNX model, or it is cut off") from error
    if not model.graph.node:
        raise _refused(file, "It is no ONNX model, or one without a single node")
    if not all(isinstance(name, str) for name in _names(model)):
        raise _refused(file, _NO_TEXT)
    return model


def _names(model: Any) -> Iterator[Any]:
    """Yield what must be text; protobuf gives bytes where it is not."""
    graph = model.graph
    yield from (graph.name, model.producer_name, model.producer_version)
    for value in (*graph.input, *graph.output, *graph.value_info, *graph.initializer):
        yield value.name
    for node in graph.node:
        yield from (node.name, node.op_type, node.domain, *node.input, *node.output)
        yield from (attribute.name for attribute in node.attribute)


def _opset(model: Any, file: Path) -> int:
    """Return the version of ONNX's own operators."""
    versions = [one.version for one in model.opset_import if one.domain in _DEFAULT_DOMAINS]
    opset = int(versions[0]) if versions else 1
    if opset < MIN_OPSET:
        text = f"It uses operator set {opset}; {MIN_OPSET} is the oldest that is read"
        raise _refused(file, f"{text}. onnx.version_converter makes a newer one of it")
    return opset


def _take_constants(graph: Any, reader: TensorReader, file: Path) -> dict[str, Array]:
    """Return all constants; large ones leave the graph and become inputs of it."""
    import onnx

    if graph.sparse_initializer:
        raise _refused(file, "It has sparse tensors; store them as dense ones")
    constants: dict[str, Array] = {}
    small = []
    for tensor in graph.initializer:
        array = reader.read(tensor, f"Tensor {tensor.name!r}")
        constants[tensor.name] = array
        if array.size <= MAX_SHAPE_ELEMENTS:
            small.append(onnx.numpy_helper.from_array(array, tensor.name))
    del graph.initializer[:]
    graph.initializer.extend(small)
    kept = []
    for node in graph.node:
        if node.op_type != "Constant" or len(node.output) != 1 or not node.attribute:
            kept.append(node)
            continue
        constants[node.output[0]] = _constant(node, reader, file)
    if len(kept) != len(graph.node):
        kept = [_copied(node) for node in kept]
        del graph.node[:]
        graph.node.extend(kept)
    known = {tensor.name for tensor in small} | {value.name for value in graph.input}
    for name, array in constants.items():
        if name in known:
            continue
        if array.size <= MAX_SHAPE_ELEMENTS:
            graph.initializer.append(onnx.numpy_helper.from_array(array, name))
        kind = onnx.helper.np_dtype_to_tensor_dtype(array.dtype)
        graph.input.append(onnx.helper.make_tensor_value_info(name, kind, array.shape))
    return constants


def _copied(node: Any) -> Any:
    """Return a node of its own, which outlives the graph that it was in."""
    import onnx

    copy = onnx.NodeProto()
    copy.CopyFrom(node)
    return copy


def _constant(node: Any, reader: TensorReader, file: Path) -> Array:
    """Return the value of a ``Constant``."""
    import numpy as np

    ((name, value), *more) = attribute_values(node, reader)
    if more or value is None or isinstance(value, str):
        raise _refused(file, f"The constant {node.output[0]!r} holds no plain numbers")
    if name == "value":
        return value  # type: ignore[no-any-return]
    return np.asarray(value, np.float32 if name.startswith("value_float") else np.int64)


def _inferred(model: Any, file: Path) -> dict[str, Shape]:
    """Return the shapes that ONNX is sure of, after its checker has passed the model."""
    import onnx

    try:
        onnx.checker.check_model(model)
        # Without data propagation: a few concatenations could make it fill the memory.
        graph = onnx.shape_inference.infer_shapes(model).graph
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise _refused(file, f"ONNX refuses it: {_first_line(error)}") from error
    except (ValueError, RuntimeError) as error:
        raise _refused(file, f"ONNX cannot check it: {_first_line(error)}") from error
    return known_shapes([*graph.value_info, *graph.output])


def _nodes(graph: Any, reader: TensorReader) -> Iterator[OnnxNode]:
    for index, node in enumerate(graph.node):
        domain = "" if node.domain in _DEFAULT_DOMAINS else f"{node.domain}."
        first = next((name for name in node.output if name), "")
        yield OnnxNode(
            op=domain + node.op_type,
            name=node.name or first or f"{node.op_type}_{index}",
            inputs=tuple(node.input),
            outputs=tuple(node.output),
            attributes=dict(attribute_values(node, reader)),
        )


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__).rstrip(".")


def _refused(file: Path, text: str) -> ConfigError:
    return ConfigError(Problem(f"{text}.", file=str(file)))
