"""Where in DRAM a transfer lies: needed only where channels or rows are modelled.

Tensors of an op lie one after the other, each from a border of rows on; an op is
timed alone, so addresses count from its own first tensor. A tile of a matrix is a
number of runs, each as long as the tile is in the dimension that is stored fastest,
one pitch apart; a tile that has all of that dimension is one run. Of a convolution's
input the fastest dimension is the channels of a pixel. The right operand of a forward
or backward product is constant, and so stored as it is loaded: a tile is one run.

Left out: the jumps of a convolution's windows from image row to image row and those
between the groups of a tile, which are taken to lie one pitch after the other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from accelsim.arch.chip import Chip
from accelsim.arch.memory import PagePolicy
from accelsim.schedule.passes import Range
from accelsim.schedule.schedule import Block, Schedule
from accelsim.schedule.traffic import BlockTraffic, Transfer
from accelsim.schedule.working_set import packed_bytes, tile_bytes
from accelsim.workload.ops import Gemm, Operand, Phase
from accelsim.workload.views import ConvolutionView, MatrixView


class Layout(NamedTuple):
    """Bytes in runs of `run` bytes, `pitch` bytes apart, the first at `start`."""

    start: int = 0
    run: int = 1
    pitch: int = 1


class Access(NamedTuple):
    """`size` bytes of a layout, `skipped` bytes into it."""

    layout: Layout
    skipped: int
    size: int

    def runs(self) -> Iterator[tuple[int, int]]:
        """Yield the (address, bytes) of every contiguous run, in order.

        Examples
        --------
        >>> list(Access(Layout(100, 8, 32), 4, 10).runs())
        [(104, 4), (132, 6)]
        """
        layout, at, left = self.layout, self.skipped, self.size
        if layout.run >= layout.pitch:
            if left:
                yield layout.start + at, left
            return
        while left > 0:
            line, offset = divmod(at, layout.run)
            size = min(left, layout.run - offset)
            yield layout.start + line * layout.pitch + offset, size
            at, left = at + size, left - size


def needs_addresses(chip: Chip) -> bool:
    """Return whether it matters where in DRAM a transfer lies."""
    limited = chip.dram.bandwidth_gb_per_s is not None
    return limited and (chip.dram.channels > 1 or chip.dram.page_policy is PagePolicy.OPEN)


def streamed(at: int, parts: int, total: int, start: int) -> tuple[Access, ...]:
    """Return part `at` of `parts` of `total` bytes that lie one after the other."""
    first = total * at // parts
    return _some(Access(Layout(start), first, total * (at + 1) // parts - first))


def row_border(chip: Chip, size: int) -> int:
    """Return the first address, `size` or more, at which a row of every channel begins."""
    stripe = chip.dram.page_bytes * chip.dram.channels
    return -(-size // stripe) * stripe


@dataclass(frozen=True, slots=True)
class GemmAddresses:
    """Where the tensors of a GEMM lie.

    Parameters
    ----------
    schedule : Schedule
        Of the GEMM.
    bases : tuple of int
        First addresses of the left and right operand, of partial sums, of what fused ops
        read, and of what the group stores.
    """

    schedule: Schedule
    bases: tuple[int, int, int, int, int]

    @staticmethod
    def of(schedule: Schedule, chip: Chip, *, read: Transfer) -> GemmAddresses:
        """Lay the tensors of a GEMM out one after the other."""
        op = schedule.stored_op
        outputs = op.groups * op.m * op.n
        sizes = (
            tile_bytes(op.a, op.groups, (0, op.m), (0, op.k)),
            tile_bytes(op.b, op.groups, (0, op.k), (0, op.n)),
            packed_bytes(outputs, op.accumulator.outer.bits),
            read.dram_bytes,
        )
        bases = [0]
        for size in sizes:
            bases.append(row_border(chip, bases[-1] + size))
        return GemmAddresses(schedule, (bases[0], bases[1], bases[2], bases[3], bases[4]))

    def loads(self, traffic: BlockTraffic, parts: Sequence[tuple[int, int]]) -> tuple[Access, ...]:
        """Return where a part of a block's operands and partial sums lies.

        Parameters
        ----------
        traffic : BlockTraffic
            Of the block; of an operand that several cores load together, its own share.
        parts : sequence of (int, int)
            Of left operand, right operand and partial sums: which part, of how many; of
            none where nothing of it is loaded.
        """
        block, op = traffic.block, self.schedule.stored_op
        wholes = (
            (op.a, tile_layout(op.a, block.group[0], block.m, block.k, self.bases[0])),
            (op.b, self._right(block)),
            (None, self._outputs(block, op.accumulator.outer.bits, self.bases[2])),
        )
        sizes = (traffic.a.dram_bytes, traffic.b.dram_bytes, traffic.psum_read.dram_bytes)
        found: list[Access] = []
        for (operand, layout), size, (at, count) in zip(wholes, sizes, parts, strict=True):
            if count and size:
                skipped = 0 if operand is None else _others_share(op, operand, block, size)
                first = size * at // count
                last = size * (at + 1) // count
                found.extend(_some(Access(layout, skipped + first, last - first)))
        return tuple(found)

    def partial_sums(self, traffic: BlockTraffic) -> tuple[Access, ...]:
        """Return where the partial sums of a block go."""
        bits = self.schedule.op.accumulator.outer.bits
        layout = self._outputs(traffic.block, bits, self.bases[2])
        return _some(Access(layout, 0, traffic.psum_write.dram_bytes))

    def results(self, block: Block, size: int, *, whole: int, read: bool) -> tuple[Access, ...]:
        """Return where `size` bytes of what fused ops read or store for a block lie.

        `whole` are those for all outputs of the GEMM; the result has the shape of the
        output, element for element.
        """
        op = self.schedule.op
        bits = max(1, 8 * whole // (op.groups * op.m * op.n))
        return _some(Access(self._outputs(block, bits, self.bases[3 if read else 4]), 0, size))

    def _right(self, block: Block) -> Layout:
        op = self.schedule.stored_op
        if op.phase is Phase.GRADIENT:
            return tile_layout(op.b, block.group[0], block.k, block.n, self.bases[1])
        # Tiles in the order of k and then n: a column of tiles lies before the next.
        before = block.group[0] * op.n * op.k + block.n[0] * op.k
        before += block.k[0] * (block.n[1] - block.n[0])
        return Layout(self.bases[1] + before * op.b.format.bits // 8)

    def _outputs(self, block: Block, bits: int, base: int) -> Layout:
        op = self.schedule.op
        view = MatrixView((op.groups * op.m * op.n,), op.groups, op.m, op.n)
        return _matrix_layout(view, bits, block.group[0], block.m, block.n, base)


def tile_layout(operand: Operand, group: int, rows: Range, columns: Range, base: int = 0) -> Layout:
    """Return how the tile `rows` x `columns` of an operand, from `group` on, lies in DRAM."""
    view, bits = operand.view, operand.format.bits
    if isinstance(view, MatrixView):
        return _matrix_layout(view, bits, group, rows, columns, base)
    if isinstance(view, ConvolutionView):
        return _window_layout(view, bits, group, rows, columns, base)
    return Layout(base)


def _matrix_layout(
    view: MatrixView, bits: int, group: int, rows: Range, columns: Range, base: int
) -> Layout:
    slow, fast, extent = rows, columns, view.columns
    count = view.rows
    if view.transposed:
        slow, fast, extent, count = columns, rows, view.rows, view.columns
    if view.interleaved:
        line, pitch = slow[0] * view.groups + group, extent * view.groups
    else:
        line, pitch = group * count + slow[0], extent
    run = fast[1] - fast[0]
    start = line * extent + fast[0]
    return Layout(base + start * bits // 8, max(1, run * bits // 8), max(1, pitch * bits // 8))


def _window_layout(
    view: ConvolutionView, bits: int, group: int, rows: Range, columns: Range, base: int
) -> Layout:
    channels = view.channels // view.groups
    image, window = divmod(rows[0], view.out_height * view.out_width)
    down, across = divmod(window, view.out_width)
    y = max(0, down * view.stride[0] - view.padding[0])
    x = max(0, across * view.stride[1] - view.padding[1])
    run = min(channels, columns[1] - columns[0])
    first = group * channels + (columns[0] % channels if run < channels else 0)
    start = ((image * view.height + y) * view.width + x) * view.channels + first
    pitch = view.channels
    return Layout(base + start * bits // 8, max(1, run * bits // 8), max(1, pitch * bits // 8))


def _others_share(op: Gemm, operand: Operand, block: Block, size: int) -> int:
    """Return where in a tile the share of a core begins that loads it with others.

    Their number follows from the share; cores take shares in turn, by core number.
    """
    columns = (block.m, block.k) if operand is op.a else (block.k, block.n)
    whole = tile_bytes(operand, block.groups, *columns)
    sharers = max(1, round(whole / size))
    return whole * (block.core % sharers) // sharers


def _some(access: Access) -> tuple[Access, ...]:
    return (access,) if access.size else ()
