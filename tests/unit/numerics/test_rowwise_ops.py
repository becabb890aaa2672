"""Element-wise ops by blocks of rows on threads: the bits of the op done whole."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from accelsim.formats import FloatFormat, Rounding, get_format
from accelsim.formats.random_bits import StreamKey
from accelsim.numerics import vector_ops_statistics as statistics
from accelsim.numerics.row_blocks import BLOCK_ELEMENTS, fill_rows
from accelsim.numerics.rowwise_ops import stored_by_rows
from accelsim.numerics.storage import store_tensor
from accelsim.numerics.vector_ops_arithmetic import Arithmetic
from accelsim.numerics.vector_ops_dispatch import compute_vector_op
from accelsim.workload import Phase, VectorOp
from accelsim.workload.builder import Attributes
from accelsim.workload.ops import Role, TensorInfo

CHANNELS = 48
#: Two blocks and a part of a third.
ROWS = 2 * BLOCK_ELEMENTS // CHANNELS + 77
FP16 = get_format("fp16_e6m9")


def op_of(function: str, inputs: int, attributes: Attributes = ()) -> VectorOp:
    return VectorOp(
        name=function,
        layer="x",
        phase=Phase.FORWARD,
        function=function,
        inputs=tuple(f"i{index}" for index in range(inputs)),
        outputs=("y",),
        elements=ROWS * CHANNELS,
        compute_format=FP16,
        attributes=attributes,
    )


def operands(*shapes: tuple[int, ...]) -> list[NDArray[Any]]:
    generator = np.random.default_rng(3)
    return [FP16.quantize(generator.standard_normal(shape).astype(np.float32)) for shape in shapes]


MAP, CHANNEL = (ROWS, CHANNELS), (CHANNELS,)


@pytest.mark.parametrize("threads", [2, 3])
@pytest.mark.parametrize(
    ("function", "shapes", "stored"),
    [
        ("relu", (MAP,), "fp8_e5m2"),
        ("relu_backward", (MAP, MAP), "fp16_e6m9"),
        ("add", (MAP, MAP), "fp32"),
        ("batch_norm", (MAP, CHANNEL, CHANNEL), "fp8_e5m2"),
        ("batch_norm_backward", (MAP, MAP, *(CHANNEL,) * 5), "fp16_e6m9"),
        ("unscale", (MAP, (1,), CHANNEL), "fp16_e6m9"),
    ],
)
def test_blocks_and_threads_change_no_bit(
    function: str, shapes: tuple[tuple[int, ...], ...], stored: str, threads: int
) -> None:
    op, given, fmt = op_of(function, len(shapes)), operands(*shapes), get_format(stored)
    key, info = StreamKey(), TensorInfo("y", MAP, Role.ACTIVATION, fmt)
    if function == "unscale":
        given[1:] = [np.abs(scale) + np.float32(0.5) for scale in given[1:]]
    whole = store_tensor(
        compute_vector_op(op, given, Arithmetic(FP16)), fmt,
        rounding=op.rounding, overflow=op.overflow, key=key,
    )  # fmt: skip
    cut = stored_by_rows(op, given, info, key=key, threads=threads)
    assert cut is not None
    assert cut.dtype == whole.dtype
    assert cut.tobytes() == whole.tobytes()


def test_what_must_be_seen_whole_is_not_cut() -> None:
    (x,) = operands(MAP)
    info = TensorInfo("y", MAP, Role.ACTIVATION, get_format("fp8_e5m2"))
    key = StreamKey()
    for op in (
        op_of("softmax", 1),  # sums over a row
        op_of("store", 1, (("margin", 0), ("power_of_two", True), ("scaling", "amax"))),
        # Random bits are named by the row.
        replace(op_of("store", 1), rounding=Rounding.STOCHASTIC),
    ):
        assert stored_by_rows(op, [x], info, key=key, threads=2) is None
    assert stored_by_rows(op_of("relu", 1), [x[:9]], info, key=key, threads=2) is None


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("columns", [1, 5, 300, 1030])
def test_rows_of_float32_are_added_in_order(columns: int, threads: int) -> None:
    # NumPy adds the rows of a cumulative sum one after the other, each sum in float32.
    generator = np.random.default_rng(columns)
    rows = 2 * BLOCK_ELEMENTS // columns // (4 if columns == 1 else 1) + 3
    x = (generator.standard_normal((rows, columns)) * 100).astype(np.float32)
    fp32 = get_format("fp32")
    assert isinstance(fp32, FloatFormat)
    arithmetic = Arithmetic(fp32, threads)
    in_order = np.cumsum(x, axis=0, dtype=np.float32)[-1]
    np.testing.assert_array_equal(statistics.channel_sum(x, arithmetic), in_order)
    mean = np.zeros(columns, np.float32)
    squares = np.cumsum(x * x, axis=0, dtype=np.float32)[-1]
    wanted = (squares.astype(np.float64) / rows).astype(np.float32)
    np.testing.assert_array_equal(statistics.channel_variance(x, mean, arithmetic), wanted)


def test_no_rows_are_no_work() -> None:
    assert fill_rows(lambda part: np.ones((0, 3)), np.empty((0, 3)), threads=4).shape == (0, 3)
    none = np.empty((0, 3), np.float32)
    assert statistics.channel_sum(none, Arithmetic(get_format("fp32"), 2)).tolist() == [0, 0, 0]
