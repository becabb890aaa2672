"""Bytes that every op of a trace moves, added up from the schedule's own traffic.

`accelsim.schedule.traffic` decides what moves; this file only attributes it: the
operands and partial sums of a group's blocks to its first op, what a fused op
reads beside its producer's stream to that op, and every stored tensor to the op
that made it. So the sum over ops is the sum over transfers, each counted once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from accelsim.arch.chip import Chip
from accelsim.identity import Same
from accelsim.schedule.kinds import Kind, kind_of
from accelsim.schedule.schedule import Schedule
from accelsim.schedule.traffic import (
    OpGroup,
    Place,
    Transfer,
    group_transfer,
    op_groups,
    place_tensors,
    stored_outputs,
    tensors_moved,
)
from accelsim.schedule.traffic_table import traffic_table
from accelsim.workload.ops import Gemm, Op, TensorInfo, VectorOp


@dataclass(frozen=True, slots=True)
class OpTraffic:
    """Bytes that one op moves into and out of the scratchpads.

    Parameters
    ----------
    dram_read_bytes, dram_write_bytes : int
        Over the DRAM port.
    link_bytes : int
        Over the interconnect, both ways, the DRAM bytes among them where there are
        several cores.
    scratchpad_read_bytes, scratchpad_write_bytes : int
        By DMA and vector unit; what the array reads during its passes is not in it.
    """

    dram_read_bytes: int = 0
    dram_write_bytes: int = 0
    link_bytes: int = 0
    scratchpad_read_bytes: int = 0
    scratchpad_write_bytes: int = 0

    def __add__(self, other: OpTraffic) -> OpTraffic:
        """Return both together."""
        return OpTraffic(
            self.dram_read_bytes + other.dram_read_bytes,
            self.dram_write_bytes + other.dram_write_bytes,
            self.link_bytes + other.link_bytes,
            self.scratchpad_read_bytes + other.scratchpad_read_bytes,
            self.scratchpad_write_bytes + other.scratchpad_write_bytes,
        )


def trace_traffic(
    ops: Sequence[Op],
    tensors: Mapping[str, TensorInfo],
    *,
    outputs: Sequence[str],
    chip: Chip,
    schedules: Mapping[str, Schedule],
) -> dict[str, OpTraffic]:
    """Return the traffic of every op of a trace, by name.

    Parameters
    ----------
    ops : sequence of Op
        The trace.
    tensors : mapping from str to TensorInfo
        Its tensors.
    outputs : sequence of str
        Tensors that the trace gives out.
    chip : Chip
        The chip.
    schedules : mapping from str to Schedule
        By name of the GEMM.
    """
    groups = op_groups(ops)
    places = place_tensors(groups, tensors, outputs=outputs, chip=chip, schedules=schedules)
    traffic = dict(
        _whole_tensors(Same(groups), Same(tensors), frozenset(outputs), Same(places), chip.cores)
    )
    for op in ops:
        if isinstance(op, Gemm):
            operands = (places.get(op.a.tensor), places.get(op.b.tensor))
            traffic[op.name] += _gemm_reads(kind_of(schedules[op.name]), *operands)
    return traffic


@lru_cache(maxsize=64)
def _whole_tensors(
    groups: Same[tuple[OpGroup, ...]],
    tensors: Same[Mapping[str, TensorInfo]],
    outputs: frozenset[str],
    places: Same[Mapping[str, Place]],
    cores: int,
) -> Mapping[str, OpTraffic]:
    """Return the traffic of every op but for a GEMM's reads: no schedule is in it."""
    traffic: dict[str, OpTraffic] = {}
    for group, stored in zip(groups.it, stored_outputs(groups.it, outputs), strict=True):
        made: set[str] = set()
        for op in group.ops:
            moved = OpTraffic()
            if isinstance(op, VectorOp):
                moved = _vector_reads(op, made, tensors.it, places.it, cores)
            mine = [name for name in _makes(op) if name in stored]
            moves = tensors_moved(op, tensors.it)
            written = group_transfer(mine, moves, places=places.it, cores=cores)
            stored_bytes = sum(moves[name].stored_bytes for name in mine)
            traffic[op.name] = moved + _write(written, stored_bytes)
            made.update(_makes(op))
    return traffic


def _vector_reads(
    op: VectorOp,
    made: set[str],
    tensors: Mapping[str, TensorInfo],
    places: Mapping[str, Place],
    cores: int,
) -> OpTraffic:
    names = [name for name in dict.fromkeys(op.inputs) if name not in made]
    tensors = tensors_moved(op, tensors)
    loaded = group_transfer(names, tensors, places=places, cores=cores)
    size = sum(tensors[name].stored_bytes for name in names)
    # Loaded into the scratchpad where it was not there, then read by the vector unit.
    return _load(loaded) + OpTraffic(scratchpad_read_bytes=size)


@lru_cache(maxsize=2**10)
def _gemm_reads(kind: Kind, a: Place | None, b: Place | None) -> OpTraffic:
    table = traffic_table(kind.schedule, a=a, b=b)
    read, spilled = table.read, table.psum_write
    spilled_dram_bytes = int(spilled.dram.sum())
    return OpTraffic(
        dram_read_bytes=int(read.dram.sum()),
        dram_write_bytes=spilled_dram_bytes,
        link_bytes=int(read.link.sum() + spilled.link.sum()),
        scratchpad_read_bytes=spilled_dram_bytes,
        scratchpad_write_bytes=int(np.maximum(read.dram, read.link).sum()) + spilled_dram_bytes,
    )


def _load(transfer: Transfer) -> OpTraffic:
    """Return the traffic of bringing bytes into a scratchpad, from DRAM or another core."""
    return OpTraffic(
        dram_read_bytes=transfer.dram_bytes,
        link_bytes=transfer.link_bytes,
        scratchpad_write_bytes=max(transfer.dram_bytes, transfer.link_bytes),
    )


def _write(transfer: Transfer, stored_bytes: int) -> OpTraffic:
    """Return the traffic of storing bytes: into the scratchpad, and on to DRAM where they live."""
    return OpTraffic(
        dram_write_bytes=transfer.dram_bytes,
        link_bytes=transfer.link_bytes,
        scratchpad_read_bytes=transfer.dram_bytes,
        scratchpad_write_bytes=stored_bytes,
    )


def _makes(op: Op) -> tuple[str, ...]:
    return (op.out.tensor,) if isinstance(op, Gemm) else op.outputs
