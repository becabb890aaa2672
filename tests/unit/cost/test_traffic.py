"""Bytes per op: each transfer of the schedule counted once, at the op that causes it."""

from __future__ import annotations

from accelsim.cost.traffic import OpTraffic, trace_traffic
from accelsim.formats import get_format
from accelsim.workload.ops import Phase, Role, TensorInfo, VectorOp
from tests.unit.cost.gemms import make_gemm, schedule, small_chip, tensors_of

FP16 = get_format("fp16_e6m9")


def traffic_of(ops, tensors, chip, *, outputs):
    schedules = {op.name: schedule(op, chip) for op in ops if op.kind == "gemm"}
    return trace_traffic(ops, tensors, outputs=outputs, chip=chip, schedules=schedules)


def test_a_gemm_that_fits_moves_its_tensors_once() -> None:
    """8 x 4 outputs, k = 6: 48 + 24 operands in, 32 results out, 2 bytes each, one core."""
    op = make_gemm(8, 4, 6, chunk_size=2)
    got = traffic_of([op], tensors_of(op), small_chip(), outputs=["out"])["gemm"]
    assert got == OpTraffic(
        dram_read_bytes=2 * (48 + 24),
        dram_write_bytes=2 * 32,
        link_bytes=0,
        scratchpad_read_bytes=2 * 32,  # on the way out
        scratchpad_write_bytes=2 * (48 + 24 + 32),
    )


def test_a_fused_op_adds_only_what_it_reads_beside_the_stream() -> None:
    """The product itself is never stored; bias in, result out, at the op that does it."""
    op = make_gemm(8, 4, 6, chunk_size=2)
    bias = VectorOp(
        "bias", "bias", Phase.FORWARD, "bias_add", ("out", "b1"), ("y",), 32, FP16, fused=True
    )
    tensors = {
        **tensors_of(op),
        "b1": TensorInfo("b1", (4,), Role.PARAMETER, FP16),
        "y": TensorInfo("y", (8, 4), Role.ACTIVATION, FP16),
    }
    got = traffic_of([op, bias], tensors, small_chip(), outputs=["y"])
    assert got["gemm"] == OpTraffic(dram_read_bytes=2 * 72, scratchpad_write_bytes=2 * 72)
    assert got["bias"] == OpTraffic(
        dram_read_bytes=2 * 4,
        dram_write_bytes=2 * 32,
        scratchpad_read_bytes=2 * (4 + 32),
        scratchpad_write_bytes=2 * (4 + 32),
    )


def test_a_cache_that_grows_moves_its_new_row_alone() -> None:
    """One row of 4 FP16 numbers behind 7 that stay in DRAM; who reads it all reads 8."""
    append = VectorOp(
        "append", "append", Phase.FORWARD, "append_rows", ("past", "x"), ("y",), 4, FP16
    )
    relu = VectorOp("relu", "relu", Phase.FORWARD, "relu", ("y",), ("z",), 32, FP16)
    shapes = {"past": (1, 7, 4), "x": (1, 1, 4), "y": (1, 8, 4), "z": (1, 8, 4)}
    tensors = {
        name: TensorInfo(name, shape, Role.ACTIVATION, FP16) for name, shape in shapes.items()
    }
    got = traffic_of([append, relu], tensors, small_chip(), outputs=["z"])
    assert got["append"].dram_read_bytes == 2 * 4
    assert got["append"].dram_write_bytes == 2 * 4
    assert got["relu"].dram_read_bytes == 2 * 32


def test_a_tensor_that_stays_on_the_chip_never_meets_dram() -> None:
    first = make_gemm(8, 4, 6, chunk_size=2)
    relu = VectorOp("relu", "relu", Phase.FORWARD, "relu", ("out",), ("y",), 32, FP16)
    tensors = {**tensors_of(first), "y": TensorInfo("y", (8, 4), Role.ACTIVATION, FP16)}
    got = traffic_of([first, relu], tensors, small_chip(), outputs=["y"])
    assert got["gemm"].dram_write_bytes == 0
    assert got["gemm"].scratchpad_write_bytes == 2 * (72 + 32)
    assert got["relu"].dram_read_bytes == 0
    assert got["relu"].scratchpad_read_bytes == 2 * (32 + 32)  # the input, and y on its way out
    assert got["relu"].dram_write_bytes == 2 * 32


def test_several_cores_share_a_load_and_pass_it_on() -> None:
    """DRAM gives each byte once; the links carry it to every core that works on it."""
    op = make_gemm(64, 64, 64, chunk_size=2)
    got = traffic_of([op], tensors_of(op), small_chip(cores=2), outputs=["out"])["gemm"]
    one = traffic_of([op], tensors_of(op), small_chip(), outputs=["out"])["gemm"]
    assert got.dram_read_bytes == one.dram_read_bytes == 2 * 2 * 64 * 64
    assert got.link_bytes > got.dram_read_bytes
