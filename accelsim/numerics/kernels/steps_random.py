"""Stochastic additions on float64 vectors, and the random words that they use.

The words are those of `accelsim.formats.random_bits`, bit for bit. A step gets
the words of its outputs and the distance by which to rotate them, so that the
bits that belong to its position land where it wants them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba.extending import overload

from accelsim.formats.random_bits import (
    FINISH_MULTIPLIER_HIGH,
    FINISH_MULTIPLIER_LOW,
    GOLDEN,
    MIX_MULTIPLIER_1,
    MIX_MULTIPLIER_2,
)
from accelsim.numerics.kernels.compile import inlined
from accelsim.numerics.kernels.steps64 import STEPS_64, odd_add, round_from
from accelsim.numerics.kernels.vector import (
    add,
    as_float,
    as_integer,
    bit_and,
    bit_or,
    bit_xor,
    funnel_shift_left,
    multiply,
    multiply_add,
    shift_right,
    splat,
    subtract,
)
from accelsim.numerics.rules import Stochastic64, StochasticThreshold64

_MIX_1 = np.uint64(MIX_MULTIPLIER_1)
_MIX_2 = np.uint64(MIX_MULTIPLIER_2)
_GOLDEN = np.uint64(GOLDEN)
_FINISH_LOW = np.int64(FINISH_MULTIPLIER_LOW)
_FINISH_HIGH = np.int64(FINISH_MULTIPLIER_HIGH)
_LOW_HALF = np.int64(0xFFFFFFFF)
_ONE_BITS = np.int64(0x3FF0000000000000)


@inlined
def row_word(row: Any, group: Any) -> Any:
    """Return the word of a row at a group of positions, from the row's own word."""
    word = row + np.uint64(group) * _GOLDEN
    word = (word ^ (word >> np.uint64(30))) * _MIX_1
    word = (word ^ (word >> np.uint64(27))) * _MIX_2
    return np.int64(word ^ (word >> np.uint64(31)))


@inlined
def finish(row: Any, columns: Any) -> Any:
    """Return the random words of one row and a vector of columns."""
    words = bit_xor(splat(row), columns)
    low = multiply(bit_and(words, splat(_LOW_HALF)), splat(_FINISH_LOW))
    high = multiply(shift_right(words, splat(np.int64(32))), splat(_FINISH_HIGH))
    return bit_xor(low, funnel_shift_left(high, high, splat(np.int64(32))))


@inlined
def crossed_words(row: Any, columns: Any, upper: Any) -> Any:
    """Return what `finish` does; `upper` holds the upper halves of the columns' words."""
    low = _low_product(row, columns)
    high = _high_product(row, upper)
    return bit_xor(low, funnel_shift_left(high, high, splat(np.int64(32))))


@inlined
def uncrossed_words(row: Any, columns: Any, upper: Any) -> Any:
    """Return what `crossed_words` does, with the halves of every word exchanged."""
    low = _low_product(row, columns)
    high = _high_product(row, upper)
    return bit_xor(high, funnel_shift_left(low, low, splat(np.int64(32))))


@inlined
def _low_product(row: Any, columns: Any) -> Any:
    words = bit_xor(splat(row), columns)
    return multiply(bit_and(words, splat(_LOW_HALF)), splat(_FINISH_LOW))


@inlined
def _high_product(row: Any, upper: Any) -> Any:
    # Bits above the lower half are dropped, so the row's sign may be shifted in.
    words = bit_xor(splat(row >> 32), upper)
    return multiply(bit_and(words, splat(_LOW_HALF)), splat(_FINISH_HIGH))


def random_step(rule: Any, a: Any, b: Any, total: Any, words: Any, field: Any) -> Any:
    """Return a * b + total, rounded by `rule`; in compiled code only.

    `field` is the lowest bit of `words` above those that belong to this position.
    """
    raise NotImplementedError


@overload(random_step)
def _choose(rule: Any, a: Any, b: Any, total: Any, words: Any, field: Any) -> Any:
    return _RANDOM_STEPS.get(rule.instance_class)


def _stochastic64(rule: Any, a: Any, b: Any, total: Any, words: Any, field: Any) -> Any:
    turn = splat((rule.top - field) & np.int64(63))
    noise = bit_and(funnel_shift_left(words, words, turn), splat(rule.mask))
    bits = add(as_integer(multiply_add(a, b, total)), noise)
    return as_float(bit_and(bits, splat(rule.keep)))


def _stochastic_threshold64(rule: Any, a: Any, b: Any, total: Any, words: Any, field: Any) -> Any:
    turn = splat((rule.top - field) & np.int64(63))
    noise = bit_and(funnel_shift_left(words, words, turn), splat(rule.mask))
    # 1 + r / 2**N as bits; the threshold is 1 - r / 2**N.
    above_one = as_float(bit_or(noise, splat(_ONE_BITS)))
    threshold = subtract(splat(np.float64(2.0)), above_one)
    return round_from(rule, odd_add(a, b, total), threshold)


def _ignoring_words(plain: Callable[..., Any]) -> Callable[..., Any]:
    """Give a step without randomness the arguments of one with."""
    inner_step = inlined(plain)

    def with_words(rule: Any, a: Any, b: Any, total: Any, words: Any, field: Any) -> Any:
        return inner_step(rule, a, b, total)

    return with_words


_RANDOM_STEPS: dict[type, Callable[..., Any]] = {
    Stochastic64: _stochastic64,
    StochasticThreshold64: _stochastic_threshold64,
} | {rule: _ignoring_words(plain) for rule, plain in STEPS_64.items()}
