"""What an accumulator lost: swamped, overflowed and underflowed additions of a sample.

A second pass over some outputs, chosen by a seed, so that the first pass stays
as fast as it is. It is the definition of the sums itself, with a watch that is
told of every addition and counts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from accelsim.errors import ShapeError
from accelsim.formats.random_bits import StreamKey
from accelsim.numerics.accumulation import accumulate
from accelsim.numerics.addition import Outputs
from accelsim.numerics.telemetry_tally import Tally
from accelsim.precision import Accumulator

#: Outputs that are looked at unless the caller says otherwise.
DEFAULT_SAMPLE = 1024
_EVENTS = ("additions", "zero_products", "swamped", "overflowed", "saturated", "underflowed")


@dataclass(frozen=True, slots=True)
class AdditionCounts:
    """What happened in the additions of the sampled outputs.

    An addition ends in one rounded sum, with two exceptions that the table names.

    =============== ============================================ ========================
    method          additions                                    swamped
    =============== ============================================ ========================
    sequential      one for each product                         the sum stayed as it was
    fused products  one for each group                           the same
    tree            one for each node, a missing neighbour zero  the node is the one
                                                                 addend, the other not 0
    round once      one for each chunk                           none: no rounded sum is
                                                                 there to add to
    aligned         one for each product, though a group of      see below
                    them ends in one rounded sum
    integer         one for each product, bounded, not rounded   the sum stayed as it was
    exact           one for each output                          none, as in round once
    =============== ============================================ ========================

    All but the exact ones have another for each chunk, which takes its sum into the sum
    over chunks, and is counted as a sequential one is. Products that are rounded to a
    format of their own are so beforehand; that rounding is not counted.

    Of an aligned group each member other than zero that is shifted out entirely is swamped,
    also the sum before, which larger products may shift out; and where the rounding then
    leaves the sum as it was, though what is left of the products has a sum, all of them are.

    Parameters
    ----------
    outputs, sampled_outputs : int
        All outputs, and those that were looked at.
    additions : int
        Additions looked at, inside chunks and over chunks.
    zero_products : int
        Products, padding included, with an operand that is zero.
    swamped : int
        Additions of something other than zero that left the sum as it was: of a finite sum,
        and in a group of products that do not cancel.
    overflowed : int
        Rounded sums that are infinite or NaN where the exact one is finite; additions that
        wrapped an integer register around.
    saturated : int
        Finite sums that were clamped to the largest number. A float's are those that it
        would have rounded to a number beyond, had it one; those of a posit, an integer
        format or a table all that exceed it. Of an integer register: clamped to a bound.
    underflowed : int
        Rounded sums that are zero where the exact one is not. Exact is, of an aligned
        group, the sum of what the cut leaves.
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
        Any; `AdditionCounts` says what its additions are.
    sample : int
        Outputs to look at, drawn without replacement; all if there are no more.
    seed : int
        Of the draw.
    key : StreamKey, optional
        Needed by stochastic rounding; the one of the product.

    Returns
    -------
    AdditionCounts

    Raises
    ------
    ShapeError
        If the operands are no two matrices, or stacks of them, that can be multiplied.
    ConfigError, DataError
        As by `accelsim.numerics.accumulate`.

    Examples
    --------
    From 1024 on, ones are lost in ten significant bits: 76 of 1100 additions.

    >>> ones = np.ones((1, 1100))
    >>> count_additions(ones, ones.T, Accumulator(format="fp16_e6m9")).swamped
    76

    Pairs of ones are lost from 2048 on, 26 of them:

    >>> ones = np.ones((1, 2100))
    >>> from accelsim.precision import PairRule
    >>> pairs = Accumulator(format="fp16_e6m9", pair=PairRule.FUSED, pair_size=2)
    >>> count_additions(ones, ones.T, pairs).swamped
    26
    """
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
    tally = Tally()
    accumulate(products, accumulator, key=key, outputs=Outputs(rows, columns), watch=tally)
    return AdditionCounts(
        outputs=outputs,
        sampled_outputs=rows.size,
        zero_products=int(((x == 0) | (y == 0)).sum()),
        **tally.counts,
    )


def _draw(outputs: int, sample: int, seed: int) -> NDArray[np.int64]:
    """Return the sampled outputs, in ascending order."""
    if sample >= outputs:
        return np.arange(outputs)
    generator = np.random.default_rng(seed)
    return np.sort(generator.choice(outputs, sample, replace=False, shuffle=False))
