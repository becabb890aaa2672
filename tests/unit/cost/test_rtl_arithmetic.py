"""The gates of the units against the emulator, bit for bit, at every code or at every edge.

Gates come from Yosys and run in NumPy, 64 vectors to a word; `test_rtl_simulation.py`
holds the gates to the Verilog itself.
"""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from accelsim.cost.rtl import adder_unit, mac_unit, quantizer_unit
from accelsim.cost.rtl.netlist import evaluate
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

pytestmark = needs_yosys

FP8_PAIRS = [
    ("fp8_e5m2", "fp8_e5m2"),
    ("fp8_e4m3fn", "fp8_e4m3fn"),
    ("fp8_e4m3fn", "fp8_e5m2"),
]


@pytest.mark.parametrize(("a", "b"), FP8_PAIRS)
def test_every_product_of_8_bit_codes(a, b) -> None:
    """Added to +0 and to -0, whose sum with a product is that product, signed zeros too.

    Products of 8-bit floats are exact in (1, 6, 9): `float64` holds the same numbers.
    """
    left, right, total = float_formats(a, b, "fp16_e6m9")
    x, y = (side.ravel() for side in EVERY_PAIR)
    with np.errstate(invalid="ignore"):
        exact = values(x, left) * values(y, right)
    run = gates(mac_unit("fp_mac", a, b, total.name))
    for zero, start in ((0, 0.0), (1 << 15, -0.0)):
        got = evaluate(run, {"a": x, "b": y, "acc": zero})["sum"]
        check(got, codes(start + exact, total), x, y)


@pytest.mark.parametrize(("a", "b"), FP8_PAIRS)
def test_every_pair_of_codes_with_edge_sums_and_with_sums_that_nearly_cancel(a, b) -> None:
    """2 x 65,536 pairs x 6 sums.

    Both addends have at most 10 significant bits. Rounding their sum to 53 bits first
    is harmless: 53 >= 2 * 10 + 2 (Figueroa, "When is double rounding innocuous?", 1995).
    """
    left, right, total = float_formats(a, b, "fp16_e6m9")
    rng = np.random.default_rng(1)
    x, y = (np.tile(side.ravel(), 6) for side in EVERY_PAIR)
    with np.errstate(invalid="ignore"):
        exact = values(x, left) * values(y, right)
    for acc in (rng.choice(edge_codes(total), x.size), near(-exact, total, rng)):
        got = evaluate(gates(mac_unit("fp_mac", a, b, total.name)), {"a": x, "b": y, "acc": acc})
        with np.errstate(invalid="ignore"):
            expected = codes(total.quantize(values(acc, total) + exact), total)
        check(got["sum"], expected, x, y, acc)


def test_every_sum_with_every_significand_of_a_product() -> None:
    """All 65,536 sums x every distinct product of e5m2 significands at seven exponents.

    In range, at the bottom of the subnormals, and at the overflow of the sum.
    """
    operand, total = float_formats("fp8_e5m2", "fp16_e6m9")
    every = np.arange(1 << 16, dtype=np.uint64)
    run = gates(mac_unit("fp_mac", operand.name, operand.name, total.name))
    for (m, n), exponent in product([(0, 0), (1, 1), (3, 3), (1, 2)], [1, 15, 30]):
        x, y = (4 * exponent + m) | 0x80, 4 * (31 - exponent or 1) - 4 * (exponent > 29) + n
        got = evaluate(run, {"a": x, "b": y, "acc": every})["sum"]
        exact = values([x], operand) * values([y], operand)
        with np.errstate(invalid="ignore"):
            expected = codes(total.quantize(values(every, total) + exact), total)
        check(got, expected, every)


def test_a_saturating_sum_stops_at_the_largest_number() -> None:
    operand, total = float_formats("fp8_e5m2", "fp16_e6m9")
    rng = np.random.default_rng(2)
    x, y = rng.integers(0, 256, (2, 20000)).astype(np.uint64)
    # The upper two binades of the sum, both signs.
    acc = (rng.integers(0, 2, x.size) << 15 | rng.integers(61 << 9, 63 << 9, x.size)).astype(
        np.uint64
    )
    unit = mac_unit("fp_mac", operand.name, operand.name, total.name, saturate=True)
    with np.errstate(invalid="ignore"):
        exact = values(acc, total) + values(x, operand) * values(y, operand)
        expected = total.quantize(exact, overflow=Overflow.SATURATE)
    check(evaluate(gates(unit), {"a": x, "b": y, "acc": acc})["sum"], codes(expected, total), x, y)


@pytest.mark.parametrize(
    ("operand", "total", "rounded"),
    [
        ("fp16_e6m9", "fp16_e6m9", False),
        ("fp16_e5m10", "fp16_e5m10", True),
        ("fp16_e5m10", "fp32", False),
        ("bf16", "fp32", False),
    ],
)
def test_wide_operands_at_edges_and_near_cancellation(operand, total, rounded) -> None:
    """1,500 vectors with edge operands, and as many whose sum nearly cancels; exact sums."""
    narrow, wide = float_formats(operand, total)
    rng = np.random.default_rng(3)
    count = 1500
    edges = edge_codes(narrow)
    x = np.concatenate([rng.choice(edges, count), rng.integers(0, 1 << narrow.bits, count)])
    y = np.concatenate([rng.choice(edges, count), rng.integers(0, 1 << narrow.bits, count)])
    with np.errstate(all="ignore"):
        terms = values(x, narrow) * values(y, narrow)
        if rounded:
            terms = wide.quantize(terms).astype(np.float64)
    acc = np.concatenate(
        [rng.choice(edge_codes(wide), count), near(-terms[count:], wide, rng)]
    ).astype(np.uint64)
    unit = mac_unit("fp_mac", operand, operand, total, rounded=rounded)
    got = evaluate(gates(unit), {"a": x, "b": y, "acc": acc})["sum"]
    check(got, round_sum(values(acc, wide), terms[:, None], wide), x, y, acc)


@pytest.mark.parametrize("name", ["fp16_e6m9", "fp16_e5m10", "bf16", "fp32"])
def test_adders(name) -> None:
    """Pairs of edges, every fourth of them for 8 exponent bits, and 50,000 near cancellation.

    Two addends of p bits: rounding to 53 first is harmless for p up to 24, as above.
    """
    (fmt,) = float_formats(name)
    rng = np.random.default_rng(4)
    edges = edge_codes(fmt)[:: 1 if fmt.exponent_bits < 8 else 4]
    x, y = (side.ravel() for side in np.meshgrid(edges, edges))
    more = rng.integers(0, 1 << fmt.bits, 50000).astype(np.uint64)
    x, y = np.concatenate([x, more]), np.concatenate([y, near(-values(more, fmt), fmt, rng)])
    with np.errstate(all="ignore"):
        expected = codes(fmt.quantize(values(x, fmt) + values(y, fmt)), fmt)
    check(evaluate(gates(adder_unit(name)), {"a": x, "b": y})["sum"], expected, x, y)


@pytest.mark.parametrize("saturate", [True, False])
@pytest.mark.parametrize("target", ["fp8_e5m2", "fp8_e4m3fn"])
def test_quantizers_to_8_bits_at_every_code(target, saturate) -> None:
    source, narrow = float_formats("fp16_e6m9", target)
    every = np.arange(1 << 16, dtype=np.uint64)
    rule = Overflow.SATURATE if saturate else None
    with np.errstate(invalid="ignore"):
        expected = narrow.quantize(values(every, source), overflow=rule)
    unit = quantizer_unit(source.name, target, saturate=saturate)
    check(evaluate(gates(unit), {"a": every})["code"], codes(expected, narrow), every)


def test_the_quantizer_from_fp32_to_bf16() -> None:
    """Every value of the target, the ties above it, and one place to both sides of each."""
    source, narrow = float_formats("fp32", "bf16")
    grid = values(np.arange(1 << 16), narrow)
    with np.errstate(all="ignore"):
        ties = (grid[:-1] + grid[1:]) / 2
        spots = np.concatenate([codes(source.quantize(part), source) for part in (grid, ties)])
    every = np.concatenate([spots, spots + np.uint64(1), spots - np.uint64(1)]) % (1 << 32)
    with np.errstate(all="ignore"):
        expected = narrow.quantize(values(every, source))
    unit = quantizer_unit("fp32", "bf16", saturate=False)
    check(evaluate(gates(unit), {"a": every})["code"], codes(expected, narrow), every)
