"""Random bits by name: a counter-based generator without state.

A random number is a function of what it is for: (seed, training step, op,
site, output element, position in the reduction order). So a stochastic result
never depends on tiles, threads or the order in which elements are visited.

The 64-bit word of an element is a keyed hash of two halves that are each mixed
in full beforehand::

    word = finish(row_word(key, site, row, group) ^ column_word(column))

`row_word` costs three mixing rounds, once for a row of outputs; `column_word`
costs one, once for a column; only `finish` (two 32-bit multiplications) is paid
for each element. One word serves 64 // width neighbouring positions, with width 16
for up to 16 random bits and 32 beyond: `group` is the position divided by that
number, and the bits are the top ones of the position's field.

Quality, as far as the tests go: fields are uniform (chi-square), neighbouring
rows, columns, positions, steps and seeds are uncorrelated, and one flipped bit
of any part of the key flips half of the word on average. It is a hash for
simulation and holds no secrets.

References
----------
G. Steele, D. Lea, C. Flood, "Fast splittable pseudorandom number generators",
OOPSLA 2014, and D. Stafford's "Mix13" constants: the 64-bit finaliser.
J. Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011:
counter-based generators.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelsim.errors import ConfigError

UInt64Array = NDArray[np.uint64]

_MASK = (1 << 64) - 1
#: Multipliers and shifts of the 64-bit finaliser (Stafford's Mix13).
MIX_MULTIPLIER_1 = 0xBF58476D1CE4E5B9
MIX_MULTIPLIER_2 = 0x94D049BB133111EB
#: Odd increments that keep the parts of a key apart (golden ratio, square roots of 3 and 5).
GOLDEN = 0x9E3779B97F4A7C15
ROW_INCREMENT = 0xBB67AE8584CAA73B
COLUMN_INCREMENT = 0x3C6EF372FE94F82B
#: Odd 32-bit multipliers of the last step (those of Philox 4x32).
FINISH_MULTIPLIER_LOW = 0xD2511F53
FINISH_MULTIPLIER_HIGH = 0xCD9E8D57
_LOW_HALF = 0xFFFFFFFF
#: Most random bits that one rounding may use.
MAX_RANDOM_BITS = 32


class Site(IntEnum):
    """Where in an op a rounding happens."""

    #: An addition inside a chunk; the position is that of the product.
    INNER = 0
    #: An addition over chunks; the position is that of the chunk.
    OUTER = 1
    #: An addition in a tree over splits; the position is that of the node.
    TREE = 2
    #: The store of a result in another format.
    STORE = 3
    #: A weight update.
    UPDATE = 4


@dataclass(frozen=True, slots=True)
class StreamKey:
    """What a run, a training step and an op contribute to the name of a random number.

    Parameters
    ----------
    seed, step, op : int
        Non-negative, below 2**64. `op` is the index of the op in its trace.
    """

    seed: int = 0
    step: int = 0
    op: int = 0

    def __post_init__(self) -> None:
        for name in ("seed", "step", "op"):
            if not 0 <= getattr(self, name) <= _MASK:
                raise ConfigError(f"{name} of a random stream must be 0 to 2**64 - 1.")

    def base(self, site: Site) -> int:
        """Return the 64-bit word that stands for this key at one site."""
        word = _mix_int(self.seed + GOLDEN)
        word = _mix_int((word ^ self.step) + GOLDEN)
        word = _mix_int((word ^ self.op) + GOLDEN)
        return _mix_int((word ^ int(site)) + GOLDEN)


def _mix_int(word: int) -> int:
    """Mix one 64-bit word in full."""
    word &= _MASK
    word = ((word ^ (word >> 30)) * MIX_MULTIPLIER_1) & _MASK
    word = ((word ^ (word >> 27)) * MIX_MULTIPLIER_2) & _MASK
    return word ^ (word >> 31)


@np.errstate(over="ignore")
def mix(words: UInt64Array) -> UInt64Array:
    """Mix every 64-bit word in full; the array form of the finaliser."""
    words = (words ^ (words >> np.uint64(30))) * np.uint64(MIX_MULTIPLIER_1)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(MIX_MULTIPLIER_2)
    return words ^ (words >> np.uint64(31))


@np.errstate(over="ignore")
def row_words(base: int, rows: NDArray[Any]) -> UInt64Array:
    """Return the words of output rows, before a group of positions is mixed in."""
    return mix(np.asarray(rows, np.uint64) * np.uint64(ROW_INCREMENT) + np.uint64(base))


@np.errstate(over="ignore")
def group_words(rows: UInt64Array, group: int) -> UInt64Array:
    """Return the words of rows at one group of positions, from `row_words`."""
    return mix(rows + np.uint64(group) * np.uint64(GOLDEN))


@np.errstate(over="ignore")
def column_words(columns: NDArray[Any]) -> UInt64Array:
    """Return the words of output columns."""
    return mix((np.asarray(columns, np.uint64) + np.uint64(1)) * np.uint64(COLUMN_INCREMENT))


@np.errstate(over="ignore")
def finish(words: UInt64Array) -> UInt64Array:
    """Turn the exclusive or of a row word and a column word into random bits.

    Each half is multiplied into 64 bits, and the products are crossed: for a
    uniform word each half of the result is exactly uniform.
    """
    low: UInt64Array = (words & np.uint64(_LOW_HALF)) * np.uint64(FINISH_MULTIPLIER_LOW)
    high: UInt64Array = (words >> np.uint64(32)) * np.uint64(FINISH_MULTIPLIER_HIGH)
    crossed: UInt64Array = (high << np.uint64(32)) ^ (high >> np.uint64(32))
    return low ^ crossed


def field_width(count: int) -> int:
    """Return the bits of a word that belong to one position."""
    if not 1 <= count <= MAX_RANDOM_BITS:
        raise ConfigError(f"A rounding uses 1 to {MAX_RANDOM_BITS} random bits, not {count}.")
    return 16 if count <= 16 else 32


def take_field(words: UInt64Array, position: int, count: int) -> NDArray[np.uint32]:
    """Return the `count` bits that belong to `position` in the words of its group."""
    width = field_width(count)
    shift = (position % (64 // width)) * width + width - count
    return ((words >> np.uint64(shift)) & np.uint64((1 << count) - 1)).astype(np.uint32)


def random_bits(
    key: StreamKey,
    site: Site,
    rows: NDArray[Any] | int,
    columns: NDArray[Any] | int,
    *,
    position: int = 0,
    count: int = 16,
) -> NDArray[np.uint32]:
    """Return the random bits of output elements at one position.

    Parameters
    ----------
    key : StreamKey
        Seed, step and op.
    site : Site
        Where in the op.
    rows, columns : array_like of non-negative int
        Name of the output element; broadcast against each other. The row of a
        batched output counts through the batches.
    position : int
        Position in the reduction order.
    count : int
        Number of bits, 1 to 32.

    Returns
    -------
    uint32 array
        Uniform on 0 .. 2**count - 1, in the broadcast shape; empty stays empty.

    Examples
    --------
    >>> bits = random_bits(StreamKey(seed=1), Site.STORE, 0, np.arange(4), count=8)
    >>> same = random_bits(StreamKey(seed=1), Site.STORE, 0, np.arange(2, 4), count=8)
    >>> bool((bits[2:] == same).all())
    True
    """
    group = position // (64 // field_width(count))
    rows_at = group_words(row_words(key.base(site), np.asarray(rows)), group)
    words = rows_at ^ column_words(np.asarray(columns))
    return take_field(finish(words), position, count)
