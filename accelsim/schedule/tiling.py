"""From the layout of one pass to a whole mapping: blocks, cores, loop order.

The choice is a small search, the same on every machine:

1. Each way of giving the cores their share (m, n or groups, in whole array
   tiles; never k) is tried, in this order, and the one with the fewest estimated
   cycles is kept, then the one with the least DRAM traffic, then the first.
2. Within a share, blocks hold the whole of k if any such block fits the
   scratchpad; only else k is cut, at chunk borders, and then innermost, so that
   partial sums never leave the scratchpad.
3. Among the blocks that fit, those within 1/16 of the least DRAM traffic
   compete, and the one with the fewest estimated cycles wins.

The estimate is a roofline: the busier of array and DRAM, plus what no buffer can
hide, the first load and the last store. It ranks mappings and is used for
nothing else; the timing model finds the real figure.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import lcm

from accelsim.arch import Chip
from accelsim.errors import MappingError
from accelsim.schedule.estimate import Candidate, Extents, estimate_cycles, make_candidate
from accelsim.schedule.layout import ArrayLayout
from accelsim.schedule.mapping import Dim, Level, Loop, Mapping
from accelsim.schedule.validate import capacity_error, check_chunk
from accelsim.workload.ops import Gemm

#: Into how many parts the search cuts an extent.
_PARTS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 256, 512, 1024, 4096, 16384)

#: Blocks may move this part of the least traffic more if they save cycles.
_TRAFFIC_SLACK = 16


def tile_gemm(op: Gemm, chip: Chip, layout: ArrayLayout) -> Mapping:
    """Return the mapping that runs `op` on `chip` with passes like `layout`.

    Raises
    ------
    MappingError
        If chunks would end where no adder is, or if not even the smallest block
        fits the scratchpad.
    """
    if layout.k_tile is not None:
        check_chunk(
            op,
            k_tile=layout.k_tile,
            rows=layout.k_tile // layout.k_per_pe,
            k_per_pe=layout.k_per_pe,
            name=layout.dataflow,
        )
    best: tuple[float, int, Extents, Candidate] | None = None
    error: MappingError | None = None
    for share, cores in _shares(op, chip, layout):
        try:
            candidate = _best_block(op, chip, layout, share, cores)
        except MappingError as problem:
            error = error or problem
            continue
        cycles = estimate_cycles(chip, layout, share, candidate, cores=cores)
        traffic = cores * candidate.traffic_bytes
        if best is None or (cycles, traffic) < best[:2]:
            best = (cycles, traffic, share, candidate)
    if best is None:
        assert error is not None  # there is always at least one share
        raise error
    return _mapping(op, layout, share=best[2], candidate=best[3])


def _shares(op: Gemm, chip: Chip, layout: ArrayLayout) -> Iterator[tuple[Extents, int]]:
    """Yield (largest share of a core, cores that get one) for every way to split the work."""
    whole = Extents(group=op.groups, m=op.m, n=op.n, k=op.k)
    split = False
    for dim in (Dim.M, Dim.N, Dim.GROUP):
        granule = 1 if dim is Dim.GROUP else layout.granule(dim)
        extent = whole.of(dim)
        tiles = -(-extent // granule)
        part = min(extent, -(-tiles // chip.cores) * granule)
        if part < extent:
            split = True
            yield replace(whole, **{dim.value: part}), -(-extent // part)
    if not split:
        yield whole, 1


def _best_block(op: Gemm, chip: Chip, layout: ArrayLayout, share: Extents, cores: int) -> Candidate:
    """Return the block size and loop order for one core's share."""
    bound = chip.scratchpad.usable_bytes
    if bound is None:
        return make_candidate(op, share, share, n_outside=False)
    for cut_k in (False, True):
        fitting = tuple(_fitting(op, layout, share, bound, cut_k=cut_k))
        if fitting:
            break
    else:
        raise capacity_error(op, chip, _smallest(op, layout, share).working_set_bytes)
    least = min(candidate.traffic_bytes for candidate in fitting)
    near = [c for c in fitting if c.traffic_bytes * _TRAFFIC_SLACK <= least * (_TRAFFIC_SLACK + 1)]
    return min(
        near,
        key=lambda c: (estimate_cycles(chip, layout, share, c, cores=cores), c.traffic_bytes),
    )


def _fitting(
    op: Gemm, layout: ArrayLayout, share: Extents, bound: int, *, cut_k: bool
) -> Iterator[Candidate]:
    """Yield the blocks that fit, whole k or cut k."""
    k_tiles = _ladder(share.k, _k_granule(op, layout))[1:] if cut_k else (share.k,)
    m_tiles = _ladder(share.m, layout.granule(Dim.M))
    n_tiles = _ladder(share.n, layout.granule(Dim.N))
    for k in k_tiles:
        fits_at_k = False
        for m in m_tiles:
            found = 0
            for n in n_tiles:
                one = make_candidate(op, share, Extents(1, m, n, k), n_outside=False)
                if one.working_set_bytes > bound:
                    continue
                fits_at_k = True
                yield from _with_groups(op, share, one, bound)
                yield make_candidate(op, share, one.block, n_outside=True)
                found += 1
                if found == 3:  # smaller tiles of n only add traffic
                    break
        if fits_at_k and cut_k:
            return


def _with_groups(op: Gemm, share: Extents, one: Candidate, bound: int) -> Iterator[Candidate]:
    """Yield `one`, and where it holds a whole group, blocks of several groups."""
    yield one
    block = one.block
    if share.group == 1 or (block.m, block.n, block.k) != (share.m, share.n, share.k):
        return
    most = min(share.group, bound // max(1, one.working_set_bytes))
    for groups in _ladder(share.group, 1):
        if 1 < groups <= most:
            many = make_candidate(op, share, replace(block, group=groups), n_outside=False)
            if many.working_set_bytes <= bound:
                yield many


def _smallest(op: Gemm, layout: ArrayLayout, share: Extents) -> Candidate:
    """Return the smallest block there is."""
    block = Extents(
        group=1,
        m=min(share.m, layout.granule(Dim.M)),
        n=min(share.n, layout.granule(Dim.N)),
        k=min(share.k, _k_granule(op, layout)),
    )
    return make_candidate(op, share, block, n_outside=False)


def _k_granule(op: Gemm, layout: ArrayLayout) -> int:
    """Return the k positions that blocks may be cut at: whole passes and whole chunks.

    A chunk that holds the whole reduction cannot be kept whole where k is cut; its
    partial sum then waits in the scratchpad between blocks.
    """
    tile = layout.granule(Dim.K)
    chunk = op.accumulator.chunk_length(op.k)
    whole = lcm(tile, chunk)
    return whole if whole < op.k else tile


def _ladder(extent: int, granule: int) -> tuple[int, ...]:
    """Return tile sizes of an extent in whole granules, largest first."""
    tiles = -(-extent // granule)
    sizes = {-(-tiles // parts) for parts in _PARTS if parts <= tiles} | {1}
    return tuple(sorted({min(extent, size * granule) for size in sizes}, reverse=True))


def _mapping(op: Gemm, layout: ArrayLayout, *, share: Extents, candidate: Candidate) -> Mapping:
    """Return the loop nest of a choice."""
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
    passes: dict[Dim, int] = {dim: layout.spatial(dim) or block.of(dim) for dim in Dim if dim is not Dim.GROUP}
    vectors = -(-block.of(layout.stream_dim) // layout.per_unit(layout.stream_dim))
    if layout.stream_limit is not None:
        vectors = min(vectors, layout.stream_limit)
        passes[layout.stream_dim] = vectors * layout.per_unit(layout.stream_dim)
    for dim in layout.pass_order:
        tile = 1 if dim is Dim.GROUP else min(passes[dim], block.of(dim))
        loops.append(_loop(dim, Level.PASS, tile, block.of(dim)))
    loops += [
        Loop(layout.rows_dim, Level.ROWS, layout.per_unit(layout.rows_dim), layout.rows),
        Loop(layout.cols_dim, Level.COLS, layout.per_unit(layout.cols_dim), layout.cols),
        Loop(Dim.K, Level.PE, 1, layout.k_per_pe),
        Loop(layout.stream_dim, Level.STREAM, layout.per_unit(layout.stream_dim), vectors),
    ]
    return Mapping(
        dataflow=layout.dataflow,
        stationary=layout.stationary,
        loops=tuple(loops),
        k_per_pe=layout.k_per_pe,
        chunk_size=min(op.k, op.accumulator.chunk_length(op.k)),
        fallback=layout.fallback,
    )


def _loop(dim: Dim, level: Level, tile: int, extent: int) -> Loop:
    return Loop(dim=dim, level=level, tile=tile, count=-(-extent // tile))
