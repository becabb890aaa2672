"""Several nodes that are one function here; each rewriting keeps the graph's meaning.

* elementwise functions such as GELU (see `scalar_functions`),
* layer norm written out with means,
* a ``Pad`` with zeros that only convolutions read.

What is left without a reader is dropped.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from accelsim.workload.importers.onnx.model import Array, OnnxModel, OnnxNode
from accelsim.workload.importers.onnx.scalar_functions import Links, known_functions
from accelsim.workload.importers.onnx.shape_rules import PAD_INPUTS_OPSET, whole_numbers


def simplified(model: OnnxModel) -> OnnxModel:
    """Return a model in which known patterns are single nodes, without unread nodes."""
    nodes = list(model.nodes)
    for pattern in (known_functions, _layer_norms):
        found = {new.outputs[0]: new for new in pattern(_links(nodes, model.constants))}
        nodes = [found.get(node.outputs[0], node) if node.outputs else node for node in nodes]
        nodes = _without_unread(nodes, model.outputs)
    links = _links(nodes, model.constants)
    nodes = [_with_pads(node, links, model) for node in nodes]
    return replace(model, nodes=tuple(_without_unread(nodes, model.outputs)))


def _links(nodes: list[OnnxNode], constants: Mapping[str, Array]) -> Links:
    readers: dict[str, list[OnnxNode]] = {}
    for node in nodes:
        for name in node.inputs:
            readers.setdefault(name, []).append(node)
    return Links(
        {name: node for node in nodes for name in node.outputs if name},
        {name: tuple(found) for name, found in readers.items()},
        constants,
    )


def _without_unread(nodes: list[OnnxNode], outputs: tuple[str, ...]) -> list[OnnxNode]:
    """Return the nodes that a result depends on."""
    needed = set(outputs)
    kept = []
    for node in reversed(nodes):
        if needed.intersection(name for name in node.outputs if name):
            needed.update(node.inputs)
            kept.append(node)
    return kept[::-1]


def _layer_norms(links: Links) -> Iterator[OnnxNode]:
    """Yield a ``LayerNormalization`` for each one that is written out.

    That is (x - mean(x)) / sqrt(mean((x - mean(x))**2) + eps), perhaps times a
    constant, perhaps plus another.
    """
    for node in tuple(links.makers.values()):
        found = _normalised(node, links) if node.op == "Div" else None
        if found is None:
            continue
        x, eps = found
        last, scale, bias = node, "", ""
        product = _constant_step(last, "Mul", links)
        if product is not None:
            last, scale = product
            total = _constant_step(last, "Add", links)
            if total is not None:
                last, bias = total
        attributes = {"axis": -1, "epsilon": eps}
        yield OnnxNode("LayerNormalization", last.name, (x, scale, bias), last.outputs, attributes)


def _normalised(node: OnnxNode, links: Links) -> tuple[str, float] | None:
    """Return (x, eps) if a division normalises x over its last axis."""
    if len(node.inputs) != 2:
        return None
    x = _centred(node.inputs[0], links)
    root = links.maker(node.inputs[1], "Sqrt")
    total = links.maker(root.inputs[0], "Add") if root is not None else None
    if x is None or total is None:
        return None
    for variance, other in (total.inputs, total.inputs[::-1]):
        eps = links.constants.get(other)
        square = _mean_of_rows(variance, links)
        if eps is not None and eps.size == 1 and _is_square_of(square, x, links):
            return x, float(eps.reshape(()))
    return None


def _centred(name: str, links: Links) -> str | None:
    """Return x if a tensor is x minus the mean of its rows."""
    node = links.maker(name, "Sub")
    if node is None or _mean_of_rows(node.inputs[1], links) != node.inputs[0]:
        return None
    return node.inputs[0]


def _mean_of_rows(name: str, links: Links) -> str | None:
    """Return the tensor whose last axis a mean is over, if it is one."""
    node = links.maker(name, "ReduceMean")
    if node is None or not node.get("keepdims", 1):
        return None
    axes = node.get("axes", None)
    if axes is None and len(node.inputs) > 1 and node.inputs[1] in links.constants:
        axes = whole_numbers(links.constants[node.inputs[1]])
    return node.inputs[0] if axes == (-1,) else None


def _is_square_of(name: str | None, x: str, links: Links) -> bool:
    """Return whether a tensor is the square of x minus its mean."""
    node = None if name is None else links.maker(name, "Pow", "Mul")
    if node is None or _centred(node.inputs[0], links) != x:
        return False
    if node.op == "Mul":
        return _centred(node.inputs[1], links) == x
    exponent = links.constants.get(node.inputs[1])
    return exponent is not None and exponent.size == 1 and float(exponent.reshape(())) == 2.0


def _constant_step(node: OnnxNode, op: str, links: Links) -> tuple[OnnxNode, str] | None:
    """Return the one reader of a node and its constant, if it is `op` with a vector."""
    readers = links.readers.get(node.outputs[0], ())
    if len(readers) != 1 or readers[0].op != op:
        return None
    reader = readers[0]
    for name in reader.inputs:
        if name in links.constants and links.constants[name].ndim == 1:
            return reader, name
    return None


def _with_pads(node: OnnxNode, links: Links, model: OnnxModel) -> OnnxNode:
    """Return a convolution that does the padding of the ``Pad`` before it."""
    pad = links.maker(node.inputs[0], "Pad") if node.op == "Conv" and node.inputs else None
    if pad is None or node.get("auto_pad", "NOTSET") != "NOTSET":
        return node
    pads = _zeros_around(pad, links, model)
    if pads is None or min(pads) < 0:
        return node
    half = len(pads) // 2
    if any((*pads[:2], *pads[half : half + 2])):  # batch and channels
        return node
    spatial: tuple[int, ...] = (*pads[2:half], *pads[half + 2 :])
    own: Any = node.get("pads", (0,) * len(spatial))
    if len(own) != len(spatial):
        return node
    total = tuple(a + b for a, b in zip(own, spatial, strict=True))
    return replace(
        node,
        inputs=(pad.inputs[0], *node.inputs[1:]),
        attributes={**node.attributes, "pads": total},
    )


def _zeros_around(pad: OnnxNode, links: Links, model: OnnxModel) -> tuple[int, ...] | None:
    """Return the extents that a ``Pad`` adds, if it adds zeros on all axes."""
    if pad.get("mode", "constant") != "constant":
        return None
    if model.opset < PAD_INPUTS_OPSET:
        return pad.get("pads", None) if pad.get("value", 0.0) == 0 else None
    given = [links.constants.get(name) if name else None for name in pad.inputs[1:]]
    pads, value = (*given, None, None)[:2]
    if pads is None or (value is not None and np.any(value)) or any(pad.inputs[3:]):
        return None
    return whole_numbers(pads)
