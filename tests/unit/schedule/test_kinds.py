"""Kinds of schedules: which are one object, and which views touch as much as they show."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations, product

import pytest

from accelsim.arch import load_chip
from accelsim.schedule import Schedule, kind_of, make_schedule, make_schedules
from accelsim.schedule.range_classes import is_plain
from accelsim.testing.check_dataflow import example_gemm
from accelsim.workload.error_view import ErrorView
from accelsim.workload.ops import Gemm, Phase
from accelsim.workload.transposed_view import TransposedView
from accelsim.workload.views import ConvolutionView, MatrixView, View
from accelsim.workload.window_footprint import touched_by_grid, touched_elements


def scheduled(op: Gemm, *overrides: tuple[str, str]) -> Schedule:
    return make_schedule(op, load_chip("fp8_chunk64", list(overrides)))


def test_names_make_no_kind() -> None:
    op = example_gemm(64, 64, 256)
    other = replace(op, name="other", layer="elsewhere", phase=Phase.BACKWARD)
    one = kind_of(scheduled(op))
    assert kind_of(scheduled(other)) is one
    assert one.schedule.op.name == ""
    assert one.schedule.mapping == scheduled(op).mapping


def test_the_points_of_a_sweep_share_kinds() -> None:
    # Both schedules are made anew; neither clock nor price decides anything in them.
    op = example_gemm(64, 64, 256)
    first = make_schedules([op], load_chip("fp8_chunk64"))
    second = make_schedules([op], load_chip("fp8_chunk64", [("technology_nm", "45")]))
    assert kind_of(first[op.name]) is kind_of(second[op.name])


def test_another_shape_chunk_or_number_of_cores_is_another_kind() -> None:
    op = example_gemm(64, 64, 256)
    others = (
        scheduled(example_gemm(64, 64, 320)),
        scheduled(example_gemm(64, 64, 256, chunk_size=32)),
        scheduled(op, ("cores", "2")),
        scheduled(replace(op, phase=Phase.GRADIENT)),
    )
    assert len({kind_of(one) for one in (scheduled(op), *others)}) == len(others) + 1


def test_a_kind_knows_its_blocks() -> None:
    schedule = scheduled(example_gemm(4096, 512, 4096), ("scratchpad.capacity_kib", "256"))
    blocks = sum(1 for _ in schedule.blocks())
    assert blocks > 4
    assert kind_of(schedule).block_count == schedule.block_count == blocks
    assert schedule.pass_count == sum(1 for _ in schedule.steps())


def windows(kernel: int, stride: int, padding: int) -> ConvolutionView:
    pairs = ((kernel, kernel), (stride, stride), (padding, padding))
    return ConvolutionView(2, 5, 5, 3, *pairs)


def errors(stride: int, padding: int = 0) -> ErrorView:
    return ErrorView(2, 5, 5, 3, (1, 1), (stride, stride), (padding, padding))


@pytest.mark.parametrize(
    ("view", "plain"),
    [
        (MatrixView((4, 6), 1, 4, 6), True),
        (windows(1, 1, 0), True),
        (windows(1, 2, 0), True),
        (TransposedView(windows(1, 2, 0)), True),
        (errors(1), True),
        (errors(2), False),
        (errors(1, padding=1), False),
        (windows(1, 1, 1), False),
        (windows(3, 1, 1), False),
        (TransposedView(windows(3, 2, 0)), False),
    ],
)
def test_tiles_of_plain_views_touch_their_places(view: View, plain: bool) -> None:
    assert is_plain(view) is plain
    if plain:
        for rows, columns in product(combinations(range(9), 2), combinations(range(4), 2)):
            places = (rows[1] - rows[0]) * (columns[1] - columns[0])
            assert view.footprint(rows, columns) == places


@pytest.mark.parametrize("view", [windows(3, 2, 1), windows(2, 1, 0), errors(2)])
def test_a_grid_touches_what_its_blocks_touch(view: ConvolutionView | ErrorView) -> None:
    rows = [((0, 4), 2), ((4, 9), 1), ((3, 17), 3)]
    columns = [((0, 2), 1), ((1, 3), 5)]
    if view.kernel != (1, 1):
        columns += [((2, 7), 1), ((0, 12), 2)]
    one_by_one = sum(
        down * across * touched_elements(view, one, two)
        for (one, down), (two, across) in product(rows, columns)
    )
    assert touched_by_grid(view, rows, columns) == one_by_one
