"""Laws of time over random ops, chips and mappings."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from accelsim.arch import Chip, PagePolicy, SplitK
from accelsim.formats import get_format
from accelsim.schedule.traffic import OpGroup, Transfer
from accelsim.timing import OpTiming, StallCause, TimingOptions, simulate_op
from accelsim.timing.addresses import needs_addresses
from accelsim.timing.gemm_portions import gemm_work
from accelsim.timing.simulate import Request, run_request
from accelsim.workload.ops import Phase, VectorOp
from tests.unit.timing.machines import make_chip, make_gemm, schedule_of

DATAFLOWS = ("weight_stationary", "output_stationary", "input_stationary")
RATES = st.sampled_from([None, 1, 2, 3, 5, 8, 16])


@st.composite
def drams(draw: st.DrawFn, *, rows: bool) -> dict[str, Any]:
    """Any DRAM; rows are tiny, so that small ops see many of them and many refreshes."""
    rate = draw(RATES)
    plain = {"bandwidth_gb_per_s": rate, "latency_ns": draw(st.integers(0, 20))}
    if not rows or rate is None:
        return plain
    return plain | {
        "channels": draw(st.integers(1, 3)),
        "interleave_bytes": draw(st.sampled_from([4, 16, 64])),
        "page_policy": draw(st.sampled_from(["none", "open"])),
        "banks": draw(st.integers(1, 4)),
        "page_bytes": draw(st.sampled_from([16, 64, 256])),
        "precharge_ns": draw(st.integers(0, 9)),
        "activate_ns": draw(st.integers(0, 9)),
        "refresh_interval_ns": draw(st.sampled_from([None, 40, 101, 400])),
        "refresh_ns": draw(st.integers(0, 30)),
    }


@st.composite
def chips(draw: st.DrawFn, *, max_cores: int = 3, rows: bool = True) -> Chip:
    flag = st.booleans()
    return make_chip(
        dataflow=draw(st.sampled_from(DATAFLOWS)),
        rows=draw(st.integers(1, 5)),
        cols=draw(st.integers(1, 5)),
        k_per_pe=draw(st.integers(1, 2)),
        cores=draw(st.integers(1, max_cores)),
        array={
            "preload_hidden": draw(flag),
            "overlap_passes": draw(flag),
            "drain": draw(st.sampled_from(["hidden", "exposed"])),
        },
        latency=draw(st.integers(1, 9)),
        interval=draw(st.integers(1, 2)),
        scratchpad={
            "capacity_kib": draw(st.sampled_from([None, 1, 2])),
            "read_bytes_per_cycle": draw(RATES),
            "write_bytes_per_cycle": draw(RATES),
            "double_buffering": draw(flag),
        },
        interconnect={
            "topology": draw(st.sampled_from(["ring", "bus"])),
            "bytes_per_cycle": draw(RATES),
            "routing": draw(st.sampled_from(["port", "every_link"])),
            "multicast": draw(flag),
        },
        dram=draw(drams(rows=rows)),
        dma={"queue_depth": draw(st.sampled_from([None, 1, 2]))},
    )


@st.composite
def gemms(draw: st.DrawFn) -> Any:
    m, n, k = (draw(st.integers(1, 40)) for _ in range(3))
    # Whole passes of every array above: 1 divides each k tile, None is one chunk.
    return make_gemm(m, n, k, groups=draw(st.integers(1, 3)), chunk_size=draw(
        st.sampled_from([1, None])))  # fmt: skip


def request_of(op: Any, chip: Chip) -> Request:
    size = 2 * op.groups * op.m * op.n
    return Request(
        group=OpGroup(op),
        schedule=schedule_of(op, chip),
        places={},
        read=Transfer(),
        write=Transfer(size, size if chip.cores > 1 else 0),
        port_bits=(0, 0),
    )


def run(op: Any, chip: Chip, **kwargs: Any) -> OpTiming:
    return run_request(request_of(op, chip), chip, options=TimingOptions(), **kwargs)


@settings(max_examples=60)
@given(gemms(), chips())
def test_every_cycle_has_one_cause(op: Any, chip: Chip) -> None:
    got = run(op, chip)
    assert got.cycles == got.compute_cycles + got.fill_drain_cycles + sum(got.stalls.values())
    assert min(got.stalls.values(), default=0) >= 0
    assert got.fill_drain_cycles >= 0
    assert all(core.cycles == got.cycles for core in got.cores)
    last = max((one.end for one in got.relative_intervals), default=0)
    assert last <= got.cycles


@settings(max_examples=60)
@given(gemms(), chips())
def test_no_op_is_faster_than_its_bounds(op: Any, chip: Chip) -> None:
    """Macs over peak; bytes over the bandwidth of DRAM, of the links, and of the array's port."""
    got = run(op, chip)
    schedule = schedule_of(op, chip)
    assert got.cycles * chip.peak_macs_per_cycle(schedule.mapping.k_per_pe) >= op.macs
    if chip.dram.bandwidth_gb_per_s is not None:
        moved = got.dram_read_bytes + got.dram_write_bytes
        assert got.cycles * chip.dram.bandwidth_gb_per_s >= moved
    if chip.interconnect.bytes_per_cycle is not None:
        # A link is held for every byte at least once, but for those that a core hears of.
        net = chip.interconnect
        links = 4 if net.routing == "port" else 2 * (chip.cores + 1)
        if not (net.multicast and net.routing == "every_link"):
            links = 1 if net.topology == "bus" else links
            assert got.cycles * net.bytes_per_cycle * links >= got.link_bytes
    if chip.scratchpad.read_bytes_per_cycle is not None:
        streamed = sum(port_bytes(schedule, step) for step in schedule.steps())
        assert got.cycles * chip.scratchpad.read_bytes_per_cycle * chip.cores >= streamed


def port_bytes(schedule: Any, step: Any) -> int:
    """Bytes of 1-byte operands that enter the array in a step."""
    m, n, k = (extent[1] - extent[0] for extent in (step.m, step.n, step.k))
    return m * k + n * k


@settings(max_examples=60)
@given(gemms(), chips(max_cores=1, rows=False), st.sampled_from(["dram", "read", "write"]))
def test_more_bandwidth_is_never_slower_for_one_core(op: Any, chip: Chip, which: str) -> None:
    schedule = schedule_of(op, chip)
    if which == "dram":
        rate = chip.dram.bandwidth_gb_per_s
        faster = chip.model_copy(
            update={"dram": chip.dram.model_copy(
                update={"bandwidth_gb_per_s": None if rate is None else 2 * rate})}
        )  # fmt: skip
    else:
        field = f"{which}_bytes_per_cycle"
        rate = getattr(chip.scratchpad, field)
        faster = chip.model_copy(
            update={"scratchpad": chip.scratchpad.model_copy(
                update={field: None if rate is None else 2 * rate})}
        )  # fmt: skip
    write = Transfer(2 * op.groups * op.m * op.n, 0)
    slow = simulate_op(op, chip, schedule, write=write)
    assert simulate_op(op, faster, schedule, write=write).cycles <= slow.cycles


@settings(max_examples=60)
@given(gemms(), chips(max_cores=1, rows=False), st.data())
def test_rows_and_refresh_never_speed_up_one_core(op: Any, chip: Chip, data: Any) -> None:
    rows = {
        "page_policy": PagePolicy.OPEN,
        "page_bytes": data.draw(st.sampled_from([16, 64, 256])),
        "banks": data.draw(st.integers(1, 4)),
        "refresh_interval_ns": data.draw(st.sampled_from([None, 101.0, 400.0])),
        "refresh_ns": 30.0,
    }
    opened = chip.model_copy(update={"dram": chip.dram.model_copy(update=rows)})
    plain, real = run(op, chip), run(op, opened)
    assert real.cycles >= plain.cycles
    assert (real.dram_read_bytes, real.dram_write_bytes) == (
        plain.dram_read_bytes,
        plain.dram_write_bytes,
    )


@settings(max_examples=60)
@given(gemms(), chips())
def test_every_byte_of_dram_has_an_address(op: Any, chip: Chip) -> None:
    request = request_of(op, chip)
    assert request.schedule is not None
    work = gemm_work(
        request.schedule,
        chip,
        fused=(),
        places={},
        read=request.read,
        write=request.write,
        limit=8,
    )
    for portion in (portion for one in work.values() for portion in one.portions):
        for transfer, where in (
            (portion.read, portion.read_from),
            (portion.write or Transfer(), portion.write_to),
        ):
            found = sum(size for access in where for _, size in access.runs())
            assert found == (transfer.dram_bytes if needs_addresses(chip) else 0)


@settings(max_examples=80)
@given(gemms(), chips(), st.integers(0, 2**32))
def test_the_order_in_which_processes_are_made_changes_nothing(
    op: Any, chip: Chip, seed: int
) -> None:
    def shuffled(processes: Any) -> Any:
        return random.Random(seed).sample(list(processes), len(processes))

    assert run(op, chip, creation_order=shuffled) == run(op, chip)


@settings(max_examples=60)
@given(gemms(), chips(max_cores=6), st.integers(0, 2**32))
def test_cores_that_divide_k_keep_the_laws(op: Any, chip: Chip, seed: int) -> None:
    """All of a tree's sums are there before the lanes add, none waits for ever, and who is
    simulated first makes no difference."""

    def shuffled(processes: Any) -> Any:
        return random.Random(seed).sample(list(processes), len(processes))

    op = replace(op, phase=Phase.GRADIENT)
    chip = chip.model_copy(update={"split_k": SplitK(format=get_format("fp16_e6m9"))})
    got, schedule = run(op, chip), schedule_of(op, chip)
    assert run(op, chip, creation_order=shuffled) == got
    assert all(core.cycles == got.cycles for core in got.cores)
    assert got.passes == schedule.pass_count
    assert (StallCause.COMBINE in {cause for core in got.cores for cause in core.stalls}) <= (
        schedule.k_splits > 1
    )


@settings(max_examples=60)
@given(
    chips(),
    st.integers(1, 5000),
    st.integers(0, 5000),
    st.integers(0, 5000),
    st.sampled_from([1, 8]),
)
def test_vector_ops_keep_the_laws(
    chip: Chip, elements: int, read: int, write: int, limit: int
) -> None:
    """Every cycle has one cause, and no medium passes more than it can."""
    several = chip.cores > 1
    op = VectorOp(
        "relu", "relu", Phase.FORWARD, "relu", ("x",), ("y",), elements, get_format("fp16_e6m9")
    )
    got = simulate_op(
        op,
        chip,
        read=Transfer(read, read if several else 0),
        write=Transfer(write, write if several else 0),
        options=TimingOptions(portions_per_block=limit),
    )
    assert all(core.cycles == got.cycles for core in got.cores)
    assert got.cycles == got.compute_cycles + got.fill_drain_cycles + sum(got.stalls.values())
    assert (got.dram_read_bytes, got.dram_write_bytes) == (read, write)
    if chip.dram.bandwidth_gb_per_s is not None:
        assert got.cycles * chip.dram.bandwidth_gb_per_s >= read + write
    assert got.cycles * chip.cores * chip.vector_unit.lanes >= elements


@settings(max_examples=20)
@given(gemms(), chips())
def test_names_and_values_never_matter(op: Any, chip: Chip) -> None:
    """A timing has no way to see a tensor's values; nor do its names count."""
    other = replace(op, name="other", layer="elsewhere")
    assert replace(run(other, chip), name=op.name) == run(op, chip)


@settings(max_examples=30)
@given(gemms(), chips())
def test_passes_and_macs_are_the_schedules(op: Any, chip: Chip) -> None:
    got, schedule = run(op, chip), schedule_of(op, chip)
    assert (got.passes, got.macs) == (schedule.pass_count, schedule.macs)
