"""Stochastic additions on float64 vectors, and the random words that they use.

The words are those of `accelsim.formats.random_bits`, bit for bit. A step gets
the words of its outputs and the distance by which to rotate them, so that the
bits that belong to its position land where it wants them.

Where a kernel serves rules with and without randomness, `words` is what names the
words of one row: its own word, the columns' words, and the binary logarithm of the
number of positions that share a word; or an empty tuple where no rule needs any.
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
from accelsim.numerics.kernels.step import STEPS, step
from accelsim.numerics.kernels.steps64 import odd_add, round_exactly, round_from
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
#: Binary logarithm of the bits of a word.
_LOG_WORD_BITS = 6


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


@inlined
def field_end(position: Any, shared: Any) -> Any:
    """Return the lowest bit of a word above those that belong to a position."""
    place = position & ((1 << shared) - 1)
    return (place + 1) << (_LOG_WORD_BITS - shared)


@inlined
def words_at(position: Any, words: Any) -> Any:
    """Return the random words of one row and a vector of columns at a position."""
    row, columns, shared = words
    return finish(row_word(row, position >> shared), columns)


def random_round(rule: Any, x: Any, words: Any, field: Any) -> Any:
    """Return an exact or odd-rounded sum rounded at random by `rule`; in compiled code only.

    `field` is the lowest bit of `words` above those that belong to this position.
    """
    raise NotImplementedError


def random_step(rule: Any, a: Any, b: Any, total: Any, words: Any, field: Any) -> Any:
    """Return a * b + total, rounded by `rule`; in compiled code only.

    Arguments as in `random_round`; a rule without randomness ignores the words.
    """
    raise NotImplementedError


def round_named(rule: Any, x: Any, position: Any, words: Any) -> Any:
    """Return an exact sum rounded by `rule`; in compiled code only."""
    raise NotImplementedError


def step_named(rule: Any, a: Any, b: Any, total: Any, position: Any, words: Any) -> Any:
    """Return a * b + total, rounded by `rule`; in compiled code only."""
    raise NotImplementedError


@overload(random_round)
def _choose_round(rule: Any, x: Any, words: Any, field: Any) -> Any:
    return _RANDOM_ROUNDINGS.get(rule.instance_class)


@overload(random_step)
def _choose_step(rule: Any, a: Any, b: Any, total: Any, words: Any, field: Any) -> Any:
    return _RANDOM_STEPS.get(rule.instance_class)


@overload(round_named)
def _choose_named_round(rule: Any, x: Any, position: Any, words: Any) -> Any:
    return _random_round_named if is_random(rule) else _plain_round_named


@overload(step_named)
def _choose_named_step(rule: Any, a: Any, b: Any, total: Any, position: Any, words: Any) -> Any:
    return _random_step_named if is_random(rule) else _plain_step_named


def is_random(rule: Any) -> bool:
    """Return whether a rule, given by its Numba type, needs random words."""
    return rule.instance_class in _RANDOM_ROUNDINGS


def _round64(rule: Any, x: Any, words: Any, field: Any) -> Any:
    turn = splat((rule.top - field) & np.int64(63))
    noise = bit_and(funnel_shift_left(words, words, turn), splat(rule.mask))
    return as_float(bit_and(add(as_integer(x), noise), splat(rule.keep)))


def _round_threshold64(rule: Any, x: Any, words: Any, field: Any) -> Any:
    turn = splat((rule.top - field) & np.int64(63))
    noise = bit_and(funnel_shift_left(words, words, turn), splat(rule.mask))
    # 1 + r / 2**N as bits; the threshold is 1 - r / 2**N.
    above_one = as_float(bit_or(noise, splat(_ONE_BITS)))
    return round_from(rule, x, subtract(splat(np.float64(2.0)), above_one))


def _step64(rule: Any, a: Any, b: Any, total: Any, words: Any, field: Any) -> Any:
    return random_round(rule, multiply_add(a, b, total), words, field)


def _step_threshold64(rule: Any, a: Any, b: Any, total: Any, words: Any, field: Any) -> Any:
    return random_round(rule, odd_add(a, b, total), words, field)


def _ignoring_words(plain: Callable[..., Any]) -> Callable[..., Any]:
    """Give a step without randomness the arguments of one with."""
    inner_step = inlined(plain)

    def with_words(rule: Any, a: Any, b: Any, total: Any, words: Any, field: Any) -> Any:
        return inner_step(rule, a, b, total)

    return with_words


def _random_round_named(rule: Any, x: Any, position: Any, words: Any) -> Any:
    return random_round(rule, x, words_at(position, words), field_end(position, words[2]))


def _plain_round_named(rule: Any, x: Any, position: Any, words: Any) -> Any:
    return round_exactly(rule, x)


def _random_step_named(rule: Any, a: Any, b: Any, total: Any, position: Any, words: Any) -> Any:
    return random_step(rule, a, b, total, words_at(position, words), field_end(position, words[2]))


def _plain_step_named(rule: Any, a: Any, b: Any, total: Any, position: Any, words: Any) -> Any:
    return step(rule, a, b, total)


_RANDOM_ROUNDINGS: dict[type, Callable[..., Any]] = {
    Stochastic64: _round64,
    StochasticThreshold64: _round_threshold64,
}
_RANDOM_STEPS: dict[type, Callable[..., Any]] = {
    Stochastic64: _step64,
    StochasticThreshold64: _step_threshold64,
} | {rule: _ignoring_words(plain) for rule, plain in STEPS.items()}
