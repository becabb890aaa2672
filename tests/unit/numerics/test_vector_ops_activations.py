"""Activation functions against 40-digit decimal arithmetic, slopes against differences."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal, localcontext

import numpy as np
import pytest

from accelsim.formats import get_format
from accelsim.numerics.vector_ops_activations import ACTIVATIONS
from accelsim.numerics.vector_ops_arithmetic import Arithmetic

EXACT = Arithmetic(None)
ATTRIBUTES: dict[str, dict[str, float]] = {
    "clip": {"min": 0.0, "max": 6.0},
    "leaky_relu": {"negative_slope": 0.1},
    "elu": {"alpha": 1.5},
    "hard_sigmoid": {"alpha": 0.2, "beta": 0.5},
}


def forward(name: str, x: np.ndarray, arithmetic: Arithmetic = EXACT) -> np.ndarray:
    return ACTIVATIONS[name]([x], ATTRIBUTES.get(name, {}), arithmetic)


def backward(name: str, error: np.ndarray, x: np.ndarray) -> np.ndarray:
    return ACTIVATIONS[f"{name}_backward"]([error, x], ATTRIBUTES.get(name, {}), EXACT)


def bounded(x: Decimal, low: int, high: int) -> Decimal:
    return min(max(x, Decimal(low)), Decimal(high))


#: The constants are binary numbers.
SLOPE, ALPHA = Decimal.from_float(0.1), Decimal.from_float(0.2)

DEFINITIONS: dict[str, Callable[[Decimal], Decimal]] = {
    "clip": lambda x: bounded(x, 0, 6),
    "leaky_relu": lambda x: x if x > 0 else SLOPE * x,
    "elu": lambda x: x if x > 0 else Decimal("1.5") * (x.exp() - 1),
    "sigmoid": lambda x: 1 / (1 + (-x).exp()),
    "tanh": lambda x: (x.exp() - (-x).exp()) / (x.exp() + (-x).exp()),
    "swish": lambda x: x / (1 + (-x).exp()),
    "hard_sigmoid": lambda x: bounded(ALPHA * x + Decimal("0.5"), 0, 1),
    "hard_swish": lambda x: x * bounded(x + 3, 0, 6) / 6,
}
#: Members of every compute format below, over the interesting range.
POINTS = np.concatenate([np.arange(-64, 65) / 8.0, [-20.0, -12.5, 2.0**-9, -(2.0**-9), 20.0]])


@pytest.mark.parametrize("fmt", ["fp16_e6m9", "bf16", "fp32", "fp8_e5m2"])
@pytest.mark.parametrize("name", DEFINITIONS)
def test_values_are_rounded_once(name: str, fmt: str) -> None:
    number = get_format(fmt)
    x = number.quantize(POINTS)
    got = forward(name, x, Arithmetic(number))
    with localcontext() as context:
        context.prec = 40
        exact = [float(DEFINITIONS[name](Decimal(float(value)))) for value in x]
    np.testing.assert_array_equal(got, number.quantize(np.array(exact)))


@pytest.mark.parametrize("name", DEFINITIONS)
def test_slopes_are_differences(name: str) -> None:
    # Points between the kinks, which lie at multiples of 1/2; central differences of step h
    # are off by h^2 / 6 times the third derivative, and by 2^-53 / h.
    x, h = np.arange(-8.0, 8.0) + 0.3, 1e-5
    difference = (forward(name, x + h) - forward(name, x - h)) / (2 * h)
    np.testing.assert_allclose(backward(name, np.ones_like(x), x), difference, atol=1e-9)


@pytest.mark.parametrize("name", DEFINITIONS)
def test_nan_goes_through_and_infinity_has_its_limit(name: str) -> None:
    at_low, at_high, at_nan = forward(name, np.array([-np.inf, np.inf, np.nan]))
    limits = {
        "clip": (0, 6), "leaky_relu": (-math.inf, math.inf), "elu": (-1.5, math.inf),
        "sigmoid": (0, 1), "tanh": (-1, 1), "swish": (0, math.inf), "hard_sigmoid": (0, 1),
        "hard_swish": (0, math.inf),
    }  # fmt: skip
    assert (at_low, at_high) == limits[name]
    assert math.isnan(at_nan)


@pytest.mark.parametrize("name", ["sigmoid", "tanh", "swish", "elu"])
def test_slopes_far_out_are_their_limits(name: str) -> None:
    far = backward(name, np.ones(4), np.array([-np.inf, -1e5, 1e5, np.inf]))
    limits = {"sigmoid": (0, 0), "tanh": (0, 0), "swish": (0, 1), "elu": (0, 1)}[name]
    np.testing.assert_array_equal(far, np.repeat(limits, 2))


def test_a_clipped_zero_is_positive_and_bounds_are_rounded() -> None:
    fmt = get_format("fp8_e5m2")
    got = ACTIVATIONS["clip"](
        [np.array([-0.0, 8.0, -8.0], np.float32)], {"min": -5.5, "max": 5.4}, Arithmetic(fmt)
    )
    # e5m2 has the steps 5, 6 there: 5.4 is nearer 5, and -5.5 is a tie to the even -6.
    np.testing.assert_array_equal(got, [0.0, 5.0, -6.0])
    assert not np.signbit(got[0])


def test_no_error_passes_where_the_slope_is_zero() -> None:
    got = backward("clip", np.array([np.inf, -2.0, np.nan, 3.0]), np.array([7.0, 0.0, -1.0, 1.0]))
    np.testing.assert_array_equal(got, [0.0, 0.0, 0.0, 3.0])
