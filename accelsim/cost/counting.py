"""Counts of actions of one op, from the schedule alone.

What is counted, for a GEMM on the array:

* one multiplication and one addition for every position of m x n x k, padding
  zeros included, or one addition for every group of fused products; idle elements
  of a ragged tile do nothing;
* every element of the array is clocked once for each streamed vector of a pass;
* a stationary operand is shifted down its column: the element of row r is written
  r + 1 times; where outputs are stationary they are shifted out the same way;
* a streamed operand is read at the edge once for every position that it feeds,
  im2col copies included (where kernel rows stay, once for all elements that use it);
  the scratchpad is read once for every stored element
  that a pass touches;
* the outer accumulators add once for every chunk that ends, with one read and one
  write of their memory; a partial sum that re-enters a column is written and read
  once more. Where outputs are stationary, sums stay in the elements' registers.

* an operand in S2FP8 becomes an FP32 number each time that a pass reads it.

On the vector unit a GEMM is as many multiplications and additions; a vector op is
its element visits. A store into S2FP8 gathers statistics and squeezes, and is told
from one that only rounds.
"""

from __future__ import annotations

from collections.abc import Hashable
from functools import lru_cache
from itertools import product
from math import prod
from typing import NamedTuple

from accelsim.arch.chip import Chip
from accelsim.arch.interconnect import Topology
from accelsim.cost.actions import Action, ActionCounts, Component, Verb
from accelsim.cost.traffic import OpTraffic
from accelsim.formats import NumberFormat, S2fp8Format
from accelsim.identity import Same
from accelsim.precision.tensor_storage import TensorStorage
from accelsim.schedule.kernel_rows import activation_reuse
from accelsim.schedule.kinds import Kind, kind_of
from accelsim.schedule.mapping import Dim, Stationary
from accelsim.schedule.passes import PassGroup
from accelsim.schedule.range_classes import (
    Cut,
    column_period,
    cut_of,
    range_classes,
    row_period,
)
from accelsim.schedule.schedule import Schedule
from accelsim.schedule.traffic import combining_additions
from accelsim.workload.error_view import ErrorView
from accelsim.workload.ops import VectorOp
from accelsim.workload.transposed_view import TransposedView
from accelsim.workload.views import ConvolutionView, View
from accelsim.workload.window_footprint import touched_by_grid

_BITS = 8
#: Functions that a store and a read have in S2FP8.
_STORE, _STORE_S2FP8, _LOAD_S2FP8 = "store", "store_s2fp8", "load_s2fp8"
_DRAM_READS = Action(Component.DRAM, Verb.READ_BYTES)
_DRAM_WRITES = Action(Component.DRAM, Verb.WRITE_BYTES)
_BYTE_HOPS = Action(Component.INTERCONNECT, Verb.BYTE_HOPS)
_SCRATCHPAD_READS = Action(Component.SCRATCHPAD, Verb.READ_BYTES)
_SCRATCHPAD_WRITES = Action(Component.SCRATCHPAD, Verb.WRITE_BYTES)


def count_actions(
    work: Schedule | VectorOp,
    chip: Chip,
    traffic: OpTraffic | None = None,
    *,
    stored_as: NumberFormat | None = None,
) -> ActionCounts:
    """Count what one op does.

    Parameters
    ----------
    work : Schedule or VectorOp
        A scheduled GEMM, or an op of the vector unit.
    chip : Chip
        Size of the array and shape of the interconnect.
    traffic : OpTraffic, optional
        Bytes that DMA and vector unit move for it, from `trace_traffic`; none if
        left out.
    stored_as : NumberFormat, optional
        Format of what a vector op makes, which decides what a store does; none that
        asks for statistics if left out.

    Examples
    --------
    >>> from accelsim.arch import load_chip
    >>> from accelsim.formats import get_format
    >>> from accelsim.workload.ops import Phase
    >>> fp16 = get_format("fp16_e6m9")
    >>> relu = VectorOp("relu", "relu", Phase.FORWARD, "relu", ("x",), ("y",), 10, fp16)
    >>> count_actions(relu, load_chip("fp8_chunk64"))
    ActionCounts(vector_unit function relu fp16_e6m9: 10)
    """
    if isinstance(work, VectorOp):
        own = _visits(Same(work), squeezes=work.function == _STORE and _is_s2fp8(stored_as))
    else:
        own = _gemm_counts(kind_of(work), chip.mac_array.pe_count)
    return _with_traffic(Same(own), traffic or OpTraffic(), mean_hops(chip))


@lru_cache(maxsize=2**12)
def _with_traffic(own: Same[ActionCounts], traffic: OpTraffic, hops: float) -> ActionCounts:
    """Return what an op does by itself and to move bytes; equal ops have one object."""
    return own.it + _traffic_counts(traffic, hops)


@lru_cache(maxsize=2**12)
def _visits(same: Same[VectorOp], *, squeezes: bool) -> ActionCounts:
    op = same.it
    function = _STORE_S2FP8 if squeezes else op.function
    action = Action(Component.VECTOR_UNIT, Verb.FUNCTION, (op.compute_format,), function)
    return _one_count(action, op.elements)


@lru_cache(maxsize=2**10)
def _one_count(action: Action, count: int) -> ActionCounts:
    return ActionCounts({action: count})


@lru_cache(maxsize=2**10)
def _gemm_counts(kind: Kind, pe_count: int) -> ActionCounts:
    """Return what a GEMM does besides moving bytes, on an array of so many elements."""
    if kind.schedule.mapping.fallback:
        return _vector_gemm_counts(kind.schedule)
    return _array_counts(kind.schedule, pe_count) + _tree_counts(kind.schedule)


def mean_hops(chip: Chip) -> float:
    """Return the links that a byte crosses between the DRAM port and a core, on average.

    The port sits on the ring beside core 0 and data takes the shorter way round;
    a bus is crossed once.
    """
    return 1.0 if chip.interconnect.topology is Topology.BUS else _mean_hops_of_ring(chip.cores)


@lru_cache(maxsize=2**8)
def _mean_hops_of_ring(cores: int) -> float:
    return sum(1 + min(core, cores - core) for core in range(cores)) / cores


def array_read_bytes(schedule: Schedule) -> int:
    """Return the bytes that the passes of a GEMM read from the scratchpads.

    Every pass reads the stored elements of its two tiles once, halo included.
    """
    return _bytes_of(schedule, _array_reads(schedule))


def _bytes_of(schedule: Schedule, reads: tuple[int, int]) -> int:
    """Return the bytes of so many stored elements of both operands."""
    a, b = reads
    return -(-(a * schedule.op.a.format.bits + b * schedule.op.b.format.bits) // _BITS)


def _array_reads(schedule: Schedule) -> tuple[int, int]:
    """Return the stored elements of both operands that the passes of a GEMM read."""
    op, mapping = schedule.stored_op, schedule.mapping
    m, n, k = (cut_of(op, mapping, dim, passes=True) for dim in (Dim.M, Dim.N, Dim.K))
    a = op.groups * _tiles(n) * _touched(op.a.view, m, k)
    b = op.groups * _tiles(m) * _touched(op.b.view, k, n)
    return a, b


def inner_additions(schedule: Schedule) -> int:
    """Return the additions inside chunks: one a product, or one a group of fused ones."""
    order = schedule.reduction_order()
    if order.fused == 1:
        return schedule.op.macs
    per_output = sum(-(-(stop - start) // order.fused) for start, stop in order.chunks())
    return per_output * schedule.op.groups * schedule.op.m * schedule.op.n


def _array_counts(schedule: Schedule, pe_count: int) -> ActionCounts:
    op, reads = schedule.op, _array_reads(schedule)
    counts = _pass_actions(schedule, pe_count)
    formats = (op.a.format, op.b.format, op.accumulator.inner)
    counts[Action(Component.MAC_ARRAY, Verb.MULTIPLY, formats)] = op.macs
    counts[Action(Component.MAC_ARRAY, Verb.ADD, formats)] = inner_additions(schedule)
    counts[_SCRATCHPAD_READS] = _bytes_of(schedule, reads)
    for operand, elements in zip((op.a, op.b), reads, strict=True):
        # Elements of S2FP8 become numbers at the edge of the array.
        if isinstance(operand.format, TensorStorage) and _is_s2fp8(operand.format):
            made = operand.format.multiplied_as
            load = Action(Component.MAC_ARRAY, Verb.FUNCTION, (made,), _LOAD_S2FP8)
            counts[load] = counts.get(load, 0) + elements
    return ActionCounts(counts)


def _is_s2fp8(fmt: NumberFormat | None) -> bool:
    return isinstance(fmt, TensorStorage) and isinstance(fmt.tensor_format, S2fp8Format)


def _tree_counts(schedule: Schedule) -> ActionCounts:
    """Return the additions of the cores' sums on their vector units, where cores divide k."""
    tree = schedule.mapping.tree_format
    if tree is None:
        return ActionCounts({})
    add = Action(Component.VECTOR_UNIT, Verb.FUNCTION, (tree,), "add")
    return ActionCounts({add: combining_additions(schedule)})


def _vector_gemm_counts(schedule: Schedule) -> ActionCounts:
    op = schedule.op
    formats = (op.a.format, op.b.format, op.accumulator.inner)
    return ActionCounts(
        {
            Action(Component.VECTOR_UNIT, Verb.MULTIPLY, formats): op.macs,
            Action(Component.VECTOR_UNIT, Verb.ADD, formats): inner_additions(schedule),
            _SCRATCHPAD_READS: array_read_bytes(schedule),
        }
    )


class _PassWork(NamedTuple):
    """What passes do.

    Parameters
    ----------
    clocked : int
        Cycles of processing elements.
    shifted_bits, edge_bits : int
        Written into registers to bring tiles to their places, or out of them; and of
        streamed operands that enter the array.
    outer_adds, outer_bytes : int
        Outer additions, and what the accumulators' memory gives and takes for them.
    """

    clocked: int
    shifted_bits: int
    edge_bits: int
    outer_adds: int
    outer_bytes: int


def _pass_actions(schedule: Schedule, pe_count: int) -> dict[Action, float]:
    """Return the actions of all passes."""
    op, mapping = schedule.op, schedule.mapping
    # A block's passes depend on its extents and on its place in k and in chunks alone.
    groups, m, n, depth = (cut_of(op, mapping, dim) for dim in Dim)
    alike = [range_classes(cut, 1) for cut in (groups, m, n)]
    alike.append(range_classes(depth, mapping.chunk_size, ends_apart=True))
    total = [0] * len(_PassWork._fields)
    for kinds in product(*alike):
        times = prod(one.count for one in kinds)
        for group in schedule.pattern_of(*(one.range for one in kinds)).totals():
            for at, each in enumerate(_work_of(schedule, group)):
                total[at] += times * group.count * each
    done = _PassWork(*total)
    return {
        Action(Component.MAC_ARRAY, Verb.CLOCK): done.clocked * pe_count,
        Action(Component.MAC_ARRAY, Verb.PRELOAD_BITS): done.shifted_bits,
        Action(Component.MAC_ARRAY, Verb.EDGE_BITS): done.edge_bits,
        Action(Component.ACCUMULATOR, Verb.ADD, (op.accumulator.outer,)): done.outer_adds,
        Action(Component.ACCUMULATOR, Verb.READ_BYTES): done.outer_bytes,
        Action(Component.ACCUMULATOR, Verb.WRITE_BYTES): done.outer_bytes,
    }


def _work_of(schedule: Schedule, group: PassGroup) -> _PassWork:
    """Return what one pass of a group does; its cycles are those of one element."""
    accumulator, outputs = schedule.op.accumulator, group.m * group.n
    adds, back = group.outer_adds * outputs, outputs if group.recirculates else 0
    moved = adds * accumulator.outer.bits + back * accumulator.inner.bits
    if schedule.mapping.stationary is Stationary.OUTPUT:
        moved = 0  # sums stay in the elements' registers
    return _PassWork(
        clocked=group.vectors,
        shifted_bits=_shifted_bits(schedule, group),
        edge_bits=_edge_bits(schedule, group),
        outer_adds=adds,
        outer_bytes=moved // _BITS,
    )


def _shifted_bits(schedule: Schedule, group: PassGroup) -> int:
    """Return the register writes that bring a tile to its place, or out of it."""
    op, mapping = schedule.op, schedule.mapping
    if mapping.stationary is Stationary.ROW:
        # A bus writes a kernel row into every element that holds it, all columns at once.
        return group.n * group.k * group.cols_used * op.b.format.bits
    triangle = group.rows_used * (group.rows_used + 1) // 2
    if mapping.stationary is Stationary.OUTPUT:
        bits = op.accumulator.outer.bits if group.k_last else 0
    else:
        operand = op.b if mapping.stationary is Stationary.WEIGHT else op.a
        bits = operand.format.bits * mapping.k_per_pe
    return triangle * group.cols_used * bits


def _edge_bits(schedule: Schedule, group: PassGroup) -> int:
    """Return the streamed operand bits that enter the array."""
    op, stationary = schedule.op, schedule.mapping.stationary
    bits = 0
    if stationary is not Stationary.INPUT:
        reuse = activation_reuse(op) if stationary is Stationary.ROW else 1
        bits += -(-group.m * group.k // reuse) * op.a.format.bits
    if stationary not in (Stationary.WEIGHT, Stationary.ROW):
        bits += group.n * group.k * op.b.format.bits
    return bits


def _traffic_counts(traffic: OpTraffic, hops: float) -> ActionCounts:
    return ActionCounts(
        {
            _DRAM_READS: traffic.dram_read_bytes,
            _DRAM_WRITES: traffic.dram_write_bytes,
            _BYTE_HOPS: traffic.link_bytes * hops,
            _SCRATCHPAD_READS: traffic.scratchpad_read_bytes,
            _SCRATCHPAD_WRITES: traffic.scratchpad_write_bytes,
        }
    )


def _tiles(cut: Cut) -> int:
    """Return into how many ranges a dimension is cut."""
    return sum(one.count for one in range_classes(cut, 1))


def _touched(view: View, rows: Cut, columns: Cut) -> int:
    """Return the stored elements that all tiles of a grid touch, each tile by itself."""
    assert isinstance(view, Hashable)  # views are frozen
    return _touched_once(view, rows, columns)


@lru_cache(maxsize=2**12)
def _touched_once(view: View, rows: Cut, columns: Cut) -> int:
    if isinstance(view, TransposedView):
        return _touched(view.view, columns, rows)
    down = [(one.range, one.count) for one in range_classes(rows, row_period(view))]
    across = [(one.range, one.count) for one in range_classes(columns, column_period(view))]
    if isinstance(view, ConvolutionView | ErrorView):
        return touched_by_grid(view, down, across)
    return sum(
        count * times * view.footprint(one, two) for one, count in down for two, times in across
    )
