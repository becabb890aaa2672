"""A GEMM on the vector unit: for formats that the array cannot multiply.

The lanes are a single row of elements, each with an output of its own, that adds
one product a cycle. Slow, and a working chip: the report says where it happened.
"""

from __future__ import annotations

from accelsim.arch import Chip
from accelsim.schedule.layout import ArrayLayout
from accelsim.schedule.mapping import Dim, Mapping, Stationary
from accelsim.schedule.tiling import tile_gemm
from accelsim.workload.ops import Gemm


def vector_fallback(op: Gemm, chip: Chip) -> Mapping:
    """Map `op` onto the lanes of the vector unit.

    Raises
    ------
    MappingError
        If nothing fits the scratchpad.
    """
    layout = ArrayLayout(
        dataflow="vector_fallback",
        stationary=Stationary.OUTPUT,
        rows_dim=Dim.M,
        cols_dim=Dim.N,
        stream_dim=Dim.K,
        rows=1,
        cols=chip.vector_unit.lanes,
        k_per_pe=1,
        pass_order=(Dim.GROUP, Dim.M, Dim.N, Dim.K),
        fallback=True,
    )
    return tile_gemm(op, chip, layout)
