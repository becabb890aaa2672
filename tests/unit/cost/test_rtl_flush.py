"""Formats without subnormal numbers: the gates against the definitions, about the underflow.

A result is rounded as if there were no smallest exponent, and becomes a zero of its sign
where it then is below the smallest normal number.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from accelsim.cost.rtl import adder_unit, dual_unit, mac_unit, product_unit, quantizer_unit
from accelsim.cost.rtl.netlist import evaluate
from tests.unit.cost.rtl_oracle import (
    EVERY_PAIR,
    check,
    codes,
    edge_codes,
    float_formats,
    gates,
    near,
    needs_yosys,
    round_sum,
    values,
)

pytestmark = needs_yosys

E5M2, E4M3 = "float_e5m2_flushed", "float_e4m3_fn_flushed"
WIDE, HALF = "float_e6m9_flushed", "float_e5m10_flushed"
BF16, FP32 = "float_e8m7_flushed", "float_e8m23_flushed"
X, Y = (side.ravel() for side in EVERY_PAIR)


def low_codes(fmt, rng: np.random.Generator, count: int) -> np.ndarray:
    """Return codes of both signs: what is subnormal elsewhere, and the lowest binades."""
    low = rng.integers(0, 6 << fmt.mantissa_bits, count)
    return (low | rng.integers(0, 2, count) << (fmt.bits - 1)).astype(np.uint64)


def test_the_last_number_that_is_not_flushed() -> None:
    """By hand, in (1,6,9): the smallest normal number is 2**-30, with code 0x200.

    Below it the neighbours are (1 - 2**-10) 2**-30 and 2**-30, of which the latter is
    even: the tie 2**-30 - 2**-41 rounds up to it, and all that is less is flushed. Here
    2**-30 is the sum, and what is taken off it a product.
    """
    (half,) = float_formats("fp16_e5m10")
    small = codes([2.0**-20, 2.0**-20, 2.0**-20], half)
    factor = codes([-(2.0**-21), -(2.0**-21) - 2.0**-24, -(2.0**-21) + 2.0**-24], half)
    unit = mac_unit("fp_mac", half.name, half.name, WIDE)
    inputs = {"a": small, "b": factor, "acc": 0x200}
    assert evaluate(gates(unit), inputs)["sum"].tolist() == [0x200, 0, 0x200]
    # All negative: -0.
    turned = {"a": small, "b": factor ^ np.uint64(0x8000), "acc": 0x8200}
    assert evaluate(gates(unit), turned)["sum"].tolist() == [0x8200, 0x8000, 0x8200]
    tie = Fraction(1, 2**30) - Fraction(1, 2**41)
    (wide,) = float_formats(WIDE)
    assert wide.round_scalar(tie) == 2.0**-30
    assert wide.round_scalar(tie - Fraction(1, 2**60)) == 0.0


@pytest.mark.parametrize(("a", "b"), [(E5M2, E5M2), (E4M3, "fp8_e5m2")])
def test_every_pair_of_8_bit_codes(a, b) -> None:
    """Added to edges and lowest numbers, and to sums that nearly cancel, into the underflow."""
    left, right, total = float_formats(a, b, WIDE)
    rng = np.random.default_rng(0)
    with np.errstate(invalid="ignore"):
        exact = values(X, left) * values(Y, right)
    pick = rng.integers(0, 3, X.size)
    acc = np.choose(
        pick,
        [near(-exact, total, rng), low_codes(total, rng, X.size),
         rng.choice(edge_codes(total), X.size)],
    )  # fmt: skip
    got = evaluate(gates(mac_unit("fp_mac", a, b, WIDE)), {"a": X, "b": Y, "acc": acc})["sum"]
    with np.errstate(invalid="ignore"):
        expected = codes(total.quantize(values(acc, total) + exact), total)
    check(got, expected, X, Y, acc)


@pytest.mark.parametrize(
    ("operand", "total", "rounded"),
    [(HALF, HALF, True), (HALF, FP32, False), (BF16, FP32, False), ("fp16_e5m10", HALF, True)],
)
def test_wider_operands_about_the_underflow(operand, total, rounded) -> None:
    """Products about the smallest normal number, of the sum or of an operand, and edges."""
    narrow, wide = float_formats(operand, total)
    rng = np.random.default_rng(1)
    count = 3000
    x, y = rng.choice(edge_codes(narrow), (2, count))
    x[1000:2000] = low_codes(narrow, rng, 1000)
    x[2000:] = rng.integers(0, 1 << narrow.bits, 1000)
    with np.errstate(all="ignore"):
        spread = wide.min_normal * 2.0 ** rng.uniform(-3, 3, 2000)
        y[1000:] = near(spread / values(x[1000:], narrow), narrow, rng)
        terms = values(x, narrow) * values(y, narrow)
        if rounded:
            terms = wide.quantize(terms).astype(np.float64)
    acc = np.where(
        rng.random(count) < 0.5, near(-terms, wide, rng), low_codes(wide, rng, count)
    ).astype(np.uint64)
    unit = mac_unit("fp_mac", operand, operand, total, rounded=rounded)
    got = evaluate(gates(unit), {"a": x, "b": y, "acc": acc})["sum"]
    check(got, round_sum(values(acc, wide), terms[:, None], wide), x, y, acc)


@pytest.mark.parametrize("name", [HALF, FP32])
def test_adders(name) -> None:
    """Of the lowest numbers, whose differences are flushed, and of edges."""
    (fmt,) = float_formats(name)
    rng = np.random.default_rng(2)
    x = np.concatenate([low_codes(fmt, rng, 20000), rng.choice(edge_codes(fmt), 10000)])
    y = np.where(rng.random(x.size) < 0.7, low_codes(fmt, rng, x.size), rng.permutation(x))
    with np.errstate(all="ignore"):
        expected = codes(fmt.quantize(values(x, fmt) + values(y, fmt)), fmt)
    check(evaluate(gates(adder_unit(name)), {"a": x, "b": y})["sum"], expected, x, y)


@pytest.mark.parametrize(("source", "target"), [(WIDE, E5M2), ("fp16_e6m9", E4M3), (WIDE, "bf16")])
def test_quantizers_at_every_code(source, target) -> None:
    wide, narrow = float_formats(source, target)
    every = np.arange(1 << 16, dtype=np.uint64)
    with np.errstate(invalid="ignore"):
        expected = codes(narrow.quantize(values(every, wide)), narrow)
    unit = quantizer_unit(source, target, saturate=False)
    check(evaluate(gates(unit), {"a": every})["code"], expected, every)


def test_rounded_products_of_every_pair_of_8_bit_codes() -> None:
    narrow, wide = float_formats(E5M2, E4M3)
    with np.errstate(invalid="ignore"):
        expected = codes(wide.quantize(values(X, narrow) * values(Y, narrow)), wide)
    got = evaluate(gates(product_unit(E5M2, E5M2, E4M3)), {"a": X, "b": Y})["code"]
    check(got, expected, X, Y)


def test_the_element_of_both_kinds_with_a_flushed_sum() -> None:
    left, right, total = float_formats("fp8_e4m3fn", "fp8_e5m2", WIDE)
    acc = low_codes(total, np.random.default_rng(3), X.size)
    inputs = {"a_kind": 1, "b_kind": 0, "a": X, "b": Y, "acc": acc}
    got = evaluate(gates(dual_unit(WIDE, registered=False)), inputs)["sum"]
    with np.errstate(invalid="ignore"):
        exact = values(acc, total) + values(X, left) * values(Y, right)
        check(got, codes(total.quantize(exact), total), X, Y, acc)
