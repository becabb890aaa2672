"""An ONNX graph as plain data, free of the onnx package."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

Shape = tuple[int, ...]
Array = NDArray[Any]

#: Attribute of a node that whoever made the graph knows to have no layer: why.
REASON = "not modelled"


@dataclass(frozen=True, slots=True)
class OnnxNode:
    """One node.

    Parameters
    ----------
    op : str
        Operator; with its domain before it where that is not ONNX's own.
    name : str
        Its name, or that of its first output.
    inputs, outputs : tuple of str
        Names of tensors; empty where an optional one is left out.
    attributes : mapping from str to value
        Numbers, strings, tuples of them and arrays; None for a graph or a type.
    """

    op: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]

    def get(self, name: str, default: Any) -> Any:
        """Return an attribute, or `default` where the node does not have it."""
        value = self.attributes.get(name)
        return default if value is None else value


@dataclass(frozen=True, slots=True)
class GraphInput:
    """What the graph is given: every extent known."""

    name: str
    shape: Shape
    is_whole: bool
    """It holds whole numbers."""
    batch_axis: int
    """The axis that counts samples, if it has extent 1."""


@dataclass(frozen=True, slots=True)
class OnnxModel:
    """A graph whose every input shape is known.

    Parameters
    ----------
    nodes : tuple of OnnxNode
        Each after those that it reads.
    inputs : tuple of GraphInput
        Without those that have a constant value.
    outputs : tuple of str
        Results.
    constants : mapping from str to array
        What the file holds.
    inferred : mapping from str to tuple of int
        Shapes that ONNX's own inference is sure of.
    opset : int
        Version of ONNX's operators.
    name, producer : str
        For descriptions.
    batch : int
        Batch that the file was made for; 1 where it leaves that open.
    notes : tuple of str
        What was assumed about shapes.
    """

    nodes: tuple[OnnxNode, ...]
    inputs: tuple[GraphInput, ...]
    outputs: tuple[str, ...]
    constants: Mapping[str, Array]
    inferred: Mapping[str, Shape]
    opset: int
    name: str
    producer: str
    batch: int
    notes: tuple[str, ...]
