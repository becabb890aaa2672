"""The points that no other point beats in every metric."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from accelsim.errors import ConfigError, UnknownNameError

#: Metrics of a sweep's rows, and whether more of it is better.
METRICS: Mapping[str, bool] = {
    "cycles": False,
    "time_ms": False,
    "energy_pj": False,
    "area_mm2": False,
    "power_mw": False,
    "edp_pj_s": False,
    "error": False,
    "sqnr_db": True,
    "utilization": True,
    "tops": True,
    "tops_per_w": True,
    "tops_per_mm2": True,
}


#: Metrics that need values.
_NEED_NUMERICS = ("error", "sqnr_db")


def check_metrics(metrics: Sequence[str], *, numerics: str = "full") -> None:
    """Refuse metrics that do not exist, or that a sweep without values cannot have.

    Raises
    ------
    UnknownNameError
        If there is no such metric.
    ConfigError
        If it needs numerics, which are off, or fewer than two are named.
    """
    for name in metrics:
        if name not in METRICS:
            raise UnknownNameError("metric", name, METRICS)
        if numerics == "off" and name in _NEED_NUMERICS:
            raise ConfigError(f"The metric {name} needs numerics; use --numerics sample or full.")
    if not 2 <= len(set(metrics)) <= len(METRICS):
        raise ConfigError("A Pareto front needs at least two different metrics.")


def pareto_front(rows: Sequence[Mapping[str, Any]], metrics: Sequence[str]) -> list[int]:
    """Return the positions of the rows that are not dominated, in order.

    A row dominates another if it is at least as good in every metric and better in
    one; of equal rows all stay. Rows without one of the metrics are left out.

    Parameters
    ----------
    rows : sequence of mapping
        Rows of a sweep.
    metrics : sequence of str
        Names from `METRICS`.

    Raises
    ------
    UnknownNameError
        If there is no such metric.

    Examples
    --------
    >>> rows = [{"time_ms": 1, "area_mm2": 4}, {"time_ms": 2, "area_mm2": 2},
    ...         {"time_ms": 2, "area_mm2": 3}]
    >>> pareto_front(rows, ["time_ms", "area_mm2"])
    [0, 1]
    """
    check_metrics(metrics)
    known = [
        position
        for position, row in enumerate(rows)
        if all(isinstance(row.get(name), int | float) for name in metrics)
    ]
    if not known:
        return []
    costs = np.array(
        [[-rows[i][m] if METRICS[m] else rows[i][m] for m in metrics] for i in known], dtype=float
    )  # (points, metrics)
    front = []
    for position, cost in zip(known, costs, strict=True):
        beaten = np.all(costs <= cost, axis=1) & np.any(costs < cost, axis=1)
        if not beaten.any():
            front.append(position)
    return front
