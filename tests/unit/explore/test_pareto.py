"""Pareto fronts against the definition, point by point."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accelsim.errors import ConfigError, UnknownNameError
from accelsim.explore.pareto import METRICS, check_metrics, pareto_front

ROWS = st.lists(
    st.fixed_dictionaries({"time_ms": st.integers(0, 4), "tops": st.integers(0, 4)}), max_size=12
)


def dominates(one: dict[str, Any], two: dict[str, Any]) -> bool:
    """Less time and more throughput are better."""
    no_worse = one["time_ms"] <= two["time_ms"] and one["tops"] >= two["tops"]
    return no_worse and one != two


@given(ROWS)
def test_front_is_what_nobody_dominates(rows: list[dict[str, Any]]) -> None:
    front = pareto_front(rows, ["time_ms", "tops"])
    expected = [i for i, row in enumerate(rows) if not any(dominates(o, row) for o in rows)]
    assert front == expected


@given(ROWS)
def test_front_does_not_depend_on_the_order_of_rows(rows: list[dict[str, Any]]) -> None:
    forward = [rows[i] for i in pareto_front(rows, ["time_ms", "tops"])]
    backward = [rows[::-1][i] for i in pareto_front(rows[::-1], ["time_ms", "tops"])]
    assert sorted(map(str, forward)) == sorted(map(str, backward))


def test_infeasible_rows_are_left_out() -> None:
    rows: list[dict[str, Any]] = [{"time_ms": 1.0, "error": None}, {"time_ms": 2.0, "error": 0.5}]
    assert pareto_front(rows, ["time_ms", "error"]) == [1]


def test_metrics_are_checked() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean time_ms"):
        check_metrics(["time_m", "tops"])
    with pytest.raises(ConfigError, match="needs numerics"):
        check_metrics(["error", "tops"], numerics="off")
    with pytest.raises(ConfigError, match="at least two"):
        check_metrics(["tops", "tops"])
    for pair in itertools.combinations(METRICS, 2):
        check_metrics(pair)
