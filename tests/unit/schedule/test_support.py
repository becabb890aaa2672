"""What a chip serves, what falls back, and what a refusal says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from accelsim.arch import Chip, load_chip
from accelsim.errors import UnknownNameError, UnsupportedError
from accelsim.formats import NumberFormat, Rounding, get_format
from accelsim.precision import AccumulationMethod, Accumulator, PairRule
from accelsim.schedule import make_schedule, make_schedules, op_shape_key, select_pair
from accelsim.testing.check_dataflow import example_gemm
from accelsim.workload.ops import Gemm, Phase, VectorOp

FP16 = get_format("fp16_e6m9")
FP32 = get_format("fp32")
E5M2 = get_format("fp8_e5m2")
E4M3 = get_format("fp8_e4m3fn")


def gemm(a: NumberFormat = E5M2, b: NumberFormat = E5M2, **accumulator: Any) -> Gemm:
    op = example_gemm(8, 8, 128)
    asked = {"inner": FP16, "outer": FP16, "chunk_size": 64, **accumulator}
    return replace(
        op,
        a=replace(op.a, format=a),
        b=replace(op.b, format=b),
        accumulator=Accumulator(**asked),
    )


def vector_op(compute: NumberFormat) -> VectorOp:
    return VectorOp("relu1", "relu1", Phase.FORWARD, "relu", ("x",), ("y",), 8, compute)


@pytest.fixture
def chip() -> Chip:
    return load_chip("fp8_chunk64")


@pytest.mark.parametrize(
    ("a", "b", "rate"),
    [(E5M2, E5M2, 2), (E4M3, E5M2, 2), (E5M2, E4M3, 2), (E4M3, E4M3, 2), (FP16, FP16, 1)],
)
def test_pair_is_found_in_both_orders(
    chip: Chip, a: NumberFormat, b: NumberFormat, rate: int
) -> None:
    assert select_pair(gemm(a, b), chip).k_per_pe == rate


def test_unknown_pair_is_refused_with_what_the_array_multiplies(chip: Chip) -> None:
    with pytest.raises(UnsupportedError) as caught:
        make_schedule(gemm(FP16, E5M2), chip)
    text = str(caught.value)
    assert "does not multiply fp16_e6m9 x fp8_e5m2" in text
    assert "fp8_e5m2 x fp8_e5m2 (2 a cycle)" in text
    assert "fp16_e6m9 x fp16_e6m9" in text


def test_wider_accumulator_is_refused_with_those_there_are(chip: Chip) -> None:
    with pytest.raises(UnsupportedError) as caught:
        make_schedule(gemm(inner=FP32, outer=FP32), chip)
    assert "do not add as inner fp32, outer fp32" in str(caught.value)
    assert "inner fp16_e6m9, outer fp16_e6m9 (sequential; nearest_even)" in str(caught.value)


@pytest.mark.parametrize(
    "asked",
    [
        {"rounding": Rounding.STOCHASTIC},
        {"outer_rounding": Rounding.TOWARD_ZERO},
        {"method": AccumulationMethod.TREE},
        {"product": FP16},
        {"pair": PairRule.FUSED, "pair_size": 2},
    ],
)
def test_arithmetic_that_the_adders_do_not_have_is_refused(
    chip: Chip, asked: dict[str, Any]
) -> None:
    with pytest.raises(UnsupportedError):
        make_schedule(gemm(**asked), chip)


def test_listed_arithmetic_is_served() -> None:
    supports = (
        "[{inner: fp16_e6m9, outer: fp16_e6m9, roundings: [nearest_even, stochastic],"
        " methods: [sequential, tree], products: [fp16_e6m9]}]"
    )
    chip = load_chip("fp8_chunk64", [("accumulator.supports", supports)])
    op = gemm(rounding=Rounding.STOCHASTIC, method=AccumulationMethod.TREE, product=FP16)
    assert not make_schedule(op, chip).mapping.fallback


def test_fused_pairs_are_served_by_elements_that_fuse_as_many() -> None:
    pairs = "[{a: fp8_e5m2, b: fp8_e5m2, k_per_pe: 2, pair: fused}]"
    chip = load_chip("fp8_chunk64", [("mac_array.operand_pairs", pairs)])
    schedule = make_schedule(gemm(pair=PairRule.FUSED, pair_size=2), chip)
    assert schedule.reduction_order().fused == 2
    with pytest.raises(UnsupportedError, match="fuses 2 products, not 4"):
        make_schedule(gemm(pair=PairRule.FUSED, pair_size=4), chip)
    with pytest.raises(UnsupportedError, match="added fused, not sequential"):
        make_schedule(gemm(), chip)


def test_integer_sums_must_have_the_width_of_the_register() -> None:
    chip = load_chip("int8")
    int8, int32 = get_format("int8"), get_format("int32")
    asked = {"inner": int32, "outer": int32, "method": AccumulationMethod.INTEGER}
    assert make_schedule(gemm(int8, int8, **asked), chip).macs == 8 * 8 * 128
    with pytest.raises(UnsupportedError, match="16 bits"):
        make_schedule(gemm(int8, int8, **asked, integer_bits=16), chip)


def test_fp16_gemm_falls_back_to_the_lanes_of_a_chip_without_fp16_elements() -> None:
    chip = load_chip("fp8_only")
    schedule = make_schedule(gemm(FP16, FP16), chip)
    assert schedule.mapping.fallback
    assert (schedule.mapping.rows, schedule.mapping.cols) == (1, chip.vector_unit.lanes)
    assert schedule.mapping.k_per_pe == 1


def test_fallback_does_not_change_the_order_of_additions() -> None:
    fast = make_schedule(gemm(FP16, FP16), load_chip("fp8_chunk64"))
    slow = make_schedule(gemm(FP16, FP16), load_chip("fp8_only"))
    assert fast.reduction_order() == slow.reduction_order()


def test_fallback_that_cannot_add_either_says_so() -> None:
    bf16 = get_format("bf16")
    with pytest.raises(UnsupportedError, match=r"vector unit does not add in bf16\. It computes"):
        make_schedule(gemm(inner=bf16, outer=bf16), load_chip("fp8_only"))


def test_trace_is_refused_with_every_reason_once(chip: Chip) -> None:
    bf16 = get_format("bf16")
    ops = [
        replace(gemm(FP16, E5M2), name="one"),
        replace(gemm(FP16, E5M2), name="two"),
        vector_op(bf16),
        replace(gemm(inner=FP32, outer=FP32), name="three"),
    ]
    with pytest.raises(UnsupportedError) as caught:
        make_schedules(ops, chip)
    text = str(caught.value)
    assert text.count("does not multiply fp16_e6m9 x fp8_e5m2") == 1
    assert "(first: one)" in text
    assert "The vector unit does not compute in bf16" in text
    assert "do not add as inner fp32" in text


def test_equal_ops_are_mapped_once_and_keep_their_names(chip: Chip) -> None:
    ops = [replace(gemm(), name=name, layer=name) for name in ("one", "two")]
    schedules = make_schedules([*ops, vector_op(FP16)], chip)
    assert list(schedules) == ["one", "two"]
    assert schedules["one"].mapping is schedules["two"].mapping
    assert schedules["two"].op is ops[1]


def test_shape_key_ignores_names_and_sees_everything_else() -> None:
    op = gemm()
    assert op_shape_key(replace(op, name="x", layer="y", phase=Phase.BACKWARD)) == op_shape_key(op)
    assert op_shape_key(gemm(chunk_size=32)) != op_shape_key(op)
    assert op_shape_key(gemm(E4M3, E5M2)) != op_shape_key(op)
    assert op_shape_key(example_gemm(8, 8, 129)) != op_shape_key(example_gemm(8, 8, 128))


def test_cycles_for_a_function_that_does_not_exist_are_refused() -> None:
    chip = load_chip("fp8_chunk64", [("vector_unit.cycles_per_element", "{softmx: 4}")])
    with pytest.raises(UnknownNameError, match="Did you mean softmax"):
        make_schedules([gemm()], chip)


def test_lanes_add_one_product_after_the_other_and_nothing_else() -> None:
    chip = load_chip("fp8_only")
    with pytest.raises(UnsupportedError, match="adds one product after the other"):
        make_schedule(gemm(FP16, FP16, method=AccumulationMethod.TREE), chip)
    with pytest.raises(UnsupportedError, match="adds every product by itself"):
        make_schedule(gemm(FP16, FP16, pair=PairRule.FUSED, pair_size=2), chip)


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ({"rounding": Rounding.TOWARD_ZERO}, "rounds the sums of a GEMM to nearest even"),
        ({"outer_rounding": Rounding.STOCHASTIC}, "rounds the sums of a GEMM to nearest even"),
        ({"product": get_format("bf16")}, "does not round products to bf16"),
    ],
)
def test_lanes_refuse_roundings_that_they_do_not_have(asked: dict[str, Any], reason: str) -> None:
    with pytest.raises(UnsupportedError, match=reason):
        make_schedule(gemm(FP16, FP16, **asked), load_chip("fp8_only"))


def test_lanes_read_what_their_formats_hold_exactly() -> None:
    # bf16 has 8 exponent bits: fp32 holds it, fp16 (1,6,9) does not.
    bf16, wide = get_format("bf16"), load_chip("fp8_only")
    narrow = load_chip("fp8_only", [("vector_unit.formats", "[fp16_e6m9]")])
    assert make_schedule(gemm(bf16, FP16), wide).mapping.fallback
    assert make_schedule(gemm(E5M2, FP16), narrow).mapping.fallback
    with pytest.raises(UnsupportedError, match=r"does not read bf16: no compute format holds it"):
        make_schedule(gemm(bf16, FP16), narrow)


def test_lanes_round_products_to_their_own_formats() -> None:
    assert make_schedule(gemm(FP16, FP16, product=FP16), load_chip("fp8_only")).mapping.fallback


def test_refusal_lists_the_formats_that_products_can_be_rounded_to() -> None:
    supports = "[{inner: fp16_e6m9, outer: fp16_e6m9, products: [fp16_e6m9]}]"
    chip = load_chip("fp8_chunk64", [("accumulator.supports", supports)])
    with pytest.raises(UnsupportedError, match="products rounded to fp16_e6m9"):
        make_schedule(gemm(product=FP32), chip)
