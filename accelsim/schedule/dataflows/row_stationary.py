"""Row-stationary: kernel rows stay in the elements, rows of activations pass by.

An element holds one row of the kernel, `channel_tile` channels deep, for several
output channels, and slides it along one row of activations: a one-dimensional
convolution that makes one output row. The elements of a column hold the rows of the
kernel, and of further channels, and hand each partial sum on to the one below;
every column makes another output row. Rows that a stack of kernel rows leaves free
hold further output channels, and so do columns that have no output row.

An output's products are added in the order (channel tile, kernel_y, kernel_x,
channel within the tile). Every element can end a chunk.

A GEMM that is no convolution is one of 1 x 1 windows: its k order is plain.

References
----------
Y.-H. Chen, J. Emer, V. Sze, "Eyeriss: A Spatial Architecture for Energy-Efficient
Dataflow for Convolutional Neural Networks", ISCA 2016.
"""

from __future__ import annotations

from accelsim.arch import Chip
from accelsim.errors import Infeasibility, MappingError
from accelsim.precision import PairRule
from accelsim.schedule.kernel_rows import KernelRows
from accelsim.schedule.layout import ArrayLayout
from accelsim.schedule.mapping import Dim, Mapping, Stationary
from accelsim.schedule.support import select_pair
from accelsim.schedule.tiling import tile_gemm
from accelsim.workload.ops import Gemm


def row_stationary(op: Gemm, chip: Chip) -> Mapping:
    """Map `op` with kernel rows in the array.

    Raises
    ------
    UnsupportedError
        If the array cannot multiply or add as asked.
    MappingError
        If an element cannot hold one kernel row of one channel, if fused products would
        lie in two elements, or if nothing fits the scratchpad.
    """
    rows, array = KernelRows.of(op), chip.mac_array
    channel_tile = _channel_tile(op, chip, rows)
    line = rows.kernel_width * channel_tile
    lines = rows.kernel_height * (rows.channels // channel_tile)
    stack = _stack(rows.kernel_height, lines, array.rows)
    out_rows = min(array.cols, op.m // rows.out_width)
    sets = min(op.n, (array.rows // stack) * (array.cols // out_rows))
    most = _outputs_at_once(chip, rows, line)
    sets = min(sets, most)
    layout = ArrayLayout(
        dataflow="row_stationary",
        stationary=Stationary.ROW,
        rows_dim=Dim.K,
        cols_dim=Dim.M,
        stream_dim=Dim.N,
        rows=array.rows,
        cols=array.cols,
        k_per_pe=select_pair(op, chip).k_per_pe,
        pass_order=(Dim.GROUP, Dim.M, Dim.N, Dim.K),
        stream_limit=min(_taking_turns(chip, line), most // sets),
        units=((Dim.K, line), (Dim.M, rows.out_width), (Dim.N, sets)),
        rows_per_pass=stack,
        k_nest=rows.nest(channel_tile),
    )
    return tile_gemm(op, chip, layout)


def _channel_tile(op: Gemm, chip: Chip, rows: KernelRows) -> int:
    """Return the channels of a kernel row in an element: the most that fit and divide evenly."""
    registers = chip.mac_array.register_file
    room = min(registers.activations, registers.weights)
    if rows.kernel_width > room:
        raise MappingError(
            f"{op.name}: an element of {chip.name} cannot hold one row of the kernel.",
            Infeasibility(
                what="mac_array.register_file",
                demand=rows.kernel_width,
                bound=room,
                unit="words",
                levers=("more register_file.activations and weights", "another dataflow"),
            ),
        )
    most = min(rows.channels, room // rows.kernel_width)
    tile = next(size for size in range(most, 0, -1) if rows.channels % size == 0)
    fused = op.accumulator.pair_size if op.accumulator.pair is PairRule.FUSED else 1
    if rows.kernel_width * tile % fused and rows.kernel_width * tile < op.k:
        raise MappingError(
            f"{op.name}: {fused} fused products would lie in two elements, which hold"
            f" {rows.kernel_width * tile} each.\n  Use pair: sequential, or another dataflow."
        )
    return tile


def _stack(kernel_height: int, lines: int, rows: int) -> int:
    """Return the rows that one stack of kernel rows takes: whole kernels, or even folds of one."""
    if kernel_height <= rows:
        return min(lines, rows // kernel_height * kernel_height)
    folds = -(-kernel_height // rows)
    return -(-kernel_height // folds)


def _taking_turns(chip: Chip, line: int) -> int:
    """Return the output channels that an element holds kernel rows of `line` weights for."""
    registers = chip.mac_array.register_file
    return min(registers.psums, registers.weights // line)


def _outputs_at_once(chip: Chip, rows: KernelRows, line: int) -> int:
    """Return the output channels of a pass: as many as the accumulators hold rows for."""
    entries = chip.accumulator.entries
    if entries is None:
        return _taking_turns(chip, line) * chip.mac_array.pe_count
    return max(1, entries // rows.out_width)
