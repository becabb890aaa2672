"""Values of a sweep's axes."""

from __future__ import annotations

import pytest

from accelsim.errors import ConfigError
from accelsim.explore.grid import Axis, grid, parse_axis


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("a=1", ("1",)),
        ("a=32,64,128", ("32", "64", "128")),
        ("a=8:512:x2", ("8", "16", "32", "64", "128", "256", "512")),
        ("a=8:500:x2", ("8", "16", "32", "64", "128", "256")),
        ("a=0:10:+5", ("0", "5", "10")),
        ("a=-4:4:4", ("-4", "0", "4")),
        ("a=true,false", ("true", "false")),
        ("a={exponent_bits: 4, mantissa_bits: 3},fp8_e5m2",
         ("{exponent_bits: 4, mantissa_bits: 3}", "fp8_e5m2")),
    ],
)  # fmt: skip
def test_axis(text: str, values: tuple[str, ...]) -> None:
    assert parse_axis(text) == Axis("a", values)


@pytest.mark.parametrize(
    "text", ["a", "a=", "=1", "a=1,1", "a=1,,2", "a=8:4:1", "a=8:64:x1", "a=0:8:x2", "a=1:8:0"]
)
def test_axis_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"^--vary "):
        parse_axis(text)


def test_grid_runs_the_last_axis_fastest() -> None:
    assert grid([Axis("a", ("1", "2")), Axis("b", ("x", "y"))]) == (
        ("a=1", "b=x"), ("a=1", "b=y"), ("a=2", "b=x"), ("a=2", "b=y"),
    )  # fmt: skip


def test_grid_refuses_a_key_twice_and_too_many_points() -> None:
    with pytest.raises(ConfigError, match="varied twice"):
        grid([Axis("a", ("1",)), Axis("a", ("2",))])
    wide = tuple(str(i) for i in range(2000))
    with pytest.raises(ConfigError, match=r"4,000,000 points"):
        grid([Axis("a", wide), Axis("b", wide)])
