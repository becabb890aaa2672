"""The exception tree and the texts that it builds."""

from __future__ import annotations

import re

import pytest

from accelsim import errors
from accelsim.errors import (
    AccelsimError,
    ConfigError,
    Infeasibility,
    MappingError,
    MissingExtraError,
    Problem,
    UnknownNameError,
    near_miss_hint,
)

#: Errors that are not the user's to mend, and so are no `ValueError`.
NOT_INPUT = {"AccelsimError", "PluginError", "SelfTestError"}


def error_classes() -> dict[str, type[Exception]]:
    return {
        name: item
        for name, item in vars(errors).items()
        if isinstance(item, type) and issubclass(item, Exception)
    }


def test_the_tree_in_the_docstring_is_the_tree_in_the_code() -> None:
    drawn = re.findall(r"(?:\|--|`--) (\w+)", errors.__doc__ or "")
    assert set(drawn) == set(error_classes()) - {"AccelsimError"}


@pytest.mark.parametrize("name", sorted(error_classes()))
def test_input_errors_are_value_errors_and_all_share_one_base(name: str) -> None:
    error = error_classes()[name]
    assert issubclass(error, AccelsimError)
    assert issubclass(error, ValueError) == (name not in NOT_INPUT)


@pytest.mark.parametrize(
    ("problem", "text"),
    [
        (Problem("Bad."), "Bad."),
        (Problem("Bad.", path="a.b"), "a.b\n  Bad."),
        (Problem("Bad.", file="f"), "f\n  Bad."),
        (Problem("Bad.", file="f", line=3), "f:3\n  Bad."),
        (Problem("Bad.", file="f", line=3, column=4), "f:3:4\n  Bad."),
        (Problem("Bad.\nUse 2.", "a", "f", 3, 4), "f:3:4  a\n  Bad.\n  Use 2."),
    ],
)
def test_a_problem_reads_place_path_and_message(problem: Problem, text: str) -> None:
    assert str(problem) == text


def test_a_config_error_holds_all_its_problems() -> None:
    first, second = Problem("One.", file="f", line=1), Problem("Two.", path="b")
    error = ConfigError(iter([first, second]))
    assert error.problems == (first, second)
    assert str(error) == "f:1\n  One.\nb\n  Two."
    assert ConfigError("Three.").problems == (Problem("Three."),)
    assert ConfigError(first).problems == (first,)


@pytest.mark.parametrize(
    ("name", "known", "text"),
    [
        ("fp61", ["fp32", "fp16"], "Unknown format 'fp61'. Did you mean fp16? Known: fp16, fp32."),
        ("int", ["xyz"], "Unknown format 'int'. Known: xyz."),
        ("int", [], "Unknown format 'int'. Known: (none)."),
    ],
)
def test_an_unknown_name_lists_what_exists(name: str, known: list[str], text: str) -> None:
    error = UnknownNameError("format", name, known)
    assert str(error) == text
    assert (error.kind, error.name, error.known) == ("format", name, tuple(sorted(known)))


def test_a_mapping_error_says_demand_bound_gap_and_levers() -> None:
    reason = Infeasibility("Weight tile", 3000, 2048, "bytes", ("smaller tiles", "more cores"))
    assert reason.gap == 952  # 3000 - 2048
    assert str(MappingError("conv1 does not fit.", reason)) == (
        "conv1 does not fit.\n  Weight tile: needs 3,000 bytes, has 2,048 bytes (952 too few)."
        " What would help: smaller tiles; more cores."
    )
    assert str(MappingError("conv1 does not fit.")) == "conv1 does not fit."


def test_a_missing_extra_names_the_command_that_installs_it() -> None:
    assert str(MissingExtraError("onnx", "onnx", "Importing net.onnx")) == (
        "Importing net.onnx needs the package 'onnx', which is not installed."
        ' Install it with: pip install "accelsim[onnx]"'
    )


@pytest.mark.parametrize(
    ("name", "hint"),
    [("capacity_kb", " Did you mean capacity_kib?"), ("zzz", ""), ("", "")],
)
def test_only_a_near_name_is_suggested(name: str, hint: str) -> None:
    assert near_miss_hint(name, ["capacity_kib", "name"]) == hint
