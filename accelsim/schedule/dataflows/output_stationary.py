"""Output-stationary: every element keeps one output, both operands stream past.

m lies along the rows, n along the columns, and the k of a block streams in one
pass: each element adds its own products, so that a chunk may end anywhere.
"""

from __future__ import annotations

from accelsim.arch import Chip
from accelsim.schedule.layout import ArrayLayout
from accelsim.schedule.mapping import Dim, Mapping, Stationary
from accelsim.schedule.support import select_pair
from accelsim.schedule.tiling import tile_gemm
from accelsim.workload.ops import Gemm


def output_stationary(op: Gemm, chip: Chip) -> Mapping:
    """Map `op` with outputs in the array.

    Raises
    ------
    UnsupportedError
        If the array cannot multiply or add as asked.
    MappingError
        If nothing fits the scratchpad.
    """
    layout = ArrayLayout(
        dataflow="output_stationary",
        stationary=Stationary.OUTPUT,
        rows_dim=Dim.M,
        cols_dim=Dim.N,
        stream_dim=Dim.K,
        rows=chip.mac_array.rows,
        cols=chip.mac_array.cols,
        k_per_pe=select_pair(op, chip).k_per_pe,
        pass_order=(Dim.GROUP, Dim.M, Dim.N, Dim.K),
    )
    return tile_gemm(op, chip, layout)
