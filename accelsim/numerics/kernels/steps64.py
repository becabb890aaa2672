"""One addition into any float format, in any rounding mode but stochastic, on float64 vectors.

The sum is rounded to odd first (see `accelsim.numerics.addition`), so that one
more rounding, by a constant per binade, is that of the exact sum.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba.extending import overload

from accelsim.numerics.kernels.compile import inlined
from accelsim.numerics.kernels.steps32 import rounded
from accelsim.numerics.kernels.vector import (
    add,
    as_float,
    as_integer,
    at_least,
    bit_and,
    bit_xor,
    copy_sign,
    different,
    greater,
    less,
    magnitude,
    multiply,
    multiply_add,
    select,
    splat,
    subtract,
)
from accelsim.numerics.rules import ClampedInteger, Nearest64, Rule64, Threshold64


@inlined
def odd_add(a: Any, b: Any, total: Any) -> Any:
    """Return a * b + total rounded to odd; a * b must be exact."""
    zero = splat(np.int64(0))
    one = splat(np.int64(1))
    p = multiply(a, b)
    s = add(total, p)
    p_part = subtract(s, total)
    error = add(subtract(total, subtract(s, p_part)), subtract(p, p_part))
    bits = as_integer(s)
    # A sum whose error has its sign is too small: go one code up, else one down.
    outward = less(bit_xor(as_integer(error), bits), zero)
    moved = add(bits, select(outward, splat(np.int64(-1)), one))
    even = less(bit_and(bits, one), one)
    inexact = different(error, splat(np.float64(0.0)))
    return as_float(select(inexact, select(even, moved, bits), bits))


@inlined
def magic_of(base: Any, x: Any) -> Any:
    """Return the constant that rounds x to its binade's spacing when added and subtracted."""
    binade = as_float(bit_and(as_integer(x), splat(np.int64(0x7FF0000000000000))))
    magic = multiply(binade, splat(base.scale))
    smallest = splat(base.smallest)
    return select(greater(smallest, magic), smallest, magic)


@inlined
def fit(base: Any, x: Any, size: Any) -> Any:
    """Give a rounded magnitude the sign of x and the format's bounds."""
    zero = splat(np.float64(0.0))
    positive = at_least(x, zero)
    size = select(less(size, splat(base.min_positive)), zero, size)
    over = select(positive, splat(base.over_positive), splat(base.over_negative))
    r = select(greater(size, splat(base.max_finite)), over, copy_sign(size, x))
    infinite = at_least(magnitude(x), splat(np.float64(np.inf)))
    infinity = select(positive, splat(base.infinity_positive), splat(base.infinity_negative))
    r = select(infinite, infinity, r)
    bits = as_integer(r)
    is_zero = less(magnitude(r), splat(np.float64(5e-324)))
    return as_float(select(is_zero, bit_and(bits, splat(base.keeps_negative_zero)), bits))


def round_exactly(rule: Any, x: Any) -> Any:
    """Return a sum that is exact, or rounded to odd, rounded by `rule`; in compiled code only."""
    raise NotImplementedError


@inlined
def _round_nearest(rule: Any, x: Any) -> Any:
    magic = magic_of(rule, x)
    size = magnitude(x)
    return fit(rule, x, subtract(add(size, magic), magic))


def _nearest64(rule: Any, a: Any, b: Any, total: Any) -> Any:
    return _round_nearest(rule, odd_add(a, b, total))


@inlined
def round_from(rule: Any, x: Any, threshold: Any) -> Any:
    """Round x away from zero where the discarded fraction reaches a threshold."""
    magic = magic_of(rule.base, x)
    binade = as_float(bit_and(as_integer(x), splat(np.int64(0x7FF0000000000000))))
    spacing = multiply(binade, splat(rule.spacing_scale))
    smallest = splat(rule.spacing_min)
    spacing = select(greater(smallest, spacing), smallest, spacing)
    size = magnitude(x)
    near = subtract(add(size, magic), magic)
    below = select(greater(near, size), subtract(near, spacing), near)
    bar = multiply(threshold, spacing)
    least = splat(np.float64(5e-324))
    bar = select(greater(least, bar), least, bar)
    grown = select(at_least(subtract(size, below), bar), add(below, spacing), below)
    return fit(rule.base, x, grown)


@inlined
def _round_by_threshold(rule: Any, x: Any) -> Any:
    negative = less(x, splat(np.float64(0.0)))
    bars = select(negative, splat(rule.threshold_negative), splat(rule.threshold_positive))
    return round_from(rule, x, bars)


def _threshold64(rule: Any, a: Any, b: Any, total: Any) -> Any:
    return _round_by_threshold(rule, odd_add(a, b, total))


def _clamped_integer(rule: Any, a: Any, b: Any, total: Any) -> Any:
    x = multiply_add(a, b, total)
    x = select(less(x, splat(rule.high)), x, splat(rule.high))
    return select(greater(x, splat(rule.low)), x, splat(rule.low))


#: The code of each type of rule.
STEPS_64: dict[type, Callable[..., Any]] = {
    Nearest64: _nearest64,
    Threshold64: _threshold64,
    ClampedInteger: _clamped_integer,
}


def _exactly_nearest(rule: Any, x: Any) -> Any:
    return _round_nearest(rule, x)


def _exactly_by_threshold(rule: Any, x: Any) -> Any:
    return _round_by_threshold(rule, x)


def _exactly_on_grid(rule: Any, x: Any) -> Any:
    return rounded(rule.rounding, x)


_EXACT_ROUNDINGS = {
    Nearest64: _exactly_nearest,
    Threshold64: _exactly_by_threshold,
    Rule64: _exactly_on_grid,
}


@overload(round_exactly)
def _choose_rounding(rule: Any, x: Any) -> Any:
    return _EXACT_ROUNDINGS.get(rule.instance_class)
