"""Technology scaling against the published factors."""

from __future__ import annotations

import math

import pytest

from accelsim.cost.scaling import (
    PUBLISHED_7_OVER_45,
    STILLMAKER_AREA,
    ScalingMethod,
    published_energy_factor,
    scale,
    stillmaker_energy_factor,
)
from accelsim.errors import UnsupportedError

# Stillmaker and Baas, Integration 58 (2017), area factors from the node of the first column.
PUBLISHED_AREAS = [
    (45, 32, 0.46), (45, 20, 0.21), (45, 16, 0.19), (45, 14, 0.17), (45, 10, 0.10), (45, 7, 0.059),
    (65, 45, 0.66), (65, 14, 0.12), (65, 7, 0.039), (16, 14, 0.91), (16, 7, 0.31), (14, 7, 0.34),
]  # fmt: skip


@pytest.mark.parametrize(("from_nm", "to_nm", "factor"), PUBLISHED_AREAS)
def test_areas_are_those_of_stillmaker_and_baas(from_nm, to_nm, factor) -> None:
    """Their table is rounded to two figures, so a factor between two others is off by 7 %."""
    assert scale(from_nm, to_nm).area == pytest.approx(factor, rel=0.07)


@pytest.mark.parametrize(
    ("to_nm", "volts", "factor"),
    [(14, 0.8, 0.138), (16, 0.8, 0.172), (7, 0.7, 0.068), (7, 0.75, 0.080)],
)
def test_stillmaker_energy_follows_the_quadratic_fits(to_nm, volts, factor) -> None:
    """From 45 nm at 0.9 V: (a V^2 + b V + c) at the target over the same at 45 nm."""
    got = stillmaker_energy_factor(45, to_nm, from_voltage_v=0.9, to_voltage_v=volts)
    assert got == pytest.approx(factor, rel=0.01)


def test_published_end_points_are_met_in_the_geometric_mean() -> None:
    logs = [math.log(ratio) for ratio in PUBLISHED_7_OVER_45.values()]
    assert published_energy_factor(45, 7) == pytest.approx(math.exp(sum(logs) / len(logs)))
    assert min(PUBLISHED_7_OVER_45.values()) < published_energy_factor(45, 7)
    assert published_energy_factor(45, 7) < max(PUBLISHED_7_OVER_45.values())


def test_both_methods_are_there_and_their_conflict_is_said() -> None:
    for method in ScalingMethod:
        got = scale(45, 7, method=method)
        assert got.method is method
        assert "Sources disagree" in got.warnings[0]
        assert f"{method} was used" in got.warnings[0]
    assert 3 < scale(45, 7).energy / scale(45, 7, method=ScalingMethod.STILLMAKER).energy < 6


def test_a_node_stays_as_it_is_without_a_warning() -> None:
    same = scale(45, 45)
    assert (same.energy, same.area, same.leakage, same.warnings) == (1.0, 1.0, 1.0, ())


def test_there_and_back_is_where_it_began() -> None:
    for method in ScalingMethod:
        there, back = scale(45, 16, method=method), scale(16, 45, method=method)
        assert there.energy * back.energy == pytest.approx(1)
        assert there.area * back.area == pytest.approx(1)


def test_a_node_between_two_published_ones_lies_between_them_and_says_so() -> None:
    got = scale(45, 28)
    assert STILLMAKER_AREA[20] < got.area < STILLMAKER_AREA[32]
    assert any("28 nm" in warning for warning in got.warnings)


@pytest.mark.parametrize("node", [5, 130])
def test_nothing_is_extrapolated(node) -> None:
    with pytest.raises(UnsupportedError, match=rf"^No published scaling reaches {node} nm"):
        scale(45, node)
