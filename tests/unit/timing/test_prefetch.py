"""Weights of the next op, loaded while the one before runs."""

from __future__ import annotations

import pytest

from accelsim.arch import Chip, load_chip
from accelsim.cost.traffic import trace_traffic
from accelsim.precision import get_recipe
from accelsim.schedule import make_schedules
from accelsim.schedule.prefetch import first_weights, weights_ahead
from accelsim.schedule.traffic import op_groups, place_tensors
from accelsim.timing import StallCause, Timeline, TimingOptions, estimate, simulate
from accelsim.workload import Gemm, Trace, load_workload, lower


def trace_of(chip: Chip, workload: str = "cifar10_cnn") -> Trace:
    return lower(load_workload(workload), get_recipe(chip.default_recipe))


def chip_with(prefetch: bool, *overrides: tuple[str, str]) -> Chip:
    text = "true" if prefetch else "false"
    return load_chip("fp8_chunk64", [("prefetch_weights", text), *overrides])


def timeline(chip: Chip, *, reuse: bool = True) -> Timeline:
    trace = trace_of(chip)
    options = TimingOptions(reuse_equal_ops=reuse)
    return simulate(trace, chip, make_schedules(trace.ops, chip), options=options)


def test_weights_that_come_early_shorten_waits_and_nothing_else() -> None:
    late, early = (timeline(chip_with(on, ("cores", "1"))) for on in (False, True))
    assert early.cycles < late.cycles
    for before, after in zip(late.ops, early.ops, strict=True):
        assert after.cycles <= before.cycles
        assert after.compute_cycles == before.compute_cycles
        waits = StallCause.DRAM_READ
        assert after.stall_cycles.get(waits, 0) <= before.stall_cycles.get(waits, 0)


@pytest.mark.parametrize("cores", ["1", "4"])
def test_cycles_stay_the_sum_of_their_parts_and_bytes_the_same(cores: str) -> None:
    chip = chip_with(True, ("cores", cores))
    trace = trace_of(chip)
    schedules = make_schedules(trace.ops, chip)
    found = simulate(trace, chip, schedules)
    traffic = trace_traffic(
        trace.ops, trace.tensors, outputs=trace.outputs, chip=chip, schedules=schedules
    )
    for op in found.ops:
        parts = (op.compute_cycles, op.fill_drain_cycles, *op.stall_cycles.values())
        assert op.cycles == sum(parts)
    assert found.cycles == sum(op.cycles for op in found.ops)
    read = sum(op.dram_read_bytes for op in found.ops)
    assert read == sum(moved.dram_read_bytes for moved in traffic.values())


@pytest.mark.parametrize("workload", ["cifar10_cnn", "resnet18"])
@pytest.mark.parametrize("cores", ["1", "4"])
def test_closed_forms_know_of_early_weights(workload: str, cores: str) -> None:
    cycles, read = {}, {}
    for on in (False, True):
        chip = chip_with(on, ("cores", cores))
        trace = trace_of(chip, workload)
        schedules = make_schedules(trace.ops, chip)
        for name, clock in (("events", simulate), ("forms", estimate)):
            found = clock(trace, chip, schedules)
            cycles[name, on] = found.cycles
            read[name, on] = sum(op.dram_read_bytes for op in found.ops)
    assert len(set(read.values())) == 1
    saved = {name: cycles[name, False] - cycles[name, True] for name in ("events", "forms")}
    assert saved["forms"] > 0
    # Both say how much that helps, to a twentieth of the cycles.
    assert abs(saved["forms"] - saved["events"]) < cycles["events", True] / 20


def test_equal_ops_are_those_with_equal_weights_ahead() -> None:
    chip = chip_with(True)
    assert timeline(chip).cycles == timeline(chip, reuse=False).cycles


def test_only_first_blocks_of_weights_come_and_only_where_there_is_room() -> None:
    for capacity in (None, "64"):
        chip = chip_with(True, *([("scratchpad.capacity_kib", capacity)] if capacity else []))
        trace = trace_of(chip)
        schedules = make_schedules(trace.ops, chip)
        groups = op_groups(trace.ops)
        places = place_tensors(
            groups, trace.tensors, outputs=trace.outputs, chip=chip, schedules=schedules
        )
        ahead = weights_ahead(groups, trace.tensors, places=places, chip=chip, schedules=schedules)
        assert ahead
        room = chip.cores * (chip.scratchpad.capacity_bytes or 0)
        for at, size in ahead.items():
            head = groups[at].head
            assert isinstance(head, Gemm)
            assert 0 <= size <= min(room, first_weights(schedules[head.name], places))


def test_a_chip_that_does_not_prefetch_offers_nothing() -> None:
    chip = chip_with(False)
    trace = trace_of(chip)
    schedules = make_schedules(trace.ops, chip)
    assert (
        weights_ahead(
            op_groups(trace.ops), trace.tensors, places={}, chip=chip, schedules=schedules
        )
        == {}
    )
