"""Several runs beside a baseline: the JSON document ``accelsim.comparison/1``."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from accelsim.results.run import RunResult, ratio

COMPARISON_SCHEMA = "accelsim.comparison/1"


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
                speedup=ratio(base.time_ms, mine.time_ms),
                energy_ratio=ratio(mine.energy_pj, base.energy_pj),
                area_ratio=ratio(mine.area_mm2, base.area_mm2),
            )
        )
    return Comparison(baseline=baseline, held=held, rows=tuple(rows))


def _geometric_mean(values: Sequence[float]) -> float:
    if not values or min(values) <= 0:
        return 0.0
    return math.exp(math.fsum(math.log(value) for value in values) / len(values))
