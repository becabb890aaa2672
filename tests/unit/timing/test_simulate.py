"""Ops on small chips whose cycles can be counted by hand."""

from __future__ import annotations

import sys
from itertools import pairwise
from typing import Any

import pytest
import simpy

from accelsim.formats import get_format
from accelsim.schedule.traffic import Transfer
from accelsim.timing import CHIP, StallCause, TimingOptions, Unit, simulate, simulate_op
from accelsim.workload.ops import Phase, Role, TensorInfo, VectorOp
from accelsim.workload.trace import Trace
from tests.unit.timing.machines import make_chip, make_gemm, schedule_of

FP16 = get_format("fp16_e6m9")
NOTHING = Transfer()
#: The module; the package's attribute of that name is the function.
timing_simulate = sys.modules["accelsim.timing.simulate"]
SCALESIM = {"preload_hidden": False, "overlap_passes": False}


def gemm_timing(op: Any, chip: Any, *, write: Transfer | None = NOTHING, **options: Any) -> Any:
    return simulate_op(
        op, chip, schedule_of(op, chip), write=write, options=TimingOptions(**options)
    )


@pytest.mark.parametrize(
    ("dataflow", "cycles_per_pass", "passes"),
    [
        # (Sr, Sc, T) = (k, n, m), (m, n, k), (k, m, n), from m, n, k = 10, 9, 18 on 4 x 3.
        ("weight_stationary", 10 + 2 * 4 + 3 - 2, 5 * 3),
        ("output_stationary", 18 + 4 + 3 - 2, 3 * 3),
        ("input_stationary", 9 + 2 * 4 + 3 - 2, 5 * 4),
    ],
)
def test_unlimited_chip_gives_the_closed_form_and_no_stall(
    dataflow: str, cycles_per_pass: int, passes: int
) -> None:
    chip = make_chip(dataflow=dataflow, rows=4, cols=3, array=SCALESIM)
    got = gemm_timing(make_gemm(10, 9, 18, chunk_size=4), chip)
    assert (got.cycles, got.array_cycles) == (passes * cycles_per_pass,) * 2
    assert (got.passes, dict(got.stalls)) == (passes, {})


@pytest.mark.parametrize(("bytes_per_cycle", "stall"), [(4, 20), (3, 27 + 3 * 6)])
def test_dram_stalls_at_one_byte_less(bytes_per_cycle: int, stall: int) -> None:
    """Four passes of 16 vectors of 4 bytes; weights and the first 64 bytes always show.

    At 4 bytes a cycle 64 bytes arrive in 16 cycles, as fast as they stream: only the
    first (16 + 64) / 4 = 20 cycles show. At 3 the first 80 take 27, and each
    following 64 take 22, 6 more than the array.
    """
    chip = make_chip(dram={"bandwidth_gb_per_s": bytes_per_cycle}, array={"rows": 4})
    chip = chip.model_copy(
        update={"accumulator": chip.accumulator.model_copy(update={"entries": 16})}
    )
    got = gemm_timing(make_gemm(64, 4, 4), chip)
    assert got.passes == 4
    assert dict(got.stalls) == {StallCause.DRAM_READ: stall}
    assert got.array_cycles == 4 + 64 + 4 + 4 - 2


def test_latency_shows_once() -> None:
    chip = make_chip(dram={"bandwidth_gb_per_s": 1000.0, "latency_ns": 50})
    got = gemm_timing(make_gemm(64, 4, 16, chunk_size=4), chip)
    first = 1  # cycle in which at most 1000 bytes arrive
    assert dict(got.stalls) == {StallCause.DRAM_READ: 50 + first}


def test_without_double_buffering_every_load_shows() -> None:
    """Blocks load while the one before runs, or not at all until it has streamed."""
    op = make_gemm(512, 4, 4)
    stalls = []
    for double in (True, False):
        chip = make_chip(
            dram={"bandwidth_gb_per_s": 8.0},
            # Half of it holds no more than 512 bytes of each of 4 blocks and more.
            scratchpad={"capacity_kib": 4 if double else 2, "double_buffering": double},
        )
        schedule = schedule_of(op, chip)
        assert schedule.block_count > 1
        stalls.append(gemm_timing(op, chip).stalls[StallCause.DRAM_READ])
    assert stalls[0] < stalls[1]


def test_partial_sums_are_shifted_back_where_k_is_cut() -> None:
    """4 x 4 outputs over k = 512 from 1 KiB: every block after the first loads 4 rows of sums."""
    chip = make_chip(dataflow="output_stationary", scratchpad={"capacity_kib": 1})
    op = make_gemm(4, 4, 512, chunk_size=4)
    blocks = schedule_of(op, chip).block_count
    assert blocks > 1
    assert dict(gemm_timing(op, chip).stalls) == {StallCause.PRELOAD: 4 * (blocks - 1)}


def test_results_wait_for_dram_at_the_end() -> None:
    """64 x 4 results of 2 bytes at 8 bytes a cycle: 64 cycles after the last sum."""
    chip = make_chip(dram={"bandwidth_gb_per_s": 8.0})
    got = gemm_timing(make_gemm(64, 4, 4), chip, write=Transfer(512, 0))
    assert got.stalls[StallCause.DRAM_WRITE] == 64
    assert (got.dram_read_bytes, got.dram_write_bytes) == (64 * 4 + 16, 512)


def vector_op(function: str, elements: int, *, fused: bool, x: str = "out", y: str = "y") -> Any:
    return VectorOp(function, function, Phase.FORWARD, function, (x,), (y,), elements, FP16,
                    fused=fused)  # fmt: skip


def trace_of(ops: list[Any], *, outputs: tuple[str, ...], shapes: dict[str, int]) -> Trace:
    tensors = {
        name: TensorInfo(name, (size,), Role.ACTIVATION, FP16) for name, size in shapes.items()
    }
    return Trace("small", "wang2018", "inference", 1, tuple(ops), tensors, ("a", "b"), (), outputs)


def timeline_of(ops: list[Any], chip: Any, *, outputs: tuple[str, ...] = ("y",), **options: Any):
    shapes = {"a": 64 * 4, "b": 16, "out": 256, "y": 256, "z": 256}
    trace = trace_of(ops, outputs=outputs, shapes=shapes)
    schedules = {op.name: schedule_of(op, chip) for op in trace.gemms}
    return simulate(trace, chip, schedules, options=TimingOptions(**options))


@pytest.mark.parametrize(("lanes", "excess"), [(4, 0), (3, 86 - 64), (2, 128 - 64)])
def test_fused_op_costs_only_what_exceeds_the_array(lanes: int, excess: int) -> None:
    """256 results: the array makes 4 a cycle for 64 cycles, 3 lanes need 86, 2 need 128."""
    chip = make_chip(lanes=lanes)
    gemm, relu = timeline_of([make_gemm(64, 4, 4), vector_op("relu", 256, fused=True)], chip).ops
    assert (relu.fused_into, relu.cycles, relu.start) == ("gemm", 0, gemm.end)
    assert gemm.stalls.get(StallCause.VECTOR_UNIT, 0) == excess
    assert gemm.array_cycles == 4 + 64 + 6


def test_fused_op_on_stationary_outputs_starts_when_the_first_are_done() -> None:
    """k = 32 in time: 16 outputs a pass after 32 cycles; 4 x 4 outputs on 1 lane need 16."""
    chip = make_chip(dataflow="output_stationary", lanes=1)
    shapes = {"a": 128, "b": 128, "out": 16, "y": 16}
    ops = [make_gemm(4, 4, 32), vector_op("relu", 16, fused=True)]
    trace = trace_of(ops, outputs=("y",), shapes=shapes)
    gemm = simulate(trace, chip, {"gemm": schedule_of(ops[0], chip)}).ops[0]
    # First output in place after 32 cycles, last after 38; the lane ends at 32 + 16.
    assert gemm.array_cycles == 32 + 6
    assert gemm.stalls == {StallCause.VECTOR_UNIT: 48 - 38}


def test_vector_op_is_its_elements_over_all_lanes() -> None:
    chip = make_chip(lanes=4, cores=2, vector={"cycles_per_element": {"relu": 3}})
    got = simulate_op(vector_op("relu", 1000, fused=False), chip)
    assert got.cycles == got.compute_cycles == 3 * 1000 // (4 * 2)
    assert got.utilization == 0.0


def test_vector_op_waits_for_its_operands_and_its_results() -> None:
    chip = make_chip(lanes=16, dram={"bandwidth_gb_per_s": 4.0})
    got = simulate_op(
        vector_op("relu", 256, fused=False),
        chip,
        read=Transfer(512, 0),
        write=Transfer(512, 0),
        options=TimingOptions(portions_per_block=1),
    )
    assert got.compute_cycles == 16
    assert dict(got.stalls) == {StallCause.DRAM_READ: 128, StallCause.DRAM_WRITE: 128}


def test_tensors_that_fit_stay_on_chip() -> None:
    chip = make_chip(dram={"bandwidth_gb_per_s": 8.0}, scratchpad={"capacity_kib": 64})
    ops = [make_gemm(64, 4, 4), vector_op("max_pool", 256, fused=False)]
    gemm, pool = timeline_of(ops, chip).ops
    assert (gemm.dram_write_bytes, pool.dram_read_bytes) == (0, 0)
    assert pool.dram_write_bytes == 512


def test_ops_follow_each_other_and_rows_say_so() -> None:
    chip = make_chip(dram={"bandwidth_gb_per_s": 8.0})
    timeline = timeline_of([make_gemm(64, 4, 4), vector_op("max_pool", 256, fused=False)], chip)
    first, second = timeline.rows()
    assert (first["start"], first["end"], second["start"]) == (0, second["start"], first["end"])
    assert second["end"] == timeline.cycles
    assert timeline.op("max_pool").start == first["end"]
    with pytest.raises(KeyError):
        timeline.op("nothing")


def test_equal_ops_are_simulated_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    real = timing_simulate.run_request
    monkeypatch.setattr(
        timing_simulate, "run_request", lambda *a, **k: calls.append(1) or real(*a, **k)
    )
    chip = make_chip(dram={"bandwidth_gb_per_s": 8.0})
    ops = [make_gemm(64, 4, 4, name=name) for name in ("one", "two", "three")]
    once = timeline_of(ops, chip, outputs=("out",))
    assert len(calls) == 1
    thrice = timeline_of(ops, chip, outputs=("out",), reuse_equal_ops=False)
    assert len(calls) == 4
    assert once == thrice
    assert [op.start for op in once.ops] == [i * once.ops[0].cycles for i in range(3)]


def test_cores_share_dram_and_wait_for_the_last() -> None:
    """Two tiles of n for two cores: half the work each; three tiles: one core has twice."""
    chip = make_chip(cores=2)
    even = gemm_timing(make_gemm(64, 8, 4), chip)
    assert [core.cycles for core in even.cores] == [even.cycles] * 2
    assert even.cycles < gemm_timing(make_gemm(64, 8, 4), make_chip()).cycles
    odd = gemm_timing(make_gemm(5, 12, 4), chip)
    assert odd.critical == 0
    assert odd.cores[1].stalls[StallCause.IMBALANCE] > 0
    assert {core.cycles for core in odd.cores} == {odd.cycles}


def test_a_slow_link_is_blamed_and_a_bus_is_slower_than_a_ring() -> None:
    op = make_gemm(256, 8, 4)
    cycles = []
    for topology in ("ring", "bus"):
        chip = make_chip(cores=2, interconnect={"topology": topology, "bytes_per_cycle": 1})
        got = gemm_timing(op, chip)
        assert set(got.stalls) == {StallCause.INTERCONNECT}
        cycles.append(got.cycles)
    assert cycles[0] < cycles[1]


def test_gemm_on_the_vector_unit_is_a_mac_per_lane_and_cycle() -> None:
    chip = make_chip(lanes=8, vector={"gemm_fallback": True, "formats": ("fp16_e6m9",)})
    op = make_gemm(8, 8, 16)
    op = type(op)(**{**{f: getattr(op, f) for f in op.__slots__},
                     "a": type(op.a)("a", op.a.view, FP16)})  # fmt: skip
    schedule = schedule_of(op, chip)
    assert schedule.mapping.fallback
    got = simulate_op(op, chip, schedule, write=NOTHING)
    assert got.cycles == got.compute_cycles == 8 * 8 * 16 // 8
    assert got.utilization == 1.0


def test_intervals_lie_within_the_op_and_never_overlap_on_a_unit() -> None:
    chip = make_chip(
        cores=2,
        dram={"bandwidth_gb_per_s": 4.0, "latency_ns": 7},
        scratchpad={"capacity_kib": 2},
        interconnect={"bytes_per_cycle": 16},
    )
    timeline = timeline_of([make_gemm(64, 4, 4), vector_op("max_pool", 256, fused=False)], chip)
    by_unit: dict[Any, list[Any]] = {}
    for one in timeline.intervals():
        op = timeline.op(one.op)
        assert op.start <= one.start < one.end <= op.end
        assert (one.core == CHIP) == (one.unit is Unit.DRAM)
        by_unit.setdefault((one.core, one.unit), []).append(one)
    assert {unit for _, unit in by_unit} == set(Unit)
    for ones in by_unit.values():
        assert all(a.end <= b.start for a, b in pairwise(ones))
    moved = sum(one.bytes for one in by_unit[CHIP, Unit.DRAM])
    assert moved == sum(op.dram_read_bytes + op.dram_write_bytes for op in timeline.ops)


def test_events_grow_with_portions_and_not_with_cycles(monkeypatch: pytest.MonkeyPatch) -> None:
    class Counting(simpy.Environment):
        events = 0

        def step(self) -> None:
            Counting.events += 1
            super().step()

    monkeypatch.setattr(timing_simulate, "Environment", Counting)
    chip = make_chip(dram={"bandwidth_gb_per_s": 4.0})
    counts = []
    for m, n in ((64, 8), (64_000, 8), (64, 80)):
        Counting.events = 0
        gemm_timing(make_gemm(m, n, 40, chunk_size=4), chip)
        counts.append(Counting.events)
    # Two n tiles are two portions, twenty are eight: never an event per cycle or pass.
    assert counts[0] == counts[1] < counts[2]
    assert counts[2] <= 8 * 25


def test_a_gemm_needs_a_schedule() -> None:
    with pytest.raises(ValueError, match="has no schedule"):
        simulate_op(make_gemm(1, 1, 1), make_chip())


def test_a_block_has_a_portion() -> None:
    with pytest.raises(ValueError, match="at least one portion"):
        TimingOptions(portions_per_block=0)


def test_transfers_of_one_core_in_one_instant_keep_the_order_of_its_portions() -> None:
    """Loads and stores of a core that ask together are served by portion, loads first."""
    chip = make_chip(dram={"bandwidth_gb_per_s": 1.0}, lanes=1)
    op = vector_op("relu", 16, fused=False)
    request = timing_simulate.Request(
        group=timing_simulate.OpGroup(op),
        schedule=None,
        places={},
        read=Transfer(32, 0),
        write=Transfer(32, 0),
        port_bits=(0, 0),
    )
    options = TimingOptions(portions_per_block=4)
    forward, backward = (
        timing_simulate.run_request(request, chip, options=options, creation_order=order)
        for order in (list, lambda processes: list(reversed(processes)))
    )
    assert forward == backward
