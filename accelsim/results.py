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

RESULT_SCHEMA = "accelsim.result/1"
COMPARISON_SCHEMA = "accelsim.comparison/1"
#: Floating-point operations of one multiply-accumulate.
FLOP_PER_MAC = 2


@dataclass(frozen=True, slots=True)
class ErrorSummary:
    """How far a tensor is from its float64 reference."""

    #: L2 norm of the difference over the L2 norm of the reference.
    relative: float
    #: 20 log10 of the inverse of `relative`; infinite where the tensors are equal.
    sqnr_db: float
    #: Largest absolute difference.
    max_abs: float
    #: Largest difference in units in the last place of the stored format.
    max_ulp: float


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
    arithmetic: str = ""
    error_local: ErrorSummary | None = None
    error_total: ErrorSummary | None = None
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
            "error_local": None if self.error_local is None else _finite(self.error_local.relative),
            "error_total": None if self.error_total is None else _finite(self.error_total.relative),
            "sqnr_local_db": None
            if self.error_local is None
            else _finite(self.error_local.sqnr_db),
            "sqnr_total_db": None
            if self.error_total is None
            else _finite(self.error_total.sqnr_db),
            "max_ulp_local": None
            if self.error_local is None
            else _finite(self.error_local.max_ulp),
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
    """
    macs = sum(op.macs for op in ops)
    by_component = _add_up([op.energy_pj for op in ops])
    energy_pj = math.fsum(value for op in ops for value in op.energy_pj.values())
    seconds = cycles / (clock_mhz * 1e6)
    area_mm2 = math.fsum(area_by_component_mm2.values())
    watts = _ratio(energy_pj * 1e-12, seconds)
    tops = _ratio(FLOP_PER_MAC * macs * 1e-12, seconds)
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
        utilization=_ratio(macs, peak_macs_per_cycle * cycles),
        tops=tops,
        tops_per_w=_ratio(tops, watts),
        tops_per_mm2=_ratio(tops, area_mm2),
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
    output_error: Mapping[str, ErrorSummary] = field(default_factory=dict)
    provenance: Mapping[str, str] = field(default_factory=dict)
    input_hashes: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    #: Output tensors by name; values of their formats. Empty where numerics are off.
    outputs: Mapping[str, NDArray[np.floating[Any]]] = field(default_factory=dict)
    #: Resolved inputs as plain data, enough to repeat the run.
    config: Mapping[str, Any] = field(default_factory=dict)
    #: Busy intervals of the units, for the timeline.
    timeline: Any = None

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
                    "relative": _finite(error.relative),
                    "sqnr_db": _finite(error.sqnr_db),
                    "max_abs": _finite(error.max_abs),
                    "max_ulp": _finite(error.max_ulp),
                }
                for name, error in self.output_error.items()
            },
            "provenance": dict(self.provenance),
            "input_hashes": dict(self.input_hashes),
            "warnings": list(self.warnings),
            "ops": self.rows(),
        }


@dataclass(frozen=True, slots=True)
class ComparisonRow:
    """One chip on one workload, beside the baseline."""

    result: RunResult
    speedup: float
    energy_ratio: float
    area_ratio: float

    def row(self) -> dict[str, Any]:
        """Return the row: names, the totals of the run and the ratios to the baseline."""
        return {
            "workload": self.result.workload,
            "arch": self.result.arch,
            "recipe": self.result.recipe,
            "batch": self.result.batch,
            **self.result.totals.document(),
            "speedup": self.speedup,
            "energy_ratio": self.energy_ratio,
            "area_ratio": self.area_ratio,
        }


@dataclass(frozen=True, slots=True)
class Comparison:
    """Several chips on several workloads, each beside the baseline.

    `speedup` is the baseline's time over the chip's (2 is twice as fast);
    `energy_ratio` and `area_ratio` are the chip's over the baseline's (0.5 is half).
    """

    baseline: str
    held: str
    rows: tuple[ComparisonRow, ...]

    def geometric_means(self) -> dict[str, dict[str, float]]:
        """Return, by chip, the geometric mean of each ratio over the workloads."""
        means: dict[str, dict[str, float]] = {}
        for arch in dict.fromkeys(row.result.arch for row in self.rows):
            mine = [row for row in self.rows if row.result.arch == arch]
            means[arch] = {
                key: _geometric_mean([getattr(row, key) for row in mine])
                for key in ("speedup", "energy_ratio", "area_ratio")
            }
        return means

    def document(self) -> dict[str, Any]:
        """Return the JSON document ``accelsim.comparison/1``."""
        return {
            "schema": COMPARISON_SCHEMA,
            "baseline": self.baseline,
            "held": self.held,
            "rows": [row.row() for row in self.rows],
            "geometric_means": self.geometric_means(),
        }


def compare_results(results: Sequence[RunResult], *, baseline: str, held: str) -> Comparison:
    """Put results beside the baseline's run of the same workload.

    Raises
    ------
    ValueError
        If a workload has no run on `baseline`.
    """
    reference = {result.workload: result.totals for result in results if result.arch == baseline}
    rows = []
    for result in results:
        if result.workload not in reference:
            raise ValueError(f"workload {result.workload!r} was not run on {baseline!r}")
        base, mine = reference[result.workload], result.totals
        rows.append(
            ComparisonRow(
                result=result,
                speedup=_ratio(base.time_ms, mine.time_ms),
                energy_ratio=_ratio(mine.energy_pj, base.energy_pj),
                area_ratio=_ratio(mine.area_mm2, base.area_mm2),
            )
        )
    return Comparison(baseline=baseline, held=held, rows=tuple(rows))


def _ratio(numerator: float, denominator: float) -> float:
    return numerator / denominator if denominator else 0.0


def _geometric_mean(values: Sequence[float]) -> float:
    if not values or min(values) <= 0:
        return 0.0
    return math.exp(math.fsum(math.log(value) for value in values) / len(values))


def _add_up(parts: Sequence[Mapping[str, float]]) -> dict[str, float]:
    names = dict.fromkeys(name for part in parts for name in part)
    return {name: math.fsum(part[name] for part in parts if name in part) for name in names}


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
