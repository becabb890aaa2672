"""Mappings that are refused, and what the refusal says."""

from __future__ import annotations

from dataclasses import replace

import pytest

from accelsim.arch import Chip, load_chip
from accelsim.errors import MappingError
from accelsim.precision import PairRule
from accelsim.schedule import Dim, Level, Loop, Mapping, make_schedule
from accelsim.testing.check_dataflow import example_chip, example_gemm


def chip_of(rows: int, k_per_pe: int = 1, dataflow: str = "weight_stationary") -> Chip:
    return example_chip(rows=rows, cols=4, k_per_pe=k_per_pe, dataflow=dataflow)


@pytest.mark.parametrize("dataflow", ["weight_stationary", "input_stationary"])
@pytest.mark.parametrize("chunk", [1, 2, 4, 8, 16, 24, 1000])
def test_chunk_that_divides_or_spans_whole_k_tiles_is_legal(dataflow: str, chunk: int) -> None:
    # k tile 4 rows x 2 = 8; 1000 holds the whole reduction.
    op = example_gemm(3, 3, 100, chunk_size=chunk)
    assert make_schedule(op, chip_of(4, 2, dataflow)).mapping.chunk_size == min(chunk, 100)


@pytest.mark.parametrize("dataflow", ["weight_stationary", "input_stationary"])
@pytest.mark.parametrize(("chunk", "levers"), [(12, "8 or 16"), (3, "2 or 8"), (7, "4 or 8")])
def test_chunk_that_ends_where_no_adder_is_is_refused_with_levers(
    dataflow: str, chunk: int, levers: str
) -> None:
    op = example_gemm(3, 3, 100, chunk_size=chunk)
    with pytest.raises(MappingError) as caught:
        make_schedule(op, chip_of(4, 2, dataflow))
    text = str(caught.value)
    assert f"chunk_size {chunk} is neither a multiple nor a divisor of the k tile" in text
    assert "(8 = 4 rows x 2 per PE)" in text
    assert f"Use {levers}, or the output_stationary dataflow." in text


@pytest.mark.parametrize("chunk", [1, 3, 7, 12, 99])
def test_output_stationary_takes_any_chunk(chunk: int) -> None:
    op = example_gemm(3, 3, 100, chunk_size=chunk)
    order = make_schedule(op, chip_of(4, 2, "output_stationary")).reduction_order()
    assert order.chunk_size == chunk


@pytest.mark.parametrize("dataflow", ["weight_stationary", "output_stationary"])
def test_chunk_that_cuts_a_fused_pair_is_refused(dataflow: str) -> None:
    pairs = "[{a: fp8_e5m2, b: fp8_e5m2, k_per_pe: 2, pair: fused}]"
    overrides = [("mac_array.operand_pairs", pairs), ("mac_array.dataflow", dataflow)]
    chip = load_chip("fp8_chunk64", overrides)
    op = example_gemm(3, 3, 100, chunk_size=1)
    fused = op.accumulator.model_copy(update={"pair": PairRule.FUSED, "pair_size": 2})
    with pytest.raises(MappingError, match="inside a fused pair of 2 products"):
        make_schedule(replace(op, accumulator=fused), chip)


def test_block_that_cannot_fit_says_demand_bound_gap_and_levers() -> None:
    chip = load_chip("fp8_chunk64", [("scratchpad.capacity_kib", "1")])
    op = example_gemm(1, 64, 4096, chunk_size=4096)
    with pytest.raises(MappingError) as caught:
        make_schedule(op, chip)
    reason = caught.value.reason
    assert reason is not None
    # Half of 1 KiB. The smallest block: 64 bytes of a, 64 x 32 of b, 32 psums of 2 bytes.
    assert (reason.bound, reason.demand) == (512, 64 + 64 * 32 + 32 * 2)
    assert reason.gap == reason.demand - 512
    assert any("capacity_kib" in lever for lever in reason.levers)
    assert any("double_buffering" in lever for lever in reason.levers)


def legal() -> Mapping:
    return make_schedule(example_gemm(8, 8, 16, chunk_size=4), chip_of(4)).mapping


def changed(level: Level, dim: Dim, *, mapping: Mapping | None = None, **change: int) -> Mapping:
    mapping = mapping or legal()
    assert mapping.find(level, dim) is not None
    loops = tuple(
        replace(loop, **change) if (loop.level, loop.dim) == (level, dim) else loop
        for loop in mapping.loops
    )
    return replace(mapping, loops=loops)


def with_loop(loop: Loop) -> Mapping:
    mapping = legal()
    return replace(mapping, loops=(loop, *mapping.loops))


def with_dims(rows: Dim, cols: Dim, stream: Dim) -> Mapping:
    """Lay other dimensions along the array, with passes small enough for it."""
    dims = {Level.ROWS: rows, Level.COLS: cols, Level.STREAM: stream}
    loops = tuple(
        replace(loop, dim=dims[loop.level])
        if loop.level in dims
        else replace(loop, tile=4, count=2)
        if (loop.level, loop.dim) == (Level.PASS, Dim.M)
        else loop
        for loop in legal().loops
    )
    return replace(legal(), loops=loops)


def with_k_outermost(dataflow: str) -> Mapping:
    """Visit all outputs of a block for one k tile before the next one."""
    chip = chip_of(4, dataflow=dataflow)
    mapping = make_schedule(example_gemm(8, 8, 16, chunk_size=4), chip).mapping
    passes = [loop for loop in mapping.at(Level.PASS) if loop.dim is not Dim.K]
    k_first = (Loop(Dim.K, Level.PASS, 4, 4), *passes)
    others = [loop for loop in mapping.loops if loop.level is not Level.PASS]
    streamed = [
        replace(loop, count=4) if (loop.level, loop.dim) == (Level.STREAM, Dim.K) else loop
        for loop in others
    ]
    return replace(mapping, loops=(*k_first, *streamed))


def test_outputs_that_leave_an_output_stationary_array_too_early_are_refused() -> None:
    mapping = with_k_outermost("output_stationary")
    with pytest.raises(MappingError, match="outputs leave the array before their k is complete"):
        make_schedule(
            example_gemm(8, 8, 16, chunk_size=4),
            chip_of(4, dataflow="output_stationary"),
            mapping=mapping,
        )


def test_partial_sums_that_wait_for_their_next_k_tile_need_entries() -> None:
    # 2 n tiles of 8 vectors wait at once.
    op, mapping = example_gemm(8, 8, 16, chunk_size=4), with_k_outermost("weight_stationary")
    enough = make_schedule(op, example_chip(rows=4, cols=4, entries=16), mapping=mapping)
    assert enough.pass_count == 8
    with pytest.raises(MappingError, match=r"needs 16 .*has 15 .*1 too few"):
        make_schedule(op, example_chip(rows=4, cols=4, entries=15), mapping=mapping)


@pytest.mark.parametrize(
    ("mapping", "text"),
    [
        (changed(Level.PASS, Dim.N, tile=4, count=1), "does not cover an extent of 8"),
        (changed(Level.PASS, Dim.M, tile=0), "at least 1"),
        (changed(Level.PASS, Dim.K, tile=8, count=2), "more k positions than the 4"),
        (changed(Level.PASS, Dim.N, tile=8, count=1), "more n positions than the 4"),
        (changed(Level.PASS, Dim.GROUP, tile=2, count=1), "one group"),
        (
            changed(
                Level.BLOCK,
                Dim.K,
                mapping=changed(Level.PASS, Dim.K, count=2),
                tile=6,
                count=3,
            ),
            "do not end where k tiles",
        ),
        (changed(Level.PE, Dim.K, count=2), "takes 1 k positions per cycle"),
        (changed(Level.COLS, Dim.N, tile=2), "tiles of what one element takes"),
        (changed(Level.STREAM, Dim.M, count=9), "not what a pass of 8 streams"),
        (with_dims(Dim.M, Dim.N, Dim.M), "m, n and k, each once"),
        (changed(Level.ROWS, Dim.K, count=8), "8 x 4 elements"),
        (with_loop(Loop(Dim.K, Level.CORE, 8, 2)), "without a tree"),
        (with_loop(Loop(Dim.M, Level.CORE, 4, 2)), "has 1"),
        (with_loop(Loop(Dim.M, Level.BLOCK, 8, 1)), "2 loops over m"),
        (replace(legal(), chunk_size=8), "not the one asked for"),
    ],
)
def test_illegal_mapping_is_refused(mapping: Mapping, text: str) -> None:
    with pytest.raises(MappingError, match=text):
        make_schedule(example_gemm(8, 8, 16, chunk_size=4), chip_of(4), mapping=mapping)


def test_stream_longer_than_the_accumulators_hold_is_refused() -> None:
    op = example_gemm(8, 8, 16, chunk_size=4)
    chip = example_chip(rows=4, cols=4, entries=7)
    with pytest.raises(MappingError, match=r"needs 8 .*has 7 .*1 too few"):
        make_schedule(op, chip, mapping=legal())


def test_mapping_with_two_stream_loops_is_refused() -> None:
    with pytest.raises(ValueError, match="one stream loop, this one has 2"):
        with_loop(Loop(Dim.M, Level.STREAM, 1, 8)).only(Level.STREAM)


def test_given_mapping_whose_blocks_are_too_large_is_refused() -> None:
    op = example_gemm(64, 64, 64, chunk_size=64)
    roomy = make_schedule(op, example_chip(rows=4, cols=4)).mapping
    tight = example_chip(rows=4, cols=4, capacity_kib=16)
    with pytest.raises(MappingError) as caught:
        make_schedule(op, tight, mapping=roomy)
    assert caught.value.reason is not None
    # One block: 64 x 64 bytes twice, 64 x 64 FP16 outputs; half of 16 KiB is there.
    assert caught.value.reason.demand == 4 * 64 * 64
    assert caught.value.reason.bound == 8192


def test_given_mapping_is_held_to_where_chunks_can_end() -> None:
    # A mapping made for chunks of 4 on k tiles of 4, handed to an op that asks for chunks of 6.
    mapping = replace(legal(), chunk_size=6)
    with pytest.raises(MappingError, match="nor a divisor of the k tile"):
        make_schedule(example_gemm(8, 8, 16, chunk_size=6), chip_of(4), mapping=mapping)
