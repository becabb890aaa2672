"""Whether a mapping is legal for an op on a chip, and if not, by how much and what would help."""

from __future__ import annotations

from functools import lru_cache
from math import prod

from accelsim.arch import Chip
from accelsim.errors import Infeasibility, MappingError
from accelsim.identity import Same
from accelsim.precision import PairRule
from accelsim.schedule.k_order import covers
from accelsim.schedule.kernel_rows import KernelRows
from accelsim.schedule.mapping import Dim, Level, Loop, Mapping, Stationary
from accelsim.schedule.schedule import Schedule
from accelsim.schedule.support import select_pair
from accelsim.schedule.working_set import largest_block_bytes, largest_tiles_bytes
from accelsim.workload.ops import Gemm, Phase


def check_chunk(op: Gemm, *, k_tile: int, rows: int, k_per_pe: int, name: str) -> None:
    """Refuse a chunk that would end where a column has no adder to end it.

    Where k lies along the rows, a pass adds `k_tile` products down each column. A
    chunk may span whole passes (its partial sum recirculates) or divide one (taps
    to the outer adders); a chunk that holds the whole reduction ends with it.

    Raises
    ------
    MappingError
        If the chunk size is neither a multiple nor a divisor of the k tile.
    """
    chunk = op.accumulator.chunk_length(op.k)
    if chunk >= op.k or chunk % k_tile == 0 or k_tile % chunk == 0:
        return
    below = chunk // k_tile * k_tile or _divisor_below(k_tile, chunk)
    above = -(-chunk // k_tile) * k_tile
    raise MappingError(
        f"{op.name}: accumulator.chunk_size {chunk} is neither a multiple nor a divisor of the"
        f" k tile of {name} ({k_tile} = {rows} rows x {k_per_pe} per PE): a chunk would end"
        f" where no adder is.\n  Use {below} or {above}, or the output_stationary dataflow."
    )


def check_mapping(op: Gemm, chip: Chip, mapping: Mapping) -> None:
    """Refuse a mapping that does not cover the op once, in order, within the chip.

    Raises
    ------
    MappingError
        It says which loop is wrong; for a block that does not fit the scratchpad
        its `reason` has demand, bound, gap and levers.
    """
    _check_loops(Same(op), Same(mapping))
    _check_machine(chip, mapping)
    _check_array_loops(op, chip, mapping)
    _check_partial_sums(chip, mapping)
    _check_k(Same(op), Same(mapping))
    _check_capacity(op, chip, mapping)


@lru_cache(maxsize=2**11)
def _check_k(same_op: Same[Gemm], same_mapping: Same[Mapping]) -> None:
    """Check that k is added once, and that chunks end where adders are."""
    op, mapping = same_op.it, same_mapping.it
    _check_pairs(op)
    if not covers(mapping.k_nest, op.k):
        raise MappingError(f"{op.name}: {mapping.k_nest} does not visit every k once.")
    if mapping.stationary is Stationary.ROW:
        _check_k_borders(op, mapping)
    elif mapping.k_on_rows:
        rows = mapping.only(Level.ROWS)
        check_chunk(
            op,
            k_tile=rows.tile * rows.count,
            rows=rows.count,
            k_per_pe=rows.tile,
            name=mapping.dataflow,
        )
        _check_k_borders(op, mapping)


@lru_cache(maxsize=2**11)
def _check_loops(same_op: Same[Gemm], same_mapping: Same[Mapping]) -> None:
    """Check that the loops of every dimension cover its extent, and that k stays whole."""
    op, mapping = same_op.it, same_mapping.it
    extents = {Dim.GROUP: op.groups, Dim.M: op.m, Dim.N: op.n, Dim.K: op.k}
    for loop in mapping.loops:
        if loop.tile < 1 or loop.count < 1:
            raise MappingError(f"{op.name}: {_text(loop)} needs tile and count of at least 1.")
    _check_split_k(op, mapping)
    for dim, extent in extents.items():
        for level in (Level.CORE, Level.BLOCK, Level.PASS):
            loops = [loop for loop in mapping.at(level) if loop.dim is dim]
            if len(loops) > 1:
                raise MappingError(f"{op.name}: {len(loops)} loops over {dim} at {level}.")
            for loop in loops:
                if loop.count != -(-extent // loop.tile):
                    raise MappingError(
                        f"{op.name}: {_text(loop)} does not cover an extent of {extent}."
                    )
                extent = min(extent, loop.tile)
    if mapping.tile(Level.PASS, Dim.GROUP) != 1:
        raise MappingError(f"{op.name}: a pass works on one group; give PASS a group loop of 1.")
    if mapping.chunk_size != min(op.accumulator.chunk_length(op.k), op.k):
        raise MappingError(
            f"{op.name}: the mapping's chunk of {mapping.chunk_size} is not the one asked for."
        )


def _check_split_k(op: Gemm, mapping: Mapping) -> None:
    """Check that k is divided only with a tree, in the gradient phase, and in whole chunks."""
    split = mapping.find(Level.CORE, Dim.K)
    if (split is None or split.count == 1) != (mapping.tree_format is None):
        raise MappingError(
            f"{op.name}: k cannot be split across cores without a tree that combines the sums,"
            " and a tree needs sums to combine."
        )
    if split is None:
        return
    if op.phase is not Phase.GRADIENT:
        raise MappingError(f"{op.name}: cores divide k in the gradient phase only.")
    pass_tile = mapping.tile(Level.PASS, Dim.K) or 1
    if split.tile % mapping.chunk_size or split.tile % pass_tile:
        raise MappingError(
            f"{op.name}: {_text(split)} cuts chunks of {mapping.chunk_size} or passes of"
            f" {pass_tile}.\n  Give every core whole ones."
        )


def _check_machine(chip: Chip, mapping: Mapping) -> None:
    """Check that a pass fits the array and the cores the chip."""
    tree = None if chip.split_k is None else chip.split_k.format
    if mapping.tree_format not in (None, tree):
        raise MappingError(
            f"{mapping.dataflow} adds the cores' sums in {mapping.tree_format}; {chip.name} does so"
            f" in {tree.name if tree else 'nothing: split_k is null'}."
        )
    if mapping.cores_used > chip.cores:
        raise MappingError(
            f"{mapping.dataflow} asks for {mapping.cores_used} cores; {chip.name} has {chip.cores}."
        )
    array = (1, chip.vector_unit.lanes) if mapping.fallback else (
        chip.mac_array.rows, chip.mac_array.cols,
    )  # fmt: skip
    if (mapping.rows, mapping.cols) != array:
        raise MappingError(
            f"{mapping.dataflow} maps onto {mapping.rows} x {mapping.cols} elements;"
            f" {chip.name} has {array[0]} x {array[1]}."
        )
    for level in (Level.ROWS, Level.COLS):
        loop = mapping.only(level)
        tile = mapping.tile(Level.PASS, loop.dim)
        if tile is None or tile > loop.tile * loop.count:
            raise MappingError(
                f"{mapping.dataflow}: a pass must not cover more {loop.dim} positions than the"
                f" {loop.tile * loop.count} that lie along the {level}."
            )


def _check_array_loops(op: Gemm, chip: Chip, mapping: Mapping) -> None:
    """Check what lies along rows and columns, what is streamed, and at which rate."""
    rate = 1 if mapping.fallback else select_pair(op, chip).k_per_pe
    if (mapping.k_per_pe, mapping.only(Level.PE).count) != (rate, rate):
        raise MappingError(f"{op.name}: an element takes {rate} k positions per cycle.")
    loops = tuple(mapping.only(level) for level in (Level.ROWS, Level.COLS, Level.STREAM))
    if {loop.dim for loop in loops} != {Dim.M, Dim.N, Dim.K}:
        raise MappingError(f"{op.name}: rows, columns and stream need m, n and k, each once.")
    rows = KernelRows.of(op)
    for loop in loops:
        if mapping.stationary is Stationary.ROW:
            wanted = {Level.ROWS: rows.kernel_width, Level.COLS: rows.out_width}
            right = loop.tile % wanted.get(loop.level, 1) == 0
        else:
            right = loop.tile == (rate if loop.dim is Dim.K else 1)
        if not right:
            raise MappingError(f"{op.name}: {_text(loop)} needs tiles of what one element takes.")
    stream = loops[-1]
    streamed = mapping.tile(Level.PASS, stream.dim) or mapping.tile(Level.BLOCK, stream.dim)
    if streamed is None or stream.count != -(-streamed // stream.tile):
        raise MappingError(f"{op.name}: {_text(stream)} is not what a pass of {streamed} streams.")


def _check_partial_sums(chip: Chip, mapping: Mapping) -> None:
    """Check that what waits for its next k tile has a place to wait."""
    order = mapping.order(Level.PASS)
    k_loop = mapping.find(Level.PASS, Dim.K)
    waiting = 1
    if k_loop is not None and k_loop.count > 1:
        inner = mapping.at(Level.PASS)[order.index(Dim.K) + 1 :]
        waiting = prod(loop.count for loop in inner)
    if not mapping.k_on_rows:
        if waiting > 1:
            raise MappingError(
                f"{mapping.dataflow}: outputs leave the array before their k is complete; make"
                " the pass loop over k the innermost one."
            )
        return
    entries = chip.accumulator.entries
    stream = mapping.only(Level.STREAM)
    demand = waiting * stream.count
    if mapping.stationary is Stationary.ROW:
        demand *= stream.tile * mapping.only(Level.COLS).tile
    if entries is not None and demand > entries:
        raise MappingError(
            f"{mapping.dataflow}: more partial sums wait than the accumulators hold.",
            Infeasibility(
                what="accumulator.entries",
                demand=demand,
                bound=entries,
                unit="partial sums per column",
                levers=("stream fewer vectors per pass", "more accumulator.entries"),
            ),
        )


def _check_pairs(op: Gemm) -> None:
    """Check that chunks do not end between products that enter one addition together."""
    accumulator = op.accumulator
    chunk = accumulator.chunk_length(op.k)
    if accumulator.pair is PairRule.FUSED and chunk < op.k and chunk % accumulator.pair_size:
        raise MappingError(
            f"{op.name}: accumulator.chunk_size {chunk} would end inside a fused pair of"
            f" {accumulator.pair_size} products.\n  Use a multiple of {accumulator.pair_size},"
            " or pair: sequential."
        )


def _check_k_borders(op: Gemm, mapping: Mapping) -> None:
    """Check that blocks end where passes end, so that chunks end where adders are."""
    pass_tile = mapping.tile(Level.PASS, Dim.K)
    block_tile = mapping.tile(Level.BLOCK, Dim.K)
    if pass_tile is None or block_tile is None or block_tile >= op.k:
        return
    if block_tile % pass_tile:
        raise MappingError(
            f"{op.name}: k blocks of {block_tile} do not end where k tiles of {pass_tile} do."
        )


def _check_capacity(op: Gemm, chip: Chip, mapping: Mapping) -> None:
    """Check every block against the scratchpad."""
    bound = chip.scratchpad.usable_bytes
    if bound is None:
        return
    schedule = Schedule(op=op, mapping=mapping, cores=chip.cores)
    if largest_tiles_bytes(schedule) <= bound:
        return
    demand = largest_block_bytes(schedule)
    if demand > bound:
        raise capacity_error(op, chip, demand)


def capacity_error(op: Gemm, chip: Chip, demand: int) -> MappingError:
    """Return the error for a block of `demand` bytes that the scratchpad cannot hold."""
    levers = ["a larger scratchpad.capacity_kib", "narrower formats"]
    if chip.scratchpad.double_buffering:
        levers.append("scratchpad.double_buffering: false, which frees the other half")
    if chip.mac_array.pe_count > 1:
        levers.append("fewer mac_array.rows or cols, for smaller tiles")
    return MappingError(
        f"{op.name} does not fit chip {chip.name}.",
        Infeasibility(
            what="scratchpad, smallest block",
            demand=demand,
            bound=chip.scratchpad.usable_bytes or 0,
            unit="bytes",
            levers=tuple(levers),
        ),
    )


def _divisor_below(number: int, limit: int) -> int:
    """Return the largest divisor of `number` that is at most `limit`."""
    return next(d for d in range(min(number, limit), 0, -1) if number % d == 0)


def _text(loop: Loop) -> str:
    return f"the {loop.level} loop over {loop.dim} ({loop.count} tiles of {loop.tile})"
