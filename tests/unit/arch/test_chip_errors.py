"""Chip files that are wrong: each says where, what, and what would work."""

from __future__ import annotations

from pathlib import Path

import pytest

from accelsim.arch import load_chip
from accelsim.errors import ConfigError
from accelsim.files import ResourceKind, resource_path
from accelsim.report.inventory import check_file

PAIR = "{a: fp8_e5m2, b: bf16}"


def problem(key: str, value: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load_chip("fp8_chunk64", [(key, value)])
    return "\n".join(f"{one.path}: {one.message}" for one in caught.value.problems)


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("cores", "0", "cores: Got 0, expected at least 1."),
        ("mac_array.rows", "0", "mac_array.rows: Got 0, expected at least 1."),
        ("mac_array.cols", "99999999", "mac_array.cols: Got 99999999, expected at most 65536."),
        ("mac_array.operand_pairs", "[]", "expected at least 1 entries"),
        ("clock_mhz", "0", "clock_mhz: Got 0, expected more than 0."),
        ("clock_mhz", "fast", "clock_mhz: Got 'fast'"),
        ("scratchpad.capacity_kib", "0", "capacity_kib: Got 0, expected at least 1."),
        ("scratchpad.capacity_kb", "1", "capacity_kb: Unknown key. Did you mean capacity_kib?"),
        ("mac_array.dataflow", "weight_stationery", "Did you mean weight_stationary?"),
        ("mac_array.drain", "hiden", "Did you mean hidden?"),
        ("default_recipe", "wang201", "Unknown recipe 'wang201'. Did you mean wang2018?"),
        ("cost_table", "synth54", "Unknown cost table 'synth54'. Did you mean synth45?"),
        ("vector_unit.formats", "[fp16_e6m10]", "vector_unit.formats[0]: Unknown format"),
        ("vector_unit.cycles_per_element.relu", "0", "relu: Got 0, expected at least 1."),
        ("dram", "{page_policy: open}", "page_policy: Rows take time only beside transfers"),
        ("dram", "{channels: 2, interleave_bytes: 100}", "100 is no multiple of burst_bytes (64)"),
        (
            "dram",
            "{bandwidth_gb_per_s: 1, page_policy: open, page_bytes: 100}",
            "page_bytes: 100 is no multiple of burst_bytes (64)",
        ),
        (
            "dram",
            "{bandwidth_gb_per_s: 1, page_policy: open, refresh_ns: 8000}",
            "refresh_ns: A refresh of 8000 ns every 7800 ns leaves no time",
        ),
        ("dram.page_policy", "closed", "page_policy: Got 'closed'"),
        ("dma.queue_depth", "0", "queue_depth: Got 0, expected at least 1."),
        ("interconnect.routing", "every_lnk", "Did you mean every_link?"),
        ("sources", "{clock_mzh: x}", "No field has this name. Did you mean clock_mhz?"),
    ],
)
def test_wrong_value_is_refused_with_its_place(key: str, value: str, text: str) -> None:
    assert text in problem(key, value)


def test_pair_listed_twice_is_refused_in_either_order() -> None:
    text = problem("mac_array.operand_pairs", f"[{PAIR}, {{a: bf16, b: fp8_e5m2, k_per_pe: 2}}]")
    assert text.startswith("mac_array.operand_pairs[1]: bf16 x fp8_e5m2 is listed already")


def test_all_problems_are_reported_together() -> None:
    with pytest.raises(ConfigError) as caught:
        load_chip("fp8_chunk64", [("cores", "0"), ("mac_array.rows", "-1"), ("clok_mhz", "1")])
    assert {one.path for one in caught.value.problems} == {"cores", "mac_array.rows", "clok_mhz"}


def test_problem_of_a_file_has_its_line(tmp_path: Path) -> None:
    file = tmp_path / "chip.yaml"
    file.write_text("base: fp16.yaml\nname: mine\nmac_array:\n  rows: 0\n", encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_chip(file)
    (found,) = caught.value.problems
    assert (found.file, found.line, found.path) == (str(file), 4, "mac_array.rows")


def test_check_finds_a_vector_function_that_does_not_exist(tmp_path: Path) -> None:
    text = resource_path(ResourceKind.ARCH_CONFIGS, "fp8_chunk64").read_text()
    path = tmp_path / "chip.yaml"
    path.write_text(text.replace("softmax: 4", "softmx: 4"))
    with pytest.raises(ConfigError, match=r"cycles_per_element\n.*'softmx'\. Did you mean softmax"):
        check_file(path)
