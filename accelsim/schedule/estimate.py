"""What a choice of tiles would cost: a roofline that ranks mappings, and nothing more."""

from __future__ import annotations

from dataclasses import dataclass

from accelsim.arch import Chip, Drain
from accelsim.schedule.footprints import footprints
from accelsim.schedule.layout import ArrayLayout
from accelsim.schedule.mapping import Dim, Stationary
from accelsim.schedule.working_set import packed_bytes
from accelsim.workload.ops import Gemm


@dataclass(frozen=True, slots=True)
class Extents:
    """Extents of a GEMM, of a core's share of it, or of a block."""

    group: int
    m: int
    n: int
    k: int

    def of(self, dim: Dim) -> int:
        """Return the extent of a dimension."""
        return {Dim.GROUP: self.group, Dim.M: self.m, Dim.N: self.n, Dim.K: self.k}[dim]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A block size and loop order with what they need, for one core's share.

    Parameters
    ----------
    block : Extents
        Extents of a full block.
    n_outside : bool
        The loop over n blocks is outside the one over m blocks.
    block_count : int
        Blocks of the share.
    working_set_bytes : int
        Largest block, as far as looked at.
    traffic_bytes : int
        Estimated DRAM traffic of the share.
    exposed_bytes : int
        First load and last store, which nothing can hide.
    """

    block: Extents
    n_outside: bool
    block_count: int
    working_set_bytes: int
    traffic_bytes: int
    exposed_bytes: int


def make_candidate(op: Gemm, share: Extents, block: Extents, *, n_outside: bool) -> Candidate:
    """Return what blocks of `block` within `share` need, with k innermost."""
    a = footprints(op.a.view, share.m, share.k, block.m, block.k)
    b = footprints(op.b.view, share.k, share.n, block.k, block.n)
    out = footprints(op.out.view, share.m, share.n, block.m, block.n)
    a_tile = packed_bytes(block.group * a.worst, op.a.format.bits)
    b_tile = packed_bytes(block.group * b.worst, op.b.format.bits)
    out_tile = packed_bytes(block.group * out.worst, op.out.format.bits)
    if block.k < share.k:
        outputs = block.group * block.m * block.n
        out_tile = max(out_tile, packed_bytes(outputs, op.accumulator.outer.bits))
    m_blocks, n_blocks = -(-share.m // block.m), -(-share.n // block.n)
    a_loads, b_loads = _loads(m_blocks, n_blocks, block.k < share.k, n_outside)
    traffic = share.group * (
        packed_bytes(a_loads * a.total, op.a.format.bits)
        + packed_bytes(b_loads * b.total, op.b.format.bits)
        + packed_bytes(out.total, op.out.format.bits)
    )
    return Candidate(
        block=block,
        n_outside=n_outside,
        block_count=-(-share.group // block.group) * m_blocks * n_blocks * -(-share.k // block.k),
        working_set_bytes=a_tile + b_tile + out_tile,
        traffic_bytes=traffic,
        exposed_bytes=a_tile + b_tile + out_tile,
    )


def _loads(m_blocks: int, n_blocks: int, cut_k: bool, n_outside: bool) -> tuple[int, int]:
    """Return how often every element of the left and of the right operand is loaded."""
    if cut_k:
        return n_blocks, m_blocks
    if n_outside:
        return (n_blocks if m_blocks > 1 else 1), 1
    return 1, (m_blocks if n_blocks > 1 else 1)


def estimate_cycles(
    chip: Chip, layout: ArrayLayout, share: Extents, candidate: Candidate, *, cores: int
) -> float:
    """Return the estimated cycles of `cores` cores that each work on a share like `share`."""
    compute = compute_cycles(chip, layout, share, candidate.block)
    bandwidth = chip.dram_bytes_per_cycle
    if bandwidth is None:
        return float(compute)
    # Every block waits once for DRAM to answer; the queue is in order.
    waits = candidate.block_count * chip.dram_latency_cycles
    memory = waits + cores * candidate.traffic_bytes / bandwidth
    if not chip.scratchpad.double_buffering:
        return compute + memory
    return max(compute, memory) + cores * candidate.exposed_bytes / bandwidth


def compute_cycles(chip: Chip, layout: ArrayLayout, share: Extents, block: Extents) -> int:
    """Return the cycles of the array for a share, memories aside."""
    spatial_passes = share.group
    for dim in (layout.rows_dim, layout.cols_dim):
        full, rest = divmod(share.of(dim), block.of(dim))
        tile = layout.granule(dim)
        spatial_passes *= full * -(-block.of(dim) // tile) + -(-rest // tile)
    full, rest = divmod(share.of(layout.stream_dim), block.of(layout.stream_dim))
    streamed = full * _stream_cycles(chip, layout, block.of(layout.stream_dim))
    return spatial_passes * (streamed + _stream_cycles(chip, layout, rest))


def _stream_cycles(chip: Chip, layout: ArrayLayout, positions: int) -> int:
    """Return the cycles of the passes that stream `positions` past one array tile."""
    vectors = -(-positions // layout.per_unit(layout.stream_dim))
    limit = layout.stream_limit or vectors
    if not vectors:
        return 0
    full, rest = divmod(vectors, limit)
    cycles = full * _pass_cycles(chip, layout, limit)
    return cycles + (_pass_cycles(chip, layout, rest) if rest else 0)


def _pass_cycles(chip: Chip, layout: ArrayLayout, vectors: int) -> int:
    """Return the cycles that one pass adds; the closed forms of an isolated or chained pass."""
    array = chip.mac_array
    if layout.fallback:
        return vectors
    skew = 0 if array.overlap_passes else layout.rows + layout.cols - 2
    if layout.stationary is Stationary.OUTPUT:
        return vectors + skew + (layout.rows if array.drain is Drain.EXPOSED else 0)
    if array.preload_hidden:
        return max(vectors + skew, layout.rows)
    return vectors + skew + layout.rows
