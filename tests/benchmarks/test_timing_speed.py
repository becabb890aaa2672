"""How fast the clock is told: CPU time of ResNet-50's timing, import and schedules apart.

The limits are far above what is measured (0.03 s, 0.1 s and 0.2 s on a 2 GHz core), so
that only a change of complexity, an event per pass say, can break them.
"""

from __future__ import annotations

import time

import pytest

from accelsim.arch import load_chip
from accelsim.precision.lookup import get_recipe
from accelsim.schedule import make_schedule
from accelsim.timing import simulate
from accelsim.workload import load_workload, lower


@pytest.mark.parametrize(
    ("rows", "limit_seconds"), [(128, 0.5), (32, 1.5), (8, 5.0)], ids=["128", "32", "8"]
)
@pytest.mark.parametrize("dataflow", ["weight_stationary", "output_stationary"])
def test_resnet50_timing_in_cpu_seconds(dataflow: str, rows: int, limit_seconds: float) -> None:
    size = str(rows)
    chip = load_chip(
        "scalesim_ws_32x32",
        [("mac_array.rows", size), ("mac_array.cols", size), ("mac_array.dataflow", dataflow)],
    )
    trace = lower(load_workload("resnet50"), get_recipe(chip.default_recipe))
    schedules = {op.name: make_schedule(op, chip) for op in trace.gemms}
    begun = time.process_time()
    timeline = simulate(trace, chip, schedules)
    assert time.process_time() - begun < limit_seconds
    assert timeline.cycles > 0
