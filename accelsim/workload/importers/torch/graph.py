"""An exported torch module as plain data, free of torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from accelsim.workload.importers.onnx.model import Array, Shape


@dataclass(frozen=True, slots=True)
class Ref:
    """A tensor that a node reads: the name of who makes it, and which of its outputs."""

    name: str
    index: int = 0


@dataclass(frozen=True, slots=True)
class AtenNode:
    """One call of an ATen operator.

    Parameters
    ----------
    op : str
        Operator and overload, such as ``aten.conv2d.default``.
    name : str
        Unique in the graph.
    module : str
        Path of the module that it stands in, such as ``layer1.0.conv1``.
    arguments : mapping from str to value
        Every argument by name, defaults included: numbers, strings, None, a `Ref`, or
        tuples of them. Types and devices are their names.
    shapes : tuple of tuple of int
        Of its outputs.
    truths : tuple of bool
        Whether its outputs hold true and false.
    """

    op: str
    name: str
    module: str
    arguments: Mapping[str, Any]
    shapes: tuple[Shape, ...]
    truths: tuple[bool, ...]

    def __getitem__(self, name: str) -> Any:
        """Return an argument."""
        return self.arguments[name]


@dataclass(frozen=True, slots=True)
class AtenInput:
    """A tensor that the module is given."""

    name: str
    shape: Shape
    is_whole: bool
    """It holds whole numbers."""
    is_truth: bool
    """It holds true and false."""


@dataclass(frozen=True, slots=True)
class AtenGraph:
    """What an exported module computes.

    Parameters
    ----------
    nodes : tuple of AtenNode
        Those that depend on an input, each after those that it reads.
    inputs : tuple of AtenInput
        In order.
    outputs : tuple of Ref
        Results.
    constants : mapping from Ref to array
        Parameters, buffers, and what is made of them alone.
    paths : mapping from Ref to str
        Names of parameters and buffers in the module.
    module : str
        Class of the module.
    producer : str
        Name and version of what exported it.
    batch : int
        Samples of the example; the graph is made for one.
    """

    nodes: tuple[AtenNode, ...]
    inputs: tuple[AtenInput, ...]
    outputs: tuple[Ref, ...]
    constants: Mapping[Ref, Array]
    paths: Mapping[Ref, str]
    module: str
    producer: str
    batch: int
