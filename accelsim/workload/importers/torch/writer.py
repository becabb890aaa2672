"""ATen operators rewritten in the words of ONNX, for the walk that makes layers of those.

Both name the same arithmetic on tensors in the same order of axes (channels first),
so one walk, with one set of rules for layouts, patterns and names, serves both.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from accelsim.workload.importers.onnx.draft import CannotModelError
from accelsim.workload.importers.onnx.model import (
    REASON,
    Array,
    GraphInput,
    OnnxModel,
    OnnxNode,
    Shape,
)
from accelsim.workload.importers.torch.graph import AtenGraph, AtenNode, Ref

#: Version of ONNX's operators whose words are used.
OPSET = 20


class Writer:
    """The nodes and constants of a graph that is being rewritten."""

    def __init__(self, graph: AtenGraph) -> None:
        self._graph = graph
        self._names = {Ref(given.name): given.name for given in graph.inputs}
        self._shapes: dict[Ref, Shape] = {Ref(given.name): given.shape for given in graph.inputs}
        self._truths = {Ref(given.name) for given in graph.inputs if given.is_truth}
        self._constants: dict[str, Array] = {}
        self._nodes: list[OnnxNode] = []
        self._inferred: dict[str, Shape] = {}
        self._nodes_of = Counter(node.module for node in graph.nodes)
        for ref, array in graph.constants.items():
            self._names[ref] = f"{ref.name}:{ref.index}"
            self._shapes[ref] = array.shape
            self._constants[self._names[ref]] = (
                array if ref in graph.paths else _finite(array)
            )  # fmt: skip

    def write(self, node: AtenNode, rule: Rule | None) -> None:
        """Rewrite one node by its rule; what has none stays as it is."""
        try:
            if rule is None:
                raise CannotModelError("no layer does this")
            made = rule(self, node)
        except CannotModelError as error:
            made = self._as_it_is(node, str(error))
        names = (made,) if isinstance(made, str) else made
        for index, (name, shape) in enumerate(zip(names, node.shapes, strict=False)):
            self._names[Ref(node.name, index)] = name
            self._shapes[Ref(node.name, index)] = shape
            if node.truths[index]:
                self._truths.add(Ref(node.name, index))
            self._inferred[name] = shape

    def add(
        self, node: AtenNode, op: str, inputs: Sequence[str], *, count: int = 1, **attributes: Any
    ) -> tuple[str, ...]:
        """Add a node of ONNX and return the names of its outputs."""
        place = len(self._nodes)
        outputs = tuple(f"{node.name}:{place}.{index}" for index in range(count))
        self._nodes.append(
            OnnxNode(op, self._layer_name(node), tuple(inputs), outputs, attributes)
        )  # fmt: skip
        return outputs

    def one(self, node: AtenNode, op: str, *inputs: str, **attributes: Any) -> str:
        """Add a node with one output and return its name."""
        return self.add(node, op, inputs, **attributes)[0]

    def operand(self, value: Any) -> str:
        """Return the name of a tensor, or of a constant for a number; empty for None."""
        if value is None:
            return ""
        if isinstance(value, Ref):
            if value not in self._names:
                raise CannotModelError("it reads a constant that is no array of real numbers")
            return self._names[value]
        if not isinstance(value, bool | int | float):
            raise CannotModelError(f"its argument {value!r} is no number")
        return self.constant(_finite(np.array(value, np.float64)))

    def constant(self, array: Array) -> str:
        """Return the name of a new constant."""
        name = f":{len(self._constants)}"
        self._constants[name] = array
        return name

    def shape(self, ref: Ref) -> Shape:
        """Return the shape of a tensor."""
        self.operand(ref)
        return self._shapes[ref]

    def value(self, ref: Ref) -> Array | None:
        """Return a constant, or None for a tensor that is computed."""
        return self._constants.get(self.operand(ref))

    def is_truth(self, ref: Ref) -> bool:
        """Return whether a tensor is computed and holds true and false."""
        return ref in self._truths

    def reshaped(self, node: AtenNode, name: str, shape: Shape) -> str:
        """Return a tensor under another shape."""
        return self.one(node, "Reshape", name, self.constant(np.array(shape, np.int64)))

    def model(self) -> OnnxModel:
        """Return the whole graph."""
        graph = self._graph
        notes: tuple[str, ...] = ()
        if graph.batch > 1:
            notes = (f"The example is a batch of {graph.batch}; --batch or batch= sets it here.",)
        return OnnxModel(
            nodes=tuple(self._nodes),
            inputs=tuple(
                GraphInput(given.name, given.shape, given.is_whole, 0) for given in graph.inputs
            ),
            outputs=tuple(self._names[ref] for ref in graph.outputs),
            constants=self._constants,
            inferred=self._inferred,
            opset=OPSET,
            name=graph.module,
            producer=graph.producer,
            batch=1,
            notes=notes,
        )

    def _as_it_is(self, node: AtenNode, reason: str) -> tuple[str, ...]:
        """Add a node that no layer will stand for."""
        inputs = [self._names.get(ref, "") for ref in _refs(node.arguments.values())]
        return self.add(node, node.op, inputs, count=len(node.shapes), **{REASON: reason})

    def _layer_name(self, node: AtenNode) -> str:
        """Return the path of a module whose only work this is, or the path and the node's name."""
        owners = {
            self._graph.paths.get(ref, "").rpartition(".")[0]
            for ref in _refs(node.arguments.values())
        }
        if node.module and (node.module in owners or self._nodes_of[node.module] == 1):
            return node.module
        return f"{node.module}.{node.name}" if node.module else node.name


#: Rewrites a node and returns the name of its output, or of its outputs in order.
Rule = Callable[[Writer, AtenNode], str | tuple[str, ...]]


def _refs(values: Any) -> list[Ref]:
    """Return the tensors among arguments."""
    found: list[Ref] = []
    for value in values:
        if isinstance(value, Ref):
            found.append(value)
        elif isinstance(value, tuple):
            found += _refs(value)
    return found


def _finite(array: Array) -> Array:
    """Return a constant with the largest numbers in place of infinities, as masks have them."""
    if array.dtype.kind != "f" or not np.isinf(array).any():
        return array
    limit = float(np.finfo(np.float32).max)
    return np.clip(array, -limit, limit)
