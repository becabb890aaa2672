"""What an operator sees while a graph is walked: values, the draft, who still reads what."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np

from accelsim.workload.importers.onnx.draft import CannotModelError, Draft
from accelsim.workload.importers.onnx.folding import Budget
from accelsim.workload.importers.onnx.layout import Axes, Tensor, arranged, tensor_of
from accelsim.workload.importers.onnx.model import Array, OnnxModel, OnnxNode
from accelsim.workload.input_spec import InputKind, InputSpec

#: A tensor that is computed, or a constant.
Value = Tensor | Array


class Context:
    """The state of a walk over a graph."""

    def __init__(self, model: OnnxModel, budget: Budget) -> None:
        self.draft = Draft()
        self.opset = model.opset
        self.batch = model.batch
        self.values: dict[str, Value] = dict(model.constants)
        self.left = Counter(name for node in model.nodes for name in node.inputs if name)
        self.left.update(model.outputs)
        self.folded = budget

    def has(self, node: OnnxNode, index: int) -> bool:
        """Return whether a node is given its input number `index`."""
        return index < len(node.inputs) and bool(node.inputs[index])

    def value(self, node: OnnxNode, index: int) -> Value:
        """Return an input of a node.

        Raises
        ------
        CannotModelError
            If it is left out, or comes from a node that has no value.
        """
        if not self.has(node, index):
            raise CannotModelError(f"its input {index} is missing")
        if node.inputs[index] not in self.values:
            raise CannotModelError(f"its input {node.inputs[index]!r} has no value")
        return self.values[node.inputs[index]]

    def constant(self, node: OnnxNode, index: int) -> Array:
        """Return an input that must be constant."""
        value = self.value(node, index)
        if isinstance(value, Tensor):
            raise CannotModelError(f"its input {node.inputs[index]!r} is computed, not constant")
        return value

    def optional(self, node: OnnxNode, index: int) -> Array | None:
        """Return an input that may be left out and must be constant."""
        return self.constant(node, index) if self.has(node, index) else None

    def tensor(self, node: OnnxNode, index: int) -> Tensor:
        """Return an input as the output of a layer; a constant becomes one."""
        value = self.value(node, index)
        if isinstance(value, Tensor):
            return value
        return self.constant_layer(value, node.inputs[index])

    def constant_layer(self, array: Array, wanted: str, axes: Axes | None = None) -> Tensor:
        """Add a layer that holds a constant, its axes in a given order."""
        if axes is None:
            axes = tuple(axis for axis, extent in enumerate(array.shape) if extent != 1)
        order = [axis for axis in axes if axis is not None]
        rest = [axis for axis in range(array.ndim) if axis not in order]
        shape = tuple(1 if axis is None else array.shape[axis] for axis in axes) or (1,)
        parameters = {"value": array.transpose((*rest, *order)).reshape(shape)}
        name = self.draft.add("constant", (), wanted, parameters=parameters, shape=shape)
        return tensor_of(self.draft, name, axes or (None,), array.ndim)

    def same(self, node: OnnxNode, kind: str, tensor: Tensor, **fields: Any) -> Tensor:
        """Add a layer that works on single elements, and return its output."""
        name = self.draft.add(kind, (tensor.layer,), node.name, **fields)
        return replace(tensor, layer=name)

    def arranged(self, tensor: Tensor, wanted: tuple[int | None, ...]) -> Tensor:
        """Return a tensor with its axes in a given order."""
        return arranged(self.draft, tensor, wanted)

    def is_last_use(self, tensor: Tensor) -> bool:
        """Return whether one node alone still reads a layer's output, under any name."""
        names = (
            name
            for name, value in self.values.items()
            if isinstance(value, Tensor) and value.layer == tensor.layer
        )
        return not self.draft.is_read(tensor.layer) and sum(self.left[n] for n in names) == 1

    def read_tokens(self, tensor: Tensor, vocabulary: int) -> None:
        """Make the input behind a tensor one of tokens."""
        name = tensor.layer
        while name in self.draft.layers:
            layer = self.draft.layers[name]
            if layer.kind not in ("reshape", "transpose") or not layer.inputs:
                raise CannotModelError("its indices are computed, not given")
            name = layer.inputs[0]
        spec = self.draft.inputs[name]
        smallest = min(vocabulary, spec.vocabulary or vocabulary)
        self.draft.inputs[name] = InputSpec(
            shape=spec.shape, kind=InputKind.TOKENS, vocabulary=smallest
        )


def scalar_of(value: Value) -> float | None:
    """Return the number of a constant with one element, or None."""
    if isinstance(value, Tensor) or value.size != 1:
        return None
    return float(np.asarray(value, dtype=np.float64).reshape(()))
