"""What a choice of tiles would cost: a roofline that ranks mappings, and nothing more."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import cache, partial
from typing import NamedTuple

from accelsim.arch import Chip, Drain
from accelsim.schedule.footprints import Footprints, footprints
from accelsim.schedule.layout import ArrayLayout
from accelsim.schedule.mapping import Dim, Stationary
from accelsim.schedule.working_set import packed_bytes
from accelsim.workload.ops import Gemm
from accelsim.workload.views import View

#: Passes begin when the first part of a block is there; only that much is exposed.
_PARTS_PER_BLOCK = 8


class Extents(NamedTuple):
    """Extents of a GEMM, of a core's share of it, or of a block."""

    group: int
    m: int
    n: int
    k: int

    def of(self, dim: Dim) -> int:
        """Return the extent of a dimension."""
        extent: int = getattr(self, dim)
        return extent


class Share(NamedTuple):
    """The work of the busiest core, and into how many parts each dimension is split."""

    extents: Extents
    split: Extents

    @property
    def cores(self) -> int:
        """Cores that get work."""
        return self.split.group * self.split.m * self.split.n * self.split.k


class Candidate(NamedTuple):
    """A block size and loop order with what they need.

    Parameters
    ----------
    block : Extents
        Extents of a full block.
    n_outside : bool
        The loop over n blocks is outside the one over m blocks.
    block_count : int
        Blocks of a core.
    working_set_bytes : int
        Largest block, as far as looked at.
    traffic_bytes : int
        Estimated DRAM traffic of all cores; what several cores use at the same time
        is loaded once.
    exposed_bytes : int
        First and last block of all cores, with whose transfers nothing overlaps but
        their own passes.
    """

    block: Extents
    n_outside: bool
    block_count: int
    working_set_bytes: int
    traffic_bytes: int
    exposed_bytes: int


class Shape(NamedTuple):
    """What of a GEMM decides the bytes of its blocks: no names, and no chunks.

    Parameters
    ----------
    a, b, out : View
        Of its operands and its result.
    bits : (int, int, int, int)
        Of an element of a, b, out, and of a partial sum.
    k : int
        Length of the reduction.
    """

    a: View
    b: View
    out: View
    bits: tuple[int, int, int, int]
    k: int

    @staticmethod
    def of(op: Gemm) -> Shape:
        """Return the shape of a GEMM."""
        formats = (op.a.format, op.b.format, op.out.format, op.accumulator.outer)
        a_bits, b_bits, out_bits, psum_bits = (one.bits for one in formats)
        bits = (a_bits, b_bits, out_bits, psum_bits)
        return Shape(op.a.view, op.b.view, op.out.view, bits, op.k)


class Sizer:
    """Finds what blocks of one share need; looks at every tile size once.

    Parameters
    ----------
    shape : Shape
        Of the GEMM.
    share : Share
        A core's part of it.
    """

    def __init__(self, shape: Shape, share: Share) -> None:
        self.shape = shape
        self.share = share
        whole = share.extents
        self._a = _cached(shape.a, whole.m, whole.k)
        self._b = _cached(shape.b, whole.k, whole.n)
        self._out = _cached(shape.out, whole.m, whole.n)
        self._tiles = cache(self._tiles_of)

    def working_set_bytes(self, block: Extents) -> int:
        """Return the bytes of the largest block, as far as looked at."""
        return sum(self._tiles(block))

    def candidates(self, block: Extents) -> tuple[Candidate, ...]:
        """Return what blocks of `block` need, in both orders where there is a choice."""
        one = self.candidate(block, n_outside=False)
        whole = self.share.extents
        if block.m < whole.m and block.n < whole.n:
            return (one, self.candidate(block, n_outside=True))
        return (one,)

    def candidate(self, block: Extents, *, n_outside: bool) -> Candidate:
        """Return what blocks of `block` need, with the loop over k blocks innermost."""
        whole, split, bits = self.share.extents, self.share.split, self.shape.bits
        a_tile, b_tile, out_tile = self._tiles(block)
        m_blocks, n_blocks = -(-whole.m // block.m), -(-whole.n // block.n)
        a_loads, b_loads = _loads(m_blocks, n_blocks, block.k < whole.k, n_outside)
        a_copies = split.group * split.m * split.k
        b_copies = split.group * split.n * split.k
        out_copies = split.group * split.m * split.n
        traffic = whole.group * (
            a_copies * packed_bytes(a_loads * self._a(block.m, block.k).total, bits[0])
            + b_copies * packed_bytes(b_loads * self._b(block.k, block.n).total, bits[1])
            + out_copies * packed_bytes(self._out(block.m, block.n).total, bits[2])
        )
        blocks = -(-whole.group // block.group) * m_blocks * n_blocks * -(-whole.k // block.k)
        return Candidate(
            block=block,
            n_outside=n_outside,
            block_count=blocks,
            working_set_bytes=a_tile + b_tile + out_tile,
            traffic_bytes=traffic,
            exposed_bytes=a_copies * a_tile + b_copies * b_tile + out_copies * out_tile,
        )

    def _tiles_of(self, block: Extents) -> tuple[int, int, int]:
        """Return the bytes of the largest tiles of a, b and out that were looked at."""
        a_bits, b_bits, out_bits, psum_bits = self.shape.bits
        groups = block.group
        out = packed_bytes(groups * self._out(block.m, block.n).worst, out_bits)
        if block.k < self.shape.k:
            out = max(out, packed_bytes(groups * block.m * block.n, psum_bits))
        a = packed_bytes(groups * self._a(block.m, block.k).worst, a_bits)
        return a, packed_bytes(groups * self._b(block.k, block.n).worst, b_bits), out


def _cached(view: View, rows: int, columns: int) -> Callable[[int, int], Footprints]:
    """Return the footprints of a matrix as a function of the tile that remembers."""
    assert isinstance(view, Hashable)  # views are frozen
    return cache(partial(footprints, view, rows, columns))


def _loads(m_blocks: int, n_blocks: int, cut_k: bool, n_outside: bool) -> tuple[int, int]:
    """Return how often every element of the left and of the right operand is loaded."""
    if cut_k:
        return n_blocks, m_blocks
    if n_outside:
        return (n_blocks if m_blocks > 1 else 1), 1
    return 1, (m_blocks if n_blocks > 1 else 1)


class ArraySwitches(NamedTuple):
    """What of an array, beside its layout, decides the cycles of its passes; see `MacArray`."""

    overlap_passes: bool
    preload_hidden: bool
    drain: Drain

    @staticmethod
    def of(chip: Chip) -> ArraySwitches:
        """Return the switches of a chip's array."""
        array = chip.mac_array
        return ArraySwitches(array.overlap_passes, array.preload_hidden, array.drain)


class ArrayTime:
    """The cycles of the array for blocks of one share; looks at every tile size once.

    Parameters
    ----------
    switches : ArraySwitches
        Of the array.
    layout : ArrayLayout
        Of a pass on it.
    share : Share
        A core's part of a GEMM.
    """

    def __init__(self, switches: ArraySwitches, layout: ArrayLayout, share: Share) -> None:
        self._switches = switches
        self._layout = layout
        self._whole = share.extents
        self._along = {
            layout.rows_dim: cache(partial(self._tiles, layout.rows_dim)),
            layout.cols_dim: cache(partial(self._tiles, layout.cols_dim)),
            layout.stream_dim: cache(self._streamed),
        }

    def cycles(self, block: Extents) -> int:
        """Return the cycles of the array with blocks of `block`, memories aside."""
        cycles = self._whole.group
        for dim, along in self._along.items():
            cycles *= along(block.of(dim))
        return cycles

    def _tiles(self, dim: Dim, tile: int) -> int:
        """Return the passes side by side along a dimension."""
        full, rest = divmod(self._whole.of(dim), tile)
        granule = self._layout.granule(dim)
        return full * -(-tile // granule) + -(-rest // granule)

    def _streamed(self, tile: int) -> int:
        """Return the cycles of the passes that stream a dimension."""
        full, rest = divmod(self._whole.of(self._layout.stream_dim), tile)
        one, last = (_stream_cycles(self._switches, self._layout, size) for size in (tile, rest))
        return full * one + last


class MemoryTime(NamedTuple):
    """What of a chip's memories decides how long blocks take.

    Parameters
    ----------
    bandwidth : float or None
        DRAM bytes per cycle; None for no limit.
    latency : int
        Cycles until DRAM answers.
    overlapped : bool
        Whether blocks load while others are worked on.
    """

    bandwidth: float | None
    latency: int
    overlapped: bool

    @staticmethod
    def of(chip: Chip) -> MemoryTime:
        """Return the memories of a chip."""
        return MemoryTime(
            chip.dram_bytes_per_cycle, chip.dram_latency_cycles, chip.scratchpad.double_buffering
        )

    def cycles(self, candidate: Candidate, compute: int) -> float:
        """Return the estimated cycles of a share whose array works for `compute` cycles."""
        # Every block waits once for DRAM to answer: requests are served in order.
        waits = candidate.block_count * self.latency
        if self.bandwidth is None:
            return float(max(compute, waits))
        memory = waits + candidate.traffic_bytes / self.bandwidth
        if not self.overlapped:
            return compute + memory
        exposed = candidate.exposed_bytes / (self.bandwidth * _PARTS_PER_BLOCK)
        return max(compute, memory) + exposed


class Roofline:
    """Estimates the cycles of one share; looks at every tile size once.

    Parameters
    ----------
    chip : Chip
        The machine.
    layout : ArrayLayout
        Of a pass on its array.
    share : Share
        A core's part of a GEMM.
    """

    def __init__(self, chip: Chip, layout: ArrayLayout, share: Share) -> None:
        self._array = ArrayTime(ArraySwitches.of(chip), layout, share)
        self._memories = MemoryTime.of(chip)

    def cycles(self, candidate: Candidate) -> float:
        """Return the estimated cycles of the share with the blocks of `candidate`."""
        return self._memories.cycles(candidate, self._array.cycles(candidate.block))


def _stream_cycles(switches: ArraySwitches, layout: ArrayLayout, positions: int) -> int:
    """Return the cycles of the passes that stream `positions` past one array tile."""
    vectors = -(-positions // layout.per_unit(layout.stream_dim))
    if not vectors:
        return 0
    per_pass = layout.vectors_per_pass(vectors)
    full, rest = divmod(vectors, per_pass)
    cycles = full * _pass_cycles(switches, layout, per_pass)
    return cycles + (_pass_cycles(switches, layout, rest) if rest else 0)


def _pass_cycles(switches: ArraySwitches, layout: ArrayLayout, vectors: int) -> int:
    """Return the cycles that one pass adds: the closed form of an isolated or a chained pass."""
    if layout.fallback:
        return vectors
    if layout.stationary is Stationary.ROW:
        # One kernel row in every element, an output later in each row below.
        return vectors * layout.cycles_per_vector + (
            0 if switches.overlap_passes else layout.cycles_per_vector * layout.rows
        )
    skew = 0 if switches.overlap_passes else layout.rows + layout.cols - 2
    if layout.stationary is Stationary.OUTPUT:
        return vectors + skew + (layout.rows if switches.drain is Drain.EXPOSED else 0)
    if switches.preload_hidden:
        return max(vectors + skew, layout.rows)
    return vectors + skew + layout.rows
