"""Join the three readings of one schedule, op by op, into a result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from accelsim.arch import Chip
from accelsim.cost import EnergyReport
from accelsim.numerics.execution import Execution, Record
from accelsim.numerics.telemetry import AdditionCounts
from accelsim.precision import Recipe
from accelsim.results.run import FLOP_PER_MAC, OpResult, RunResult, sum_totals
from accelsim.schedule import Schedule
from accelsim.timing import OpTiming, Timeline
from accelsim.workload import Gemm, Op, Trace


@dataclass(frozen=True, slots=True)
class Readings:
    """What was read off the schedules of one trace on one chip."""

    trace: Trace
    schedules: Mapping[str, Schedule]
    timeline: Timeline
    price: EnergyReport
    #: None where no values were computed.
    execution: Execution | None


def assemble(
    readings: Readings,
    *,
    chip: Chip,
    recipe: Recipe,
    provenance: Mapping[str, str],
    config: Mapping[str, Any],
    input_hashes: Mapping[str, str],
    numerics: str,
    seed: int,
    version: str,
) -> RunResult:
    """Return the result of a run; ops stay in trace order."""
    trace, execution = readings.trace, readings.execution
    records = {} if execution is None else {r.name: r for r in execution.records}
    ops = tuple(
        _op_result(op, timing, energy, readings.schedules.get(op.name), records.get(op.name))
        for op, timing, energy in zip(
            trace.ops, readings.timeline.ops, readings.price.ops, strict=True
        )
    )
    rates = {_rate(readings.schedules[op.name], chip) for op in trace.gemms}
    totals = sum_totals(
        ops,
        cycles=readings.timeline.cycles,
        clock_mhz=chip.clock_mhz,
        peak_macs_per_cycle=max(rates, default=0),
        area_by_component_mm2=readings.price.area.area_mm2,
        peak_power_mw=readings.price.peak_power_mw(
            [timing.cycles for timing in readings.timeline.ops], clock_mhz=chip.clock_mhz
        ),
    )
    return RunResult(
        workload=trace.workload,
        arch=chip.name,
        recipe=recipe.name,
        phase=trace.phase,
        batch=trace.batch,
        numerics=numerics,
        seed=seed,
        version=version,
        totals=totals,
        ops=ops,
        output_error=_output_error(execution),
        provenance=provenance,
        input_hashes=input_hashes,
        warnings=(*readings.price.notes, *_fallbacks(readings.schedules)),
        outputs={} if execution is None else {n: execution.tensors[n] for n in execution.outputs},
        config={**config, "roofline": _roofline(chip, rates)},
        timeline=readings.timeline,
    )


def _op_result(
    op: Op,
    timing: OpTiming,
    energy_pj: Mapping[str, float],
    schedule: Schedule | None,
    record: Record | None,
) -> OpResult:
    if isinstance(op, Gemm):
        function, elements = "gemm", op.groups * op.m * op.n
        extents: tuple[int | None, ...] = (op.m, op.n, op.k, op.groups)
    else:
        function, elements, extents = op.function, op.elements, (None,) * 4
    m, n, k, groups = extents
    on_array = schedule is not None and not schedule.mapping.fallback
    counts: dict[str, int] = {
        "dram_bytes": timing.dram_read_bytes + timing.dram_write_bytes,
        "link_bytes": timing.link_bytes,
    }
    if record is not None:
        counts |= asdict(record.events)
        if record.sampled_rows is not None:
            counts["sampled_rows"] = record.sampled_rows
        if record.additions is not None:
            counts |= _addition_counts(record.additions)
    return OpResult(
        name=op.name,
        layer=op.layer,
        phase=op.phase.value,
        kind=op.kind,
        function=function,
        unit="array" if on_array else "vector_unit",
        m=m,
        n=n,
        k=k,
        groups=groups,
        elements=elements,
        macs=op.macs,
        passes=timing.passes,
        start_cycle=timing.start,
        cycles=timing.cycles,
        compute_cycles=timing.compute_cycles,
        fill_drain_cycles=timing.fill_drain_cycles,
        stall_cycles=timing.stall_cycles,
        energy_pj=energy_pj,
        utilization=timing.utilization,
        arithmetic=None if record is None else record.arithmetic,
        zero_products=None if record is None else record.zero_products,
        error_local=None if record is None else record.error_local,
        error_total=None if record is None else record.error_total,
        counts=counts,
    )


def _addition_counts(additions: AdditionCounts) -> dict[str, int]:
    """Return what a sample of additions lost, beside the size of the sample."""
    return {
        "outputs": additions.outputs,
        "sampled_outputs": additions.sampled_outputs,
        "additions": additions.additions,
        "additions_swamped": additions.swamped,
        "additions_overflowed": additions.overflowed,
        "additions_saturated": additions.saturated,
        "additions_underflowed": additions.underflowed,
    }


def _rate(schedule: Schedule, chip: Chip) -> int:
    """Return the MACs per cycle that the whole chip makes at an op's rate."""
    if schedule.mapping.fallback:
        return chip.cores * chip.vector_unit.lanes
    return chip.peak_macs_per_cycle(schedule.mapping.k_per_pe)


def _output_error(execution: Execution | None) -> dict[str, Any]:
    if execution is None or execution.output_error is None:
        return {}
    return {execution.outputs[0]: execution.output_error}


def _fallbacks(schedules: Mapping[str, Schedule]) -> tuple[str, ...]:
    names = [name for name, schedule in schedules.items() if schedule.mapping.fallback]
    if not names:
        return ()
    listing = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
    return (f"{len(names)} GEMMs ran on the vector unit, which the array cannot serve: {listing}",)


def _roofline(chip: Chip, rates: set[int]) -> dict[str, Any]:
    """Return the ceilings of the chip: peak by rate, and the DRAM's slope."""
    hertz = chip.clock_mhz * 1e6
    return {
        "clock_mhz": chip.clock_mhz,
        "dram_gb_per_s": chip.dram.bandwidth_gb_per_s,
        "peak_tops": {
            f"{rate:,} MACs per cycle": FLOP_PER_MAC * rate * hertz * 1e-12
            for rate in sorted(rates)
        },
    }
