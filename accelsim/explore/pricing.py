"""The price of a trace on a chip: its traffic, its actions, their energy."""

from __future__ import annotations

from collections.abc import Mapping

from accelsim.arch import Chip
from accelsim.cost import (
    EnergyReport,
    count_actions,
    evaluate,
    load_cost_table,
    trace_traffic,
)
from accelsim.formats import NumberFormat
from accelsim.numerics.execution import Execution
from accelsim.schedule import Schedule
from accelsim.timing import Timeline
from accelsim.workload import Gemm, Trace, VectorOp


def price_trace(
    chip: Chip,
    trace: Trace,
    schedules: Mapping[str, Schedule],
    timeline: Timeline,
    execution: Execution | None = None,
) -> EnergyReport:
    """Return the energy of every op of a trace.

    Parameters
    ----------
    chip : Chip
    trace : Trace
    schedules : mapping from op name to Schedule
    timeline : Timeline
        Its cycles leak.
    execution : Execution, optional
        Its zeros gate multipliers; without it nothing is gated.
    """
    traffic = trace_traffic(
        trace.ops, trace.tensors, outputs=trace.outputs, chip=chip, schedules=schedules
    )
    counts = []
    for op in trace.ops:
        made: NumberFormat | None = None
        if isinstance(op, Gemm):
            work: Schedule | VectorOp = schedules[op.name]
        else:
            work, made = op, trace.tensors[op.outputs[0]].format
        counts.append(count_actions(work, chip, traffic[op.name], stored_as=made))
    shares = [0.0] * len(counts)
    if execution is not None:
        shares = [record.zero_products or 0.0 for record in execution.records]
    return evaluate(
        counts,
        chip,
        load_cost_table(chip.cost_table),
        cycles=[op.cycles for op in timeline.ops],
        zero_shares=shares,
    )
