"""Multipliers, and elements without their registers, as gates against the definitions."""

from __future__ import annotations

import numpy as np
import pytest

from accelsim.cost.rtl import dual_product_unit, dual_unit, int_unit, mac_unit, product_unit
from accelsim.cost.rtl.netlist import Netlist, evaluate
from accelsim.errors import UnsupportedError
from accelsim.formats import Overflow
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

E5M2, E4M3 = float_formats("fp8_e5m2", "fp8_e4m3fn")
KINDS = (E5M2, E4M3)
X, Y = (side.ravel() for side in EVERY_PAIR)


def unpacked(netlist: Netlist, inputs: dict) -> np.ndarray:
    """Return the value of an exact product that comes out in fields."""
    got = evaluate(netlist, inputs)
    exp_bits, sig_bits = (len(netlist.outputs[name]) for name in ("exp", "sig"))
    exp = got["exp"].astype(np.int64)
    exp -= (exp >> (exp_bits - 1)) << exp_bits
    size = np.ldexp(got["sig"].astype(np.float64), exp - (sig_bits - 1))
    normal = (got["sig"] >> np.uint64(sig_bits - 1)).astype(bool)
    flags = np.stack([got[name].astype(bool) for name in ("is_nan", "is_inf", "is_zero")])
    assert np.all(normal | flags.any(0))
    size = np.select([*flags], [np.nan, np.inf, 0.0], size)
    return np.where(got["sign"] == 1, -size, size)


def same(got: np.ndarray, expected: np.ndarray) -> bool:
    """Return whether values are the same, -0 and +0 apart, all NaN alike."""
    numbers = ~np.isnan(expected)
    signs = np.signbit(got[numbers]) == np.signbit(expected[numbers])
    return np.array_equal(got, expected, equal_nan=True) and bool(signs.all())


def multiply(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    with np.errstate(all="ignore"):
        return left * right


@needs_yosys
@pytest.mark.parametrize("left", KINDS)
@pytest.mark.parametrize("right", KINDS)
def test_every_exact_product_of_8_bit_codes(left, right) -> None:
    """Of the multiplier of two formats and of that of both kinds; float64 holds them all."""
    expected = multiply(values(X, left), values(Y, right))
    own = gates(product_unit(left.name, right.name))
    assert same(unpacked(own, {"a": X, "b": Y}), expected)
    kinds = {"a_kind": KINDS.index(left), "b_kind": KINDS.index(right)}
    assert same(unpacked(gates(dual_product_unit()), {"a": X, "b": Y, **kinds}), expected)


@needs_yosys
@pytest.mark.parametrize("name", ["fp16_e5m10", "bf16"])
def test_exact_products_of_wider_codes(name) -> None:
    """Of edges, subnormal ones among them, and of any codes; 22 bits at most."""
    (fmt,) = float_formats(name)
    rng = np.random.default_rng(0)
    x, y = rng.choice(edge_codes(fmt), (2, 6000))
    x[3000:], y[4500:] = (rng.integers(0, 1 << 16, n).astype(np.uint64) for n in (3000, 1500))
    got = unpacked(gates(product_unit(name, name)), {"a": x, "b": y})
    assert same(got, multiply(values(x, fmt), values(y, fmt)))


@needs_yosys
def test_exact_products_whose_leading_zeros_outnumber_their_exponents() -> None:
    """Two bits of exponent, and up to eight leading zeros before a product is normalised."""
    left, right = float_formats("float_e2m3", "float_e2m4")
    grid = np.meshgrid(np.arange(1 << left.bits), np.arange(1 << right.bits))
    x, y = (side.ravel().astype(np.uint64) for side in grid)
    got = unpacked(gates(product_unit(left.name, right.name)), {"a": x, "b": y})
    assert same(got, multiply(values(x, left), values(y, right)))


@needs_yosys
@pytest.mark.parametrize(
    ("a", "b", "total"),
    [("fp16_e5m10", "fp8_e5m2", "fp16_e5m10"), ("fp8_e5m2", "fp16_e6m9", "fp16_e6m9"),
     ("float_e5m10_flushed", "fp8_e5m2", "fp16_e5m10")],
)  # fmt: skip
def test_rounded_products_of_two_widths(a, b, total) -> None:
    """Edges, subnormal ones among them, and any codes, either of them the wider."""
    left, right, wide = float_formats(a, b, total)
    rng = np.random.default_rng(5)
    x, y = (rng.choice(edge_codes(fmt), 9000) for fmt in (left, right))
    x[3000:6000], y[6000:] = (rng.integers(0, 1 << fmt.bits, 3000) for fmt in (left, right))
    expected = codes(wide.quantize(multiply(values(x, left), values(y, right))), wide)
    got = evaluate(gates(product_unit(a, b, total)), {"a": x, "b": y})["code"]
    check(got, expected, x, y)


@needs_yosys
@pytest.mark.parametrize(
    ("operand", "total"),
    [("fp8_e5m2", "fp8_e4m3fn"), ("fp16_e6m9", "fp16_e6m9"), ("fp16_e5m10", "fp16_e5m10"),
     ("fp32", "fp32")],
)  # fmt: skip
def test_rounded_products(operand, total) -> None:
    """Every pair of 8-bit codes; of wider ones edges, any, and products about the underflow.

    A product of two significands of 24 bits is exact in float64.
    """
    narrow, wide = float_formats(operand, total)
    rng = np.random.default_rng(1)
    x, y = X, Y
    if narrow.bits > 8:
        x, y = rng.choice(edge_codes(narrow), (2, 9000))
        x[3000:] = rng.integers(0, 1 << narrow.bits, 6000)
        y[3000:6000] = rng.integers(0, 1 << narrow.bits, 3000)
        # Down to less than half the smallest subnormal number, and up to the normal ones.
        spread = wide.min_normal * 2.0 ** rng.uniform(-wide.mantissa_bits - 3, 2, 3000)
        with np.errstate(all="ignore"):
            y[6000:] = near(spread / values(x[6000:], narrow), narrow, rng)
    with np.errstate(all="ignore"):
        expected = codes(wide.quantize(values(x, narrow) * values(y, narrow)), wide)
    check(
        evaluate(gates(product_unit(operand, operand, total)), {"a": x, "b": y})["code"],
        expected, x, y,
    )  # fmt: skip


@needs_yosys
@pytest.mark.parametrize("total", ["fp16_e6m9", "fp32"])
@pytest.mark.parametrize("kinds", [(0, 0), (1, 1), (0, 1), (1, 0)])
def test_every_pair_of_codes_in_the_element_of_both_kinds(kinds, total) -> None:
    """Added to edges, and to sums that nearly cancel.

    Up to 8 and 24 bits in the addends: float64 may lose some of their sum, so every
    fifth vector is also summed exactly.
    """
    left, right, fmt = (KINDS[kinds[0]], KINDS[kinds[1]], *float_formats(total))
    rng = np.random.default_rng(2)
    exact = multiply(values(X, left), values(Y, right))
    with np.errstate(all="ignore"):
        acc = np.where(
            rng.random(X.size) < 0.5, near(-exact, fmt, rng), rng.choice(edge_codes(fmt), X.size)
        )
        expected = codes(fmt.quantize(values(acc, fmt) + exact), fmt)
    inputs = {"a_kind": kinds[0], "b_kind": kinds[1], "a": X, "b": Y, "acc": acc}
    got = evaluate(gates(dual_unit(total, registered=False)), inputs)["sum"]
    check(got, expected, X, Y, acc)
    some = slice(None, None, 5)
    check(got[some], round_sum(values(acc[some], fmt), exact[some, None], fmt), X[some], Y[some])


@needs_yosys
def test_every_product_of_integers_and_a_sum_that_wraps() -> None:
    acc = np.random.default_rng(3).integers(0, 1 << 32, X.size).astype(np.uint64)
    signed = [side.astype(np.uint8).view(np.int8).astype(np.int64) for side in (X, Y)]
    expected = (acc.astype(np.int64) + signed[0] * signed[1]) % (1 << 32)
    unit = int_unit(8, 32, registered=False)
    got = evaluate(gates(unit), {"a": X, "b": Y, "acc": acc})["sum"]
    check(got, expected.astype(np.uint64), X, Y, acc)


def test_a_format_without_mantissa_is_refused() -> None:
    with pytest.raises(UnsupportedError, match="no Verilog for the format 'float_e4m0'"):
        product_unit("float_e4m0", "float_e4m0")


def test_a_sum_of_integers_is_wider_than_a_product() -> None:
    with pytest.raises(UnsupportedError, match="wider than a product"):
        int_unit(8, 16)


@needs_yosys
@pytest.mark.parametrize(
    ("operand", "total", "saturate"),
    [
        ("fp8_e5m2", "fp8_e4m3fn", False),
        ("fp8_e5m2", "fp8_e4m3fn", True),
        ("fp8_e5m2", "float_e4m3", True),
        ("fp8_e5m2", "float_e4m3_flushed", False),
        ("float_e4m3_finite", "float_e3m4_finite", False),
        ("fp8_e4m3fn", "fp16_e6m9", False),
    ],
)
def test_every_product_that_is_rounded_before_it_is_added(operand, total, saturate) -> None:
    """To formats with infinity, with NaN alone and with neither; the last one holds it exactly.

    Sums of two numbers of at most 10 bits, whose exponents differ by less than 43: exact
    in float64.
    """
    narrow, wide = float_formats(operand, total)
    rule = Overflow.SATURATE if saturate else None
    rng = np.random.default_rng(4)
    with np.errstate(invalid="ignore"):
        terms = wide.quantize(values(X, narrow) * values(Y, narrow), overflow=rule)
        near_zero = near(-terms, wide, rng)
        acc = np.where(rng.random(X.size) < 0.5, near_zero, rng.choice(edge_codes(wide), X.size))
        expected = wide.quantize(values(acc, wide) + terms, overflow=rule)
    unit = mac_unit("fp_mac", operand, operand, total, rounded=True, saturate=saturate)
    got = evaluate(gates(unit), {"a": X, "b": Y, "acc": acc})["sum"]
    check(got, codes(expected, wide), X, Y, acc)
