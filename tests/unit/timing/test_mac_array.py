"""Nested runs of passes, summed, against the same passes walked one by one."""

from __future__ import annotations

from itertools import pairwise

import pytest

from accelsim.schedule import PassGroup, PassPattern
from accelsim.timing.mac_array import ArrayModel, Cycles
from accelsim.timing.memory import Port
from accelsim.timing.portions import array_model
from tests.unit.timing.machines import make_chip, make_gemm, schedule_of

DATAFLOWS = ("weight_stationary", "output_stationary", "input_stationary")


def walked(model: ArrayModel, pattern: PassPattern) -> tuple[Cycles, int]:
    """Add up the gaps between all neighbours; return them and the streamed vectors."""
    every = [group for group in pattern.groups() for _ in range(group.count)]
    total = Cycles()
    for before, after in pairwise(every):
        total = total.plus(model.gap(before, after))
    return total, sum(group.vectors for group in every)


@pytest.mark.parametrize("dataflow", DATAFLOWS)
@pytest.mark.parametrize("switches", [{}, {"preload_hidden": False}, {"overlap_passes": False}])
@pytest.mark.parametrize("shape", [(5, 4, 3), (9, 7, 17), (16, 33, 40), (1, 20, 64)])
def test_steady_state_advanced_in_one_go_is_the_full_walk(
    dataflow: str, switches: dict[str, bool], shape: tuple[int, int, int]
) -> None:
    chip = make_chip(
        dataflow=dataflow,
        rows=3,
        cols=2,
        array=switches,
        latency=9,
        scratchpad={"read_bytes_per_cycle": 3, "write_bytes_per_cycle": 2},
    )
    schedule = schedule_of(make_gemm(*shape, chunk_size=3), chip)
    for block in schedule.blocks():
        model = array_model(schedule, chip, block)
        pattern = schedule.block_pattern(block)
        run = model.run(pattern)
        assert (run.span, run.vectors) == walked(model, pattern)
        assert run.passes == pattern.pass_count


def test_partial_sums_that_come_back_after_several_passes() -> None:
    """Two output tiles take turns; a sum is due back 2 passes later but takes 11 cycles.

    Starts 0, 4; then 0 + 11, which waited 3 cycles; 15; then 22, which waited 3 again.
    """
    chip = make_chip(rows=4, cols=4, latency=11)
    schedule = schedule_of(make_gemm(4, 8, 12, chunk_size=4), chip)
    model = array_model(schedule, chip, next(schedule.blocks()))
    model = ArrayModel(form=model.form, port=model.port, distance=2)
    turn = [
        PassGroup(2, 4, 4, 4, 4, 4, 4, k_first=at == 0, k_last=at == 2, recirculates=False,
                  outer_adds=1)
        for at in range(3)
    ]  # fmt: skip
    run = model.run(PassPattern(1, tuple(turn)))
    assert run.span.total == 26
    assert run.span.accumulator == 6


@pytest.mark.parametrize(("bytes_per_cycle", "stall"), [(4, 0), (3, 22)])
def test_scratchpad_port_stalls_at_one_byte_less(bytes_per_cycle: int, stall: int) -> None:
    """4 rows of 1 byte take 4 bytes a cycle: 64 vectors, 256 bytes, at 3 a cycle 86 cycles."""
    chip = make_chip(scratchpad={"read_bytes_per_cycle": bytes_per_cycle})
    schedule = schedule_of(make_gemm(64, 4, 4), chip)
    block = next(schedule.blocks())
    model = array_model(schedule, chip, block)
    run = model.run(schedule.block_pattern(block))
    assert model.last(run.last).scratchpad == stall


def test_a_hidden_preload_shares_the_port() -> None:
    """8 vectors of 4 bytes and the next tile's 16: 48 bytes; 6 a cycle hide, 5 need 2 more."""
    for bytes_per_cycle, late in ((6, 0), (5, 2)):
        chip = make_chip(scratchpad={"read_bytes_per_cycle": bytes_per_cycle})
        schedule = schedule_of(make_gemm(8, 4, 8, chunk_size=4), chip)
        block = next(schedule.blocks())
        model = array_model(schedule, chip, block)
        run = model.run(schedule.block_pattern(block))
        assert run.span == Cycles(plain=8, preload=late)


def test_an_unlimited_port_never_stalls() -> None:
    chip = make_chip()
    op = make_gemm(8, 4, 8)
    port = Port.of(op, schedule_of(op, chip).mapping.stationary, chip.scratchpad)
    group = PassGroup(1, 4, 4, 8, 8, 4, 4, True, True, False, 1)
    assert (port.stream_cycles(group), port.preload_cycles(group)) == (0, 0)
