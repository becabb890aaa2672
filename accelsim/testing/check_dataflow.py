"""Proves that a dataflow keeps the laws of a schedule.

A dataflow is one function ``(op, chip) -> Mapping``. Values, time and price all
rest on what it returns, so it must cover the op once, in the order of k, within
the chip. The kit walks every step of many small schedules.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from accelsim.arch import (
    AccumulatorCapability,
    AccumulatorUnit,
    Chip,
    Dram,
    MacArray,
    Memory,
    OperandPair,
    VectorUnit,
)
from accelsim.errors import MappingError, UnsupportedError
from accelsim.formats import get_format
from accelsim.precision import Accumulator
from accelsim.schedule import Dataflow, Mapping, Schedule, Step, make_schedule
from accelsim.schedule.passes import make_pass, merge_groups
from accelsim.workload.ops import Gemm, Operand, Phase
from accelsim.workload.views import ConvolutionView, MatrixView, View

_OPERAND = get_format("fp8_e5m2")
_SUM = get_format("fp16_e6m9")


def check_dataflow(
    dataflow: Dataflow,
    *,
    ops: Sequence[Gemm] | None = None,
    chips: Sequence[Chip] | None = None,
) -> None:
    """Check a dataflow on small ops and chips.

    It may refuse an op on a chip with `MappingError` or `UnsupportedError`, but
    not all of them. What it does map must keep these laws:

    * the same call gives the same mapping;
    * the mapping is legal: loops cover their extents, chunks end where adders are,
      every block fits the scratchpad;
    * steps cover every product exactly once, and their indices count up from 0;
    * all products of an output are made by one core, in the order of its additions;
    * counts and run-length codes of a schedule agree with its steps.

    Parameters
    ----------
    dataflow : callable
        ``(op, chip) -> Mapping``.
    ops : sequence of Gemm, optional
        Ops to map; a set with ragged edges, groups and convolutions where None.
    chips : sequence of Chip, optional
        Chips to map onto; small ones with one and several cores where None.

    Raises
    ------
    AssertionError
        If a law is broken; the text names the op, the chip and the law.

    Examples
    --------
    >>> from accelsim.schedule.dataflows import weight_stationary
    >>> check_dataflow(weight_stationary)
    """
    ops = example_ops() if ops is None else ops
    chips = example_chips() if chips is None else chips
    mapped = 0
    for op in ops:
        for chip in chips:
            where = f"{op.name} on {chip.name}"
            try:
                mapping = dataflow(op, chip)
            except (MappingError, UnsupportedError):
                continue
            mapped += 1
            _law(isinstance(mapping, Mapping), where, "it returns a Mapping")
            _law(mapping == dataflow(op, chip), where, "the same call gives the same mapping")
            _check_schedule(make_schedule(op, chip, mapping=mapping), where)
    _law(mapped > 0, "every op on every chip", "some op is mapped")


def _check_schedule(schedule: Schedule, where: str) -> None:
    op = schedule.op
    steps = tuple(schedule.steps())
    indices = [step.index for step in steps]
    _law(indices == list(range(len(steps))), where, "indices count up from 0")
    _law(len(steps) == schedule.pass_count, where, "pass_count counts the steps")
    _law(sum(step.macs for step in steps) == op.macs, where, "MACs are conserved")
    _check_order(schedule, steps, where)
    blocks = tuple(schedule.blocks())
    _law(len(blocks) == schedule.block_count, where, "block_count counts the blocks")
    for block in blocks:
        passes = (
            make_pass(
                schedule.mapping,
                m=step.m[1] - step.m[0],
                n=step.n[1] - step.n[0],
                k=step.k,
                total_k=op.k,
            )
            for step in schedule.block_steps(block)
        )
        _law(
            merge_groups(passes) == schedule.block_passes(block),
            where,
            f"the run-length code of block {block.index} equals its steps",
        )


def _check_order(schedule: Schedule, steps: Sequence[Step], where: str) -> None:
    """Check coverage and order together: each output's k advances without a gap, on one core."""
    op = schedule.op
    done = np.zeros((op.groups, op.m, op.n), dtype=np.int64)
    core = np.full((op.groups, op.m, op.n), -1, dtype=np.int64)
    for step in steps:
        tile = (step.group, slice(*step.m), slice(*step.n))
        _law(
            bool(np.all(done[tile] == step.k[0])),
            where,
            f"step {step.index} takes up each output where the step before left it",
        )
        _law(
            bool(np.all((core[tile] == -1) | (core[tile] == step.core))),
            where,
            f"step {step.index} adds to outputs of its own core only",
        )
        done[tile] = step.k[1]
        core[tile] = step.core
    _law(bool(np.all(done == op.k)), where, "every output is complete")


def _law(holds: bool, where: str, law: str) -> None:
    if not holds:
        raise AssertionError(f"{where}: broken law: {law}")


def example_ops() -> tuple[Gemm, ...]:
    """Return small GEMMs with ragged edges, groups, a convolution and several chunk sizes."""
    return tuple(_examples())


def _examples() -> Iterator[Gemm]:
    shapes = ((1, 5, 3, 7), (1, 1, 1, 1), (3, 4, 5, 16), (1, 33, 9, 64), (1, 2, 40, 65))
    for chunk in (None, 1, 2, 8):
        for groups, m, n, k in shapes:
            yield example_gemm(m, n, k, groups=groups, chunk_size=chunk)
    window = ConvolutionView(batch=2, height=6, width=5, channels=4, kernel=(3, 3), padding=(1, 1))
    yield example_gemm(60, 6, 36, chunk_size=4, a_view=window)


def example_gemm(
    m: int,
    n: int,
    k: int,
    *,
    groups: int = 1,
    chunk_size: int | None = 64,
    a_view: View | None = None,
) -> Gemm:
    """Return a GEMM on FP8 (1,5,2) operands with FP16 (1,6,9) chunk accumulation."""
    left = a_view or MatrixView(shape=(groups, m, k), groups=groups, rows=m, columns=k)
    right = MatrixView(shape=(groups, k, n), groups=groups, rows=k, columns=n)
    out = MatrixView(shape=(groups, m, n), groups=groups, rows=m, columns=n)
    return Gemm(
        name=f"gemm {groups}x{m}x{n}x{k} chunk {chunk_size}",
        layer="example",
        phase=Phase.FORWARD,
        groups=groups,
        m=m,
        n=n,
        k=k,
        a=Operand("a", left, _OPERAND),
        b=Operand("b", right, _OPERAND),
        out=Operand("out", out, _SUM),
        accumulator=Accumulator(inner=_SUM, outer=_SUM, chunk_size=chunk_size),
    )


def example_chips() -> tuple[Chip, ...]:
    """Return small chips: one and several cores, one and two k per element, little memory."""
    return tuple(
        example_chip(rows=rows, cols=cols, k_per_pe=rate, cores=cores, capacity_kib=capacity)
        for rows, cols, rate, cores, capacity in (
            (2, 3, 1, 1, None),
            (4, 2, 2, 1, 1),
            (4, 4, 2, 3, 1),
            (8, 1, 1, 2, 4),
        )
    )


def example_chip(
    *,
    dataflow: str = "weight_stationary",
    rows: int = 4,
    cols: int = 4,
    k_per_pe: int = 1,
    cores: int = 1,
    capacity_kib: int | None = None,
    entries: int | None = None,
) -> Chip:
    """Return a small chip for FP8 (1,5,2) operands and FP16 (1,6,9) accumulators."""
    return Chip(
        name=f"{rows}x{cols}, {k_per_pe} per element, {cores} cores, {capacity_kib} KiB",
        technology_nm=14.0,
        clock_mhz=1000.0,
        cores=cores,
        mac_array=MacArray(
            rows=rows,
            cols=cols,
            dataflow=dataflow,
            operand_pairs=(OperandPair(a=_OPERAND, b=_OPERAND, k_per_pe=k_per_pe),),
        ),
        accumulator=AccumulatorUnit(
            supports=(AccumulatorCapability(inner=_SUM, outer=_SUM),), entries=entries
        ),
        vector_unit=VectorUnit(lanes=4, formats=(_SUM,)),
        scratchpad=Memory(capacity_kib=capacity_kib),
        dram=Dram(bandwidth_gb_per_s=10.0, latency_ns=50.0),
        default_recipe="wang2018",
        cost_table="synth45",
    )
