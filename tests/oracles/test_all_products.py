"""Every product of two 8-bit numbers, for every pair of formats that a recipe multiplies.

A product is formed from the integer significands of its factors and rounded by the oracle
of `tests.oracles.dot_products`, twice: into the inner and into the outer accumulator.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from accelsim.formats import FloatFormat, get_format
from accelsim.numerics import matmul
from accelsim.precision import (
    AccumulationMethod,
    Accumulator,
    TensorStorage,
    get_recipe,
    list_recipes,
)
from tests.oracles.dot_products import round_nearest_even

EIGHT_BITS = 8


def element(fmt):
    """Return the format of the numbers in a tensor: a tensor format's own before scaling."""
    return fmt.tensor_format.element if isinstance(fmt, TensorStorage) else fmt


def pairs():
    """Return what forward, backward and gradient GEMMs of all recipes multiply, once each."""
    found = {}
    for name in list_recipes():
        recipe = get_recipe(name)
        roles = recipe.operands
        for left, right in (
            (roles.activation, roles.weight),
            (roles.error, roles.weight),
            (roles.activation, roles.error),
        ):
            names = tuple(sorted(element(fmt).name for fmt in (left, right)))
            if all(get_format(one).bits <= EIGHT_BITS for one in names):
                found[(*names, recipe.accumulator)] = None
    return list(found)


PAIRS = pairs()
IDS = [f"{a}-{b}-{acc.inner.name}-{acc.method}" for a, b, acc in PAIRS]


def finite(name):
    fmt = get_format(name)
    values = np.asarray(fmt.decode(np.arange(1 << fmt.bits, dtype=np.uint8)), np.float64)
    return np.unique(values[np.isfinite(values)])


def exact_products(a, b):
    """Return the distinct products as fractions, and which of them each pair has."""
    significands = [np.ldexp(np.frexp(x)[0], 24).astype(np.int64) for x in (a, b)]
    exponents = [np.frexp(x)[1].astype(np.int64) - 24 for x in (a, b)]
    product = significands[0][:, None] * significands[1]  # 24 + 24 bits at most
    exponent = exponents[0][:, None] + exponents[1]
    both = np.stack([product.ravel(), exponent.ravel()])
    distinct, place = np.unique(both, axis=1, return_inverse=True)
    fractions = [Fraction(int(p)) * Fraction(2) ** int(e) for p, e in distinct.T]
    return fractions, place.reshape(product.shape)


def once(x, fmt):
    """Round to nearest even in an IEEE-like format; other formats by their exact definition."""
    if isinstance(fmt, FloatFormat):
        return round_nearest_even(x, fmt.precision, fmt.emin, fmt.max_finite)
    return fmt.round_scalar(x)


@pytest.mark.parametrize(("left", "right", "accumulator"), PAIRS, ids=IDS)
def test_every_product_is_rounded_once_in_each_accumulator(left, right, accumulator):
    a, b = finite(left), finite(right)
    fractions, place = exact_products(a, b)
    if accumulator.method is AccumulationMethod.INTEGER:
        rounded = [float(x) for x in fractions]  # 128 * 128 is far inside 32 bits
    else:
        inner = [once(x, accumulator.inner) for x in fractions]
        rounded = [once(Fraction(x), accumulator.outer) for x in inner]
    expected = np.array(rounded)[place]
    for path in (None, "definition"):
        found = matmul(a[:, None], b[None, :], accumulator, path=path)
        np.testing.assert_array_equal(found, expected)


def test_the_pairs_are_those_of_the_papers():
    """Wang 2018: 5-2 by 5-2; HFP8: 4-3 by 4-3 and by 5-2; INT8; posits; MX."""
    known = {(a, b) for a, b, _ in PAIRS}
    for pair in (
        ("fp8_e5m2", "fp8_e5m2"),
        ("fp8_e4m3b11", "fp8_e4m3b11"),
        ("fp8_e4m3b11", "fp8_e5m2"),
        ("fp8_e4m3fn", "fp8_e4m3fn"),
        ("fp8_e4m3fn", "fp8_e5m2"),
        ("int8", "int8"),
    ):
        assert pair in known


@pytest.mark.parametrize("a", ["fp8_e5m2", "fp8_e4m3fn"])
@pytest.mark.parametrize("b", ["fp8_e5m2", "fp8_e4m3fn"])
def test_no_product_of_two_fp8_numbers_is_rounded_in_the_published_accumulator(a, b):
    """Wang et al. 2018: every such product is a number of (1,6,9), subnormals included."""
    fractions, place = exact_products(finite(a), finite(b))
    found = matmul(finite(a)[:, None], finite(b)[None, :], Accumulator(format="fp16_e6m9"))
    exact = np.array([float(x) for x in fractions])[place]
    np.testing.assert_array_equal(found, exact)
    assert all(
        Fraction(x) == y
        for x, y in zip(exact.ravel(), np.array(fractions)[place].ravel(), strict=True)
    )
