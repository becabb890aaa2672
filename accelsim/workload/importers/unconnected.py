"""Networks of layers that are not connected: each reads tensors of its own.

Files that describe loops and not networks say nothing about what lies between two
layers. The first layer reads the network's input, every other one constants; every
layer's output is a result.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from accelsim.workload.graph import INPUT
from accelsim.workload.importers.names import MAX_NAME
from accelsim.workload.input_spec import InputSpec
from accelsim.workload.layers import Constant, Layer, Shape
from accelsim.workload.network import Workload


@dataclass(frozen=True, slots=True)
class Loose:
    """A layer without a place in a network.

    Parameters
    ----------
    layer : Layer
        Its name and inputs do not count.
    shapes : tuple of tuple of int
        What it reads, without the batch.
    """

    layer: Layer
    shapes: tuple[Shape, ...]


def unconnected(
    layers: Mapping[str, Loose], *, name: str, description: str, source: str
) -> Workload:
    """Return a network of layers, by name, in order.

    Parameters
    ----------
    layers : mapping from str to Loose
        At least one.
    name, description, source : str
        Of the network.
    """
    placed: list[Layer] = []
    for layer_name, loose in layers.items():
        reads = []
        for index, shape in enumerate(loose.shapes):
            number = f"_{index + 1}" if index else ""
            reads.append(f"{layer_name}.input{number}" if placed or index else INPUT)
            if reads[-1] != INPUT:
                placed.append(Constant(name=reads[-1], shape=shape))
        placed.append(loose.layer.model_copy(update={"name": layer_name, "inputs": tuple(reads)}))
    first = next(iter(layers.values()))
    return Workload(
        name=name[:MAX_NAME],
        description=description,
        source=source,
        input=InputSpec(shape=first.shapes[0]),
        layers=tuple(placed),
        outputs=tuple(layers),
    )
