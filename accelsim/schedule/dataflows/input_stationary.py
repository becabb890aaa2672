"""Input-stationary: a tile of the left operand stays, columns of the right one stream past.

k lies along the rows, m along the columns: weight-stationary with the operands
exchanged. A column adds k_tile products per streamed vector, first row first.
"""

from __future__ import annotations

from accelsim.arch import Chip
from accelsim.schedule.layout import ArrayLayout
from accelsim.schedule.mapping import Dim, Mapping, Stationary
from accelsim.schedule.support import select_pair
from accelsim.schedule.tiling import tile_gemm
from accelsim.workload.ops import Gemm


def input_stationary(op: Gemm, chip: Chip) -> Mapping:
    """Map `op` with activations in the array.

    Raises
    ------
    UnsupportedError
        If the array cannot multiply or add as asked.
    MappingError
        If chunks would end where no adder is, or nothing fits the scratchpad.
    """
    layout = ArrayLayout(
        dataflow="input_stationary",
        stationary=Stationary.INPUT,
        rows_dim=Dim.K,
        cols_dim=Dim.M,
        stream_dim=Dim.N,
        rows=chip.mac_array.rows,
        cols=chip.mac_array.cols,
        k_per_pe=select_pair(op, chip).k_per_pe,
        pass_order=(Dim.GROUP, Dim.M, Dim.N, Dim.K),
        stream_limit=chip.accumulator.entries,
    )
    return tile_gemm(op, chip, layout)
