"""Run-length codes of passes: small for large ops, and equal to what they stand for."""

from __future__ import annotations

from dataclasses import replace

import pytest

from accelsim.arch import load_chip
from accelsim.schedule import PassGroup, PassPattern, make_schedule
from accelsim.schedule.passes import merge_groups
from accelsim.testing.check_dataflow import example_chip, example_gemm

ONE = PassGroup(
    count=1,
    rows_used=2,
    cols_used=3,
    vectors=5,
    m=5,
    n=3,
    k=2,
    k_first=True,
    k_last=False,
    recirculates=False,
    outer_adds=1,
)
OTHER = replace(ONE, k_first=False)


def test_equal_neighbours_become_one_run() -> None:
    runs = merge_groups([ONE, ONE, OTHER, replace(OTHER, count=4), ONE])
    assert runs == (replace(ONE, count=2), replace(OTHER, count=5), ONE)


def test_pattern_counts_and_unrolls_its_passes() -> None:
    inner = PassPattern(3, (ONE, replace(OTHER, count=2)))
    pattern = PassPattern(2, (inner, ONE))
    assert pattern.pass_count == 2 * (3 * 3 + 1)
    assert sum(group.count for group in pattern.groups()) == pattern.pass_count


def test_totals_add_up_the_kinds_of_passes() -> None:
    pattern = PassPattern(2, (PassPattern(3, (ONE, replace(OTHER, count=2))), ONE))
    assert pattern.totals() == (replace(ONE, count=8), replace(OTHER, count=12))


def test_macs_of_a_run_count_every_pass() -> None:
    # 4 passes of 5 x 3 outputs and 2 products each.
    assert replace(ONE, count=4).macs == 4 * 5 * 3 * 2


@pytest.mark.parametrize("chunk", [1, 8, 64, 576, None])
def test_a_million_passes_take_few_objects(chunk: int | None) -> None:
    chip = load_chip("scalesim_ws_32x32", [("mac_array.rows", "8"), ("mac_array.cols", "8")])
    schedule = make_schedule(example_gemm(7, 16384, 4608, chunk_size=chunk), chip)
    (block,) = schedule.blocks()
    pattern = schedule.block_pattern(block)
    # 4608 / 8 k tiles x 16384 / 8 n tiles.
    assert pattern.pass_count == schedule.pass_count == 576 * 2048
    assert _size(pattern) < 100
    assert sum(kind.macs for kind in pattern.totals()) == schedule.macs


def _size(pattern: PassPattern) -> int:
    return sum(_size(item) if isinstance(item, PassPattern) else 1 for item in pattern.body)


@pytest.mark.parametrize("chunk", [1, 2, 4, 8, 12, 20, None])
def test_pattern_lists_the_steps_in_time_order(chunk: int | None) -> None:
    chip = example_chip(rows=4, cols=4)
    schedule = make_schedule(example_gemm(3, 9, 47, groups=2, chunk_size=chunk), chip)
    (block,) = schedule.blocks()
    runs = [run for run in schedule.block_passes(block) for _ in range(run.count)]
    steps = list(schedule.block_steps(block))
    assert [(run.n, run.k) for run in runs] == [
        (step.n[1] - step.n[0], step.k[1] - step.k[0]) for step in steps
    ]
