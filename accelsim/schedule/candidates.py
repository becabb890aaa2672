"""The ways to run a GEMM that a search looks at: shares of cores, blocks, loop orders."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from math import lcm

from accelsim.arch import Chip
from accelsim.formats import NumberFormat, Rounding
from accelsim.identity import Same
from accelsim.schedule.estimate import Candidate, Extents, Share
from accelsim.schedule.kinds import one_mapping
from accelsim.schedule.layout import ArrayLayout
from accelsim.schedule.mapping import Dim, Level, Loop, Mapping
from accelsim.schedule.schedule import Schedule
from accelsim.schedule.working_set import largest_tiles_bytes
from accelsim.workload.ops import Gemm, Phase

#: Blocks should leave all but this part of the room to tensors that stay on the chip.
MODEST_PART = 4

#: A way to run an op: the busiest core's share, and its blocks.
Choice = tuple[Share, Candidate]

_FEW_PARTS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 64, 128, 256, 512, 1024)
#: Into how many parts the search cuts an extent; far more of them for batches of any size.
_PARTS = (*_FEW_PARTS, *(4**at for at in range(6, 32)))


def shares(op: Gemm, layout: ArrayLayout, *, cores: int, splits_k: bool) -> Iterator[Share]:
    """Yield the largest share of a core for every way to split the work.

    Over m, n or groups; over m and n together, for every way to write the cores as a
    product; and over k, in whole chunks, where the chip combines sums of cores and the
    op is one of the gradient phase, in which k is long and outputs are few.
    """
    whole = Extents(group=op.groups, m=op.m, n=op.n, k=op.k)
    seen: set[Extents] = set()
    for ways in _ways(op, cores, splits_k=splits_k):
        extents = whole
        for dim, parts in ways:
            extents = extents._replace(**{dim.value: _part(op, layout, dim, whole, parts)})
        counts = {dim: -(-whole.of(dim) // extents.of(dim)) for dim in Dim}
        if all(counts[dim] > 1 for dim, _ in ways) and extents not in seen:
            seen.add(extents)
            split = Extents(*(counts[dim] for dim in (Dim.GROUP, Dim.M, Dim.N, Dim.K)))
            yield Share(extents=extents, split=split)
    if not seen:
        yield Share(extents=whole, split=Extents(1, 1, 1, 1))


def _ways(op: Gemm, cores: int, *, splits_k: bool) -> Iterator[tuple[tuple[Dim, int], ...]]:
    """Yield the dimensions to split, each with the number of cores that divide it."""
    for dim in (Dim.M, Dim.N, Dim.GROUP):
        yield ((dim, cores),)
    for down in range(2, cores):
        if cores % down == 0:
            yield ((Dim.M, down), (Dim.N, cores // down))
    if splits_k and op.phase is Phase.GRADIENT and not _is_random(op):
        yield ((Dim.K, cores),)


def _is_random(op: Gemm) -> bool:
    """Return whether sums are rounded at random, by places in one whole reduction."""
    accumulator = op.accumulator
    return Rounding.STOCHASTIC in (accumulator.rounding, accumulator.resolved_outer_rounding)


def _part(op: Gemm, layout: ArrayLayout, dim: Dim, whole: Extents, cores: int) -> int:
    """Return the largest of `cores` even parts of a dimension, in whole array tiles."""
    granule = 1 if dim is Dim.GROUP else layout.granule(dim)
    if dim is Dim.K:
        granule = lcm(granule, op.accumulator.chunk_length(op.k))
    extent = whole.of(dim)
    tiles = -(-extent // granule)
    return min(extent, -(-tiles // cores) * granule)


def k_granule(op: Gemm, layout: ArrayLayout) -> int:
    """Return the k positions that blocks may be cut at: whole passes and whole chunks.

    A chunk that holds the whole reduction cannot be kept whole where k is cut; its
    partial sum then waits in the scratchpad between blocks.
    """
    tile = layout.granule(Dim.K)
    chunk = op.accumulator.chunk_length(op.k)
    whole = lcm(tile, chunk)
    return whole if whole < op.k else tile


def ladder(extent: int, granule: int) -> tuple[int, ...]:
    """Return tile sizes of an extent in whole granules, largest first."""
    tiles = -(-extent // granule)
    sizes = {-(-tiles // parts) for parts in _PARTS if parts <= tiles} | {1}
    return tuple(sorted({min(extent, size * granule) for size in sizes}, reverse=True))


def largest_block_bytes(op: Gemm, chip: Chip, layout: ArrayLayout, choice: Choice) -> int:
    """Return the bytes that no block of a choice exceeds; every tile is looked at."""
    mapping = to_mapping(op, chip, layout, choice)
    return largest_tiles_bytes(Schedule(op=op, mapping=mapping, cores=chip.cores))


def to_mapping(op: Gemm, chip: Chip, layout: ArrayLayout, choice: Choice) -> Mapping:
    """Return the loop nest of a choice; equal ones are one object."""
    tree = None if choice[0].extents.k == op.k or chip.split_k is None else chip.split_k.format
    return _to_mapping(Same(op), layout, choice, tree)


@lru_cache(maxsize=2**12)
def _to_mapping(
    same: Same[Gemm], layout: ArrayLayout, choice: Choice, tree: NumberFormat | None
) -> Mapping:
    op, share, candidate = same.it, choice[0].extents, choice[1]
    block = candidate.block
    whole = Extents(group=op.groups, m=op.m, n=op.n, k=op.k)
    inner = (Dim.N, Dim.M, Dim.K) if candidate.n_outside else (Dim.M, Dim.N, Dim.K)
    loops = [
        _loop(dim, Level.CORE, share.of(dim), whole.of(dim))
        for dim in Dim
        if share.of(dim) < whole.of(dim)
    ]
    loops.extend(
        _loop(dim, Level.BLOCK, block.of(dim), share.of(dim)) for dim in (Dim.GROUP, *inner)
    )
    passes: dict[Dim, int] = {
        dim: layout.spatial(dim) or block.of(dim) for dim in Dim if dim is not Dim.GROUP
    }
    per_vector = layout.per_unit(layout.stream_dim)
    vectors = layout.vectors_per_pass(-(-block.of(layout.stream_dim) // per_vector))
    passes[layout.stream_dim] = vectors * per_vector
    for dim in layout.pass_order:
        tile = 1 if dim is Dim.GROUP else min(passes[dim], block.of(dim))
        loops.append(_loop(dim, Level.PASS, tile, block.of(dim)))
    loops += [
        Loop(layout.rows_dim, Level.ROWS, layout.per_unit(layout.rows_dim), layout.rows),
        Loop(layout.cols_dim, Level.COLS, layout.per_unit(layout.cols_dim), layout.cols),
        Loop(Dim.K, Level.PE, 1, layout.k_per_pe),
        Loop(layout.stream_dim, Level.STREAM, per_vector, vectors),
    ]
    mapping = Mapping(
        dataflow=layout.dataflow,
        stationary=layout.stationary,
        loops=tuple(loops),
        k_per_pe=layout.k_per_pe,
        chunk_size=min(op.k, op.accumulator.chunk_length(op.k)),
        fallback=layout.fallback,
        k_nest=layout.k_nest,
        tree_format=tree,
    )
    return one_mapping(mapping)


def _loop(dim: Dim, level: Level, tile: int, extent: int) -> Loop:
    return Loop(dim=dim, level=level, tile=tile, count=-(-extent // tile))
