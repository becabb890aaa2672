"""Bytes that every op of a trace moves, added up from the schedule's own traffic.

`accelsim.schedule.traffic` decides what moves; this file only attributes it: the
operands and partial sums of a group's blocks to its first op, what a fused op
reads beside its producer's stream to that op, and every stored tensor to the op
that made it. So the sum over ops is the sum over transfers, each counted once.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from accelsim.arch.chip import Chip
from accelsim.schedule.kinds import kind_of
from accelsim.schedule.schedule import Schedule
from accelsim.schedule.traffic import (
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
    traffic: dict[str, OpTraffic] = {}
    loads: dict[Hashable, OpTraffic] = {}
    for group, stored in zip(groups, stored_outputs(groups, outputs), strict=True):
        made: set[str] = set()
        for op in group.ops:
            if isinstance(op, Gemm):
                schedule = schedules[op.name]
                operands = (places.get(op.a.tensor), places.get(op.b.tensor))
                key = (kind_of(schedule), operands)
                if key not in loads:
                    loads[key] = _gemm_reads(schedule, places)
                moved = loads[key]
            else:
                moved = _vector_reads(op, made, tensors, places, chip)
            mine = [name for name in _makes(op) if name in stored]
            moves = tensors_moved(op, tensors)
            written = group_transfer(mine, moves, places=places, cores=chip.cores)
            stored_bytes = sum(moves[name].stored_bytes for name in mine)
            traffic[op.name] = moved + _write(written, stored_bytes)
            made.update(_makes(op))
    return traffic


def _vector_reads(
    op: VectorOp,
    made: set[str],
    tensors: Mapping[str, TensorInfo],
    places: Mapping[str, Place],
    chip: Chip,
) -> OpTraffic:
    names = [name for name in dict.fromkeys(op.inputs) if name not in made]
    tensors = tensors_moved(op, tensors)
    loaded = group_transfer(names, tensors, places=places, cores=chip.cores)
    size = sum(tensors[name].stored_bytes for name in names)
    # Loaded into the scratchpad where it was not there, then read by the vector unit.
    return _load(loaded) + OpTraffic(scratchpad_read_bytes=size)


def _gemm_reads(schedule: Schedule, places: Mapping[str, Place]) -> OpTraffic:
    op = schedule.op
    table = traffic_table(schedule, a=places.get(op.a.tensor), b=places.get(op.b.tensor))
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
