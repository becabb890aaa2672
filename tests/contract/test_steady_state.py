"""A long loop advanced by whole periods is the full run, event for event."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from accelsim.arch import Chip
from accelsim.schedule import make_schedule
from accelsim.schedule.traffic import OpGroup, Transfer
from accelsim.testing.check_dataflow import example_chip, example_gemm
from accelsim.timing.core_log import CoreLog
from accelsim.timing.gemm_portions import gemm_work
from accelsim.timing.portions import CoreWork
from accelsim.timing.requests import Request
from accelsim.timing.simulate import TimingOptions, run_request, run_work
from accelsim.timing.steady_state import run_by_periods, stretches
from accelsim.workload.ops import Gemm
from accelsim.workload.views import ConvolutionView

FULL, SKIPPING = TimingOptions(skip_steady_state=False), TimingOptions()


def machine(**changes: Any) -> Chip:
    """Return a small chip with a memory that holds it up."""
    fields: dict[str, Any] = {
        "dataflow": "weight_stationary",
        "rows": 4,
        "cols": 4,
        "k_per_pe": 1,
        "cores": 1,
    }
    slow = {"bandwidth_gb_per_s": changes.pop("bandwidth", 8.0), "latency_ns": 20.0}
    buffering = changes.pop("double_buffering", True)
    chip = example_chip(**(fields | {"capacity_kib": 1} | changes))
    return chip.model_copy(
        update={
            "dram": chip.dram.model_copy(update=slow),
            "scratchpad": chip.scratchpad.model_copy(update={"double_buffering": buffering}),
        }
    )


def convolution(side: int, batch: int) -> Gemm:
    """Return a convolution whose blocks touch more of the map in some rows than in others."""
    view = ConvolutionView(
        batch=batch, height=side, width=side, channels=4, kernel=(3, 3), padding=(1, 1)
    )
    return example_gemm(batch * side * side, 8, 36, chunk_size=4, a_view=view)


CHIPS: Mapping[str, Chip] = {
    **{
        f"{dataflow}, {cores} cores": machine(dataflow=dataflow, cores=cores)
        for dataflow in ("weight_stationary", "output_stationary", "input_stationary")
        for cores in (1, 3)
    },
    "two products a cycle": machine(k_per_pe=2),
    "one buffer": machine(double_buffering=False, cores=2),
    "starved": machine(bandwidth=0.7, cores=2),
    "fed": machine(bandwidth=500.0, cores=4),
    "queue of one": machine().model_copy(
        update={"dma": machine().dma.model_copy(update={"queue_depth": 1})}
    ),
    "odd bandwidth": machine(bandwidth=3.3, cores=3),
}
OPS: Mapping[str, Gemm] = {
    "long m": example_gemm(4_000, 8, 16, chunk_size=4),
    "long m, ragged": example_gemm(1_973, 7, 13, chunk_size=4),
    "long n": example_gemm(16, 800, 24, chunk_size=4),
    "long m and n": example_gemm(200, 60, 16, chunk_size=4),
    "long k": example_gemm(16, 8, 6_000, chunk_size=4),
    "groups": example_gemm(30, 10, 12, groups=50, chunk_size=4),
    "windows": convolution(12, 6),
}


def account(log: CoreLog) -> tuple[Any, ...]:
    """Return all that a core wrote down, its entries in the order of time."""
    intervals = {
        unit: sorted((one.start, one.end, one.bytes) for one in entries)
        for unit, entries in log.intervals.items()
    }
    levels = {buffer: sorted(steps) for buffer, steps in log.levels.items()}
    totals = (log.core, log.plain, log.vectors, log.passes, log.work_end, log.gone.time)
    return (totals, log.stalls, intervals, levels)


def work_of(op: Gemm, chip: Chip) -> dict[int, CoreWork]:
    """Return the portions of an op with its results in DRAM."""
    size = 2 * op.groups * op.m * op.n
    stored = Transfer(size, size if chip.cores > 1 else 0)
    schedule = make_schedule(op, chip)
    return gemm_work(schedule, chip, fused=(), places={}, read=Transfer(), write=stored, limit=8)


@pytest.mark.parametrize("op", OPS.values(), ids=OPS.keys())
@pytest.mark.parametrize("chip", CHIPS.values(), ids=CHIPS.keys())
def test_every_event_is_that_of_the_full_run(chip: Chip, op: Gemm) -> None:
    work = work_of(op, chip)
    full, skipping = run_work(work, chip, FULL), run_work(work, chip, SKIPPING)
    assert [account(log) for log in skipping] == [account(log) for log in full]


def simulated(op: Gemm, chip: Chip) -> tuple[int, int]:
    """Return the portions that are simulated event by event, and all there are."""
    work, seen = work_of(op, chip), []

    def run(some: Mapping[int, CoreWork]) -> list[CoreLog]:
        seen.append(sum(len(one.portions) for one in some.values()))
        return run_work(some, chip, FULL)

    run_by_periods(work, run)
    return sum(seen), sum(len(one.portions) for one in work.values())


@pytest.mark.parametrize(
    ("name", "cores"), [("long m", 1), ("long m", 3), ("long k", 1), ("groups", 1)]
)
def test_long_loops_are_simulated_in_small_part(name: str, cores: int) -> None:
    some, every = simulated(OPS[name], machine(cores=cores))
    assert some < every / 2


def test_a_whole_op_is_the_same_either_way() -> None:
    chip, op = machine(cores=2), OPS["long m"]
    request = Request(
        group=OpGroup(op),
        schedule=make_schedule(op, chip),
        places={},
        read=Transfer(),
        write=Transfer(2 * op.m * op.n, 2 * op.m * op.n),
        port_bits=(0, 0),
    )
    full, skipping = (run_request(request, chip, options=one) for one in (FULL, SKIPPING))
    assert skipping == full


def test_no_stretch_is_seen_in_short_work() -> None:
    assert stretches(work_of(example_gemm(4, 4, 4, chunk_size=4), machine())) == []
