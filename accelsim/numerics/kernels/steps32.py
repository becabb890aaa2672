"""One rounded addition in the carrier itself: a fused multiply-add, a rounding, a bound.

The carrier is float32 but for `Rule64`.

Valid under the conditions that `accelsim.numerics.paths` proves.

References
----------
T. Dekker, "A floating-point technique for extending the available precision",
Numerische Mathematik 18 (1971): Veltkamp's splitting, of which this is a shorter form.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba.extending import overload

from accelsim.numerics.kernels.vector import (
    add,
    as_float,
    as_integer,
    bit_and,
    bit_or,
    bit_xor,
    copy_sign,
    different,
    fused_multiply_add,
    greater,
    less,
    magnitude,
    multiply,
    multiply_add,
    select,
    splat,
    subtract,
)
from accelsim.numerics.rules import (
    Away,
    AwayFlushed,
    Clamped,
    Grid,
    Odd32,
    Ordered32,
    Poisoned,
    Rule32,
    Rule64,
    Split,
    Unbounded,
)


def rounded(rounding: Any, x: Any) -> Any:
    """Return x rounded; in compiled code only."""
    raise NotImplementedError


def bounded(bound: Any, x: Any) -> Any:
    """Return x within its bound; in compiled code only."""
    raise NotImplementedError


def _rule32(rule: Any, a: Any, b: Any, total: Any) -> Any:
    return bounded(rule.bound, rounded(rule.rounding, multiply_add(a, b, total)))


def _ordered32(rule: Any, a: Any, b: Any, total: Any) -> Any:
    return fused_multiply_add(a, b, total)


def _odd32(rule: Any, a: Any, b: Any, total: Any) -> Any:
    # Knuth's TwoSum; a sum that is not exact gets an odd last bit, toward its error.
    p = multiply(a, b)
    s = add(total, p)
    p_part = subtract(s, total)
    error = add(subtract(total, subtract(s, p_part)), subtract(p, p_part))
    bits = as_integer(s)
    zero = splat(np.int32(0))
    one = splat(np.int32(1))
    outward = less(bit_xor(as_integer(error), bits), zero)
    moved = add(bits, select(outward, splat(np.int32(-1)), one))
    even = less(bit_and(bits, one), one)
    inexact = different(error, splat(np.float32(0.0)))
    odd = as_float(select(inexact, select(even, moved, bits), bits))
    # Here, unlike in the other rules, a sum can underflow: to a zero of its sign.
    return bounded(rule.bound, copy_sign(rounded(rule.rounding, odd), odd))


def _split(rounding: Any, x: Any) -> Any:
    return multiply_add(x, splat(rounding.scale), multiply(x, splat(rounding.splitter)))


def _grid(rounding: Any, x: Any) -> Any:
    binade = bit_and(as_integer(x), splat(rounding.exponent_field))
    unit = as_float(bit_or(binade, splat(rounding.half)))
    smallest = splat(rounding.smallest)
    unit = select(greater(smallest, unit), smallest, unit)
    moved = multiply_add(unit, splat(rounding.scale), x)
    return multiply_add(unit, splat(-rounding.scale), moved)


def _away(rounding: Any, x: Any) -> Any:
    bits = add(as_integer(x), splat(rounding.half_ulp))
    return as_float(bit_and(bits, splat(rounding.keep)))


def _away_flushed(rounding: Any, x: Any) -> Any:
    bits = bit_and(add(as_integer(x), splat(rounding.half_ulp)), splat(rounding.keep))
    tiny = less(magnitude(as_float(bits)), splat(rounding.min_positive))
    return as_float(select(tiny, bit_and(bits, splat(rounding.zero_bits)), bits))


def _unbounded(bound: Any, x: Any) -> Any:
    return x


def _clamped(bound: Any, x: Any) -> Any:
    top = splat(bound.max_finite)
    bottom = splat(-bound.max_finite)
    r = select(less(x, top), x, top)
    return select(greater(r, bottom), r, bottom)


def _poisoned(bound: Any, x: Any) -> Any:
    over = greater(magnitude(x), splat(bound.max_finite))
    return select(over, splat(np.float32(np.inf)), x)


#: The code of each type of rule.
STEPS_32: dict[type, Callable[..., Any]] = {
    Rule32: _rule32,
    Rule64: _rule32,
    Ordered32: _ordered32,
    Odd32: _odd32,
}
_ROUNDINGS = {Split: _split, Grid: _grid, Away: _away, AwayFlushed: _away_flushed}
_BOUNDS = {Unbounded: _unbounded, Clamped: _clamped, Poisoned: _poisoned}


@overload(rounded, inline="always")
def _choose_rounding(rounding: Any, x: Any) -> Any:
    return _ROUNDINGS.get(rounding.instance_class)


@overload(bounded, inline="always")
def _choose_bound(bound: Any, x: Any) -> Any:
    return _BOUNDS.get(bound.instance_class)
