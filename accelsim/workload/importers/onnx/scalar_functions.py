"""Functions of one number that exporters write as several nodes: GELU, swish, hard swish.

There are many ways to write the same function, so the nodes are not compared with a
list of them: what they compute is. Elementwise nodes with scalar constants between
two tensors are a function of one number; it is evaluated on a grid and compared with
the known functions.

References
----------
D. Hendrycks, K. Gimpel, "Gaussian Error Linear Units", arXiv:1606.08415.
A. Howard et al., "Searching for MobileNetV3", ICCV 2019 (hard swish).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelsim.workload.importers.onnx.model import Array, OnnxNode

Grid = NDArray[np.float64]

#: Where functions are compared.
_GRID: Grid = np.linspace(-7.0, 7.0, 57)
#: Constants are float32, so a function is known to a few of its last places; the two
#: forms of GELU differ by up to 5e-4.
_TOLERANCE = 5e-6
#: Nodes that one function may be written with, before and after its characteristic one.
_MAX_CONE, _MAX_STEPS = 16, 8

_erf = np.vectorize(math.erf, otypes=[np.float64])


def _sigmoid(x: Grid) -> Grid:
    return np.asarray(0.5 * (np.tanh(0.5 * x) + 1.0))


def _clip(node: OnnxNode, x: Grid, *bounds: Grid | None) -> Grid:
    low, high = (*bounds, None, None)[:2]
    low = node.get("min", -np.inf) if low is None else low
    high = node.get("max", np.inf) if high is None else high
    return np.asarray(np.minimum(np.maximum(x, low), high))


def _hard_sigmoid(node: OnnxNode, x: Grid) -> Grid:
    return np.asarray(np.clip(node.get("alpha", 0.2) * x + node.get("beta", 0.5), 0.0, 1.0))


_ELEMENTWISE: Mapping[str, Callable[..., Any]] = MappingProxyType(
    {
        "Add": lambda _node, a, b: a + b,
        "Cast": lambda _node, a: a,
        "Clip": _clip,
        "Div": lambda _node, a, b: a / b,
        "Erf": lambda _node, a: _erf(a),
        "HardSigmoid": _hard_sigmoid,
        "Identity": lambda _node, a: a,
        "Max": lambda _node, a, b: np.maximum(a, b),
        "Min": lambda _node, a, b: np.minimum(a, b),
        "Mul": lambda _node, a, b: a * b,
        "Neg": lambda _node, a: -a,
        "Pow": lambda _node, a, b: np.power(a, b),
        "Relu": lambda _node, a: np.maximum(a, 0.0),
        "Sigmoid": lambda _node, a: _sigmoid(a),
        "Sqrt": lambda _node, a: np.sqrt(a),
        "Sub": lambda _node, a, b: a - b,
        "Tanh": lambda _node, a: np.tanh(a),
    }
)
#: One of these is in every function that is looked for.
_CHARACTERISTIC = frozenset({"Clip", "Erf", "HardSigmoid", "Relu", "Sigmoid", "Tanh"})

_CUBIC, _SLOPE = 0.044715, math.sqrt(2.0 / math.pi)
#: Operators that a function is replaced by, with their attributes and values.
_KNOWN: tuple[tuple[str, Mapping[str, Any], Grid], ...] = (
    ("Gelu", {}, 0.5 * _GRID * (1.0 + _erf(_GRID / math.sqrt(2.0)))),
    (
        "Gelu",
        {"approximate": "tanh"},
        0.5 * _GRID * (1.0 + np.tanh(_SLOPE * (_GRID + _CUBIC * _GRID**3))),
    ),
    ("Swish", {}, _GRID * _sigmoid(_GRID)),
    ("HardSwish", {}, _GRID * np.clip(_GRID / 6.0 + 0.5, 0.0, 1.0)),
)


@dataclass(frozen=True, slots=True)
class Links:
    """Who makes and who reads each tensor.

    Parameters
    ----------
    makers : mapping from str to OnnxNode
        By name of an output.
    readers : mapping from str to tuple of OnnxNode
        By name of an input.
    constants : mapping from str to array
        Tensors with a value.
    """

    makers: Mapping[str, OnnxNode]
    readers: Mapping[str, tuple[OnnxNode, ...]]
    constants: Mapping[str, Array]

    def maker(self, name: str, *ops: str) -> OnnxNode | None:
        """Return who makes a tensor, if it is one of these operators."""
        node = self.makers.get(name)
        return node if node is not None and node.op in ops else None


def known_functions(links: Links) -> Iterator[OnnxNode]:
    """Yield a node for every known function; it has the name and output of the last one."""
    taken: set[str] = set()
    for node in tuple(links.makers.values()):
        if node.op not in _CHARACTERISTIC or node.outputs[0] in taken:
            continue
        found = _recognised(node, links)
        if found is not None:
            taken.update(found.outputs)
            yield found


def _recognised(anchor: OnnxNode, links: Links) -> OnnxNode | None:
    """Return the function that a characteristic node is part of, if it is a known one."""
    starts = _cone(anchor, links)
    for last in _descendants(anchor, links):
        for start in starts:
            values = _evaluated(last.outputs[0], start, links)
            if values is None:
                continue
            for op, attributes, known in _KNOWN:
                if np.all(np.abs(values - known) <= _TOLERANCE * (1.0 + np.abs(_GRID))):
                    return OnnxNode(op, last.name, (start,), last.outputs, attributes)
    return None


def _cone(anchor: OnnxNode, links: Links) -> list[str]:
    """Return the tensors that an elementwise node may be a function of, nearest first."""
    waiting, found = list(anchor.inputs), list[str]()
    while waiting and len(found) < _MAX_CONE:
        name = waiting.pop(0)
        if not name or name in links.constants or name in found:
            continue
        found.append(name)
        maker = links.makers.get(name)
        if maker is not None and maker.op in _ELEMENTWISE:
            waiting += maker.inputs
    return found


def _descendants(anchor: OnnxNode, links: Links) -> list[OnnxNode]:
    """Return the elementwise nodes after one, nearest first."""
    found, level = list[OnnxNode](), [anchor]
    for _ in range(_MAX_STEPS):
        level = [
            reader
            for node in level
            for reader in links.readers.get(node.outputs[0], ())[:2]
            if reader.op in _ELEMENTWISE
        ][:_MAX_CONE]
        found += level
    return found


def _evaluated(name: str, start: str, links: Links) -> Grid | None:
    """Return a tensor as a function of another on the grid; None if it is none of it alone."""
    values: dict[str, Grid | None] = {start: _GRID}

    def value(one: str, depth: int) -> Grid | None:
        if one in values:
            return values[one]
        constant = links.constants.get(one)
        node = links.makers.get(one)
        result: Grid | None = None
        if constant is not None:
            result = np.asarray(constant, np.float64).reshape(()) if constant.size == 1 else None
        elif node is not None and node.op in _ELEMENTWISE and depth < _MAX_CONE:
            result = _applied(node, [value(i, depth + 1) if i else None for i in node.inputs])
        values[one] = result
        return result

    return value(name, 0)


def _applied(node: OnnxNode, arguments: list[Grid | None]) -> Grid | None:
    """Return a node's values, or None where an argument has none."""
    missing = [x is None and bool(i) for x, i in zip(arguments, node.inputs, strict=True)]
    if any(missing) or not arguments:
        return None
    with np.errstate(all="ignore"):
        try:
            return np.asarray(_ELEMENTWISE[node.op](node, *arguments), dtype=np.float64)
        except TypeError:  # more inputs than the function takes
            return None
