"""The laws of a schedule, over random ops, chips and dataflows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from accelsim.arch import Chip, load_chip
from accelsim.files import list_resources
from accelsim.precision import get_recipe
from accelsim.schedule import Dim, Level, Schedule, make_schedule, make_schedules, working_set
from accelsim.schedule.kernel_rows import KernelRows
from accelsim.schedule.mapping import Stationary
from accelsim.schedule.passes import make_pass, merge_groups
from accelsim.testing.check_dataflow import example_chip, example_gemm
from accelsim.workload import load_workload, lower
from accelsim.workload.ops import Gemm
from accelsim.workload.views import ConvolutionView

DATAFLOWS = ("weight_stationary", "output_stationary", "input_stationary", "row_stationary")
#: Dataflows whose elements can end a chunk anywhere.
ANY_CHUNK = ("output_stationary", "row_stationary")


@st.composite
def chips(draw: st.DrawFn) -> Chip:
    return example_chip(
        dataflow=draw(st.sampled_from(DATAFLOWS)),
        rows=draw(st.integers(1, 5)),
        cols=draw(st.integers(1, 4)),
        k_per_pe=draw(st.sampled_from([1, 2])),
        cores=draw(st.integers(1, 4)),
        capacity_kib=draw(st.sampled_from([None, 1, 2])),
        entries=draw(st.sampled_from([None, 1, 3])),
    )


@st.composite
def gemms(draw: st.DrawFn) -> Gemm:
    chunk = draw(st.sampled_from([None, 1, 2, 4, 6, 8, 10, 16]))
    if draw(st.booleans()):
        side = draw(st.integers(3, 6))
        channels = draw(st.integers(1, 3))
        view = ConvolutionView(
            batch=draw(st.integers(1, 2)),
            height=side,
            width=side,
            channels=channels,
            kernel=(3, 3),
            padding=(1, 1),
        )
        m = view.batch * side * side
        return example_gemm(m, draw(st.integers(1, 9)), 9 * channels, chunk_size=chunk, a_view=view)
    m, n, k = (draw(st.integers(1, top)) for top in (14, 9, 60))
    return example_gemm(m, n, k, groups=draw(st.integers(1, 3)), chunk_size=chunk)


def scheduled(op: Gemm, chip: Chip) -> Schedule:
    """Return the schedule; draw another example where chunks do not suit the chip."""
    array, chunk = chip.mac_array, op.accumulator.chunk_length(op.k)
    k_tile = array.rows * array.operand_pairs[0].k_per_pe
    suits = chunk >= op.k or chunk % k_tile == 0 or k_tile % chunk == 0
    assume(suits or array.dataflow in ANY_CHUNK)
    entries, rows = chip.accumulator.entries, KernelRows.of(op)
    if array.dataflow == "row_stationary" and entries is not None:
        assume(rows.out_width <= entries)  # an output row of sums waits in a column
    return make_schedule(op, chip)


@given(op=gemms(), chip=chips())
def test_steps_tile_every_product_exactly_once(op: Gemm, chip: Chip) -> None:
    schedule = scheduled(op, chip)
    visits = np.zeros((op.groups, op.m, op.n, op.k), dtype=np.int64)
    for step in schedule.steps():
        visits[step.group, slice(*step.m), slice(*step.n), slice(*step.k)] += 1
    assert np.all(visits == 1)


@given(op=gemms(), chip=chips())
def test_macs_are_conserved_by_blocks_steps_and_passes(op: Gemm, chip: Chip) -> None:
    schedule = scheduled(op, chip)
    blocks = list(schedule.blocks())
    assert sum(block.macs for block in blocks) == op.macs
    assert sum(step.macs for step in schedule.steps()) == op.macs
    runs = [run for block in blocks for run in schedule.block_passes(block)]
    assert sum(run.macs for run in runs) == op.macs


@given(op=gemms(), chip=chips())
def test_products_of_an_output_come_in_ascending_k_on_one_core(op: Gemm, chip: Chip) -> None:
    schedule = scheduled(op, chip)
    done = np.zeros((op.groups, op.m, op.n), dtype=np.int64)
    owner = np.full(done.shape, -1)
    for step in schedule.steps():
        tile = (step.group, slice(*step.m), slice(*step.n))
        assert np.all(done[tile] == step.k[0])
        assert np.all((owner[tile] == -1) | (owner[tile] == step.core))
        done[tile] = step.k[1]
        owner[tile] = step.core
    order = schedule.reduction_order()
    assert sorted(order.positions()) == list(range(op.k))
    plain = schedule.mapping.stationary is not Stationary.ROW
    assert not plain or list(order.positions()) == list(range(op.k))


@given(op=gemms(), chip=chips())
def test_run_length_codes_and_counts_equal_the_steps(op: Gemm, chip: Chip) -> None:
    schedule = scheduled(op, chip)
    index = 0
    for position, block in enumerate(schedule.blocks()):
        assert (block.index, block.first_step) == (position, index)
        steps = list(schedule.block_steps(block))
        assert [step.index for step in steps] == list(range(index, index + len(steps)))
        index += len(steps)
        passes = (
            make_pass(
                schedule.mapping,
                m=step.m[1] - step.m[0],
                n=step.n[1] - step.n[0],
                k=step.k,
                total_k=op.k,
            )
            for step in steps
        )
        assert merge_groups(passes) == schedule.block_passes(block)
        pattern = schedule.block_pattern(block)
        assert pattern.pass_count == len(steps)
        assert sum(kind.count for kind in pattern.totals()) == len(steps)
    assert index == schedule.pass_count
    assert position + 1 == schedule.block_count


@given(op=gemms(), chip=chips())
def test_every_chunk_ends_in_exactly_one_pass(op: Gemm, chip: Chip) -> None:
    # The outer accumulator adds each output's chunks once: chunks x outputs additions.
    schedule = scheduled(op, chip)
    runs = [run for block in schedule.blocks() for run in schedule.block_passes(block)]
    additions = sum(run.count * run.outer_adds * run.m * run.n for run in runs)
    chunks = len(schedule.reduction_order().chunks())
    assert additions == chunks * op.groups * op.m * op.n


@given(op=gemms(), chip=chips())
def test_a_pass_fits_the_array(op: Gemm, chip: Chip) -> None:
    schedule = scheduled(op, chip)
    entries = chip.accumulator.entries
    plain = schedule.mapping.stationary is not Stationary.ROW
    for block in schedule.blocks():
        for run in schedule.block_passes(block):
            assert 1 <= run.rows_used <= chip.mac_array.rows
            assert 1 <= run.cols_used <= chip.mac_array.cols
            if schedule.mapping.k_on_rows and entries is not None:
                sums = run.m * run.n / run.cols_used
                assert (run.vectors if plain else sums) <= entries


@given(op=gemms(), chip=chips())
def test_every_block_fits_the_scratchpad(op: Gemm, chip: Chip) -> None:
    schedule = scheduled(op, chip)
    bound = chip.scratchpad.usable_bytes
    if bound is not None:
        assert all(working_set(op, block).total_bytes <= bound for block in schedule.blocks())


@given(op=gemms(), chip=chips())
def test_tile_sizes_do_not_change_the_order_of_additions(op: Gemm, chip: Chip) -> None:
    schedule = scheduled(op, chip)
    roomy = chip.model_copy(
        update={"scratchpad": chip.scratchpad.model_copy(update={"capacity_kib": None}), "cores": 1}
    )
    assert scheduled(op, roomy).reduction_order() == schedule.reduction_order()


@given(op=gemms(), chip=chips(), chunk=st.integers(1, 30))
def test_order_knows_only_k_and_chunks(op: Gemm, chip: Chip, chunk: int) -> None:
    array = chip.mac_array.model_copy(update={"dataflow": "output_stationary"})
    free = chip.model_copy(update={"mac_array": array})
    accumulator = op.accumulator.model_copy(update={"chunk_size": chunk})
    order = scheduled(replace(op, accumulator=accumulator), free).reduction_order()
    stops = [*range(chunk, op.k, chunk), op.k]
    assert order.chunks() == tuple(zip([0, *stops[:-1]], stops, strict=True))


@settings(max_examples=30)
@given(op=gemms(), chip=chips())
def test_block_ranges_are_those_of_the_blocks(op: Gemm, chip: Chip) -> None:
    schedule = scheduled(op, chip)
    blocks = list(schedule.blocks())
    for dim in Dim:
        assert set(schedule.block_ranges(dim)) == {block.range(dim) for block in blocks}
    cores = {block.core for block in blocks}
    assert cores == set(range(schedule.mapping.cores_used))
    # One dimension is split over the cores, or m and n together.
    assert set(schedule.mapping.order(Level.CORE)) <= {Dim.M, Dim.N} or (
        len(schedule.mapping.at(Level.CORE)) == 1
    )


@pytest.mark.parametrize("network", list_resources("workloads"))
@pytest.mark.parametrize("name", ["fp8_chunk64", "fp16_fp16acc", "fp32", "int8"])
def test_every_network_that_ships_fits_the_chips_that_ship(network: str, name: str) -> None:
    chip = load_chip(name)
    trace = lower(load_workload(network), get_recipe(chip.default_recipe))
    schedules = make_schedules(trace.ops, chip)
    assert sum(schedule.macs for schedule in schedules.values()) == trace.macs
    assert not any(schedule.mapping.fallback for schedule in schedules.values())
