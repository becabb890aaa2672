"""Weight-stationary: a tile of the right operand stays, rows of the left one stream past.

k lies along the rows, n along the columns. A column adds k_tile products per
streamed vector, first row first; the accumulators at its foot keep one partial
sum per vector while the k tiles of one n tile follow each other.
"""

from __future__ import annotations

from accelsim.arch import Chip
from accelsim.schedule.layout import ArrayLayout
from accelsim.schedule.mapping import Dim, Mapping, Stationary
from accelsim.schedule.support import select_pair
from accelsim.schedule.tiling import tile_gemm
from accelsim.workload.ops import Gemm


def weight_stationary(op: Gemm, chip: Chip) -> Mapping:
    """Map `op` with weights in the array.

    Raises
    ------
    UnsupportedError
        If the array cannot multiply or add as asked.
    MappingError
        If chunks would end where no adder is, or nothing fits the scratchpad.
    """
    layout = ArrayLayout(
        dataflow="weight_stationary",
        stationary=Stationary.WEIGHT,
        rows_dim=Dim.K,
        cols_dim=Dim.N,
        stream_dim=Dim.M,
        rows=chip.mac_array.rows,
        cols=chip.mac_array.cols,
        k_per_pe=select_pair(op, chip).k_per_pe,
        pass_order=(Dim.GROUP, Dim.N, Dim.M, Dim.K),
        stream_limit=chip.accumulator.entries,
    )
    return tile_gemm(op, chip, layout)
