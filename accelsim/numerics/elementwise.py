"""Element-wise arithmetic in any format: exact, then one rounding, in one pass.

Everything is the one operation ``a * x + y``, which is formed exactly. Large
arrays take a compiled loop that reads and writes memory once; its NumPy twin
gives the same bits and is the definition.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from accelsim.errors import ConfigError, SelfTestError
from accelsim.formats import FloatFormat, NumberFormat, Rounding
from accelsim.formats.array import Engine, uses_kernels
from accelsim.formats.random_bits import Site, StreamKey, field_width, row_words
from accelsim.numerics.addition import (
    FLOAT64_PRECISION,
    AdditionRule,
    Float64Array,
    Outputs,
    odd_sum_3,
)
from accelsim.numerics.operands import OperandFacts
from accelsim.numerics.rule_constants import rule64
from accelsim.numerics.selftest import ADVICE, KEY

_Array = NDArray[np.floating[Any]]
#: 2**27 + 1: Veltkamp's constant that halves a float64.
_SPLITTER = 134217729.0


def axpy(
    alpha: ArrayLike,
    x: ArrayLike,
    y: ArrayLike,
    fmt: NumberFormat,
    *,
    rounding: Rounding | None = None,
    saturate: bool = False,
    random_bits: int = 16,
    key: StreamKey | None = None,
    site: Site = Site.UPDATE,
    engine: Engine = Engine.AUTO,
) -> _Array:
    """Return alpha * x + y, exact and then rounded once into `fmt`.

    Parameters
    ----------
    alpha, x, y : array_like
        Any real numbers; they broadcast. Empty arrays stay empty.
    fmt : NumberFormat
        Format of the result.
    rounding, saturate : optional
        Instead of the format's own rounding and overflow rule.
    random_bits : int
        Bits of a stochastic rounding.
    key, site : optional
        Random stream. Elements are named by their flat
        index, so the bits do not depend on how the array is cut or laid out.
    engine : Engine
        ``numpy`` or ``numba`` forces one of the twins.

    Returns
    -------
    array
        Float32 where that holds every value of `fmt`, else float64. NaN and
        infinity as in IEEE 754; an exact zero is +0 unless all terms are -0.

    Raises
    ------
    ConfigError
        If stochastic rounding has no key, or `fmt` is too wide to be rounded exactly.

    Examples
    --------
    >>> from accelsim.formats import get_format
    >>> axpy(-0.0005, [0.5], [1.0], get_format("fp16_e6m9"))
    array([1.], dtype=float32)
    """
    rule = AdditionRule(
        fmt, fmt_rounding(fmt, rounding), saturate=saturate, random_bits=random_bits, site=site
    )
    if rule.rounding is Rounding.STOCHASTIC and key is None:
        raise ConfigError("Stochastic rounding needs a key: randomness is explicit.")
    terms = tuple(_float_array(term) for term in (alpha, x, y))
    shape = np.broadcast_shapes(*(term.shape for term in terms))
    size = int(np.prod(shape, dtype=np.int64))
    if size and _can_compile(rule, terms[0], terms[1]) and uses_kernels(size, engine):
        _trust(rule, tuple(term.dtype for term in terms))
        return _by_kernel(rule, terms, shape, key)
    return _by_definition(rule, terms, shape, key)


def add(x: ArrayLike, y: ArrayLike, fmt: NumberFormat, **options: Any) -> _Array:
    """Return x + y, exact and then rounded once; options as in `axpy`."""
    return axpy(1.0, x, y, fmt, **options)


def subtract(x: ArrayLike, y: ArrayLike, fmt: NumberFormat, **options: Any) -> _Array:
    """Return x - y, exact and then rounded once; options as in `axpy`."""
    return axpy(-1.0, y, x, fmt, **options)


def multiply(x: ArrayLike, y: ArrayLike, fmt: NumberFormat, **options: Any) -> _Array:
    """Return x * y, exact and then rounded once; options as in `axpy`.

    Adding -0 keeps every product, the sign of a zero included.
    """
    return axpy(x, y, -0.0, fmt, **options)


def fmt_rounding(fmt: NumberFormat, rounding: Rounding | None) -> Rounding:
    """Return the rounding that is asked for, or the format's own, or nearest-even."""
    if rounding is not None:
        return Rounding(rounding)
    return fmt.rounding if isinstance(fmt, FloatFormat) else Rounding.NEAREST_EVEN


def _float_array(x: ArrayLike) -> _Array:
    array = np.asarray(x)
    return array if array.dtype in (np.float32, np.float64) else array.astype(np.float64)


def _dtype(fmt: NumberFormat) -> np.dtype[Any]:
    return fmt.value_dtype if isinstance(fmt, FloatFormat) else np.dtype(np.float64)


def _two_product(a: _Array, b: _Array) -> tuple[Float64Array, Float64Array]:
    """Return the float64 product and its exact error (Dekker 1971); 0 where not finite."""
    x, y = a.astype(np.float64), b.astype(np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        p = x * y
        x_high = (x * _SPLITTER) - ((x * _SPLITTER) - x)
        y_high = (y * _SPLITTER) - ((y * _SPLITTER) - y)
        x_low, y_low = x - x_high, y - y_high
        error = ((x_high * y_high - p) + x_high * y_low + x_low * y_high) + x_low * y_low
    # An exact product must not gain a +0 that would turn -0 into +0.
    return p, np.where(np.isfinite(p) & (error != 0), error, -0.0)


def _can_compile(rule: AdditionRule, a: _Array, x: _Array) -> bool:
    """Return whether the kernel knows the format, and every product is exact in float64."""
    fmt = rule.format
    if not isinstance(fmt, FloatFormat) or not fmt.signed or not fmt.has_zero:
        return False
    if 0 in (a.size, x.size):
        return False
    left, right = OperandFacts.of_data(a), OperandFacts.of_data(x)
    return left.significant_bits + right.significant_bits <= FLOAT64_PRECISION


def _by_definition(
    rule: AdditionRule,
    terms: tuple[_Array, ...],
    shape: tuple[int, ...],
    key: StreamKey | None,
) -> _Array:
    """Form the exact result in two parts, with a sticky last bit, and round it."""
    exact = odd_sum_3(*_two_product(terms[0], terms[1]), terms[2].astype(np.float64))
    names = Outputs(np.zeros((), np.int64), np.arange(math.prod(shape)).reshape(shape))
    rounded = rule.round(np.broadcast_to(exact, shape), 0, key, names)
    return rounded.astype(_dtype(rule.format), copy=False)


@lru_cache(maxsize=256)
def _trust(rule: AdditionRule, dtypes: tuple[np.dtype[Any], ...]) -> None:
    """Compare the compiled loop with the definition once per process, rule and type of operand.

    The terms are small multiples of powers of 2**-6, so that most formats must round.
    """
    units = np.ldexp(np.arange(1.0, 9.0), np.arange(8) % 4 * -6)
    terms = units[:, None, None], -units[:, None], np.concatenate([units, -units])
    shape = np.broadcast_shapes(*(term.shape for term in terms))
    spread = tuple(
        np.broadcast_to(term, shape).astype(dtype)
        for term, dtype in zip(terms, dtypes, strict=True)
    )
    found, expected = (
        compute(rule, spread, shape, KEY) for compute in (_by_kernel, _by_definition)
    )
    wrong = int((~((found == expected) | (np.isnan(found) & np.isnan(expected)))).sum())
    if wrong:
        raise SelfTestError(
            f"{wrong} of {found.size} results in {rule.format.name} differ from the definition:"
            f" {ADVICE}"
        )


def _by_kernel(
    rule: AdditionRule,
    terms: tuple[_Array, ...],
    shape: tuple[int, ...],
    key: StreamKey | None,
) -> _Array:
    """Run the compiled loop; scalars are not spread out in memory."""
    from accelsim.numerics.kernels.elementwise import multiply_add_arrays

    assert isinstance(rule.format, FloatFormat)
    flat = [
        np.ascontiguousarray(
            term.reshape(1) if term.size == 1 else np.broadcast_to(term, shape)
        ).reshape(-1)
        for term in terms
    ]
    out = np.empty(int(np.prod(shape, dtype=np.int64)), _dtype(rule.format))
    base = 0 if key is None else key.base(rule.site)
    word = row_words(base, np.zeros(1, np.uint64))[0]
    constants = rule64(
        rule.format, rule.rounding, saturate=rule.saturate, random_bits=rule.random_bits
    )
    width = field_width(rule.random_bits)
    multiply_add_arrays(constants, *flat, out, word, width, np.arange(32, dtype=np.int64))
    return out.reshape(shape)
