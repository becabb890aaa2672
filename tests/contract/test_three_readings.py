"""Values, time and price are read off one schedule, and agree on what it says."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
import pytest

from accelsim.arch import Chip, load_chip
from accelsim.cost.traffic import trace_traffic
from accelsim.numerics.executor import execute
from accelsim.precision.lookup import get_recipe
from accelsim.schedule import Schedule, make_schedule
from accelsim.timing import Timeline, simulate
from accelsim.workload import Gemm, Trace, load_workload, lower

WORKLOADS = ("tiny", "cifar10_cnn", "ncf")
CHIPS = ("fp8_chunk64", "fp8_only", "fp32", "scalesim_os_32x32", "scalesim_is_32x32", "rows")
#: Chips that differ from one that ships.
CHANGED = {
    "rows": ("fp8_chunk64", [("mac_array.dataflow", "row_stationary")]),
}


def chip_of(name: str) -> Chip:
    return load_chip(*CHANGED.get(name, (name,)))


class Readings:
    """A trace on a chip, with its schedules, timeline and traffic."""

    def __init__(self, workload: str, chip: Chip) -> None:
        self.chip = chip
        self.trace: Trace = lower(load_workload(workload), get_recipe(chip.default_recipe))
        self.schedules: dict[str, Schedule] = {
            op.name: make_schedule(op, chip) for op in self.trace.gemms
        }
        self.timeline: Timeline = simulate(self.trace, chip, self.schedules)
        self.traffic = trace_traffic(
            self.trace.ops,
            self.trace.tensors,
            outputs=self.trace.outputs,
            chip=chip,
            schedules=self.schedules,
        )


@pytest.fixture(scope="module", params=[(w, c) for w in WORKLOADS for c in CHIPS], ids=str)
def readings(request: pytest.FixtureRequest) -> Readings:
    workload, chip = request.param
    return Readings(workload, chip_of(chip))


def test_every_op_has_a_time_in_trace_order(readings: Readings) -> None:
    assert [op.name for op in readings.timeline.ops] == [op.name for op in readings.trace.ops]


def test_the_clock_counts_the_schedules_steps(readings: Readings) -> None:
    for name, schedule in readings.schedules.items():
        steps = tuple(schedule.steps())
        assert [step.index for step in steps] == list(range(len(steps)))
        timing = readings.timeline.op(name)
        if not schedule.mapping.fallback:
            assert timing.passes == len(steps)
        assert timing.macs == sum(step.macs for step in steps) == schedule.op.macs


def test_time_and_price_move_the_same_bytes(readings: Readings) -> None:
    """What a group of ops moves is timed at its first op and priced at each."""
    priced: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    for timing in readings.timeline.ops:
        moved = readings.traffic[timing.name]
        total = priced[timing.fused_into or timing.name]
        total[0] += moved.dram_read_bytes
        total[1] += moved.dram_write_bytes
        total[2] += moved.link_bytes
    for timing in readings.timeline.ops:
        if not timing.fused_into:
            moved_in_time = [timing.dram_read_bytes, timing.dram_write_bytes, timing.link_bytes]
            assert moved_in_time == priced[timing.name], timing.name


def test_cycles_are_compute_fill_drain_and_stalls(readings: Readings) -> None:
    for timing in readings.timeline.ops:
        parts = (timing.compute_cycles, timing.fill_drain_cycles, *timing.stall_cycles.values())
        assert timing.cycles == sum(parts)
        assert all(part >= 0 for part in parts)
    assert readings.timeline.cycles == readings.timeline.ops[-1].end


def test_products_of_an_output_retire_in_reduction_order(readings: Readings) -> None:
    """Steps of a core follow each other in time, so places in the order rise from step to step."""
    for schedule in readings.schedules.values():
        order = schedule.reduction_order()
        places = list(order.positions())
        seen: dict[Any, list[int]] = defaultdict(list)
        for step in schedule.steps():
            seen[step.core, step.group, step.m, step.n].extend(places[slice(*step.k)])
        assert all(positions == places for positions in seen.values())


def executed(trace: Trace, schedules: Any, seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    names = (*trace.inputs, *(parameter.tensor for parameter in trace.parameters))
    tensors = {name: rng.normal(size=trace.tensors[name].shape) for name in names}
    return dict(execute(trace, tensors, schedules=schedules, references=False).tensors)


def test_equal_orders_give_equal_bits_at_different_cycles() -> None:
    flows = (("weight_stationary", "4"), ("output_stationary", "1"))
    chips = [
        load_chip("fp8_chunk64", [("mac_array.dataflow", flow), ("cores", cores)])
        for flow, cores in flows
    ]
    two = [Readings("tiny", chip) for chip in chips]
    orders = [{name: s.reduction_order() for name, s in one.schedules.items()} for one in two]
    assert orders[0] == orders[1]
    bits = [executed(one.trace, one.schedules, seed=1) for one in two]
    for name in bits[0]:
        np.testing.assert_array_equal(bits[0][name], bits[1][name])
    assert two[0].timeline.cycles != two[1].timeline.cycles


def test_values_never_change_time() -> None:
    one = Readings("tiny", load_chip("fp8_chunk64"))
    first = executed(one.trace, one.schedules, seed=1)
    second = executed(one.trace, one.schedules, seed=2)
    assert any(not np.array_equal(first[name], second[name]) for name in first)
    assert simulate(one.trace, one.chip, one.schedules) == one.timeline


@pytest.mark.parametrize(
    ("chip", "rows", "passes_of"),
    [
        ("scalesim_ws_128x128", 128, lambda g: (g.k, g.n, g.m)),
        ("scalesim_os_128x128", 128, lambda g: (g.m, g.n, g.k)),
        ("scalesim_is_128x128", 128, lambda g: (g.k, g.m, g.n)),
        ("scalesim_ws_32x32", 32, lambda g: (g.k, g.n, g.m)),
        ("scalesim_os_32x32", 32, lambda g: (g.m, g.n, g.k)),
        ("scalesim_is_32x32", 32, lambda g: (g.k, g.m, g.n)),
    ],
)
def test_scalesim_chips_give_the_closed_form_of_every_layer(
    chip: str, rows: int, passes_of: Any
) -> None:
    """Passes x (T + 2 R + C - 2), without R where outputs stay; no stall (arXiv:1811.02883)."""
    got = Readings("resnet18", load_chip(chip))
    for op in got.trace.ops:
        timing = got.timeline.op(op.name)
        if not isinstance(op, Gemm):
            continue
        spatial_rows, spatial_cols, streamed = passes_of(op)
        passes = op.groups * -(-spatial_rows // rows) * -(-spatial_cols // rows)
        preload = 0 if "_os_" in chip else rows
        assert timing.array_cycles == passes * (streamed + rows + rows - 2 + preload)
        assert set(timing.stalls) <= {"vector_unit"}  # ops on the write-back, not SCALE-Sim's
