"""What a run says: named fields, units in the names, totals added up.

`RunResult.document()` is the JSON document ``accelsim.result/1``;
`RunResult.rows()` is the same per op in long form for tables and data frames.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelsim.numerics.errors_report import ErrorFigures

RESULT_SCHEMA = "accelsim.result/1"
#: Floating-point operations of one multiply-accumulate.
FLOP_PER_MAC = 2


@dataclass(frozen=True, slots=True)
class OpResult:
    """One op of the trace: its shape, cycles, energy and errors.

    `m`, `n`, `k`, `groups` are None for vector ops, whose size is `elements`.
    Errors are None where numerics were off or the op was not sampled.
    """

    name: str
    layer: str
    phase: str
    kind: str
    function: str
    unit: str
    m: int | None
    n: int | None
    k: int | None
    groups: int | None
    elements: int
    macs: int
    passes: int
    start_cycle: int
    cycles: int
    compute_cycles: int
    fill_drain_cycles: int
    stall_cycles: Mapping[str, int]
    energy_pj: Mapping[str, float]
    utilization: float
    #: Path of `accelsim.numerics` that the operands allow; None for vector ops.
    arithmetic: str | None = None
    #: Share of the products with a zero factor.
    zero_products: float | None = None
    error_local: ErrorFigures | None = None
    error_total: ErrorFigures | None = None
    counts: Mapping[str, int] = field(default_factory=dict)

    @property
    def array_cycles(self) -> int:
        """Streaming, fill and drain: what SCALE-Sim calls compute cycles."""
        return self.compute_cycles + self.fill_drain_cycles

    def row(self) -> dict[str, Any]:
        """Return the op as one flat JSON-ready row; nested only by cause and component."""
        return {
            "name": self.name,
            "layer": self.layer,
            "phase": self.phase,
            "kind": self.kind,
            "function": self.function,
            "unit": self.unit,
            "m": self.m,
            "n": self.n,
            "k": self.k,
            "groups": self.groups,
            "elements": self.elements,
            "macs": self.macs,
            "passes": self.passes,
            "start_cycle": self.start_cycle,
            "compute_cycles": self.compute_cycles,
            "fill_drain_cycles": self.fill_drain_cycles,
            "array_cycles": self.array_cycles,
            "cycles": self.cycles,
            "stall_cycles": dict(self.stall_cycles),
            "energy_pj": dict(self.energy_pj),
            "utilization": self.utilization,
            "arithmetic": self.arithmetic,
            "zero_products": self.zero_products,
            "error_local": _figure(self.error_local, "relative"),
            "error_total": _figure(self.error_total, "relative"),
            "sqnr_local_db": _figure(self.error_local, "sqnr_db"),
            "sqnr_total_db": _figure(self.error_total, "sqnr_db"),
            "max_ulp_local": _figure(self.error_local, "max_ulp"),
            "counts": dict(self.counts),
        }


@dataclass(frozen=True, slots=True)
class Totals:
    """A whole run, added up."""

    macs: int
    cycles: int
    compute_cycles: int
    fill_drain_cycles: int
    stall_cycles: Mapping[str, int]
    time_ms: float
    energy_pj: float
    energy_by_component_pj: Mapping[str, float]
    area_mm2: float
    area_by_component_mm2: Mapping[str, float]
    power_mw: float
    peak_power_mw: float
    utilization: float
    tops: float
    tops_per_w: float
    tops_per_mm2: float
    edp_pj_s: float

    def document(self) -> dict[str, Any]:
        """Return the totals as a JSON-ready mapping."""
        return {
            "macs": self.macs,
            "cycles": self.cycles,
            "compute_cycles": self.compute_cycles,
            "fill_drain_cycles": self.fill_drain_cycles,
            "array_cycles": self.compute_cycles + self.fill_drain_cycles,
            "stall_cycles": dict(self.stall_cycles),
            "time_ms": self.time_ms,
            "energy_pj": self.energy_pj,
            "energy_by_component_pj": dict(self.energy_by_component_pj),
            "area_mm2": self.area_mm2,
            "area_by_component_mm2": dict(self.area_by_component_mm2),
            "power_mw": self.power_mw,
            "peak_power_mw": self.peak_power_mw,
            "utilization": self.utilization,
            "tops": self.tops,
            "tops_per_w": self.tops_per_w,
            "tops_per_mm2": self.tops_per_mm2,
            "edp_pj_s": self.edp_pj_s,
        }


def sum_totals(
    ops: Sequence[OpResult],
    *,
    cycles: int,
    clock_mhz: float,
    peak_macs_per_cycle: int,
    area_by_component_mm2: Mapping[str, float],
    peak_power_mw: float,
) -> Totals:
    """Add the ops of a run up.

    Parameters
    ----------
    ops : sequence of OpResult
        In trace order; energies are summed in this order with `math.fsum`.
    cycles : int
        From the first cycle to the last; equals the sum over ops unless ops overlap.
    clock_mhz : float
        Clock of the chip.
    peak_macs_per_cycle : int
        MACs per cycle at the fastest rate that the run uses; for `utilization`.
    area_by_component_mm2 : mapping
        Area of the chip.
    peak_power_mw : float
        Highest power that an op draws on average.
    """
    macs = sum(op.macs for op in ops)
    by_component = _add_up([op.energy_pj for op in ops])
    energy_pj = math.fsum(value for op in ops for value in op.energy_pj.values())
    seconds = cycles / (clock_mhz * 1e6)
    area_mm2 = math.fsum(area_by_component_mm2.values())
    watts = ratio(energy_pj * 1e-12, seconds)
    tops = ratio(FLOP_PER_MAC * macs * 1e-12, seconds)
    stalls: dict[str, int] = {}
    for op in ops:
        for cause, count in op.stall_cycles.items():
            stalls[cause] = stalls.get(cause, 0) + count
    return Totals(
        macs=macs,
        cycles=cycles,
        compute_cycles=sum(op.compute_cycles for op in ops),
        fill_drain_cycles=sum(op.fill_drain_cycles for op in ops),
        stall_cycles=stalls,
        time_ms=seconds * 1e3,
        energy_pj=energy_pj,
        energy_by_component_pj=by_component,
        area_mm2=area_mm2,
        area_by_component_mm2=dict(area_by_component_mm2),
        power_mw=watts * 1e3,
        peak_power_mw=peak_power_mw,
        utilization=ratio(macs, peak_macs_per_cycle * cycles),
        tops=tops,
        tops_per_w=ratio(tops, watts),
        tops_per_mm2=ratio(tops, area_mm2),
        edp_pj_s=energy_pj * seconds,
    )


@dataclass(frozen=True, slots=True)
class RunResult:
    """Values, time and price of one workload on one chip under one recipe."""

    workload: str
    arch: str
    recipe: str
    phase: str
    batch: int
    numerics: str
    seed: int
    version: str
    totals: Totals
    ops: tuple[OpResult, ...]
    output_error: Mapping[str, ErrorFigures] = field(default_factory=dict)
    provenance: Mapping[str, str] = field(default_factory=dict)
    input_hashes: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    #: Output tensors by name; values of their formats. Empty where numerics are off.
    outputs: Mapping[str, NDArray[np.floating[Any]]] = field(default_factory=dict)
    #: Resolved inputs as plain data, enough to repeat the run.
    config: Mapping[str, Any] = field(default_factory=dict)
    #: Busy intervals of the units, for the timeline.
    timeline: Any = None

    def worst_error(self) -> dict[str, float | None]:
        """Return `error` and `sqnr_db` of the output that is furthest from its reference."""
        if not self.output_error:
            return {"error": None, "sqnr_db": None}
        worst = max(self.output_error.values(), key=lambda error: error.relative)
        return {"error": _figure(worst, "relative"), "sqnr_db": _figure(worst, "sqnr_db")}

    def rows(self) -> list[dict[str, Any]]:
        """Return one row per op in trace order."""
        return [op.row() for op in self.ops]

    def document(self) -> dict[str, Any]:
        """Return the JSON document ``accelsim.result/1``; byte-identical for equal runs."""
        return {
            "schema": RESULT_SCHEMA,
            "version": self.version,
            "workload": self.workload,
            "arch": self.arch,
            "recipe": self.recipe,
            "phase": self.phase,
            "batch": self.batch,
            "numerics": self.numerics,
            "seed": self.seed,
            "totals": self.totals.document(),
            "output_error": {
                name: {
                    key: _figure(error, key)
                    for key in ("relative", "sqnr_db", "max_abs", "max_ulp")
                }
                for name, error in self.output_error.items()
            },
            "provenance": dict(self.provenance),
            "input_hashes": dict(self.input_hashes),
            "warnings": list(self.warnings),
            "ops": self.rows(),
        }


def ratio(numerator: float, denominator: float) -> float:
    """Return the quotient, or 0 where there is nothing to divide by."""
    return numerator / denominator if denominator else 0.0


def _add_up(parts: Sequence[Mapping[str, float]]) -> dict[str, float]:
    names = dict.fromkeys(name for part in parts for name in part)
    return {name: math.fsum(part[name] for part in parts if name in part) for name in names}


def _figure(error: ErrorFigures | None, name: str) -> float | None:
    """Return one figure for JSON, which has no infinity."""
    value = None if error is None else getattr(error, name)
    return value if value is not None and math.isfinite(value) else None
