"""What a graph is given: pictures, maps, sequences or tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from accelsim.workload.graph import INPUT
from accelsim.workload.importers.onnx.context import Context
from accelsim.workload.importers.onnx.layout import Axes, Tensor
from accelsim.workload.importers.onnx.model import GraphInput, OnnxModel, OnnxNode, Shape
from accelsim.workload.input_spec import InputKind, InputSpec

#: Operators that want the channels of their input last.
_MAP_OPS = frozenset(
    {
        "AveragePool", "BatchNormalization", "Conv", "GlobalAveragePool", "GlobalMaxPool", "LRN",
        "MaxPool",
    }
)  # fmt: skip
#: Operators that leave the question to whoever reads them.
_NEUTRAL_OPS = frozenset({"Add", "Cast", "Clip", "Div", "Identity", "Mul", "Pad", "Relu", "Sub"})
#: Nodes that are looked at to find out what an input is.
_MAX_LOOKED_AT = 64


def declare_inputs(context: Context, model: OnnxModel) -> None:
    """Declare every input of a graph that a node reads.

    A single one is called ``input``. A map (batch, channels, height, width) that
    goes to a convolution or the like has its channels last here, and is a picture if
    it has 1 or 3 of them; anything else keeps ONNX's order.
    """
    readers: dict[str, list[OnnxNode]] = {}
    for node in model.nodes:
        for name in node.inputs:
            readers.setdefault(name, []).append(node)
    read = [given for given in model.inputs if given.name in readers]
    for given in read:
        wanted = INPUT if len(read) == 1 else given.name
        context.values[given.name] = _declared(context, given, wanted, readers)


def _declared(
    context: Context, given: GraphInput, wanted: str, readers: Mapping[str, Sequence[OnnxNode]]
) -> Tensor:
    rank, batch = len(given.shape), given.batch_axis
    has_batch = rank > 0 and given.shape[batch] == 1
    axes: Axes = tuple(axis for axis in range(rank) if axis != batch or not has_batch) or (None,)
    if len(given.shape) in (3, 4) and given.shape[0] == 1 and _is_map(given.name, readers):
        axes = (*range(2, len(given.shape)), 1)
    shape = tuple(1 if axis is None else given.shape[axis] for axis in axes)
    is_picture = _is_picture(given, axes, shape, readers)
    kind = InputKind.IMAGE if is_picture else InputKind.FEATURES
    name = context.draft.add_input(wanted, InputSpec(shape=shape, kind=kind))
    return Tensor(name, given.shape, axes)


def _is_map(name: str, readers: Mapping[str, Sequence[OnnxNode]]) -> bool:
    """Return whether an operator on maps reads a tensor, perhaps after arithmetic."""
    waiting, seen = [name], {name}
    while waiting and len(seen) < _MAX_LOOKED_AT:
        for node in readers.get(waiting.pop(), ()):
            if node.op in _MAP_OPS:
                return True
            if node.op in _NEUTRAL_OPS:
                new = [output for output in node.outputs if output not in seen]
                waiting += new
                seen.update(new)
    return False


def _is_picture(
    given: GraphInput, axes: Axes, shape: Shape, readers: Mapping[str, Sequence[OnnxNode]]
) -> bool:
    """Return whether an input looks like (height, width, channels) of a picture."""
    if len(shape) != 3 or shape[-1] not in (1, 3) or given.is_whole:
        return False
    turned = any(
        node.op == "Transpose" and tuple(node.get("perm", ())) == (0, 3, 1, 2)
        for node in readers[given.name]
    )
    return len(given.shape) == 4 and (turned or axes[-1] == 1)
