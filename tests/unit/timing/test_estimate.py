"""The closed forms against the event model, and against what they may never break."""

from __future__ import annotations

from math import ceil

import pytest

from accelsim.arch import load_chip
from accelsim.precision import get_recipe
from accelsim.schedule import make_schedules
from accelsim.timing import Timeline, estimate, simulate
from accelsim.workload import load_workload, lower

MACHINES = {
    "as shipped": (),
    "narrow memory": (("dram.bandwidth_gb_per_s", "5"),),
    "one half": (("scratchpad.double_buffering", "false"),),
    "small scratchpads": (("scratchpad.capacity_kib", "256"),),
    "bus": (("interconnect.topology", "bus"), ("interconnect.bytes_per_cycle", "16")),
    "one core": (("cores", "1"),),
    "outputs stay": (("mac_array.dataflow", "output_stationary"),),
}


def both(network: str, chip_name: str, changes: tuple[tuple[str, str], ...] = ()) -> tuple[
    Timeline, Timeline
]:  # fmt: skip
    chip = load_chip(chip_name, changes)
    trace = lower(load_workload(network), get_recipe(chip.default_recipe))
    schedules = make_schedules(trace.ops, chip)
    return simulate(trace, chip, schedules), estimate(trace, chip, schedules)


@pytest.mark.parametrize("changes", MACHINES.values(), ids=MACHINES)
def test_close_to_the_event_model(changes: tuple[tuple[str, str], ...]) -> None:
    """Within 4 % over a network; what moves is the same to the byte."""
    events, forms = both("resnet18", "fp16", changes)
    assert forms.cycles == pytest.approx(events.cycles, rel=0.04)
    for event, form in zip(events.ops, forms.ops, strict=True):
        for name in ("passes", "macs", "dram_read_bytes", "dram_write_bytes", "link_bytes"):
            assert getattr(form, name) == getattr(event, name), (event.name, name)
        assert form.fused_into == event.fused_into


@pytest.mark.parametrize("changes", MACHINES.values(), ids=MACHINES)
def test_cycles_are_accounted_for_and_above_every_bound(
    changes: tuple[tuple[str, str], ...],
) -> None:
    _, forms = both("resnet18", "fp16", changes)
    chip = load_chip("fp16", changes)
    per_cycle = chip.dram_bytes_per_cycle
    assert per_cycle is not None
    for op in forms.ops:
        assert op.cycles == op.compute_cycles + op.fill_drain_cycles + sum(op.stalls.values())
        assert all(cycles > 0 for cycles in op.stalls.values())
        if op.fused_into:
            continue
        assert op.cycles >= (op.dram_read_bytes + op.dram_write_bytes) / per_cycle
        if op.macs:
            assert op.cycles >= ceil(op.macs / op.peak_macs_per_cycle)


@pytest.mark.parametrize("dataflow", ["ws", "os", "is"])
def test_exact_where_memories_never_stall(dataflow: str) -> None:
    events, forms = both("alexnet", f"scalesim_{dataflow}_32x32")
    assert [op.cycles for op in forms.ops] == [op.cycles for op in events.ops]


def test_intervals_of_a_unit_follow_each_other() -> None:
    _, forms = both("tiny", "fp8_chunk64")
    ends: dict[tuple[int, str], int] = {}
    for one in sorted(forms.intervals(), key=lambda one: one.start):
        assert one.start >= ends.get((one.core, one.unit), 0)
        ends[one.core, one.unit] = one.end


@pytest.mark.parametrize("depth", [1, 2])
def test_loads_that_wait_for_each_other_are_known(depth: int) -> None:
    """With a microsecond of latency and a queue of one or two, within 3 %."""
    changes = (("dma.queue_depth", str(depth)), ("dram.latency_ns", "1000"))
    events, forms = both("resnet18", "fp16", changes)
    assert forms.cycles == pytest.approx(events.cycles, rel=0.03)


def test_rows_and_refresh_of_streams_are_known() -> None:
    events, forms = both("resnet18", "fp16", (("dram.page_policy", "open"),))
    assert forms.cycles == pytest.approx(events.cycles, rel=0.05)
