"""The words that a schedule is shown in."""

from __future__ import annotations

from dataclasses import replace

from accelsim.arch import load_chip
from accelsim.precision import PairRule
from accelsim.schedule import describe, make_schedule
from accelsim.testing.check_dataflow import example_chip, example_gemm


def test_nest_and_order_of_a_small_gemm_are_spelled_out() -> None:
    # k = 5 on 2 rows: k tiles 2, 2, 1, each a chunk. n = 3 on 2 columns: n tiles 2, 1.
    chip = example_chip(rows=2, cols=2)
    op = example_gemm(4, 3, 5, chunk_size=2)
    assert describe(make_schedule(op, chip)) == (
        "gemm 1x4x3x5 chunk 2: m=4 n=3 k=5, 60 MACs, fp8_e5m2 x fp8_e5m2 -> fp16_e6m9",
        # 4 x 5 and 5 x 3 bytes of FP8, 4 x 3 x 2 bytes of FP16.
        "on the array, weight_stationary: 1 core of 1, 1 block, 6 passes, first block 59 bytes",
        "  for n in 2 x 2, the last 1  # array pass",
        "    for k in 3 x 2, the last 1  # array pass",
        "      for k in 2 x 1  # down the rows",
        "        for n in 2 x 1  # along the columns",
        "          for m in 4 x 1  # streamed, one vector a cycle",
        "each output: 5 products in k order, 3 chunks of 2, the last 1",
        "  in a chunk: sequential, fp16_e6m9, nearest_even",
        "  over chunks: first to last, fp16_e6m9, nearest_even",
        "  c0 = ((0 + p0) + p1)",
        "  c1 = ((0 + p2) + p3)",
        "  c2 = (0 + p4)",
        "  sum = (((0 + c0) + c1) + c2)",
    )


def test_fallback_and_two_rate_elements_are_named() -> None:
    lines = describe(make_schedule(example_gemm(64, 64, 128), load_chip("fp8_chunk64")))
    assert any("for k in 2 x 1  # inside an element, per cycle" in line for line in lines)
    chip = load_chip("fp8_only", [("mac_array.operand_pairs", "[{a: fp8_e4m3fn, b: fp8_e4m3fn}]")])
    fallback = "\n".join(describe(make_schedule(example_gemm(64, 64, 128), chip)))
    assert "on the vector unit: 4 cores of 4" in fallback
    assert "# over the lanes of the vector unit" in fallback


def test_fused_additions_are_named() -> None:
    pairs = "[{a: fp8_e5m2, b: fp8_e5m2, k_per_pe: 2, pair: fused}]"
    chip = load_chip("fp8_chunk64", [("mac_array.operand_pairs", pairs)])
    op = example_gemm(4, 4, 4, chunk_size=64)
    fused = op.accumulator.model_copy(update={"pair": PairRule.FUSED, "pair_size": 2})
    lines = describe(make_schedule(replace(op, accumulator=fused), chip))
    assert "  2 products enter each addition, exact, rounded once" in lines
    assert "  c0 = ((0 + p0 + p1) + p2 + p3)" in lines
