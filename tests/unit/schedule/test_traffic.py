"""What stays on the chip and what moves, counted by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from accelsim.formats import get_format
from accelsim.schedule import Dim, Level, Schedule
from accelsim.schedule.traffic import (
    Place,
    Transfer,
    block_traffic,
    op_groups,
    place_tensors,
    share,
    stored_outputs,
)
from accelsim.workload.ops import Phase, Role, TensorInfo, VectorOp
from tests.unit.timing.machines import make_chip, make_gemm, schedule_of

FP16 = get_format("fp16_e6m9")


def vector_op(name: str, inputs: tuple[str, ...], output: str, *, fused: bool) -> VectorOp:
    return VectorOp(name, name, Phase.FORWARD, "relu", inputs, (output,), 256, FP16, fused=fused)


def places_of(ops: list[Any], chip: Any, *, outputs: tuple[str, ...], elements: int = 256) -> Any:
    groups = op_groups(ops)
    names = {name for group in groups for name in (*group.reads, *group.makes)}
    tensors = {name: TensorInfo(name, (elements,), Role.ACTIVATION, FP16) for name in names}
    schedules = {op.name: schedule_of(op, chip) for op in ops if op.kind == "gemm"}
    return place_tensors(groups, tensors, outputs=outputs, chip=chip, schedules=schedules)


def test_shares_add_up() -> None:
    for total in (0, 1, 7, 1000):
        assert sum(share(total, i, 6) for i in range(6)) == total
        parts = [Transfer(total, 3).part(i, 4) for i in range(4)]
        assert sum(parts, Transfer()) == Transfer(total, 3)


def test_fused_ops_join_the_group_that_makes_their_input() -> None:
    ops = [
        make_gemm(8, 8, 8),
        vector_op("bias", ("out", "b0"), "y0", fused=True),
        vector_op("relu", ("y0",), "y1", fused=True),
        vector_op("pool", ("y1",), "y2", fused=False),
        vector_op("other", ("y1",), "y3", fused=True),
    ]
    groups = op_groups(ops)
    heads_and_riders = [(g.head.name, [f.name for f in g.fused]) for g in groups]
    # The last one is marked fused, but what it reads was made before its neighbour.
    assert heads_and_riders == [("gemm", ["bias", "relu"]), ("pool", []), ("other", [])]
    assert groups[0].reads == ("a", "b", "b0")
    assert stored_outputs(groups, ["y2"]) == (("y1",), ("y2",), ("y3",))


def test_a_tensor_inside_a_group_is_stored_if_another_reads_it() -> None:
    ops = [
        make_gemm(8, 8, 8),
        vector_op("relu", ("out",), "y", fused=True),
        vector_op("pool", ("out",), "z", fused=False),
    ]
    groups = op_groups(ops)
    assert stored_outputs(groups, ["z"]) == (("out",), ("z",))
    assert stored_outputs(groups, ["y", "z"]) == (("out", "y"), ("z",))


def test_tensors_stay_where_they_fit_for_their_whole_life() -> None:
    """512 bytes between two ops: with 1 KiB beside the working set they stay, else not."""
    ops = [
        vector_op("one", ("x",), "y", fused=False),
        vector_op("two", ("y",), "z", fused=False),
    ]
    for kib, elements, place in ((1, 256, Place.SCRATCHPAD), (1, 1024, Place.DRAM)):
        chip = make_chip(scratchpad={"capacity_kib": kib})
        places = places_of(ops, chip, outputs=("z",), elements=elements)
        assert places == {"x": Place.DRAM, "y": place, "z": Place.DRAM}


def test_the_first_made_takes_the_room() -> None:
    ops = [
        vector_op("one", ("x",), "y", fused=False),
        vector_op("two", ("x",), "z", fused=False),
        vector_op("sum", ("y", "z"), "w", fused=False),
    ]
    places = places_of(ops, make_chip(scratchpad={"capacity_kib": 1}), outputs=("w",), elements=300)
    assert (places["y"], places["z"]) == (Place.SCRATCHPAD, Place.DRAM)


def blocked(schedule: Schedule, **tiles: int) -> Schedule:
    """Return the schedule with other block tiles."""
    loops = tuple(
        replace(loop, tile=tiles[loop.dim.value], count=-(-whole // tiles[loop.dim.value]))
        if loop.level is Level.BLOCK and loop.dim.value in tiles
        else loop
        for loop in schedule.mapping.loops
        for whole in [{Dim.GROUP: 1, Dim.M: 8, Dim.N: 8, Dim.K: 8}[loop.dim]]
    )
    return replace(schedule, mapping=replace(schedule.mapping, loops=loops))


def test_an_operand_is_loaded_again_only_where_the_block_before_used_another_part() -> None:
    """m in two blocks: 8 x 8 weights once, each half of the 8 x 8 activations once."""
    schedule = blocked(schedule_of(make_gemm(8, 8, 8), make_chip()), m=4)
    one, two = block_traffic(schedule, places={})
    assert (one.a, one.b) == (Transfer(32, 0), Transfer(64, 0))
    assert (two.a, two.b) == (Transfer(32, 0), Transfer())
    assert one.psum_read == one.psum_write == Transfer()


def test_cores_share_what_they_load_together() -> None:
    """Two cores: each loads half of the common operand and passes it on."""
    chip = make_chip(cores=2)
    schedule = schedule_of(make_gemm(8, 8, 8), chip)
    traffic = tuple(block_traffic(schedule, places={}))
    split_m = traffic[0].block.m != traffic[1].block.m
    common = [one.b if split_m else one.a for one in traffic]
    own = [one.a if split_m else one.b for one in traffic]
    assert common == [Transfer(32, 64)] * 2
    assert own == [Transfer(32, 32)] * 2


def test_a_tensor_on_the_chip_comes_from_the_other_cores() -> None:
    schedule = schedule_of(make_gemm(8, 8, 8), make_chip(cores=2))
    for one in block_traffic(schedule, places={"a": Place.SCRATCHPAD, "b": Place.SCRATCHPAD}):
        assert one.read.dram_bytes == 0
        assert one.read.link_bytes == (32 + 64) // 2
