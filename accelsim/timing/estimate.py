"""How long a trace takes, from closed forms alone: for sweeps of many chips.

The same requests as the event model's, answered without a queue. The cycles of the
array are the same closed forms and agree exactly where memories never stall. What
the cores of a chip do at the same time is taken to be alike, so that one core
stands for all and their transfers add up on DRAM and on the links; `pipeline`
joins the two. What is left out is the order in which cores meet at DRAM and links,
and transfers smaller than a row of blocks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from accelsim.arch.chip import Chip
from accelsim.arch.interconnect import Topology
from accelsim.schedule.mapping import Dim
from accelsim.schedule.schedule import Block, Schedule
from accelsim.schedule.traffic import BlockTraffic, Transfer, block_traffic, share
from accelsim.timing.core_log import busy_intervals
from accelsim.timing.dram import DramRate
from accelsim.timing.interconnect import hops_to, is_near
from accelsim.timing.mac_array import Border, Cycles, PassRun
from accelsim.timing.memory import port_cycles
from accelsim.timing.pipeline import Amount, Move, Paths, Pipeline, Row
from accelsim.timing.portions import (
    PORTIONS_PER_BLOCK,
    array_model,
    cut_along,
    gemm_extras,
    most_portions,
    run_key,
)
from accelsim.timing.requests import Request, timeline_of
from accelsim.timing.timeline import OpTiming, Timeline
from accelsim.timing.vector_portions import vector_portions
from accelsim.timing.vector_unit import lane_work
from accelsim.workload.ops import Gemm, VectorOp
from accelsim.workload.trace import Trace

#: Dimensions that index a GEMM's operands and results.
_A, _B, _OUT = ((Dim.GROUP, Dim.M, Dim.K), (Dim.GROUP, Dim.K, Dim.N), (Dim.GROUP, Dim.M, Dim.N))


def estimate(trace: Trace, chip: Chip, schedules: Mapping[str, Schedule]) -> Timeline:
    """Return about when the ops of a trace run, and where their cycles go.

    The rows are those of `simulate`, stalls by cause that add up exactly included.

    Parameters
    ----------
    trace : Trace
        Ops in order.
    chip : Chip
        The machine.
    schedules : mapping from str to Schedule
        One for every GEMM, by name.

    Raises
    ------
    KeyError
        If a GEMM has no schedule.
    """
    return timeline_of(trace, chip, schedules, lambda request: estimate_request(request, chip))


def estimate_request(request: Request, chip: Chip) -> OpTiming:
    """Return about how long a group of ops takes alone, from cycle 0."""
    head = request.group.head
    work = _gemm_work(request, chip) if isinstance(head, Gemm) else _vector_work(request, chip)
    log = Pipeline(_paths(chip)).run(work.rows(), closing=work.closing)
    return OpTiming(
        name=head.name,
        start=0,
        cores=(log.timing(log.end),),
        macs=head.macs,
        peak_macs_per_cycle=request.peak_macs_per_cycle(chip),
        passes=work.passes,
        dram_read_bytes=sum(row.load.dram_bytes for row in work.sums),
        dram_write_bytes=sum(row.store.dram_bytes for row in work.sums),
        link_bytes=sum(sum(row.load.links) + sum(row.store.links) for row in work.sums),
        relative_intervals=busy_intervals([log]),
    )


@dataclass(frozen=True, slots=True)
class Media:
    """How fast a chip's DRAM and links are, and which cores share a link."""

    chip: Chip
    dram: DramRate

    def way(self, core: int) -> int:
        """Return which of the two ways round leads to a core."""
        return 0 if is_near(self.chip, core) else 1

    def link_cycles(self, size: int) -> int:
        """Return the cycles in which `size` bytes cross a link."""
        return port_cycles(8 * size, self.chip.interconnect.bytes_per_cycle)


@dataclass(slots=True)
class Flow:
    """What the cores move in one direction for one row.

    `dram` is in cycles, `links` in bytes for each way round; `dram_part` and
    `link_parts` are those of each core's part at the border of the row.
    """

    media: Media
    dram: int = 0
    dram_part: int = 0
    dram_bytes: int = 0
    links: list[int] = field(default_factory=lambda: [0, 0])
    link_parts: list[int] = field(default_factory=lambda: [0, 0])
    mine: tuple[Amount, Amount] = (Amount(), Amount())

    def add(self, core: int, whole: Transfer, part: Transfer, parts: int) -> None:
        """Add a core's transfer in `parts`: one is `part`, the others are alike."""
        others = max(1, parts - 1)
        rest = -(-(whole.dram_bytes - part.dram_bytes) // others)
        at_border = self.media.dram.cycles(part.dram_bytes)
        dram = at_border + others * self.media.dram.cycles(rest)
        if core == 0:
            links = (self.media.link_cycles(one.link_bytes) for one in (whole, part))
            whole_link, part_link = links
            self.mine = (Amount(dram, whole_link), Amount(at_border, part_link))
        self.dram += dram
        self.dram_part += at_border
        self.dram_bytes += whole.dram_bytes
        way = self.media.way(core)
        self.links[way] += whole.link_bytes
        self.link_parts[way] += part.link_bytes

    def move(self) -> Move:
        """Return the cycles of DRAM and of the busier link."""
        return Move(
            whole=Amount(self.dram, self.media.link_cycles(max(self.links))),
            mine=self.mine[0],
            part=Amount(self.dram_part, self.media.link_cycles(max(self.link_parts))),
            my_part=self.mine[1],
            size=self.dram_bytes,
        )


@dataclass(slots=True)
class RowSum:
    """A row while it is added up; the fields after `store` are the first core's."""

    load: Flow
    store: Flow
    completes: bool = False
    parts: int = 1
    run: PassRun | None = None
    border: Border | None = None
    lane_cycles: int = 0
    port_cycles: int = 0

    def row(self) -> Row:
        """Return the finished row."""
        return Row(
            load=self.load.move(),
            store=self.store.move() if self.completes else None,
            parts=self.parts,
            run=self.run,
            border=self.border,
            lane_cycles=self.lane_cycles,
            port_cycles=self.port_cycles,
        )


@dataclass(frozen=True, slots=True)
class Work:
    """Rows of an op, what follows the start of the last pass, and the passes of all cores."""

    sums: list[RowSum]
    closing: Cycles
    passes: int = 0

    def rows(self) -> list[Row]:
        """Return the finished rows, in order."""
        return [one.row() for one in self.sums]


def _paths(chip: Chip) -> Paths:
    farthest = max(hops_to(chip, core) for core in range(chip.cores))
    return Paths(
        halves=2 if chip.scratchpad.double_buffering else 1,
        latency=chip.dram_latency_cycles,
        hops=farthest * chip.interconnect.hop_cycles,
        lane_latency=chip.vector_unit.latency_cycles,
        one_medium=chip.interconnect.topology is Topology.BUS,
    )


def _vector_work(request: Request, chip: Chip) -> Work:
    """Return the rows of vector ops: equal parts of one pass over memory."""
    media = Media(chip, DramRate.of(chip))
    lanes = lane_work(
        [op for op in request.group.ops if isinstance(op, VectorOp)], chip.vector_unit
    )
    each = vector_portions(chip, request.read, request.write, limit=PORTIONS_PER_BLOCK)
    memory, count = chip.scratchpad, chip.cores * each
    sums = []
    for at in range(each):
        one = RowSum(Flow(media), Flow(media), completes=True)
        for core in range(chip.cores):
            index = core * each + at
            read, write = request.read.part(index, count), request.write.part(index, count)
            one.load.add(core, read, read, 1)
            one.store.add(core, write, write, 1)
        one.lane_cycles = lanes.before(at + 1, count) - lanes.before(at, count)
        one.port_cycles = max(
            port_cycles(share(request.port_bits[0], at, count), memory.read_bytes_per_cycle),
            port_cycles(share(request.port_bits[1], at, count), memory.write_bytes_per_cycle),
        )
        sums.append(one)
    return Work(sums, Cycles(chip.vector_unit.latency_cycles))


def _gemm_work(request: Request, chip: Chip) -> Work:
    """Return the rows of a GEMM: what its cores work on at the same time."""
    schedule = request.schedule
    if schedule is None:
        raise ValueError(f"GEMM {request.group.head.name!r} has no schedule")
    media, fallback = Media(chip, DramRate.of(chip)), schedule.mapping.fallback
    extras = gemm_extras(
        schedule, chip, fused=request.group.fused, read=request.read, write=request.write
    )
    passes = _CorePasses(schedule, chip)
    sums: list[RowSum] = []
    done = at = 0
    core = -1
    for traffic in block_traffic(schedule, places=request.places):
        block = traffic.block
        core, at = block.core, at + 1 if block.core == core else 0
        if at == len(sums):
            sums.append(RowSum(Flow(media), Flow(media)))
        count = block.outputs if block.last_k else 0
        extra = extras.part(done, count)
        done += count
        cut = cut_along(schedule.mapping, block, passes.most_parts)
        _add_transfers(sums[at], traffic, cut, extra)
        if core == 0:
            sums[at].parts = cut[1]
            sums[at].lane_cycles = extra[2]
            passes.add_to(sums[at], block)
    closing = Cycles(chip.vector_unit.latency_cycles) if fallback else passes.closing()
    return Work(sums, closing, 0 if fallback else schedule.pass_count)


def _add_transfers(
    row: RowSum,
    traffic: BlockTraffic,
    cut: tuple[Dim | None, int],
    extra: tuple[Transfer, Transfer, int],
) -> None:
    """Add what one block moves; the parts that its cut indexes arrive and leave one by one."""
    (dim, parts), block = cut, traffic.block
    loads = ((traffic.a, _A), (traffic.b, _B), (traffic.psum_read, _OUT), (extra[0], _OUT))
    whole = first = Transfer()
    for transfer, dims in loads:
        whole = whole + transfer
        first = first + (transfer.part(parts - 1, parts) if dim in dims else transfer)
    row.load.add(block.core, whole, first, parts)
    spills = traffic.psum_write != Transfer()
    if block.last_k or spills:
        last = extra[1].part(parts - 1, parts) if dim in _OUT else extra[1]
        row.completes = True
        row.store.add(block.core, extra[1] + traffic.psum_write, last + traffic.psum_write, parts)


class _CorePasses:
    """The passes of the first core, block after block; equal blocks are looked at once."""

    def __init__(self, schedule: Schedule, chip: Chip) -> None:
        self._schedule = schedule
        self._model = array_model(schedule, chip, next(iter(schedule.blocks())))
        self._runs: dict[tuple[int, ...], PassRun] = {}
        self._borders: dict[tuple[int, int], Border] = {}
        self._before: PassRun | None = None
        whole = self._model.distance > 1
        self.most_parts = 1 if whole else most_portions(schedule, PORTIONS_PER_BLOCK)

    def add_to(self, row: RowSum, block: Block) -> None:
        """Put the passes of a block into its row."""
        key = run_key(block)
        if key not in self._runs:
            self._runs[key] = self._model.run(self._schedule.block_pattern(block))
        run = self._runs[key]
        if self._schedule.mapping.fallback:
            row.lane_cycles += run.vectors
            return
        pair = (id(self._before), id(run))
        if pair not in self._borders:
            self._borders[pair] = self._model.border(self._before, run)
        row.run, row.border = run, self._borders[pair]
        self._before = run

    def closing(self) -> Cycles:
        """Return the time from the start of the last pass to its last stored sum."""
        assert self._before is not None
        return self._model.last(self._before.last)
