"""Views, parts and joints, in the words of ONNX. Every shape is known."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from accelsim.workload.importers.onnx.draft import CannotModelError
from accelsim.workload.importers.torch.graph import AtenNode
from accelsim.workload.importers.torch.writer import Rule, Writer

#: Types of ONNX, by torch's name; the others are no numbers.
_TYPES = MappingProxyType(
    {
        "torch.float32": 1, "torch.float16": 10, "torch.float64": 11, "torch.bfloat16": 16,
        "torch.int32": 6, "torch.int64": 7, "torch.bool": 9,
    }
)  # fmt: skip
#: Repetitions that become a joint of as many copies.
_MAX_COPIES = 64


def same(writer: Writer, node: AtenNode) -> str:
    """Pass the first argument on."""
    return writer.operand(next(iter(node.arguments.values())))


def dropout(writer: Writer, node: AtenNode) -> tuple[str, ...]:
    """Pass the input on, unless the module asks for chance in evaluation mode too."""
    if node["train"] and node["p"]:
        raise CannotModelError("it drops numbers at random")
    return (writer.operand(node["input"]),)


def cast(writer: Writer, node: AtenNode) -> str:
    """Rewrite a change of type."""
    x, dtype = writer.operand(node["self"]), node["dtype"]
    if dtype is None:
        return x
    if dtype not in _TYPES:
        raise CannotModelError(f"it makes {dtype} of its input")
    return writer.one(node, "Cast", x, to=_TYPES[dtype])


def view(writer: Writer, node: AtenNode) -> str:
    """Rewrite what shows the same elements in the same order under another shape."""
    return writer.reshaped(node, writer.operand(node["self"]), node.shapes[0])


def permute(writer: Writer, node: AtenNode) -> str:
    """Rewrite an exchange of axes."""
    rank = len(node.shapes[0])
    order = list(range(rank))
    if "dims" in node.arguments:
        order = [axis % rank for axis in node["dims"]]
    elif rank > 1:
        a, b = node.arguments.get("dim0", 0) % rank, node.arguments.get("dim1", 1) % rank
        order[a], order[b] = order[b], order[a]
    return writer.one(node, "Transpose", writer.operand(node["self"]), perm=tuple(order))


def expand(writer: Writer, node: AtenNode) -> str:
    """Rewrite a repetition along axes of extent 1."""
    before, after = writer.shape(node["self"]), node.shapes[0]
    before = (1,) * (len(after) - len(before)) + before
    name = writer.reshaped(node, writer.operand(node["self"]), before)
    for axis, (old, new) in enumerate(zip(before, after, strict=True)):
        if old != new:
            if new > _MAX_COPIES:
                raise CannotModelError(f"it repeats what is computed {new} times")
            name = writer.add(node, "Concat", [name] * new, axis=axis)[0]
    return name


def join(writer: Writer, node: AtenNode) -> str:
    """Rewrite a joint of tensors along an axis."""
    given = [ref for ref in node["tensors"] if 0 not in writer.shape(ref)]
    axis = node["dim"] % len(node.shapes[0])
    return writer.add(node, "Concat", [writer.operand(ref) for ref in given], axis=axis)[0]


def split(writer: Writer, node: AtenNode) -> tuple[str, ...]:
    """Rewrite a cut into parts along an axis."""
    axis = node["dim"] % len(node.shapes[0])
    sizes = tuple(shape[axis] for shape in node.shapes)
    given = [writer.operand(node["self"])]
    return writer.add(node, "Split", given, count=len(sizes), axis=axis, split=sizes)


def unbind(writer: Writer, node: AtenNode) -> tuple[str, ...]:
    """Rewrite a cut into single rows of an axis, which goes away."""
    axis = node["dim"] % len(writer.shape(node["self"]))
    count = len(node.shapes)
    given = [writer.operand(node["self"])]
    parts = writer.add(node, "Split", given, count=count, axis=axis, split=(1,) * count)
    return tuple(
        writer.reshaped(node, part, shape) for part, shape in zip(parts, node.shapes, strict=True)
    )


def slice_(writer: Writer, node: AtenNode) -> str:
    """Rewrite a range of an axis."""
    start = 0 if node["start"] is None else node["start"]
    end = sys.maxsize if node["end"] is None else node["end"]
    ranges = ((start,), (end,), (node["dim"],), (node["step"],))
    inputs = [writer.constant(np.array(numbers, np.int64)) for numbers in ranges]
    return writer.one(node, "Slice", writer.operand(node["self"]), *inputs)


def select(writer: Writer, node: AtenNode) -> str:
    """Rewrite a single place of an axis, which goes away."""
    index = writer.constant(np.array(node["index"], np.int64))
    return writer.one(node, "Gather", writer.operand(node["self"]), index, axis=node["dim"])


def index_select(writer: Writer, node: AtenNode) -> str:
    """Rewrite places of an axis."""
    x, index = writer.operand(node["self"]), writer.operand(node["index"])
    return writer.one(node, "Gather", x, index, axis=node["dim"])


def index(writer: Writer, node: AtenNode) -> str:
    """Rewrite places of the first axes that constants name."""
    places = [None if ref is None else writer.value(ref) for ref in node["indices"]]
    arrays = [array for array in places if array is not None and array.dtype.kind == "i"]
    if len(arrays) != len(places):
        raise CannotModelError("its places are computed, or leave an axis out")
    shape = writer.shape(node["self"])
    ahead, rest = shape[: len(arrays)], shape[len(arrays) :]
    flat = np.ravel_multi_index(
        tuple(
            np.where(array < 0, array + n, array) for array, n in zip(arrays, ahead, strict=True)
        ),
        ahead,
    )
    rows = writer.reshaped(node, writer.operand(node["self"]), (int(np.prod(ahead)), *rest))
    if not np.array_equal(flat.reshape(-1), np.arange(np.prod(ahead))):
        rows = writer.one(node, "Gather", rows, writer.constant(np.asarray(flat)), axis=0)
    return writer.reshaped(node, rows, node.shapes[0])


def embedding(writer: Writer, node: AtenNode) -> str:
    """Rewrite rows of a table that tokens name."""
    table, tokens = writer.operand(node["weight"]), writer.operand(node["indices"])
    return writer.one(node, "Gather", table, tokens, axis=0)


def pad(writer: Writer, node: AtenNode) -> str:
    """Rewrite a border of one number; torch names the last axis first."""
    rank = len(node.shapes[0])
    given = list(node["pad"])
    given += [0] * (2 * rank - len(given))
    pads = np.array([*given[0::2][::-1], *given[1::2][::-1]], np.int64)
    value = writer.operand(node["value"])
    return writer.one(node, "Pad", writer.operand(node["self"]), writer.constant(pads), value)


#: Operators that only move or name.
SHAPE_RULES: Mapping[str, Rule] = MappingProxyType(
    {
        "aten._to_copy.default": cast,
        "aten._unsafe_view.default": view,
        "aten.alias.default": same,
        "aten.cat.default": join,
        "aten.chunk.default": split,
        "aten.clone.default": same,
        "aten.constant_pad_nd.default": pad,
        "aten.contiguous.default": same,
        "aten.detach.default": same,
        "aten.dropout.default": dropout,
        "aten.embedding.default": embedding,
        "aten.expand.default": expand,
        "aten.flatten.using_ints": view,
        "aten.index.Tensor": index,
        "aten.index_select.default": index_select,
        "aten.native_dropout.default": dropout,
        "aten.permute.default": permute,
        "aten.reshape.default": view,
        "aten.select.int": select,
        "aten.slice.Tensor": slice_,
        "aten.split.Tensor": split,
        "aten.split_with_sizes.default": split,
        "aten.squeeze.default": view,
        "aten.squeeze.dim": view,
        "aten.squeeze.dims": view,
        "aten.t.default": permute,
        "aten.to.dtype": cast,
        "aten.transpose.int": permute,
        "aten.unbind.int": unbind,
        "aten.unflatten.int": view,
        "aten.unsqueeze.default": view,
        "aten.view.default": view,
    }
)
