"""The search for tile sizes, loop order and the cores' shares, by a cost.

The space is every share of the cores x every block of whole array tiles that fits
its room in the scratchpad x both loop orders. Where it has more than `max_candidates` points its
tile sizes are thinned, the same number of them along every dimension, largest and
smallest always among them, until it has not. A count and never a clock decides, so
the choice is the same on every machine. The mapping of the rule in `tiling` is among
the candidates: a search is never worse than no search, by its own cost. Of equal ones
the first wins: the rule's, then large blocks.

The cost is an estimate, like the rule's. Cycles are the roofline of `estimate`;
energy is bytes from and to DRAM, weighted, plus those through the scratchpad, in
scratchpad bytes. MACs cost the same in every mapping and do not count.
"""

from __future__ import annotations

from collections.abc import Iterator

from accelsim.arch import Chip, Objective
from accelsim.schedule.candidates import (
    MODEST_PART,
    Choice,
    k_granule,
    ladder,
    largest_block_bytes,
    shares,
)
from accelsim.schedule.estimate import Extents, Roofline, Shape, Share, Sizer
from accelsim.schedule.kernel_rows import in_order
from accelsim.schedule.layout import ArrayLayout
from accelsim.schedule.mapping import Dim
from accelsim.workload.ops import Gemm


def search(op: Gemm, chip: Chip, layout: ArrayLayout, *, rule: Choice) -> Choice:
    """Return the choice of least cost by `chip.mapper`.

    Parameters
    ----------
    op, chip, layout
        As in `tiling.tile_gemm`.
    rule : (Share, Candidate)
        The choice without a search; it fits.
    """
    bound = room_for_blocks(chip, rule)
    best, least = rule, cost(op, chip, layout, rule)
    for choice in candidates(op, chip, layout, bound):
        each = cost(op, chip, layout, choice)
        if each < least and (
            bound is None or largest_block_bytes(op, chip, layout, choice) <= bound
        ):
            best, least = choice, each
    return best


def room_for_blocks(chip: Chip, rule: Choice) -> int | None:
    """Return the bytes that a block may take.

    Where the rule leaves most of the scratchpad to tensors that wait there for the next
    op, so does the search: what one op saves, others would pay for in DRAM traffic.
    """
    bound = chip.scratchpad.usable_bytes
    if bound is None:
        return None
    modest = bound // MODEST_PART
    return modest if rule[1].working_set_bytes <= modest else bound


def candidates(op: Gemm, chip: Chip, layout: ArrayLayout, room: int | None) -> Iterator[Choice]:
    """Yield the choices whose blocks, as far as looked at, take at most `room` bytes."""
    options = tuple(shares(op, layout, cores=chip.cores, splits_k=chip.split_k is not None))
    most = chip.mapper.max_candidates // len(options)
    for share in options:
        sizer = Sizer(Shape.of(in_order(op, layout.k_nest)), share)
        for block in _blocks(op, layout, share, most):
            if room is None or sizer.working_set_bytes(block) <= room:
                yield from ((share, candidate) for candidate in sizer.candidates(block))


def cost(op: Gemm, chip: Chip, layout: ArrayLayout, choice: Choice) -> float:
    """Return what the chip's mapper makes small: cycles, scratchpad bytes, or their product."""
    share, candidate = choice
    objective = chip.mapper.objective
    cycles = (
        1.0 if objective is Objective.ENERGY else Roofline(chip, layout, share).cycles(candidate)
    )
    if objective is Objective.CYCLES:
        return cycles
    array_bytes = share.cores * _array_bytes(op, layout, share.extents, candidate.block)
    moved = candidate.traffic_bytes
    return cycles * (moved * chip.mapper.dram_energy_ratio + moved + array_bytes)


def _blocks(op: Gemm, layout: ArrayLayout, share: Share, most: int) -> Iterator[Extents]:
    """Yield the blocks of a share, at most about `most` with both loop orders, large ones first."""
    whole = share.extents
    granules = {
        Dim.M: layout.granule(Dim.M),
        Dim.N: layout.granule(Dim.N),
        Dim.K: k_granule(op, layout),
    }
    allowed = max(-(-whole.of(dim) // granule) for dim, granule in granules.items())
    while True:
        sizes = {dim: _sizes(whole.of(dim), granule, allowed) for dim, granule in granules.items()}
        count = 2 * len(sizes[Dim.M]) * len(sizes[Dim.N]) * len(sizes[Dim.K])
        if count <= most or allowed == 1:
            break
        allowed = allowed * 3 // 4
    for k in sizes[Dim.K]:
        for m in sizes[Dim.M]:
            for n in sizes[Dim.N]:
                yield Extents(group=1, m=m, n=n, k=k)
    for groups in ladder(whole.group, 1):
        if groups > 1:
            yield whole._replace(group=groups)


def _sizes(extent: int, granule: int, most: int) -> tuple[int, ...]:
    """Return at most `most` tile sizes in whole granules, largest first, evenly in their ratio."""
    tiles = -(-extent // granule)
    if tiles <= most:
        counts = set(range(1, tiles + 1))
    elif most == 1:
        counts = {1}
    else:
        counts = {round(tiles ** (at / (most - 1))) for at in range(most)}
    return tuple(sorted({min(extent, count * granule) for count in counts}, reverse=True))


def _array_bytes(op: Gemm, layout: ArrayLayout, share: Extents, block: Extents) -> int:
    """Return the bytes that a core's passes read: each pass reads its two operand tiles."""
    n_passes, m_passes = (_passes(layout, dim, share, block) for dim in (Dim.N, Dim.M))
    bits = share.m * share.k * n_passes * op.a.format.bits
    bits += share.k * share.n * m_passes * op.b.format.bits
    return share.group * bits // 8


def _passes(layout: ArrayLayout, dim: Dim, share: Extents, block: Extents) -> int:
    """Return into how many pass tiles blocks cut a dimension of a share."""
    full, rest = divmod(share.of(dim), block.of(dim))
    return full * _tiles(layout, dim, block.of(dim)) + (_tiles(layout, dim, rest) if rest else 0)


def _tiles(layout: ArrayLayout, dim: Dim, extent: int) -> int:
    """Return the passes along a dimension of a block."""
    side_by_side = layout.spatial(dim)
    if side_by_side is not None:
        return -(-extent // side_by_side)
    vectors = -(-extent // layout.per_unit(dim))
    return -(-vectors // layout.vectors_per_pass(vectors))
