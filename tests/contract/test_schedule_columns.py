"""What is said of all blocks at once equals what the definitions say of one after the other."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelsim.arch import Chip
from accelsim.arch.mapper import SplitK
from accelsim.cost.counting import array_read_bytes
from accelsim.errors import MappingError
from accelsim.schedule import Dim, make_schedule, working_set
from accelsim.schedule.block_table import block_table
from accelsim.schedule.range_classes import Cut, cut_of, period_of, range_classes
from accelsim.schedule.traffic import Place, block_traffic
from accelsim.schedule.traffic_table import Moves, traffic_table
from accelsim.schedule.working_set import largest_block_bytes, largest_tiles_bytes
from accelsim.testing.check_dataflow import example_chip, example_gemm
from accelsim.workload.ops import Gemm, Phase
from tests.contract.test_schedule_laws import chips, gemms, scheduled

PLACES = st.sampled_from([None, Place.DRAM, Place.SCRATCHPAD])


@given(op=gemms(), chip=chips())
def test_columns_are_the_blocks(op: Gemm, chip: Chip) -> None:
    schedule = scheduled(op, chip)
    blocks, table = list(schedule.blocks()), block_table(schedule)
    assert len(table) == len(blocks)
    assert table.outputs.tolist() == [block.outputs for block in blocks]
    for at, block in enumerate(blocks):
        made = table.block(at)
        assert (made.index, made.core) == (block.index, block.core)
        assert [made.range(dim) for dim in Dim] == [block.range(dim) for dim in Dim]
        assert (made.first_k, made.last_k) == (block.first_k, block.last_k)
        assert bool(table.completes[at]) == block.last_k
    firsts, kinds = table.kinds()
    for block, kind in zip(blocks, kinds.tolist(), strict=True):
        assert schedule.block_pattern(block) == schedule.block_pattern(blocks[firsts[kind]])


@given(op=gemms(), chip=chips(), a=PLACES, b=PLACES)
def test_columns_of_traffic_are_the_traffic_of_blocks(
    op: Gemm, chip: Chip, a: Place | None, b: Place | None
) -> None:
    scheduled(op, chip)  # draws another example where chunks do not suit
    check_traffic(op, chip, a, b)


@pytest.mark.parametrize("cores", [2, 3])
def test_columns_of_traffic_where_cores_divide_k(cores: int) -> None:
    plain = example_chip(cores=cores, capacity_kib=1)
    chip = plain.model_copy(update={"split_k": SplitK(format="fp32")})
    op = replace(example_gemm(1, 4, 960, chunk_size=4), phase=Phase.GRADIENT)
    assert make_schedule(op, chip).k_splits == cores
    check_traffic(op, chip, None, None)


def check_traffic(op: Gemm, chip: Chip, a: Place | None, b: Place | None) -> None:
    schedule = make_schedule(op, chip)
    places = {name: place for name, place in ((op.a.tensor, a), (op.b.tensor, b)) if place}
    slow = list(block_traffic(schedule, places=places))
    fast = traffic_table(schedule, a=a, b=b)
    for name in ("a", "b", "psum_read", "psum_write", "read"):
        moves: Moves = getattr(fast, name)
        one_by_one = [getattr(block, name) for block in slow]
        assert moves.dram.tolist() == [one.dram_bytes for one in one_by_one]
        assert moves.link.tolist() == [one.link_bytes for one in one_by_one]


@given(op=gemms(), chip=chips())
def test_the_largest_block_is_the_largest_of_all(op: Gemm, chip: Chip) -> None:
    schedule = scheduled(op, chip)
    stored = schedule.stored_op
    largest = max(working_set(stored, block).total_bytes for block in schedule.blocks())
    assert largest_block_bytes(schedule) == largest
    assert largest_tiles_bytes(schedule) >= largest


@settings(max_examples=50)
@given(op=gemms(), chip=chips())
def test_bytes_read_by_the_array_are_those_of_its_steps(op: Gemm, chip: Chip) -> None:
    schedule = scheduled(op, chip)
    stored = schedule.stored_op
    bits = sum(
        stored.a.view.footprint(step.m, step.k) * op.a.format.bits
        + stored.b.view.footprint(step.k, step.n) * op.b.format.bits
        for step in schedule.steps()
    )
    assert array_read_bytes(schedule) == -(-bits // 8)


@given(
    extent=st.integers(1, 200),
    tiles=st.lists(st.integers(0, 40), min_size=1, max_size=3),
    period=st.integers(0, 12),
    ends_apart=st.booleans(),
)
def test_classes_count_every_range_once(
    extent: int, tiles: list[int], period: int, ends_apart: bool
) -> None:
    ranges = [(0, extent)]
    ends = [(True, True)]
    for tile in filter(None, tiles):
        cut = [
            ((at, min(at + tile, stop)), (at == start, at + tile >= stop))
            for start, stop in ranges
            for at in range(start, stop, tile)
        ]
        ranges, ends = [one for one, _ in cut], [one for _, one in cut]

    def kind(start: int, stop: int, end: tuple[bool, bool]) -> tuple[object, ...]:
        return (start % period if period else start, stop - start, end if ends_apart else None)

    expected = Counter(kind(*one, end) for one, end in zip(ranges, ends, strict=True))
    found = range_classes(Cut(extent, tuple(tiles)), period, ends_apart=ends_apart)
    assert sorted(one.count for one in found) == sorted(expected.values())
    for one in found:
        at = ranges.index(one.range)
        assert expected[kind(*one.range, ends[at])] == one.count


@given(op=gemms(), chip=chips())
def test_ranges_a_period_apart_touch_as_much(op: Gemm, chip: Chip) -> None:
    schedule = scheduled(op, chip)
    stored = schedule.stored_op
    period = period_of(stored, Dim.M)
    assert period > 0
    for one in range_classes(cut_of(stored, schedule.mapping, Dim.M), 0):
        for later in range(one.range[0] + period, op.m - one.length + 1, period):
            moved = (later, later + one.length)
            whole = (0, op.k)
            assert stored.a.view.footprint(one.range, whole) == stored.a.view.footprint(
                moved, whole
            )


def test_more_blocks_than_memory_holds_are_refused_at_once() -> None:
    op = example_gemm(10**10, 8, 16, chunk_size=4)
    schedule = make_schedule(op, example_chip(capacity_kib=1))
    with pytest.raises(MappingError, match="a smaller batch"):
        block_table(schedule)
