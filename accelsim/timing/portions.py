"""An op cut into portions of work for each core.

A block is cut along its outermost pass loop, at pass borders: what that loop
does not index is needed by the first portion already, the rest arrives evenly
with the portions. So transfers and passes of one block overlap, in schedule order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod

from accelsim.arch.chip import Chip
from accelsim.schedule.mapping import Dim, Level
from accelsim.schedule.mapping import Mapping as LoopNest
from accelsim.schedule.passes import Range
from accelsim.schedule.schedule import Block, Schedule
from accelsim.schedule.traffic import BlockTraffic, Place, Transfer, block_traffic, share
from accelsim.timing.closed_forms import array_form
from accelsim.timing.core import Portion
from accelsim.timing.mac_array import ArrayModel, PassRun, Port, port_cycles
from accelsim.timing.vector_unit import LaneWork, lane_work
from accelsim.workload.ops import VectorOp


#: Portions of a core beyond which blocks are no longer cut: with that many blocks the
#: overlap of the first and the last with its transfers is no longer worth the events.
MAX_PORTIONS = 128


@dataclass(frozen=True, slots=True)
class CoreWork:
    """What one core does for an op, in order; `array` is None if only the vector unit works."""

    portions: tuple[Portion, ...]
    array: ArrayModel | None


@dataclass(frozen=True, slots=True)
class Extras:
    """What a whole op moves and computes besides its operands, shared out by outputs done."""

    read: Transfer
    write: Transfer
    lanes: LaneWork
    outputs: int

    def part(self, done: int, count: int) -> tuple[Transfer, Transfer, int]:
        """Return (read, write, vector cycles) of outputs `done` to `done + count`."""
        return (
            _between(self.read, done, done + count, self.outputs),
            _between(self.write, done, done + count, self.outputs),
            self.lanes.before(done + count, self.outputs) - self.lanes.before(done, self.outputs),
        )


def gemm_work(
    schedule: Schedule,
    chip: Chip,
    *,
    fused: Sequence[VectorOp],
    places: Mapping[str, Place],
    read: Transfer,
    write: Transfer,
    limit: int,
) -> dict[int, CoreWork]:
    """Return the portions of a GEMM for every core that has work.

    Parameters
    ----------
    schedule : Schedule
        Of the GEMM.
    chip : Chip
        The machine.
    fused : sequence of VectorOp
        Ops on its write-back.
    places : mapping from str to Place
        Where its operands are.
    read, write : Transfer
        What the fused ops take, and what the group stores; partial sums are added.
    limit : int
        Most portions of a block.
    """
    op = schedule.op
    extras = Extras(read, write, lane_work(fused, chip.vector_unit), op.groups * op.m * op.n)
    done = 0
    per_core = -(-schedule.block_count // schedule.mapping.cores_used)
    portions: dict[int, list[Portion]] = {}
    models: dict[int, ArrayModel] = {}
    runs: dict[tuple[int, ...], PassRun] = {}
    for traffic in block_traffic(schedule, places=places):
        block = traffic.block
        model = models.get(block.core)
        if model is None:
            model = models[block.core] = array_model(schedule, chip, block)
        parts = _parts(schedule.mapping, block, max(1, min(limit, MAX_PORTIONS // per_core)))
        for at, part in enumerate(parts):
            count = part.outputs if part.last_k else 0
            portion = _gemm_portion(schedule, model, traffic, parts, at, extras.part(done, count))
            key = _run_key(part)
            if key not in runs:
                runs[key] = model.run(schedule.block_pattern(part))
            done += count
            portions.setdefault(block.core, []).append(replace(portion, run=runs[key]))
    return {
        core: _fallback(CoreWork(tuple(mine), models[core]), schedule.mapping)
        for core, mine in portions.items()
    }


def vector_op_work(
    ops: Sequence[VectorOp | object],
    chip: Chip,
    *,
    read: Transfer,
    write: Transfer,
    port_bits: tuple[int, int],
    limit: int,
) -> dict[int, CoreWork]:
    """Return the portions of vector ops that make one pass over memory, split evenly over cores."""
    lanes = lane_work([op for op in ops if isinstance(op, VectorOp)], chip.vector_unit)
    parts = chip.cores * limit
    work: dict[int, CoreWork] = {}
    for core in range(chip.cores):
        mine = []
        for at in range(core * limit, (core + 1) * limit):
            ports = max(
                port_cycles(share(port_bits[0], at, parts), chip.scratchpad.read_bytes_per_cycle),
                port_cycles(share(port_bits[1], at, parts), chip.scratchpad.write_bytes_per_cycle),
            )
            mine.append(
                Portion(
                    opens=True,
                    closes=True,
                    read=read.part(at, parts),
                    vector_cycles=lanes.before(at + 1, parts) - lanes.before(at, parts),
                    port_cycles=ports,
                    write=write.part(at, parts),
                    opens_write=True,
                    closes_write=True,
                )
            )
        work[core] = CoreWork(tuple(mine), None)
    return work


def _fallback(work: CoreWork, mapping: LoopNest) -> CoreWork:
    """Put a GEMM that the array cannot serve on the lanes: a MAC per lane and cycle."""
    if not mapping.fallback:
        return work
    portions = tuple(
        replace(
            portion,
            run=None,
            vector_cycles=portion.vector_cycles + (portion.run.vectors if portion.run else 0),
        )
        for portion in work.portions
    )
    return CoreWork(portions, None)


def array_model(schedule: Schedule, chip: Chip, block: Block) -> ArrayModel:
    mapping = schedule.mapping
    inner: list[Dim] = []
    order = mapping.order(Level.PASS)
    if Dim.K in order:
        inner = list(order[order.index(Dim.K) + 1 :])
    return ArrayModel(
        form=array_form(chip, mapping, k=schedule.op.k),
        port=Port.of(schedule.op, mapping.stationary, chip.scratchpad),
        distance=prod(_tiles(mapping, block, dim) for dim in inner),
    )


def _gemm_portion(
    schedule: Schedule,
    model: ArrayModel,
    traffic: BlockTraffic,
    parts: Sequence[Block],
    at: int,
    extra: tuple[Transfer, Transfer, int],
) -> Portion:
    """Return portion `at` of a block without its passes."""
    part, count = parts[at], len(parts)
    split = _split_dim(schedule.mapping, traffic.block)
    read, write, vector_cycles = extra
    read = read + _operand(traffic.a, split, (Dim.GROUP, Dim.M, Dim.K), at, count)
    read = read + _operand(traffic.b, split, (Dim.GROUP, Dim.K, Dim.N), at, count)
    read = read + _operand(traffic.psum_read, split, (Dim.GROUP, Dim.M, Dim.N), at, count)
    spilled = traffic.psum_write if split is Dim.K else traffic.psum_write.part(at, count)
    completes = part.last_k
    if spilled.dram_bytes and (split is not Dim.K or at == count - 1):
        write, completes = write + spilled, True
    first = not any(one.last_k for one in parts[:at]) if completes else False
    return Portion(
        opens=at == 0,
        closes=at == count - 1,
        read=read,
        vector_cycles=vector_cycles,
        write=write if completes else None,
        opens_write=completes and (first if part.last_k else at == 0 or split is Dim.K),
        closes_write=completes and at == count - 1,
    )


def _operand(
    whole: Transfer, split: Dim | None, dims: tuple[Dim, ...], at: int, count: int
) -> Transfer:
    """Return what portion `at` loads of an operand indexed by `dims`."""
    if split in dims:
        return whole.part(at, count)
    return whole if at == 0 else Transfer()


def _split_dim(mapping: LoopNest, block: Block) -> Dim | None:
    """Return the outermost pass loop of a block that has more than one iteration."""
    for dim in mapping.order(Level.PASS):
        if _tiles(mapping, block, dim) > 1:
            return dim
    return None


def _parts(mapping: LoopNest, block: Block, limit: int) -> tuple[Block, ...]:
    """Cut a block along its outermost pass loop into at most `limit` blocks."""
    dim = _split_dim(mapping, block)
    if dim is None or limit == 1:
        return (block,)
    tiles = _tiles(mapping, block, dim)
    tile = mapping.tile(Level.PASS, dim)
    assert tile is not None
    start, stop = block.range(dim)
    count = min(limit, tiles)
    parts = []
    for at in range(count):
        first = start + tiles * at // count * tile
        last = min(stop, start + tiles * (at + 1) // count * tile)
        one = _narrowed(block, dim, (first, last))
        if dim is Dim.K:
            one = replace(
                one,
                first_k=block.first_k and at == 0,
                last_k=block.last_k and at == count - 1,
            )
        parts.append(one)
    return tuple(parts)


def _narrowed(block: Block, dim: Dim, extent: Range) -> Block:
    if dim is Dim.GROUP:
        return replace(block, group=extent)
    if dim is Dim.M:
        return replace(block, m=extent)
    return replace(block, n=extent) if dim is Dim.N else replace(block, k=extent)


def _tiles(mapping: LoopNest, block: Block, dim: Dim) -> int:
    start, stop = block.range(dim)
    tile = mapping.tile(Level.PASS, dim)
    return 1 if tile is None else -(-(stop - start) // tile)


def _run_key(part: Block) -> tuple[int, ...]:
    """Return what the passes of a part depend on: its extents and its place in k."""
    return (part.groups, part.m[1] - part.m[0], part.n[1] - part.n[0], *part.k, part.core)


def _between(whole: Transfer, start: int, stop: int, of: int) -> Transfer:
    if of == 0:
        return Transfer()
    return Transfer(
        whole.dram_bytes * stop // of - whole.dram_bytes * start // of,
        whole.link_bytes * stop // of - whole.link_bytes * start // of,
    )
