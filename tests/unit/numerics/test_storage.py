"""Storing: one rounding, and what is done with weights, scales and random bits."""

from __future__ import annotations

import numpy as np
import pytest

from accelsim.errors import DataError
from accelsim.formats import Overflow, Rounding, get_format
from accelsim.formats.random_bits import Site, StreamKey, random_bits
from accelsim.numerics.storage import load_input, load_parameter, store_tensor
from accelsim.workload.ops import Role, TensorInfo
from accelsim.workload.parameters import Preparation, TraceParameter

E4M3 = get_format("fp8_e4m3fn")
E5M2 = get_format("fp8_e5m2")


def info(fmt: str, shape: tuple[int, ...], role: Role = Role.WEIGHT) -> TensorInfo:
    return TensorInfo("w", shape, role, get_format(fmt))


def test_a_weight_saturates_and_another_parameter_follows_its_format() -> None:
    parameter = TraceParameter("w", Preparation.COPY, ("w",))
    x = np.array([1e6, -1e6, 1.1])
    stored, scale = load_parameter(x, info("fp8_e5m2", (3,)), parameter)
    assert stored.tolist() == [57344.0, -57344.0, 1.0]
    assert scale == 1.0
    stored, _ = load_parameter(x, info("fp8_e5m2", (3,), Role.PARAMETER), parameter)
    assert stored.tolist() == [np.inf, -np.inf, 1.0]


@pytest.mark.parametrize(("power_of_two", "scale"), [(True, 128.0), (False, 448 / 3)])
def test_a_scaled_weight_reaches_the_top_of_its_range(power_of_two: bool, scale: float) -> None:
    # 448 / 3 = 149.3..., rounded down to a power of two 128, or to FP32 toward zero.
    parameter = TraceParameter(
        "w", Preparation.COPY, ("w",), scale="w:scale", power_of_two=power_of_two
    )
    x = np.array([3.0, -1.5, 0.01])
    stored, factor = load_parameter(x, info("fp8_e4m3fn", (3,)), parameter)
    assert factor == pytest.approx(scale, rel=2**-23)
    np.testing.assert_array_equal(stored, E4M3.quantize(x * factor))


def test_a_tensor_goes_to_memory_in_the_type_that_holds_its_format() -> None:
    key = StreamKey()
    rule = {"rounding": Rounding.NEAREST_EVEN, "overflow": None, "key": key}
    assert store_tensor(np.ones(3), E5M2, **rule).dtype == np.float32
    wide = np.array([1.0 + 2**-30])
    assert store_tensor(wide, get_format("fp32"), **rule).tolist() == [1.0]
    narrow = np.array([1.5, np.inf], dtype=np.float32)
    np.testing.assert_array_equal(store_tensor(narrow, get_format("fp32"), **rule), narrow)
    clamped = store_tensor(
        narrow, get_format("fp32"), rounding=Rounding.NEAREST_EVEN,
        overflow=Overflow.SATURATE, key=key,
    )  # fmt: skip
    assert clamped[1] == np.finfo(np.float32).max


def test_random_bits_of_a_store_are_named_by_row_and_column() -> None:
    x = np.random.default_rng(2).normal(size=(2, 3, 5))
    key = StreamKey(seed=7, op=3)
    stored = store_tensor(x, E5M2, rounding=Rounding.STOCHASTIC, overflow=None, key=key)
    for b in range(2):
        for y in range(3):
            for c in range(5):
                bits = int(random_bits(key, Site.STORE, 3 * b + y, c))
                expected = E5M2.round_scalar(
                    float(x[b, y, c]), rounding=Rounding.STOCHASTIC, random_bits=bits
                )
                assert float(stored[b, y, c]) == expected


def test_an_input_is_rounded_once_to_nearest_even() -> None:
    # 1 + 2**-10 is a tie of (1,6,9): to the even 1. A float32 in between would not see 2**-40.
    x = np.array([1 + 2**-10, 1 + 2**-10 + 2**-40])
    stored = load_input(x, info("fp16_e6m9", (2,), Role.ACTIVATION))
    assert stored.tolist() == [1.0, 1.0 + 2**-9]


def test_another_shape_is_refused() -> None:
    with pytest.raises(DataError, match=r"^Tensor 'w' has shape \(2,\); the trace was lowered"):
        load_input(np.ones(2), info("fp32", (3,)))
