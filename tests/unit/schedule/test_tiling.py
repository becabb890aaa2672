"""Blocks and shares that the search chooses, on cases whose best answer is plain."""

from __future__ import annotations

from itertools import pairwise

import pytest

from accelsim.arch import Chip, load_chip
from accelsim.schedule import Dim, Level, Schedule, make_schedule, working_set
from accelsim.schedule.candidates import ladder
from accelsim.schedule.footprints import footprints
from accelsim.testing.check_dataflow import example_chip, example_gemm
from accelsim.workload.views import ConvolutionView, MatrixView


def core_loop(schedule: Schedule) -> tuple[Dim, int, int]:
    (loop,) = schedule.mapping.at(Level.CORE)
    return loop.dim, loop.tile, loop.count


def default_chip(*overrides: tuple[str, str]) -> Chip:
    return load_chip("fp8_chunk64", list(overrides))


def test_one_row_of_outputs_is_split_over_n() -> None:
    # m = 1 cannot be split; 1024 columns are 32 array tiles, 8 for each of 4 cores.
    schedule = make_schedule(example_gemm(1, 1024, 512), default_chip())
    assert core_loop(schedule) == (Dim.N, 256, 4)


def test_one_array_tile_of_n_is_split_over_m() -> None:
    schedule = make_schedule(example_gemm(4096, 32, 512), default_chip())
    assert core_loop(schedule) == (Dim.M, 1024, 4)


def test_small_independent_products_are_split_over_groups() -> None:
    # Each product fits one pass; groups share no operand.
    schedule = make_schedule(example_gemm(32, 32, 64, groups=64), default_chip())
    assert core_loop(schedule) == (Dim.GROUP, 16, 4)


def test_shares_are_whole_array_tiles_and_the_last_may_be_short() -> None:
    # 5 array tiles of 32 on 4 cores: 2, 2 and 1; the fourth core gets nothing.
    schedule = make_schedule(example_gemm(1, 160, 64), default_chip())
    assert core_loop(schedule) == (Dim.N, 64, 3)
    assert schedule.mapping.cores_used == 3
    assert [block.core for block in schedule.blocks()][-1] == 2


def test_k_is_never_split_across_cores() -> None:
    schedule = make_schedule(example_gemm(1, 1, 4096), default_chip())
    assert schedule.mapping.at(Level.CORE) == ()
    assert schedule.mapping.cores_used == 1


def test_unlimited_scratchpad_makes_one_block() -> None:
    schedule = make_schedule(example_gemm(5000, 300, 700), load_chip("scalesim_os_32x32"))
    assert schedule.block_count == 1


def test_whole_k_is_kept_where_it_fits() -> None:
    schedule = make_schedule(example_gemm(512, 512, 8192), default_chip())
    assert all(block.k == (0, 8192) for block in schedule.blocks())


def test_k_that_does_not_fit_is_cut_at_chunks_and_innermost() -> None:
    # One column tile of weights alone, 65,536 x 32 bytes, fills 2 MiB; half of 2 MiB is there.
    op = example_gemm(64, 32, 65536)
    schedule = make_schedule(op, default_chip(("cores", "1")))
    blocks = list(schedule.blocks())
    assert schedule.mapping.order(Level.BLOCK)[-1] is Dim.K
    assert all(block.k[0] % 64 == 0 for block in blocks)
    for before, after in pairwise(blocks):
        # An output tile is left only when it is complete.
        assert before.last_k == after.first_k
        assert before.last_k or (before.m, before.n) == (after.m, after.n)


@pytest.mark.parametrize("kib", [8, 16, 64, 256, 2048])
def test_every_block_fits_half_of_a_double_buffered_scratchpad(kib: int) -> None:
    chip = default_chip(("scratchpad.capacity_kib", str(kib)))
    view = ConvolutionView(
        batch=2, height=30, width=30, channels=32, kernel=(3, 3), padding=(1, 1), stride=(2, 2)
    )
    op = example_gemm(2 * 15 * 15, 96, 288, a_view=view)
    schedule = make_schedule(op, chip)
    largest = max(working_set(op, block).total_bytes for block in schedule.blocks())
    assert largest <= kib * 1024 // 2


def test_working_set_counts_halo_once_and_partial_sums_in_their_own_format() -> None:
    view = ConvolutionView(batch=1, height=4, width=4, channels=2, kernel=(3, 3), padding=(1, 1))
    op = example_gemm(16, 3, 18, a_view=view, chunk_size=2)
    (block,) = make_schedule(op, example_chip()).blocks()
    found = working_set(op, block)
    # 4 x 4 x 2 stored FP8 pixels, not 16 x 18 windows; 18 x 3 weights; 16 x 3 FP16 outputs.
    assert (found.a, found.b, found.out) == (32, 54, 96)
    assert found.total_bytes == 182


def test_larger_scratchpad_never_means_more_blocks() -> None:
    op = example_gemm(3136, 128, 1152)
    counts = [
        make_schedule(op, default_chip(("scratchpad.capacity_kib", str(kib)))).block_count
        for kib in (32, 128, 512, 2048, 8192)
    ]
    assert counts == sorted(counts, reverse=True)


def test_same_op_and_chip_give_the_same_mapping() -> None:
    op = example_gemm(784, 256, 1152)
    assert make_schedule(op, default_chip()).mapping == make_schedule(op, default_chip()).mapping


def test_footprints_of_a_matrix_are_exact() -> None:
    view = MatrixView(shape=(50, 30), groups=1, rows=50, columns=30)
    found = footprints(view, 50, 30, 7, 11)
    assert (found.worst, found.total) == (77, 50 * 30)


def test_footprints_of_four_tiles_count_halo_in_each() -> None:
    # 8 x 8 pixels, 3 x 3 windows, padding 1; tiles of 2 output rows: halo rows 3, 4, 4, 3.
    view = ConvolutionView(batch=1, height=8, width=8, channels=1, kernel=(3, 3), padding=(1, 1))
    found = footprints(view, 64, 9, 16, 9)
    assert (found.worst, found.total) == (4 * 8, (3 + 4 + 4 + 3) * 8)


def test_single_buffered_scratchpad_may_be_filled_whole() -> None:
    # 48 x 64 and 64 x 64 bytes of operands, 48 x 64 FP16 outputs: 13,312 of 16,384 bytes.
    overrides = (("cores", "1"), ("scratchpad.capacity_kib", "16"))
    op = example_gemm(48, 64, 64)
    halved = make_schedule(op, default_chip(*overrides))
    whole = make_schedule(op, default_chip(*overrides, ("scratchpad.double_buffering", "false")))
    assert max(working_set(op, block).total_bytes for block in halved.blocks()) <= 8192
    assert max(working_set(op, block).total_bytes for block in whole.blocks()) <= 16384
    assert whole.block_count <= halved.block_count


def test_tile_sizes_of_huge_extents_have_no_gap() -> None:
    sizes = ladder(10**9, 1)
    assert sizes[0] == 10**9
    assert sizes[-1] == 1
    assert all(larger <= 4 * smaller for larger, smaller in pairwise(sizes))
