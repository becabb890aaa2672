"""ZigZag workloads: a list of layers, each an equation over loops, as YAML.

Additions and pooling are no products and are not modelled. What a layer reads
(`operand_source`) and its precision are not taken over: the file does not say enough
about what lies between layers, and formats are the recipe's.

References
----------
L. Mei et al., "ZigZag: Enlarging Joint Architecture-Mapping Design Space Exploration
for DNN Accelerators", IEEE Trans. Computers 2021; its documentation, "Workload".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from accelsim._config_tree import Node
from accelsim.config import Document
from accelsim.errors import ConfigError
from accelsim.workload.importers.imported import ImportedNetwork, NotModelled
from accelsim.workload.importers.names import unique_name
from accelsim.workload.importers.nodes import items, needed, optional, positive, text
from accelsim.workload.importers.products import (
    Axis,
    InexpressibleError,
    LoopProduct,
    LoopTensor,
    Product,
    one_batch,
    product_layer,
)
from accelsim.workload.importers.unconnected import unconnected

#: As many layers as a network may have.
MAX_LAYERS = 10_000
_MAX_TEXT = 1_000
_TENSOR = r"\s*([A-Za-z]\w*)((?:\s*\[\s*\w+\s*\])*)\s*"
_EQUATION = re.compile(rf"{_TENSOR}\+=\s*{_TENSOR}\*{_TENSOR}")
_RELATION = re.compile(r"\s*(\w+)\s*=\s*(.+)")
_TERM = re.compile(r"\s*(?:(\d{1,9})\s*\*\s*)?([A-Za-z]\w*)\s*")
_AXIS = re.compile(r"\[\s*(\w+)\s*\]")


@dataclass(frozen=True, slots=True)
class _Entry:
    """A layer of the file: its name here, its type, its line and its node."""

    name: str
    kind: str
    node: Node


def load_workload_list(document: Document, *, strict: bool) -> ImportedNetwork:
    """Return the layers of a ZigZag workload as an unconnected network.

    Parameters
    ----------
    document : Document
        A file that is a list of layers.
    strict : bool
        Refuse layers that no layer here stands for.

    Returns
    -------
    ImportedNetwork
        Loops over samples of convolutions become the batch, which a note names.

    Raises
    ------
    ConfigError
        With file and line, if a part of a layer is missing or wrong, batches differ,
        nothing can be modelled, or, with `strict`, a layer cannot be.
    """
    entries = _entries(document.root)
    products: dict[str, Product] = {}
    missing, problems = [], []
    for entry in entries:
        try:
            products[entry.name] = product_layer(entry.name, _loops(entry.node))
        except InexpressibleError as error:
            place = f"{entry.name} (line {entry.node.place.line})"
            missing.append(NotModelled(entry.kind, place, str(error)))
            text_ = f"{entry.kind} {entry.name} is not modelled: {error}."
            problems.append(entry.node.place.problem(text_))
    if problems and (strict or not products):
        raise ConfigError(problems)
    try:
        layers, batch = one_batch(products)
    except InexpressibleError as error:
        document.root.place.refuse(f"It has no one batch: {error}.")
    file = Path(document.file)
    workload = unconnected(
        layers,
        name=file.stem,
        description=f"The {len(products)} unconnected layers of a ZigZag workload.",
        source=f"ZigZag workload file {file.name}",
    )
    notes = (f"The file runs a batch of {batch}; --batch sets it here.",) if batch > 1 else ()
    return ImportedNetwork(workload, {}, file.name, len(entries), tuple(missing), notes)


def _entries(root: Node) -> list[_Entry]:
    layers = root.value if isinstance(root.value, tuple) else ()
    if not layers:
        root.place.refuse("It is no list of layers.")
    if len(layers) > MAX_LAYERS:
        root.place.refuse(f"It has {len(layers):,} layers; at most {MAX_LAYERS:,} are read.")
    taken: set[str] = set()
    entries = []
    for node in layers:
        kind = text(needed(node, "A layer", "operator_type"), "operator_type")
        named, number = optional(node, "A layer", "name"), optional(node, "A layer", "id")
        wanted = named.value if named is not None else number.value if number is not None else ""
        name = unique_name(str(wanted) if named else f"{kind}_{wanted}", taken)
        entries.append(_Entry(name, kind, node))
    return entries


def _loops(node: Node) -> LoopProduct:
    """Return the loops of a layer; InexpressibleError where it is no product."""
    equation = needed(node, "A layer", "equation")
    written = text(equation, "The equation")
    found = _EQUATION.fullmatch(written) if len(written) <= _MAX_TEXT else None
    if found is None:
        raise InexpressibleError("its equation is no O[...] += A[...] * B[...]")
    extents = _extents(node)
    relations = _relations(node, extents)
    tensors = []
    for name, listed in zip(found.groups()[::2], found.groups()[1::2], strict=True):
        loops = [loop.casefold() for loop in _AXIS.findall(listed)]
        axes = (_axis(loop, extents, relations, equation) for loop in loops)
        tensors.append(LoopTensor(name, tuple(axes)))
    operands = (tensors[1], tensors[2])
    return LoopProduct(extents, tensors[0], operands, _padding(node, relations))


def _axis(
    loop: str, extents: Mapping[str, int], relations: Mapping[str, Axis], equation: Node
) -> Axis:
    if loop in relations:
        return relations[loop]
    if loop not in extents:
        equation.place.refuse(f"{loop} in the equation is none of loop_dims.")
    return MappingProxyType({loop: 1})


def _extents(node: Node) -> dict[str, int]:
    """Return the extents of the loops."""
    names = items(needed(node, "A layer", "loop_dims"), "loop_dims")
    sizes = needed(node, "A layer", "loop_sizes")
    if len(items(sizes, "loop_sizes")) != len(names):
        sizes.place.refuse(f"loop_sizes must name {len(names)} sizes, one for each of loop_dims.")
    return {
        text(name, "A loop").casefold(): positive(size, f"The size of {name.value}")
        for name, size in zip(names, items(sizes, "loop_sizes"), strict=True)
    }


def _relations(node: Node, extents: Mapping[str, int]) -> dict[str, Axis]:
    """Return the axes that are sums of loops, by name."""
    relations: dict[str, Axis] = {}
    listed = optional(node, "A layer", "dimension_relations")
    for entry in items(listed, "dimension_relations") if listed is not None else ():
        written = text(entry, "A relation")
        found = _RELATION.fullmatch(written) if len(written) <= _MAX_TEXT else None
        terms = [_TERM.fullmatch(term) for term in found[2].split("+")] if found else [None]
        axis: dict[str, int] = {}
        for term in terms:
            loop = term[2].casefold() if term is not None else ""
            if term is None or loop not in extents or loop in axis:
                entry.place.refuse(
                    f"{written!r} is no relation such as ix=2*ox+1*fx between loops of loop_dims."
                )
            axis[loop] = int(term[1] or 1)
        relations[written.partition("=")[0].strip().casefold()] = axis
    return relations


def _padding(node: Node, relations: Mapping[str, Axis]) -> dict[frozenset[str], tuple[int, int]]:
    """Return the zeros around the axes that are sums of loops."""
    listed = optional(node, "A layer", "padding")
    if listed is None:
        return {}
    pairs = items(listed, "padding")
    names = items(needed(node, "A layer with padding", "pr_loop_dims"), "pr_loop_dims")
    if len(pairs) != len(names):
        listed.place.refuse(f"padding must have {len(names)} pairs, one for each of pr_loop_dims.")
    padding = {}
    for name, pair in zip(names, pairs, strict=True):
        axis = relations.get(text(name, "A loop").casefold())
        ends = [
            0 if end.value == 0 else positive(end, "A padding") for end in items(pair, "A pair")
        ]
        if axis is None or len(ends) != 2:
            pair.place.refuse(f"{name.value} must be one of dimension_relations, with 2 paddings.")
        padding[frozenset(axis)] = (ends[0], ends[1])
    return padding
