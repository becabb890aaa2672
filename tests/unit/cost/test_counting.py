"""Action counts, counted by hand on arrays of 2 x 2, and the laws between them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accelsim.arch import load_chip
from accelsim.cost.actions import Action, ActionCounts, Component, Verb
from accelsim.cost.counting import array_read_bytes, count_actions, mean_hops
from accelsim.cost.traffic import OpTraffic
from accelsim.formats import get_format
from accelsim.precision import PairRule, get_recipe
from accelsim.schedule import make_schedules
from accelsim.workload import load_workload, lower
from accelsim.workload.ops import Gemm, Phase, VectorOp
from tests.unit.cost.gemms import make_gemm, schedule, small_chip

DATAFLOWS = ("weight_stationary", "output_stationary", "input_stationary")
CLOCK = Action(Component.MAC_ARRAY, Verb.CLOCK)
PRELOAD = Action(Component.MAC_ARRAY, Verb.PRELOAD_BITS)
EDGE = Action(Component.MAC_ARRAY, Verb.EDGE_BITS)
PAD_READ = Action(Component.SCRATCHPAD, Verb.READ_BYTES)
ACC_READ = Action(Component.ACCUMULATOR, Verb.READ_BYTES)
ACC_WRITE = Action(Component.ACCUMULATOR, Verb.WRITE_BYTES)


def counts_of(op, chip):
    return count_actions(schedule(op, chip), chip)


def test_weight_stationary_by_hand() -> None:
    """3 x 2 outputs, k = 5 in k tiles of 2, 2 and 1; every tile ends a chunk of 2."""
    counts = counts_of(make_gemm(3, 2, 5, chunk_size=2), small_chip())
    assert counts.total(Component.MAC_ARRAY, Verb.MULTIPLY) == 3 * 2 * 5
    assert counts.total(Component.MAC_ARRAY, Verb.ADD) == 3 * 2 * 5
    assert counts[CLOCK] == 3 * 3 * 4  # passes x streamed vectors x elements
    # Row 0 is written once, row 1 twice: 3 writes a column, 2 columns, 16 bits; then 1 row.
    assert counts[PRELOAD] == 2 * (3 * 2 * 16) + 1 * 2 * 16
    assert counts[EDGE] == 3 * 5 * 16  # every activation enters once: one column tile
    assert counts.total(Component.ACCUMULATOR, Verb.ADD) == 3 * (3 * 2)  # chunks x outputs
    assert counts[ACC_READ] == counts[ACC_WRITE] == 18 * 2
    assert counts[PAD_READ] == (3 * 5 + 5 * 2) * 2


def test_a_chunk_longer_than_the_column_recirculates() -> None:
    """Chunk 4 over k tiles of 2: the second tile starts inside it, the third starts a new one."""
    counts = counts_of(make_gemm(3, 2, 5, chunk_size=4), small_chip())
    assert counts.total(Component.ACCUMULATOR, Verb.ADD) == 2 * 6
    assert counts[ACC_READ] == counts[ACC_WRITE] == 12 * 2 + 6 * 2


def test_two_products_a_cycle_halve_the_clocked_cycles() -> None:
    """FP8 at rate 2: k tiles of 4 and 1, both with 3 vectors on 4 elements."""
    op = make_gemm(3, 2, 5, operand="fp8_e5m2", chunk_size=4)
    counts = counts_of(op, small_chip(base="fp8_chunk64"))
    assert counts[CLOCK] == 2 * 3 * 4
    assert counts[PRELOAD] == 3 * 2 * (2 * 8) + 1 * 2 * (2 * 8)
    assert counts[EDGE] == 15 * 8
    assert counts[PAD_READ] == 15 + 10


def test_output_stationary_by_hand() -> None:
    """Tiles of 2 x 2 and 1 x 2 outputs, k = 5 streamed; sums leave through the rows below."""
    counts = counts_of(make_gemm(3, 2, 5, chunk_size=2), small_chip(dataflow="output_stationary"))
    assert counts[CLOCK] == 2 * 5 * 4
    assert counts[EDGE] == ((2 * 5 + 2 * 5) + (1 * 5 + 2 * 5)) * 16
    assert counts[PRELOAD] == (3 * 2 + 1 * 2) * 16
    assert counts.total(Component.ACCUMULATOR, Verb.ADD) == 3 * 6
    assert counts[ACC_READ] == counts[ACC_WRITE] == 0
    assert counts[PAD_READ] == ((10 + 10) + (5 + 10)) * 2


def test_input_stationary_by_hand() -> None:
    """k tiles of 2, 2, 1 and m tiles of 2, 1: the 2 columns of b stream through each."""
    counts = counts_of(make_gemm(3, 2, 5, chunk_size=2), small_chip(dataflow="input_stationary"))
    assert counts[CLOCK] == 6 * 2 * 4
    assert counts[PRELOAD] == (3 + 3 + 1) * (2 + 1) * 16
    assert counts[EDGE] == 2 * (2 * 5) * 16  # all of b once for each m tile


def test_a_vector_op_is_its_element_visits() -> None:
    fp16 = get_format("fp16_e6m9")
    op = VectorOp("p", "p", Phase.FORWARD, "max_pool", ("x",), ("y",), 90, fp16)
    counts = count_actions(op, load_chip("fp8_chunk64"))
    assert dict(counts) == {Action(Component.VECTOR_UNIT, Verb.FUNCTION, (fp16,), "max_pool"): 90}


def test_a_gemm_on_the_vector_unit_clocks_no_array() -> None:
    chip = load_chip("fp8_only")
    counts = counts_of(make_gemm(4, 3, 5, chunk_size=64), chip)
    assert counts.total(Component.MAC_ARRAY) == 0
    assert counts.total(Component.VECTOR_UNIT, Verb.MULTIPLY) == 60
    assert counts.total(Component.VECTOR_UNIT, Verb.ADD) == 60


def test_traffic_is_counted_byte_by_byte() -> None:
    """Ring of 4 with the port at core 0: 1, 2, 3 and 2 links to the cores, 2 on average."""
    chip = load_chip("fp8_chunk64")
    assert mean_hops(chip) == 2
    op = VectorOp("r", "r", Phase.FORWARD, "relu", ("x",), ("y",), 1, get_format("fp16_e6m9"))
    counts = count_actions(op, chip, OpTraffic(10, 20, 30, 40, 50))
    assert counts[Action(Component.DRAM, Verb.READ_BYTES)] == 10
    assert counts[Action(Component.DRAM, Verb.WRITE_BYTES)] == 20
    assert counts[Action(Component.INTERCONNECT, Verb.BYTE_HOPS)] == 60
    assert counts[PAD_READ] == 40
    assert counts[Action(Component.SCRATCHPAD, Verb.WRITE_BYTES)] == 50


@given(
    m=st.integers(1, 12),
    n=st.integers(1, 12),
    tiles=st.integers(1, 9),
    groups=st.integers(1, 3),
    chunk=st.sampled_from([2, 4, 8, None]),
    dataflow=st.sampled_from(DATAFLOWS),
    cores=st.sampled_from([1, 2]),
)
def test_counts_conserve_work(m, n, tiles, groups, chunk, dataflow, cores) -> None:
    """Each law by walking the steps one by one, which `count_actions` does not do."""
    op = make_gemm(m, n, 2 * tiles - 1, chunk_size=chunk, groups=groups)
    chip = small_chip(dataflow=dataflow, cores=cores)
    plan = schedule(op, chip)
    counts = count_actions(plan, chip)
    steps = list(plan.steps())
    assert counts.total(Component.MAC_ARRAY, Verb.MULTIPLY) == sum(step.macs for step in steps)
    assert counts.total(Component.MAC_ARRAY, Verb.ADD) == op.macs
    chunks = -(-op.k // (chunk or op.k))
    assert counts.total(Component.ACCUMULATOR, Verb.ADD) == groups * m * n * chunks
    touched = sum(
        op.a.view.footprint(step.m, step.k) + op.b.view.footprint(step.k, step.n) for step in steps
    )
    assert array_read_bytes(plan) == touched * 2
    streamed = {"weight_stationary": "m", "input_stationary": "n", "output_stationary": "k"}
    vectors = sum(
        getattr(step, streamed[dataflow])[1] - getattr(step, streamed[dataflow])[0]
        for step in steps
    )
    assert counts[CLOCK] == vectors * chip.mac_array.pe_count
    assert counts[CLOCK] >= op.macs


def test_absent_actions_count_zero_and_negative_counts_are_refused() -> None:
    assert ActionCounts()[CLOCK] == 0
    assert CLOCK not in ActionCounts({CLOCK: 0})
    with pytest.raises(ValueError, match=r"^mac_array clock happened -1 times"):
        ActionCounts({CLOCK: -1})


def test_counts_add_up() -> None:
    both = ActionCounts({CLOCK: 2, EDGE: 1}) + ActionCounts({CLOCK: 3})
    assert dict(both) == {CLOCK: 5, EDGE: 1}
    assert both.total() == 6
    assert "mac_array clock: 5" in repr(both)


@pytest.mark.parametrize("name", ["fp8_chunk64", "fp8_only", "scalesim_os_32x32"])
def test_convolutions_read_what_their_steps_touch(name) -> None:
    """Halo included, each stored element of a pass once: walked step by step."""
    chip = load_chip(name)
    for op in lower(load_workload("tiny"), get_recipe(chip.default_recipe)).ops:
        if not isinstance(op, Gemm):
            continue
        plan = schedule(op, chip)
        bits = sum(
            op.a.view.footprint(step.m, step.k) * op.a.format.bits
            + op.b.view.footprint(step.k, step.n) * op.b.format.bits
            for step in plan.steps()
        )
        assert array_read_bytes(plan) == -(-bits // 8)


def test_fused_products_enter_one_addition() -> None:
    """k = 10 in chunks of 4, 4 and 2, two products an addition: 2 + 2 + 1 an output."""
    op = make_gemm(3, 2, 10, operand="fp8_e5m2", chunk_size=4)
    accumulator = op.accumulator.model_copy(update={"pair": PairRule.FUSED, "pair_size": 2})
    chip = small_chip(base="fp8_chunk64")
    pairs = tuple(
        pair.model_copy(update={"pair": PairRule.FUSED}) if pair.k_per_pe == 2 else pair
        for pair in chip.mac_array.operand_pairs
    )
    array = chip.mac_array.model_copy(update={"operand_pairs": pairs})
    chip = chip.model_copy(update={"mac_array": array})
    counts = counts_of(replace(op, accumulator=accumulator), chip)
    assert counts.total(Component.MAC_ARRAY, Verb.MULTIPLY) == 60
    assert counts.total(Component.MAC_ARRAY, Verb.ADD) == 6 * 5


def test_a_bus_is_crossed_once() -> None:
    assert mean_hops(load_chip("scalesim_ws_32x32")) == 1


def test_what_is_kept_in_s2fp8_is_squeezed_and_spread() -> None:
    """tiny: 256 pixels and 16 averages are stored, in two visits each."""
    trace = lower(load_workload("tiny"), get_recipe("s2fp8"))
    chip = load_chip("fp32")
    schedules = make_schedules(trace.ops, chip)
    stored = [op for op in trace.ops if isinstance(op, VectorOp) and op.function == "store"]
    assert [op.elements for op in stored] == [2 * 256, 2 * 16]
    for op in stored:
        made = trace.tensors[op.outputs[0]].format
        counts = count_actions(op, chip, stored_as=made)
        (action,) = counts
        assert (action.function, counts[action]) == ("store_s2fp8", op.elements)
        (plain,) = count_actions(op, chip)
        assert plain.function == "store"
    for op in trace.ops:
        if isinstance(op, VectorOp):
            continue
        counts = count_actions(schedules[op.name], chip)
        (load,) = [one for one in counts if one.function]
        assert load.function == "load_s2fp8"
        assert [fmt.name for fmt in load.formats] == ["fp32"]
        # Codes have 8 bits, so elements and bytes are the same number.
        read = counts[Action(Component.SCRATCHPAD, Verb.READ_BYTES)]
        assert counts[load] == read == array_read_bytes(schedules[op.name])


def test_other_tensor_formats_are_read_as_they_are() -> None:
    trace = lower(load_workload("tiny"), get_recipe("mx_fp8"))
    chip = load_chip("fp8_fp32acc")
    schedules = make_schedules(trace.ops, chip)
    for op in trace.ops:
        if not isinstance(op, VectorOp):
            assert not any(one.function for one in count_actions(schedules[op.name], chip))
