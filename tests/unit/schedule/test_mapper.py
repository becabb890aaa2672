"""The search for mappings: never worse than the rule, and best where all can be tried."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from accelsim.arch import Chip, Mapper, Objective, load_chip
from accelsim.errors import MappingError
from accelsim.precision import get_recipe
from accelsim.schedule import make_schedule, make_schedules, working_set
from accelsim.schedule.candidates import shares, to_mapping
from accelsim.schedule.dataflows import weight_stationary
from accelsim.schedule.estimate import Extents, Shape, Sizer
from accelsim.schedule.layout import ArrayLayout
from accelsim.schedule.mapper import candidates, cost, room_for_blocks, search
from accelsim.schedule.mapping import Dim, Level, Stationary
from accelsim.schedule.tiling import rules_choice, tile_gemm
from accelsim.testing.check_dataflow import example_chip, example_gemm
from accelsim.workload import load_workload, lower
from accelsim.workload.ops import Gemm

SEARCHES = (Objective.CYCLES, Objective.ENERGY, Objective.EDP)


def searching(chip: Chip, objective: Objective, **fields: Any) -> Chip:
    return chip.model_copy(update={"mapper": Mapper(objective=objective, **fields)})


def layout_of(chip: Chip, k_per_pe: int = 1) -> ArrayLayout:
    return ArrayLayout(
        dataflow="weight_stationary",
        stationary=Stationary.WEIGHT,
        rows_dim=Dim.K,
        cols_dim=Dim.N,
        stream_dim=Dim.M,
        rows=chip.mac_array.rows,
        cols=chip.mac_array.cols,
        k_per_pe=k_per_pe,
        pass_order=(Dim.GROUP, Dim.N, Dim.M, Dim.K),
    )


OPS = tuple(
    example_gemm(m, n, k, chunk_size=8)
    for m, n, k in ((64, 40, 64), (7, 90, 128), (200, 8, 16), (33, 33, 96))
)


@pytest.mark.parametrize("objective", SEARCHES)
@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
@pytest.mark.parametrize("cores", [1, 4])
def test_search_is_never_worse_than_the_rule(op: Gemm, objective: Objective, cores: int) -> None:
    chip = searching(example_chip(rows=8, cols=4, cores=cores, capacity_kib=4), objective)
    layout = layout_of(chip)
    rule = rules_choice(op, chip, layout)
    found = search(op, chip, layout, rule=rule)
    assert to_mapping(op, chip, layout, found) == weight_stationary(op, chip)
    assert cost(op, chip, layout, found) <= cost(op, chip, layout, rule)


@pytest.mark.parametrize("objective", SEARCHES)
def test_search_finds_the_best_of_all_blocks_of_a_small_op(objective: Objective) -> None:
    # 12 x 12 x 16 on 2 x 2: 12 sizes of m, 6 of n, 2 of k in whole chunks, 2 loop orders.
    chip = searching(example_chip(rows=2, cols=2, capacity_kib=1), objective)
    op, layout = example_gemm(12, 12, 16, chunk_size=8), layout_of(chip)
    rule = rules_choice(op, chip, layout)
    room = room_for_blocks(chip, rule)
    assert room is not None
    (share,) = shares(op, layout, cores=1, splits_k=False)
    sizer = Sizer(Shape.of(op), share)
    costs = [
        cost(op, chip, layout, (share, one))
        for m, n, k, outside in product(range(1, 13), range(2, 13, 2), (8, 16), (False, True))
        if (one := sizer.candidate(Extents(1, m, n, k), n_outside=outside)).working_set_bytes
        <= room
    ]
    found = search(op, chip, layout, rule=rule)
    assert cost(op, chip, layout, found) == min(costs)


@pytest.mark.parametrize("limit", [2, 30, 300])
def test_no_more_candidates_than_allowed_are_looked_at(limit: int) -> None:
    chip = searching(example_chip(rows=2, cols=2), Objective.CYCLES, max_candidates=limit)
    op = example_gemm(100, 90, 64, chunk_size=4)
    assert 1 <= len(list(candidates(op, chip, layout_of(chip), None))) <= limit


def test_a_search_that_finds_no_room_says_demand_bound_and_levers() -> None:
    chip = searching(example_chip(rows=32, cols=32, capacity_kib=1), Objective.EDP)
    with pytest.raises(MappingError) as caught:
        make_schedule(example_gemm(64, 64, 64, chunk_size=32), chip)
    reason = caught.value.reason
    assert reason is not None
    assert reason.demand > reason.bound == 512
    assert reason.levers


@pytest.mark.parametrize("objective", SEARCHES)
def test_searched_networks_fit_and_keep_the_order_of_additions(objective: Objective) -> None:
    chip = load_chip("fp8_chunk64", [("mapper.objective", str(objective))])
    trace = lower(load_workload("tiny"), get_recipe(chip.default_recipe))
    plain = make_schedules(trace.ops, load_chip("fp8_chunk64"))
    room = chip.scratchpad.usable_bytes
    assert room is not None
    for name, schedule in make_schedules(trace.ops, chip).items():
        assert schedule.reduction_order() == plain[name].reduction_order()
        for block in schedule.blocks():
            assert working_set(schedule.op, block).total_bytes <= (
                chip.scratchpad.usable_bytes or 0
            )


def test_cores_in_two_directions_cover_the_op_once() -> None:
    # 4 cores on 8 x 8 outputs of 4 x 4 tiles: only 2 x 2 of them have equal work and all.
    chip = example_chip(rows=4, cols=4, cores=4)
    op = example_gemm(8, 8, 8, chunk_size=4)
    layout = ArrayLayout(
        dataflow="output_stationary",
        stationary=Stationary.OUTPUT,
        rows_dim=Dim.M,
        cols_dim=Dim.N,
        stream_dim=Dim.K,
        rows=4,
        cols=4,
        k_per_pe=1,
        pass_order=(Dim.GROUP, Dim.M, Dim.N, Dim.K),
    )
    mapping = tile_gemm(op, chip, layout)
    assert {loop.dim: loop.count for loop in mapping.at(Level.CORE)} == {
        Dim.M: 2,
        Dim.N: 2,
    }
    steps = list(make_schedule(op, chip, mapping=mapping).steps())
    assert [(step.core, step.m, step.n) for step in steps] == [
        (0, (0, 4), (0, 4)),
        (1, (0, 4), (4, 8)),
        (2, (4, 8), (0, 4)),
        (3, (4, 8), (4, 8)),
    ]
