"""What double buffering, queues, rates and accumulators cost, in cycles counted by hand."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelsim.arch import Chip
from accelsim.schedule.traffic import Transfer
from accelsim.timing import OpTiming, StallCause, TimingOptions, simulate_op
from tests.properties.test_timing_laws import chips, gemms
from tests.unit.timing.machines import make_chip, make_gemm, schedule_of
from tests.unit.timing.test_simulate import vector_op

NOTHING = Transfer()


def timing(op: Any, chip: Chip) -> OpTiming:
    return simulate_op(op, chip, schedule_of(op, chip), write=NOTHING)


@pytest.mark.parametrize(
    ("array", "cycles"),
    [
        # Five tiles of k, 10 vectors each: one preload, five streams, one drain of 4 + 4 - 2.
        ({}, 4 + 5 * 10 + 6),
        # Every tile is loaded before it streams.
        ({"preload_hidden": False}, 5 * (4 + 10) + 6),
        # Every pass drains, too.
        ({"preload_hidden": False, "overlap_passes": False}, 5 * (4 + 10 + 6)),
    ],
)
def test_double_buffering_at_the_array(array: dict[str, Any], cycles: int) -> None:
    assert timing(make_gemm(10, 4, 20, chunk_size=4), make_chip(array=array)).cycles == cycles


@pytest.mark.parametrize(("double", "cycles"), [(True, 2 + 4 * 4), (False, 4 * (2 + 4))])
def test_double_buffering_at_the_scratchpad(double: bool, cycles: int) -> None:
    """Four portions of 2 cycles of loading and 4 of work: only the first load shows, or all."""
    chip = make_chip(
        lanes=1,
        dram={"bandwidth_gb_per_s": 4.0},
        scratchpad={"double_buffering": double},
    )
    got = simulate_op(
        vector_op("relu", 16, fused=False),
        chip,
        read=Transfer(32, 0),
        options=TimingOptions(portions_per_block=4),
    )
    assert got.cycles == cycles


@pytest.mark.parametrize(
    ("depth", "stall"),
    [
        # Arrivals in 60, 68, 76, 84; the array needs a new part every 16 cycles.
        (None, 60),
        # Asked for in 0, 10, 60 and 68: there in 60, 68, 118, 126. The third part's passes
        # are due in 60 + 4 + 2 * 16 = 96, and begin 4 cycles after it has come.
        (2, 60 + (118 + 4 - 96)),
        # Each asked for when the one before has come: 60, 118, 176, 234. A part comes 58
        # cycles after the one before, where the array takes 16.
        (1, 60 + 3 * (58 - 16)),
    ],
)
def test_double_buffering_at_dram(depth: int | None, stall: int) -> None:
    """Loads of 80, 64, 64 and 64 bytes at 8 bytes a cycle, 50 cycles of latency."""
    chip = make_chip(dram={"bandwidth_gb_per_s": 8.0, "latency_ns": 50}, dma={"queue_depth": depth})
    chip = chip.model_copy(
        update={"accumulator": chip.accumulator.model_copy(update={"entries": 16})}
    )
    got = timing(make_gemm(64, 4, 4), chip)
    assert got.array_cycles == 4 + 64 + 6
    assert dict(got.stalls) == {StallCause.DRAM_READ: stall}


def test_two_rate_elements_take_twice_the_k_in_the_same_cycles() -> None:
    one = timing(make_gemm(10, 4, 20, chunk_size=4), make_chip())
    two = timing(make_gemm(10, 4, 40, chunk_size=8), make_chip(k_per_pe=2))
    assert one.cycles == two.cycles == 4 + 5 * 10 + 6
    assert (one.utilization, two.utilization) == (800 / (16 * 60), 1600 / (32 * 60))


@pytest.mark.parametrize(
    ("latency", "interval", "stall"),
    [
        (10, 1, 9),  # 10 vectors between two additions of an output: only the last one shows
        (12, 1, 4 * 2 + 11),  # four waits of two cycles
        (1, 2, 4 * 10 + 9),  # an addition every second cycle
    ],
)
def test_outer_accumulators_have_a_latency_and_an_interval(
    latency: int, interval: int, stall: int
) -> None:
    chip = make_chip(latency=latency, interval=interval)
    got = timing(make_gemm(10, 4, 20, chunk_size=4), chip)
    assert got.array_cycles == 4 + 5 * 10 + 6
    assert dict(got.stalls) == {StallCause.ACCUMULATOR: stall}


SWITCHES = {
    "array": ("mac_array", {"preload_hidden": True}, {"preload_hidden": False}),
    "passes": ("mac_array", {"overlap_passes": True}, {"overlap_passes": False}),
    "scratchpad": ("scratchpad", {"double_buffering": True}, {"double_buffering": False}),
    "dram": ("dma", {"queue_depth": None}, {"queue_depth": 1}),
}


@settings(max_examples=80)
@given(gemms(), chips(max_cores=1, rows=False), st.sampled_from(sorted(SWITCHES)))
def test_a_switch_that_is_off_never_speeds_up(op: Any, chip: Chip, name: str) -> None:
    """On one schedule, that of the chip with its double buffering on."""
    part, on, off = SWITCHES[name]

    def with_(values: dict[str, Any]) -> Chip:
        changed = getattr(chip, part).model_copy(update=values)
        return chip.model_copy(update={part: changed})

    schedule = schedule_of(op, with_(on))
    fast, slow = (simulate_op(op, with_(values), schedule) for values in (on, off))
    assert fast.cycles <= slow.cycles
