"""What an accumulator lost: swamped, overflowed and underflowed additions of a sample.

A second pass over some outputs, chosen by a seed, so that the first pass stays
as fast as it is. It repeats the additions by the definition and looks at each.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from accelsim.errors import ConfigError, ShapeError
from accelsim.formats import FloatFormat, Rounding
from accelsim.formats.random_bits import StreamKey
from accelsim.numerics.accumulation import inner_rule, outer_rule
from accelsim.numerics.addition import AdditionRule, Float64Array, Outputs, odd_sum
from accelsim.numerics.integer import add_integers, as_integers
from accelsim.precision import AccumulationMethod, Accumulator, IntegerOverflow, PairRule

#: Outputs that are looked at unless the caller says otherwise.
DEFAULT_SAMPLE = 1024
#: Width at which sums wrap by themselves.
INT64_BITS = 64
_EVENTS = ("additions", "zero_products", "swamped", "overflowed", "saturated", "underflowed")


@dataclass(frozen=True, slots=True)
class AdditionCounts:
    """What happened in the additions of the sampled outputs.

    Parameters
    ----------
    outputs, sampled_outputs : int
        All outputs, and those that were looked at.
    additions : int
        Additions looked at, inside chunks and over chunks.
    zero_products : int
        Products, padding included, with an operand that is zero.
    swamped : int
        Additions of something other than zero that left the sum as it was.
    overflowed : int
        Additions of finite numbers whose result is infinite or NaN, or wrapped around.
    saturated : int
        Additions of finite numbers that were clamped to the largest number, or to the
        bounds of an integer register.
    underflowed : int
        Additions whose exact result is not zero and whose rounded one is.
    """

    outputs: int
    sampled_outputs: int
    additions: int = 0
    zero_products: int = 0
    swamped: int = 0
    overflowed: int = 0
    saturated: int = 0
    underflowed: int = 0

    def __add__(self, other: AdditionCounts) -> AdditionCounts:
        """Return the counts of two sets of additions for the same sampled outputs."""
        return replace(
            self,
            **{name: getattr(self, name) + getattr(other, name) for name in _EVENTS},
        )

    @property
    def swamped_share(self) -> float:
        """Swamped additions per addition; 0 where there is none."""
        return self.swamped / self.additions if self.additions else 0.0


def count_additions(
    a: ArrayLike,
    b: ArrayLike,
    accumulator: Accumulator,
    *,
    sample: int = DEFAULT_SAMPLE,
    seed: int = 0,
    key: StreamKey | None = None,
) -> AdditionCounts:
    """Repeat the additions of sampled outputs of a matrix product and count what they lose.

    Parameters
    ----------
    a : array_like, shape (m, k) or (batch, m, k)
        Left operand, already quantized.
    b : array_like, shape (k, n) or (batch, k, n)
        Right operand.
    accumulator : Accumulator
        Sequential or integer, with or without chunks.
    sample : int
        Outputs to look at, drawn without replacement; all if there are no more.
    seed : int
        Of the draw.
    key : StreamKey, optional
        Needed by stochastic rounding; the one of the product.

    Raises
    ------
    ConfigError
        If the accumulator does not add one product after the other.

    Examples
    --------
    From 1024 on, ones are lost in ten significant bits: 76 of 1100 additions.

    >>> ones = np.ones((1, 1100))
    >>> count_additions(ones, ones.T, Accumulator(format="fp16_e6m9")).swamped
    76
    """
    if not is_countable(accumulator):
        raise ConfigError("Additions are counted for accumulators that add one product at a time.")
    left, right = np.asarray(a), np.asarray(b)
    if left.ndim not in (2, 3) or left.ndim != right.ndim or left.shape[-1] != right.shape[-2]:
        raise ShapeError(f"{left.shape} @ {right.shape} is no product of two matrices.")
    stacks = (1, *left.shape)[-3], (1, *right.shape)[-3]
    if stacks[0] != stacks[1]:
        raise ShapeError(f"{stacks[0]} matrices on the left, {stacks[1]} on the right.")
    left, right = (x.reshape(stacks[0], *x.shape[-2:]) for x in (left, right))
    outputs = left.shape[0] * left.shape[1] * right.shape[2]
    # The row of a batched output counts through the batches.
    rows, columns = np.divmod(_draw(outputs, sample, seed), max(right.shape[2], 1))
    batch, row = np.divmod(rows, max(left.shape[1], 1))
    factors = (left[batch, row], right[batch, :, columns])  # (sampled, k)
    x, y = (np.asarray(factor, np.float64) for factor in factors)
    with np.errstate(invalid="ignore"):
        products = x * y
    if accumulator.product is not None:
        rounded = accumulator.product.quantize(products, rounding=Rounding.NEAREST_EVEN)
        products = np.asarray(rounded, np.float64)
    tally = _Tally(Outputs(rows[:, None], columns[:, None]), key)
    if accumulator.method is AccumulationMethod.INTEGER:
        _walk_integers(as_integers(products), accumulator, tally)
    else:
        _walk(products, accumulator, tally)
    return AdditionCounts(
        outputs=outputs,
        sampled_outputs=rows.size,
        zero_products=int(((x == 0) | (y == 0)).sum()),
        **tally.counts,
    )


def is_countable(accumulator: Accumulator) -> bool:
    """Return whether an accumulator adds one product after the other, each rounded or bounded."""
    fused = accumulator.pair is PairRule.FUSED and accumulator.pair_size > 1
    in_turn = (AccumulationMethod.SEQUENTIAL, AccumulationMethod.INTEGER)
    return accumulator.method in in_turn and not fused


def _draw(outputs: int, sample: int, seed: int) -> NDArray[np.int64]:
    """Return the sampled outputs, in ascending order."""
    if sample >= outputs:
        return np.arange(outputs)
    generator = np.random.default_rng(seed)
    return np.sort(generator.choice(outputs, sample, replace=False, shuffle=False))


def _walk(products: Float64Array, accumulator: Accumulator, tally: _Tally) -> None:
    """Repeat every addition of the definition.

    Chunks start from zero, so that their additions can be made side by side; the
    random bits of a stochastic one depend on the position, so that it is made alone.
    """
    outputs, k = products.shape
    length = min(accumulator.chunk_length(k), max(k, 1))
    together = accumulator.rounding is not Rounding.STOCHASTIC
    full = k // length if together else 0
    whole, rest = products[:, : full * length], products[:, full * length :]
    blocks = [whole.reshape(outputs, full, length)] if full else []
    starts = range(0, rest.shape[1], length)
    blocks += [rest[:, None, start : start + length] for start in starts]
    inner, outer = inner_rule(accumulator), outer_rule(accumulator)
    chunk, total = 0, np.zeros((outputs, 1))
    for block in blocks:
        sums = np.zeros(block.shape[:2])
        for i in range(block.shape[2]):
            sums = tally.add(inner, sums, block[:, :, i], chunk * length + i)
        for position in range(block.shape[1]):
            total = tally.add(outer, total, sums[:, position : position + 1], chunk)
            chunk += 1


def _walk_integers(terms: NDArray[np.int64], accumulator: Accumulator, tally: _Tally) -> None:
    """Repeat every addition of an integer register."""
    outputs, k = terms.shape
    total = np.zeros(outputs, np.int64)
    for start in range(0, k, accumulator.chunk_length(k)):
        chunk = np.zeros(outputs, np.int64)
        for i in range(start, min(start + accumulator.chunk_length(k), k)):
            chunk = tally.add_integers(chunk, terms[:, i], accumulator)
        total = tally.add_integers(total, chunk, accumulator)


class _Tally:
    """Adds, and counts what additions lose."""

    def __init__(self, names: Outputs, key: StreamKey | None) -> None:
        self._names = names
        self._key = key
        self.counts = dict.fromkeys(
            ("additions", "swamped", "overflowed", "saturated", "underflowed"), 0
        )

    def add(
        self, rule: AdditionRule, total: Float64Array, addend: Float64Array, position: int
    ) -> Float64Array:
        """Add once, and count."""
        exact = odd_sum(total, addend)
        result = rule.round(exact, position, self._key, self._names)
        finite = np.isfinite(exact)
        self._count("additions", np.ones_like(finite))
        self._count("swamped", (addend != 0) & (result == total) & finite)
        self._count("overflowed", finite & ~np.isfinite(result))
        self._count("underflowed", (exact != 0) & (result == 0))
        if isinstance(rule.format, FloatFormat):
            largest = rule.format.max_finite
            # Half a step beyond the largest number is the least that is clamped.
            beyond = np.abs(exact) >= largest + rule.format.ulp(largest) / 2
            self._count("saturated", beyond & (np.abs(result) == largest) & finite)
        return result

    def add_integers(
        self, total: NDArray[np.int64], addend: NDArray[np.int64], accumulator: Accumulator
    ) -> NDArray[np.int64]:
        """Add integers once, and count."""
        result = add_integers(total, addend, accumulator)
        wraps = accumulator.integer_overflow is IntegerOverflow.WRAP
        if wraps and accumulator.integer_bits == INT64_BITS:
            lost = (result < total) != (addend < 0)
        else:
            # Equal modulo 2**64 where nothing was lost, and only there.
            lost = result - addend != total
        self._count("additions", np.ones_like(lost))
        self._count("swamped", (addend != 0) & (result == total))
        self._count("overflowed" if wraps else "saturated", lost)
        return result

    def _count(self, what: str, where: NDArray[Any]) -> None:
        self.counts[what] += int(where.sum())
