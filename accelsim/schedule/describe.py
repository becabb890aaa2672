"""A schedule in words: the loop nest and the order of additions, for people to check."""

from __future__ import annotations

from accelsim.precision import PairRule
from accelsim.schedule.mapping import Dim, Level, Loop
from accelsim.schedule.reduction_order import ReductionOrder
from accelsim.schedule.schedule import Schedule
from accelsim.schedule.working_set import working_set

_WHERE = {
    Level.CORE: "in parallel over cores",
    Level.BLOCK: "block in the scratchpad",
    Level.PASS: "array pass",
    Level.ROWS: "down the rows",
    Level.COLS: "along the columns",
    Level.PE: "inside an element, per cycle",
    Level.STREAM: "streamed, one vector a cycle",
}
_FALLBACK_WHERE = {
    Level.ROWS: "one row of lanes",
    Level.COLS: "over the lanes of the vector unit",
}


def describe(schedule: Schedule) -> tuple[str, ...]:
    """Return the lines that `accelsim show schedule` prints for one GEMM.

    First the op and who runs it, then the loop nest, outermost loop first and
    loops of one iteration left out, then how an output's products become a sum.
    """
    op, mapping = schedule.op, schedule.mapping
    first = next(schedule.blocks())
    groups = f"{op.groups} x " if op.groups > 1 else ""
    runner = "the vector unit" if mapping.fallback else f"the array, {mapping.dataflow}"
    return (
        f"{op.name}: {groups}m={op.m} n={op.n} k={op.k}, {op.macs:,} MACs,"
        f" {op.a.format.name} x {op.b.format.name} -> {op.out.format.name}",
        f"on {runner}: {_counted(mapping.cores_used, 'core')} of {schedule.cores},"
        f" {_counted(schedule.block_count, 'block')},"
        f" {_counted(schedule.pass_count, 'pass')},"
        f" first block {working_set(schedule.stored_op, first).total_bytes:,} bytes",
        *_nest_lines(schedule),
        *_order_lines(schedule),
    )


def _nest_lines(schedule: Schedule) -> list[str]:
    lines = []
    depth = 0
    for loop in schedule.mapping.loops:
        if loop.count == 1 and loop.level in (Level.CORE, Level.BLOCK, Level.PASS):
            continue
        if loop.level is Level.PE and loop.count == 1:
            continue
        lines.append(f"{'  ' * (depth + 1)}{_loop_text(loop, schedule)}")
        depth += 1
    return lines


def _loop_text(loop: Loop, schedule: Schedule) -> str:
    where = _WHERE[loop.level]
    if schedule.mapping.fallback:
        where = _FALLBACK_WHERE.get(loop.level, where)
    extent = _extent_above(loop, schedule)
    tile = min(loop.tile, extent)
    rest = extent % tile
    ragged = f", the last {rest}" if rest and loop.level in tuple(Level)[:3] else ""
    return f"for {loop.dim} in {loop.count} x {tile}{ragged}  # {where}"


def _extent_above(loop: Loop, schedule: Schedule) -> int:
    """Return the extent that the enclosing loops hand down to `loop`."""
    op = schedule.op
    extent = {Dim.GROUP: op.groups, Dim.M: op.m, Dim.N: op.n, Dim.K: op.k}[loop.dim]
    for level in (Level.CORE, Level.BLOCK, Level.PASS):
        if level is loop.level:
            break
        extent = min(extent, schedule.mapping.tile(level, loop.dim) or extent)
    return extent


def _order_lines(schedule: Schedule) -> list[str]:
    order = schedule.reduction_order()
    accumulator = schedule.op.accumulator
    chunks = len(order.chunks())
    lines = [
        f"each output: {_counted(order.k, 'product')} in {_nest_text(order)},"
        f" {_counted(chunks, 'chunk')} of {order.chunk_size}"
        + (f", the last {order.k % order.chunk_size}" if order.k % order.chunk_size else ""),
        f"  in a chunk: {accumulator.method}, {accumulator.inner.name}, {accumulator.rounding}",
        f"  over chunks: first to last, {accumulator.outer.name},"
        f" {accumulator.resolved_outer_rounding}",
    ]
    if accumulator.pair is PairRule.FUSED:
        lines.append(f"  {order.fused} products enter each addition, exact, rounded once")
    lines.extend(f"  {line}" for line in order.additions(limit=4))
    return lines


def _nest_text(order: ReductionOrder) -> str:
    """Return the loops over k in words, outermost first."""
    if not order.nest:
        return "k order"
    loops = ", ".join(f"{loop.count} a stride of {loop.stride} apart" for loop in order.nest)
    return f"the order of loops over k ({loops})"


def _counted(count: int, noun: str) -> str:
    plural = "es" if noun.endswith("s") else "s"
    return f"{count:,} {noun}{'' if count == 1 else plural}"
