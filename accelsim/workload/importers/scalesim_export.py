"""The products of a network as a SCALE-Sim topology, for a second opinion on cycles.

Every GEMM of an inference is a row: for each group one, because SCALE-Sim knows no
groups. A topology holds either convolutions or GEMMs:

* as convolutions, a convolution keeps its windows, on an input that is padded and as
  large as whole windows need; anything else, and a dilated convolution, is the 1 x 1
  convolution of M x 1 places that has the same M, N and K;
* as GEMMs, every row is M, N and K of what the array computes.

Vector work, formats and the order of layers are not in such a file.

References
----------
A. Samajdar et al., "SCALE-Sim: Systolic CNN Accelerator Simulator", arXiv:1811.02883.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum

from accelsim.errors import DataError
from accelsim.precision import get_recipe
from accelsim.workload.importers.names import unique_name
from accelsim.workload.layers import Conv2d
from accelsim.workload.lowering import lower
from accelsim.workload.network import Workload
from accelsim.workload.ops import Gemm

_CONV_HEADER = (
    "Layer name, IFMAP Height, IFMAP Width, Filter Height, Filter Width, Channels, Num Filter,"
    " Strides,"
)
_GEMM_HEADER = "Layer, M, N, K,"
#: Rows of a topology; more than any network with groups of its own size has.
MAX_ROWS = 1_000_000


class Topology(StrEnum):
    """What the rows of a topology are."""

    CONV = "conv"
    GEMM = "gemm"


def topology_text(workload: Workload, kind: Topology, *, batch: int = 1) -> str:
    """Return a network's products as the text of a SCALE-Sim topology.

    Parameters
    ----------
    workload : Workload
        Of any layers.
    kind : Topology
        What the rows are.
    batch : int
        Samples at once; they are more rows of a GEMM, and more convolutions.

    Returns
    -------
    str
        The MACs of its rows are those of the network.

    Raises
    ------
    DataError
        If the network has no products, or more than a million groups.

    Examples
    --------
    >>> from accelsim.workload import load_workload
    >>> print(topology_text(load_workload("tiny"), Topology.GEMM).splitlines()[0])
    Layer, M, N, K,
    """
    gemms = lower(workload, get_recipe("fp32"), batch=batch).gemms
    if not gemms:
        raise DataError(f"{workload.name} has no products to export.")
    if sum(gemm.groups for gemm in gemms) * batch > MAX_ROWS:
        raise DataError(f"{workload.name} has more than {MAX_ROWS:,} products to export.")
    taken: set[str] = set()
    header = _CONV_HEADER if kind is Topology.CONV else _GEMM_HEADER
    lines = [header]
    for gemm in gemms:
        for numbers in _rows(workload, gemm, kind, batch):
            name = unique_name(gemm.layer.replace(",", "_"), taken)
            lines.append(f"{name}, {', '.join(map(str, numbers))},")
    return "\n".join(lines) + "\n"


def _rows(workload: Workload, gemm: Gemm, kind: Topology, batch: int) -> Iterator[tuple[int, ...]]:
    """Yield the numbers of every row that a product becomes."""
    if kind is Topology.GEMM:
        yield from [(gemm.m, gemm.n, gemm.k)] * gemm.groups
        return
    node = next(node for node in workload.graph.nodes if node.name == gemm.layer)
    layer = node.layer
    if not isinstance(layer, Conv2d) or layer.dilation != (1, 1):
        yield from [(gemm.m, 1, 1, 1, gemm.k, gemm.n, 1)] * gemm.groups
        return
    padded = [
        (places - 1) * stride + kernel
        for places, stride, kernel in zip(
            node.output_shape[:2], layer.stride, layer.kernel, strict=True
        )
    ]
    channels, filters = layer.in_channels // layer.groups, layer.out_channels // layer.groups
    strides = layer.stride if len(set(layer.stride)) > 1 else layer.stride[:1]
    yield from [(*padded, *layer.kernel, channels, filters, *strides)] * (layer.groups * batch)
