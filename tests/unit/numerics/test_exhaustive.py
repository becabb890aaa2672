"""Every product, and every accumulator code with every distinct product."""

from __future__ import annotations

import numpy as np
import pytest

from accelsim.formats import FloatFormat, get_format
from accelsim.numerics import PathChoice, PathName, matmul, rules
from accelsim.numerics.compiled_product import by_kernel
from accelsim.numerics.rule_constants import grid32, split32
from accelsim.precision import Accumulator

E5M2 = get_format("fp8_e5m2").decode(np.arange(256, dtype=np.uint8)).astype(np.float64)
FINITE = E5M2[np.isfinite(E5M2)]


def test_every_product_of_two_e5m2_numbers_is_exact_in_fp16_e6m9():
    products = FINITE[:, None] * FINITE
    np.testing.assert_array_equal(get_format("fp16_e6m9").quantize(products), products)


def test_every_product_comes_out_of_the_kernels_unchanged():
    for accumulator in (Accumulator(format="fp16_e6m9"), Accumulator(format="fp32")):
        found = matmul(FINITE[:, None], FINITE[None, :], accumulator)
        np.testing.assert_array_equal(found, FINITE[:, None] * FINITE)


def _nearest_even_sum(a, b):
    """Round a + b to ten significant bits; both have at most ten, and are multiples of 2**-39.

    Where their exponents are 13 or more apart, the smaller is below a quarter of
    the spacing at the larger, even just under a power of two: the larger is the
    sum. Elsewhere float64 holds the sum (13 + 10 + 10 bits) and the division.
    """
    gap = np.abs(np.frexp(a)[1] - np.frexp(b)[1]) * ((a != 0) & (b != 0))
    larger = np.where(np.abs(a) > np.abs(b), a, b)
    total = a + b
    spacing = np.ldexp(1.0, np.maximum(np.frexp(total)[1] - 10, -39))
    return np.where(gap >= 14, larger, np.rint(total / spacing) * spacing)


@pytest.mark.parametrize("rounding", [split32, grid32])
def test_every_accumulator_code_plus_every_product(rounding):
    """2**16 codes by all distinct products of two e5m2 numbers, clamped at the largest."""
    fmt = get_format("fp16_e6m9")
    codes = fmt.decode(np.arange(2**16, dtype=np.uint16)).astype(np.float64)
    codes = codes[np.isfinite(codes)]
    rule = rules.Rule32(rounding(fmt), rules.Clamped(np.float32(fmt.max_finite)))
    choice = PathChoice(PathName.BOUNDED, (), rule, rule)
    a = np.stack([codes, np.ones_like(codes)], axis=1)
    products = np.unique(FINITE[:, None] * FINITE)
    products = products[products >= 0]  # the codes have both signs
    for start in range(0, products.size, 64):
        some = products[start : start + 64]
        b = np.stack([np.ones_like(some), some])
        found = by_kernel(a[None], b[None], Accumulator(format="fp16_e6m9"), choice)[0]
        expected = np.clip(_nearest_even_sum(codes[:, None], some), -fmt.max_finite, fmt.max_finite)
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("precision", [2, 3, 4, 8, 9, 10, 11])
def test_splitting_rounds_every_float32_significand(precision):
    """All 2**23 of one binade, both signs; other binades are the same up to scale."""
    fmt = FloatFormat("narrow", exponent_bits=7, mantissa_bits=precision - 1, bias=63)
    rule = split32(fmt)
    x = np.arange(2**23, 2**24, dtype=np.int64).astype(np.float32)
    step = 2.0 ** (24 - precision)
    expected = np.rint(x / step) * step
    for sign in (np.float32(1.0), np.float32(-1.0)):
        y = x * sign
        found = y * rule.scale + y * rule.splitter
        np.testing.assert_array_equal(found, expected * sign)
