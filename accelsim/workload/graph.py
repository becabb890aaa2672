"""Who reads whose output: layers in order, with every shape known."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from accelsim.errors import ShapeError, near_miss_hint
from accelsim.workload.layers import BatchNorm2d, Conv2d, Layer, Shape

#: Name of the tensor that a network is given which reads a single one.
INPUT = "input"
#: Elements of a tensor of one sample beyond which a size is a typing error.
MAX_ELEMENTS = 2**34


class LayerError(ShapeError):
    """A layer that does not fit its place; says which one, and where in it to look."""

    def __init__(self, message: str, *, index: int, place: tuple[str, ...] = ()) -> None:
        self.index = index
        self.place = place
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Node:
    """A layer in its place.

    Parameters
    ----------
    layer : Layer
        The layer.
    index : int
        Its place in the list of layers.
    inputs : tuple of str
        Names of the layers and inputs that it reads.
    input_shapes, output_shape
        Without the batch.
    """

    layer: Layer
    index: int
    inputs: tuple[str, ...]
    input_shapes: tuple[Shape, ...]
    output_shape: Shape

    @property
    def name(self) -> str:
        """Name of the layer and of its output."""
        return self.layer.name

    @property
    def macs(self) -> int:
        """Multiply-accumulates for one sample."""
        return self.layer.macs(self.input_shapes)


@dataclass(frozen=True, slots=True)
class Graph:
    """The layers of a network, connected.

    Parameters
    ----------
    nodes : tuple of Node
        In the order of computation.
    readers : mapping from str to tuple of Node
        Who reads the output of a layer or the input, in order.
    folded : mapping from str to str
        Batch norms that are folded, and the convolution that each is folded into.
    outputs : tuple of str
        Layers whose outputs are results.
    inputs : tuple of str
        What the network is given, in order.
    """

    nodes: tuple[Node, ...]
    readers: Mapping[str, tuple[Node, ...]]
    folded: Mapping[str, str]
    outputs: tuple[str, ...]
    inputs: tuple[str, ...]

    def is_alias(self, node: Node) -> bool:
        """Return whether the node's output is its input's tensor."""
        return node.layer.is_alias(node.input_shapes) or node.name in self.folded

    def effective_readers(self, name: str) -> tuple[Node, ...]:
        """Return who reads a tensor, looking through nodes that compute nothing."""
        found: list[Node] = []
        for node in self.readers.get(name, ()):
            found.extend(self.effective_readers(node.name) if self.is_alias(node) else (node,))
        return tuple(sorted(found, key=lambda node: node.index))

    def next_computing(self, node: Node) -> Node | None:
        """Return the next node that computes something, or None at the end."""
        later = self.nodes[node.index + 1 :]
        return next((other for other in later if not self.is_alias(other)), None)


def resolve_graph(
    layers: Sequence[Layer],
    input_shapes: Mapping[str, Shape],
    *,
    fold_batch_norm: bool = False,
    outputs: tuple[str, ...] = (),
) -> Graph:
    """Connect layers by name and infer every shape.

    Parameters
    ----------
    layers : sequence of Layer
        In the order of computation; at least one.
    input_shapes : mapping from str to tuple of int
        What the network is given, by name, without the batch; at least one.
    fold_batch_norm : bool
        Fold each batch norm that directly follows a convolution which nothing else reads.
    outputs : tuple of str
        Layers that may be read by nobody, beside the last one.

    Raises
    ------
    LayerError
        For a name that is taken or unknown, an output that nobody reads, and shapes
        that do not chain.
    """
    shapes: dict[str, Shape] = dict(input_shapes)
    only = next(iter(input_shapes)) if len(input_shapes) == 1 else None
    readers: dict[str, list[Node]] = {}
    nodes: list[Node] = []
    for index, layer in enumerate(layers):
        if layer.name in shapes:
            raise _name_taken(layer.name, index, input_shapes)
        node = _place(layer, index, shapes, previous=nodes[-1].name if nodes else only)
        nodes.append(node)
        shapes[layer.name] = node.output_shape
        for name in dict.fromkeys(node.inputs):
            readers.setdefault(name, []).append(node)
    _check_read(nodes, {*readers, *outputs})
    frozen = {name: tuple(found) for name, found in readers.items()}
    folded = _find_folded(nodes, frozen, outputs) if fold_batch_norm else {}
    return Graph(
        tuple(nodes),
        frozen,
        folded,
        outputs or (nodes[-1].name,),
        tuple(input_shapes),
    )


def _name_taken(name: str, index: int, given: Iterable[str]) -> LayerError:
    return LayerError(
        f"The name {name!r} is taken; every layer needs its own, "
        f"and {' and '.join(map(repr, given))} is what the network is given.",
        index=index,
        place=("name",),
    )


def _check_read(nodes: Sequence[Node], read: Collection[str]) -> None:
    """Refuse a layer, other than the last, whose output nobody reads."""
    for node in nodes[:-1]:
        if node.name not in read:
            raise LayerError(
                f"Nothing reads the output of {node.name!r}, which is not the last layer. "
                "Name it in the inputs of a later layer or in outputs, or leave it out.",
                index=node.index,
                place=("name",),
            )


def _place(layer: Layer, index: int, shapes: Mapping[str, Shape], *, previous: str | None) -> Node:
    """Connect one layer to the outputs before it and infer its output's shape."""
    inputs = layer.inputs
    if inputs is None:
        if previous is None and not layer.is_source:
            raise LayerError(
                f"{layer.name!r} is the first layer of a network with several inputs: "
                f"name what it reads in its inputs, one of {', '.join(shapes)}.",
                index=index,
                place=("inputs",),
            )
        inputs = () if layer.is_source or previous is None else (previous,)
    for name in inputs:
        if name not in shapes:
            raise LayerError(
                f"{layer.name!r} reads {name!r}, which is no layer before it."
                f"{near_miss_hint(name, shapes)}",
                index=index,
                place=("inputs",),
            )
    if bool(inputs) is layer.is_source:
        said = "reads nothing; leave its inputs out" if inputs else "must read something"
        raise LayerError(f"{layer.name!r} {said}.", index=index, place=("inputs",))
    if not layer.is_source and layer.input_count not in (None, len(inputs)):
        raise LayerError(
            f"{layer.kind} {layer.name!r} reads {len(inputs)} tensors and takes"
            f" {layer.input_count}; the rest would be ignored.",
            index=index,
            place=("inputs",),
        )
    input_shapes = tuple(shapes[name] for name in inputs)
    try:
        output_shape = layer.output_shape(input_shapes)
    except ShapeError as error:
        given = " and ".join(
            f"{name!r} {shape}" for name, shape in zip(inputs, input_shapes, strict=True)
        )
        raise LayerError(
            f"{layer.kind} {layer.name!r} does not fit {given}: {error}.",
            index=index,
        ) from error
    if math.prod(output_shape) > MAX_ELEMENTS:
        raise LayerError(
            f"{layer.name!r} would make {math.prod(output_shape):,} elements a sample, "
            f"more than the {MAX_ELEMENTS:,} that can be simulated.",
            index=index,
        )
    return Node(layer, index, inputs, input_shapes, output_shape)


def _find_folded(
    nodes: Sequence[Node], readers: Mapping[str, tuple[Node, ...]], outputs: tuple[str, ...]
) -> dict[str, str]:
    """Return the batch norms that can become part of the convolution before them."""
    convolutions = {node.name for node in nodes if isinstance(node.layer, Conv2d)}
    return {
        node.name: node.inputs[0]
        for node in nodes
        if isinstance(node.layer, BatchNorm2d)
        and node.inputs[0] in convolutions
        and len(readers[node.inputs[0]]) == 1
        and node.inputs[0] not in outputs
    }
