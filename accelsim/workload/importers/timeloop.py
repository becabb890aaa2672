"""Timeloop problems: one product over loops, as YAML.

A problem has a shape (loops, coefficients, and how the axes of each data space are
made of loops) and an instance (their extents). Extents of the output are given, so
inputs are padded already. The words with hyphens of version 0.3 are accepted too.

References
----------
A. Parashar et al., "Timeloop: A Systematic Approach to DNN Accelerator Evaluation",
ISPASS 2019, section V-A; Timeloop's documentation of problem files, version 0.4.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from accelsim._config_tree import Node
from accelsim.config import Document
from accelsim.workload.importers.imported import ImportedNetwork
from accelsim.workload.importers.names import unique_name
from accelsim.workload.importers.nodes import items, mapping, needed, optional, positive, text
from accelsim.workload.importers.products import (
    InexpressibleError,
    LoopProduct,
    LoopTensor,
    product_layer,
)
from accelsim.workload.importers.unconnected import unconnected

_SPACES = ("data_spaces", "data-spaces", "dataSpaces")
_WRITTEN = ("read_write", "read-write")
#: Names of a built-in shape in older files.
_SHAPE_FIX = "write the shape out: dimensions, coefficients and data_spaces"


def load_problem(document: Document) -> ImportedNetwork:
    """Return the layer that a Timeloop problem describes, as a network.

    Parameters
    ----------
    document : Document
        A file with the key ``problem``.

    Returns
    -------
    ImportedNetwork
        Loops over samples of a convolution become the batch, which a note names.

    Raises
    ------
    ConfigError
        With file and line, if a part is missing or wrong, or no layer computes it.
    """
    root = needed(document.root, "The file", "problem")
    shape = needed(root, "The problem", "shape")
    if isinstance(shape.value, str):
        shape.place.refuse(f"The shape {shape.value!r} is one of Timeloop's own; {_SHAPE_FIX}.")
    named = optional(shape, "The shape", "name")
    name = unique_name(text(named, "The name") if named else "problem", set())
    extents, steps = _extents(shape, needed(root, "The problem", "instance"))
    output, operands = _tensors(needed(shape, "The shape", *_SPACES), extents, steps)
    try:
        product = product_layer(name, LoopProduct(extents, output, operands))
    except InexpressibleError as error:
        shape.place.refuse(f"No layer computes this: {error}.")
    file = Path(document.file)
    workload = unconnected(
        {name: product.loose},
        name=file.stem,
        description=f"The problem {name} of a Timeloop file.",
        source=f"Timeloop problem file {file.name}",
    )
    return ImportedNetwork(workload, {}, file.name, 1, notes=_notes(root, product.batch))


def _notes(root: Node, batch: int) -> tuple[str, ...]:
    notes = []
    if batch > 1:
        notes.append(f"The file runs a batch of {batch}; --batch sets it here.")
    instance = optional(root, "The problem", "instance")
    if instance is not None and optional(instance, "The instance", "densities") is not None:
        notes.append("Densities are left out: every product is computed.")
    return tuple(notes)


def _extents(shape: Node, instance: Node) -> tuple[dict[str, int], dict[str, int]]:
    """Return the extents of the loops, and the values of the coefficients."""
    given = mapping(instance, "The instance")
    extents = {}
    for node in items(needed(shape, "The shape", "dimensions"), "dimensions"):
        loop = text(node, "A dimension")
        if loop not in given:
            instance.place.refuse(f"The instance has no extent of the dimension {loop}.")
        extents[loop] = positive(given[loop], f"The extent of {loop}")
    steps = {}
    listed = optional(shape, "The shape", "coefficients")
    for node in items(listed, "coefficients") if listed is not None else ():
        name = text(needed(node, "A coefficient", "name"), "The name of a coefficient")
        value = given.get(name) or needed(node, f"The coefficient {name}", "default")
        steps[name] = positive(value, f"The coefficient {name}")
    return extents, steps


def _tensors(
    spaces: Node, extents: Mapping[str, int], steps: Mapping[str, int]
) -> tuple[LoopTensor, tuple[LoopTensor, LoopTensor]]:
    """Return the output and both operands."""
    outputs: list[LoopTensor] = []
    operands: list[LoopTensor] = []
    for node in items(spaces, "data_spaces"):
        name = text(needed(node, "A data space", "name"), "The name of a data space")
        axes = items(needed(node, f"The data space {name}", "projection"), "A projection")
        tensor = LoopTensor(name, tuple(_axis(axis, extents, steps) for axis in axes))
        written = optional(node, name, *_WRITTEN)
        is_output = written is not None and written.value is True
        (outputs if is_output else operands).append(tensor)
    if len(outputs) != 1 or len(operands) != 2:
        spaces.place.refuse(
            f"A product has 2 data spaces that are read and 1 with read_write: true; here are"
            f" {len(operands)} and {len(outputs)}."
        )
    return outputs[0], (operands[0], operands[1])


def _axis(node: Node, extents: Mapping[str, int], steps: Mapping[str, int]) -> dict[str, int]:
    """Return the loops of an axis, a sum of products of a loop and coefficients."""
    axis: dict[str, int] = {}
    for term in items(node, "An axis of a projection"):
        factors = (term,) if isinstance(term.value, str) else items(term, "A term of an axis")
        names = [text(factor, "A factor of an axis") for factor in factors]
        loops = [name for name in names if name in extents]
        unknown = [name for name in names if name not in extents and name not in steps]
        if unknown:
            term.place.refuse(f"{unknown[0]} is neither a dimension nor a coefficient.")
        if len(loops) != 1 or loops[0] in axis:
            term.place.refuse("A term of an axis has one dimension, and each only once.")
        axis[loops[0]] = 1
        for name in names:
            axis[loops[0]] *= steps.get(name, 1)
    return axis
