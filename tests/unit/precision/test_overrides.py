"""Overrides of a recipe reach what they name."""

from __future__ import annotations

from accelsim.formats import get_format
from accelsim.precision import get_recipe


def test_the_format_of_an_accumulator_is_that_of_both_levels() -> None:
    changed = get_recipe("wang2018", (("accumulator.format", "fp32"),)).accumulator
    assert (changed.inner, changed.outer) == (get_format("fp32"), get_format("fp32"))
    assert changed.chunk_size == 64


def test_a_later_override_of_one_level_wins() -> None:
    overrides = (("accumulator.format", "fp32"), ("accumulator.inner", "bf16"))
    changed = get_recipe("wang2018", overrides).accumulator
    assert (changed.inner, changed.outer) == (get_format("bf16"), get_format("fp32"))
