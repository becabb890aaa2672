"""The float32 kernels in NumPy: the same rules, tile by tile, where Numba is missing.

Valid under the same conditions as the kernels (`accelsim.numerics.paths`), and an
order of magnitude faster than the definition. Products are exact in float32, so a
multiplication and an addition give the bits of a fused one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelsim.numerics import rules

_Array = NDArray[np.float32]
#: Elements of a tile: the sums and two temporaries stay in a second-level cache.
TILE = 1 << 15


def multiply_tiled(
    a: NDArray[Any], b: NDArray[Any], inner: rules.Rule32, outer: rules.Rule32, chunk: int
) -> _Array:
    """Multiply (batch, m, k) by (batch, k, n) with two float32 rules.

    Overflow is clamped or poisoned as the rules say; `accelsim.numerics.matmul`
    computes poisoned outputs again.
    """
    left, right = np.asarray(a, np.float32), np.asarray(b, np.float32)
    batches, m, _ = left.shape
    n = right.shape[-1]
    out = np.empty((batches, m, n), np.float32)
    rows = max(1, TILE // n)
    with np.errstate(over="ignore", invalid="ignore"):
        for batch in range(batches):
            for start in range(0, m, rows):
                tile = left[batch, start : start + rows]
                out[batch, start : start + rows] = _tile(tile, right[batch], inner, outer, chunk)
    return out


def _tile(a: _Array, b: _Array, inner: rules.Rule32, outer: rules.Rule32, chunk: int) -> _Array:
    """Compute some rows of one product."""
    add_inner, add_outer = _adder(inner), _adder(outer)
    total = np.zeros((a.shape[0], b.shape[1]), np.float32)
    x = np.empty_like(total)
    k = a.shape[1]
    for start in range(0, k, chunk):
        part = np.zeros_like(total)
        for i in range(start, min(k, start + chunk)):
            np.multiply(a[:, i, None], b[i], out=x)
            x += part
            add_inner(x, part)
        np.add(part, total, out=x)
        add_outer(x, total)
    return total


def _adder(rule: rules.Rule32) -> Callable[[_Array, _Array], None]:
    """Return what rounds and bounds an exact sum into an array; the sum is scratch."""
    rounding, bound = _rounding(rule.rounding), rule.bound

    def finish(x: _Array, out: _Array) -> None:
        rounding(x, out)
        if isinstance(bound, rules.Clamped):
            np.clip(out, -bound.max_finite, bound.max_finite, out=out)
        elif isinstance(bound, rules.Poisoned):
            out[np.abs(out) > bound.max_finite] = np.inf

    return finish


def _rounding(rule: Any) -> Callable[[_Array, _Array], None]:
    """Return the rounding of a rule; the operations are those of the kernels, in order."""
    match rule:
        case rules.Split():
            return lambda x, out: _split(x, out, rule)
        case rules.Grid():
            return lambda x, out: _grid(x, out, rule)
        case _:
            return lambda x, out: _away(x, out, rule)


def _split(x: _Array, out: _Array, rule: rules.Split) -> None:
    np.multiply(x, rule.splitter, out=out)
    x *= rule.scale
    out += x


def _grid(x: _Array, out: _Array, rule: rules.Grid) -> None:
    magic = (x.view(np.int32) & rule.exponent_field | rule.half).view(np.float32)
    np.maximum(magic, rule.smallest, out=magic)
    magic *= rule.scale
    np.add(x, magic, out=out)
    out -= magic


def _away(x: _Array, out: _Array, rule: rules.Away | rules.AwayFlushed) -> None:
    bits = x.view(np.int32)
    bits += rule.half_ulp
    bits &= rule.keep
    if isinstance(rule, rules.AwayFlushed):
        tiny = np.abs(x) < rule.min_positive
        bits[tiny] &= rule.zero_bits
    out[...] = x
