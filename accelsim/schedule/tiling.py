"""From the layout of one pass to a whole mapping: blocks, cores, loop order.

The choice is a small search, the same on every machine:

1. Each way of giving the cores their share (m, n, groups, m and n together, in
   whole array tiles; k only where the chip says how) is tried. Of those within 1/64
   of the fewest estimated cycles the one that keeps the arrays busy for the shortest
   time wins, then the one with the least DRAM traffic, then the first in that order.
2. Within a share, blocks hold the whole of k if any such block fits the
   scratchpad; only else k is cut, at chunk borders, and then innermost, so that
   partial sums never leave the scratchpad.
3. Among the blocks that fit, those within 1/16 of the least DRAM traffic stay;
   of these, if the op as a whole could stay on the chip, those that take no more
   than a quarter of the room, so that activations may wait there for the next
   op; of these, those within 1/64 of the fewest estimated cycles; and the fewest
   blocks win.

The estimate is a roofline: the busier of array and DRAM, plus what no buffer can
hide, the first load and the last store. It ranks mappings and is used for
nothing else; the timing model finds the real figure.

A chip whose `mapper.objective` is not ``rule`` has the choice searched for instead:
see `mapper`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from accelsim.arch import Chip, Objective
from accelsim.errors import MappingError
from accelsim.identity import Same
from accelsim.schedule.candidates import (
    MODEST_PART,
    Choice,
    k_granule,
    ladder,
    largest_block_bytes,
    shares,
    to_mapping,
)
from accelsim.schedule.estimate import (
    ArraySwitches,
    ArrayTime,
    Candidate,
    Extents,
    MemoryTime,
    Shape,
    Share,
    Sizer,
)
from accelsim.schedule.kernel_rows import in_order
from accelsim.schedule.layout import ArrayLayout
from accelsim.schedule.mapper import search
from accelsim.schedule.mapping import Dim, Mapping
from accelsim.schedule.validate import capacity_error, check_chunk
from accelsim.workload.ops import Gemm

#: Blocks may move this part of the least traffic more if they save cycles.
_TRAFFIC_SLACK = 16

#: What comes within this part of the fewest estimated cycles counts as equally fast.
_CYCLE_SLACK = 64

#: For a tile of m, the largest tiles of n that fit; smaller ones only add traffic.
_N_TILES_TRIED = 3


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
    choice = rules_choice(op, chip, layout)
    if chip.mapper.objective is not Objective.RULE:
        choice = search(op, chip, layout, rule=choice)
    return to_mapping(op, chip, layout, choice)


def rules_choice(op: Gemm, chip: Chip, layout: ArrayLayout) -> Choice:
    """Return the choice of the rules at the top of this file.

    Raises
    ------
    MappingError
        If not even the smallest block fits the scratchpad.
    """
    bound = room = chip.scratchpad.usable_bytes
    demand = 0
    while True:
        try:
            choice = _choice_within(op, chip, layout, room)
        except MappingError:
            if not demand:
                raise
            raise capacity_error(op, chip, demand) from None
        if bound is None or room is None:
            return choice
        demand = largest_block_bytes(op, chip, layout, choice)
        if demand <= bound:
            return choice
        # The rule looks at a few tiles only, and one that it did not see is larger.
        room -= demand - bound


class _Case(NamedTuple):
    """Everything that decides which blocks come into question: no clock and no bandwidth."""

    op: Same[Gemm]
    layout: ArrayLayout
    switches: ArraySwitches
    cores: int
    splits_k: bool
    room: int | None
    usable_bytes: int | None
    capacity_bytes: int | None


class _Timed(NamedTuple):
    """Blocks of a share of the cores, and how long they keep the busiest array busy."""

    compute_cycles: int
    candidate: Candidate


def _choice_within(op: Gemm, chip: Chip, layout: ArrayLayout, room: int | None) -> Choice:
    """Return the choice among blocks that, as far as looked at, take at most `room` bytes."""
    case = _Case(
        op=Same(op),
        layout=layout,
        switches=ArraySwitches.of(chip),
        cores=chip.cores,
        splits_k=chip.split_k is not None,
        room=room,
        usable_bytes=chip.scratchpad.usable_bytes,
        capacity_bytes=chip.scratchpad.capacity_bytes,
    )
    options = _options(case)
    if not options:
        raise capacity_error(op, chip, _least_bytes(case))
    memories = MemoryTime.of(chip)
    return _best_share([(share, *_quickest(near, memories)) for share, near in options])


def _best_share(options: Sequence[tuple[Share, float, _Timed]]) -> Choice:
    """Return the way to split the work that the rules at the top of this file choose."""
    limit = min(cycles for _, cycles, _ in options) * (1 + 1 / _CYCLE_SLACK)
    quick = [(share, timed) for share, cycles, timed in options if cycles <= limit]
    busy = [(timed.compute_cycles, timed.candidate.traffic_bytes) for _, timed in quick]
    share, best = quick[busy.index(min(busy))]
    return share, best.candidate


def _quickest(near: Sequence[_Timed], memories: MemoryTime) -> tuple[float, _Timed]:
    """Return the blocks that the last rules at the top of this file choose, and their cycles."""
    cycles = [memories.cycles(one.candidate, one.compute_cycles) for one in near]
    limit = min(cycles) * (1 + 1 / _CYCLE_SLACK)
    quick = [
        (one.candidate.block_count, one.candidate.traffic_bytes, spent, at)
        for at, (one, spent) in enumerate(zip(near, cycles, strict=True))
        if spent <= limit
    ]
    *_, spent, at = min(quick)
    return spent, near[at]


@lru_cache(maxsize=2**10)
def _options(case: _Case) -> tuple[tuple[Share, tuple[_Timed, ...]], ...]:
    """Return the blocks among which cycles decide, for every share for which some fit.

    They are the same for all points of a sweep over clocks and bandwidths.
    """
    found = []
    for share in shares(case.op.it, case.layout, cores=case.cores, splits_k=case.splits_k):
        near = _near(_all_fitting(case, share), case)
        time = ArrayTime(case.switches, case.layout, share)
        timed = tuple(_Timed(time.cycles(one.block), one) for one in near)
        if timed:
            found.append((share, timed))
    return tuple(found)


def _near(fitting: Sequence[Candidate], case: _Case) -> Sequence[Candidate]:
    """Return those of the blocks that fit that move little, and take little room if that helps."""
    least = min((c.traffic_bytes for c in fitting), default=0)
    near = [c for c in fitting if c.traffic_bytes * _TRAFFIC_SLACK <= least * (_TRAFFIC_SLACK + 1)]
    room = case.capacity_bytes or 0
    if least <= case.cores * room:  # else nothing of this op can wait on the chip anyway
        limit_bytes = (case.usable_bytes or 0) // MODEST_PART
        near = [c for c in near if c.working_set_bytes <= limit_bytes] or near
    return near


def _all_fitting(case: _Case, share: Share) -> Sequence[Candidate]:
    """Return block sizes and loop orders of one core's share that fit the room."""
    op, layout = case.op.it, case.layout
    shape = Shape.of(in_order(op, layout.k_nest))
    if case.room is None:
        return (Sizer(shape, share).candidate(share.extents, n_outside=False),)
    granules = (layout.granule(Dim.M), layout.granule(Dim.N))
    whole = share.extents.k
    fitting = _fitting(shape, share, granules, case.room, (whole,))
    if not fitting:
        cuts = ladder(whole, k_granule(op, layout))[1:]
        fitting = _fitting(shape, share, granules, case.room, cuts)
    return fitting


def _least_bytes(case: _Case) -> int:
    """Return the bytes of the smallest block of the first share."""
    op, layout = case.op.it, case.layout
    share = next(shares(op, layout, cores=case.cores, splits_k=case.splits_k))
    smallest = _smallest(layout, share.extents, k_granule(op, layout))
    return Sizer(Shape.of(in_order(op, layout.k_nest)), share).working_set_bytes(smallest)


@lru_cache(maxsize=2**12)
def _fitting(
    shape: Shape, share: Share, granules: tuple[int, int], bound: int, k_tiles: tuple[int, ...]
) -> tuple[Candidate, ...]:
    """Return the blocks that fit, with the first of the `k_tiles` for which there are any.

    They depend on no clock and no bandwidth, and so are the same for many points of a sweep.
    """
    whole, sizer = share.extents, Sizer(shape, share)
    m_tiles, n_tiles = ladder(whole.m, granules[0]), ladder(whole.n, granules[1])
    for k in k_tiles:
        found: list[Candidate] = []
        for m in m_tiles:
            at_m = 0
            for n in n_tiles:
                block = Extents(1, m, n, k)
                if sizer.working_set_bytes(block) > bound:
                    continue
                found.extend(sizer.candidates(block))
                found.extend(_with_groups(sizer, block, bound))
                at_m += 1
                if at_m == _N_TILES_TRIED:
                    break
        if found:
            return tuple(found)
    return ()


def _with_groups(sizer: Sizer, one: Extents, bound: int) -> Iterator[Candidate]:
    """Yield blocks of several groups where `one` is a whole group."""
    whole = sizer.share.extents
    if whole.group == 1 or one != whole._replace(group=1):
        return
    for groups in ladder(whole.group, 1):
        many = whole._replace(group=groups)
        if groups > 1 and sizer.working_set_bytes(many) <= bound:
            yield sizer.candidate(many, n_outside=False)


def _smallest(layout: ArrayLayout, share: Extents, granule: int) -> Extents:
    """Return the smallest block there is."""
    return Extents(
        group=1,
        m=min(share.m, layout.granule(Dim.M)),
        n=min(share.n, layout.granule(Dim.N)),
        k=min(share.k, granule),
    )
