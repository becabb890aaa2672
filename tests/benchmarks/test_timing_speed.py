"""How fast the clock is told: CPU time of ResNet-50's timing, import and schedules apart.

The limits are far above what is measured (0.03 s, 0.1 s and 0.2 s on a 2 GHz core), so
that only a change of complexity, an event per pass say, can break them.
"""

from __future__ import annotations

import time

import pytest

from accelsim.arch import Chip, load_chip
from accelsim.precision.lookup import get_recipe
from accelsim.schedule import make_schedule, make_schedules
from accelsim.timing import estimate, simulate
from accelsim.workload import load_workload, lower


def array_of(rows: int, dataflow: str = "weight_stationary") -> Chip:
    """Return a chip with a square array and memories without limit."""
    size = str(rows)
    return load_chip(
        "scalesim_ws_32x32",
        [("mac_array.rows", size), ("mac_array.cols", size), ("mac_array.dataflow", dataflow)],
    )


@pytest.mark.parametrize(
    ("rows", "limit_seconds"), [(128, 0.5), (32, 1.5), (8, 5.0)], ids=["128", "32", "8"]
)
@pytest.mark.parametrize("dataflow", ["weight_stationary", "output_stationary"])
def test_resnet50_timing_in_cpu_seconds(dataflow: str, rows: int, limit_seconds: float) -> None:
    chip = array_of(rows, dataflow)
    trace = lower(load_workload("resnet50"), get_recipe(chip.default_recipe))
    schedules = {op.name: make_schedule(op, chip) for op in trace.gemms}
    begun = time.process_time()
    timeline = simulate(trace, chip, schedules)
    assert time.process_time() - begun < limit_seconds
    assert timeline.cycles > 0


@pytest.mark.parametrize(("rows", "limit_seconds"), [(128, 1.5), (32, 4.5), (8, 15.0)])
def test_a_training_step_at_batch_256_takes_at_most_three_times_as_long(
    rows: int, limit_seconds: float
) -> None:
    chip = array_of(rows)
    recipe = get_recipe(chip.default_recipe)
    trace = lower(load_workload("resnet50"), recipe, batch=256, phase="training")
    begun = time.process_time()
    schedules = make_schedules(trace.ops, chip)
    timeline = simulate(trace, chip, schedules)
    assert time.process_time() - begun < limit_seconds
    assert timeline.cycles > 0


def test_closed_forms_take_less_than_a_millisecond_an_op() -> None:
    chip = load_chip("fp8_chunk64")
    trace = lower(load_workload("resnet50"), get_recipe(chip.default_recipe))
    schedules = make_schedules(trace.ops, chip)
    seconds = []
    for _ in range(3):
        begun = time.process_time()
        estimate(trace, chip, schedules)
        seconds.append(time.process_time() - begun)
    assert min(seconds) / len(trace.ops) < 1e-3
