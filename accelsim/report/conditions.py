"""Conditions on a result, such as ``error>0.1``: a comparison, never an expression."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable

from accelsim.errors import ConfigError, Problem, UnknownNameError
from accelsim.results import RunResult

_PATTERN = re.compile(r"^\s*([a-z_]+)\s*(<=|>=|<|>)\s*(\S+)\s*$")
_COMPARE = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
#: Metrics that are not fields of the totals.
ERROR, SQNR = "error", "sqnr_db"
_TOTALS = (
    "macs", "cycles", "compute_cycles", "fill_drain_cycles", "time_ms", "energy_pj", "area_mm2",
    "power_mw", "peak_power_mw", "utilization", "tops", "tops_per_w", "tops_per_mm2", "edp_pj_s",
)  # fmt: skip


def parse_condition(text: str) -> Callable[[RunResult], bool]:
    """Return the predicate that `text` stands for.

    Parameters
    ----------
    text : str
        ``METRIC<VALUE``, with ``<``, ``<=``, ``>`` or ``>=``. The metric is a number of
        the totals, or ``error`` or ``sqnr_db`` of the outputs (the worst of them).

    Raises
    ------
    ConfigError
        If the text is not of that form.
    UnknownNameError
        If there is no such metric.
    """
    match = _PATTERN.match(text)
    place = f"--fail-on {text}"
    if match is None:
        raise ConfigError(Problem("Expected METRIC<VALUE, such as error>0.1.", file=place))
    metric, sign, number = match.groups()
    if metric not in (*_TOTALS, ERROR, SQNR):
        raise UnknownNameError("metric", metric, (*_TOTALS, ERROR, SQNR))
    try:
        bound = float(number)
    except ValueError as error:
        raise ConfigError(Problem(f"{number!r} is not a number.", file=place)) from error
    compare = _COMPARE[sign]
    return lambda result: bool(compare(_measure(result, metric), bound))


def _measure(result: RunResult, metric: str) -> float:
    if metric in _TOTALS:
        return float(getattr(result.totals, metric))
    if not result.output_error:
        raise ConfigError(f"--fail-on {metric} needs numerics, which were off in this run.")
    errors = result.output_error.values()
    if metric == ERROR:
        return max(error.relative for error in errors)
    return min(error.sqnr_db for error in errors)
