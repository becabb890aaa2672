"""The rounded sums that accumulators are made of, and what a watch is told of each.

A walk over products names its additions through an `Adder`: one addend, a group of
addends, two nodes of a tree, a group that is aligned, or a sum that was formed without
rounding. Whoever wants to look at the additions gives the walk a watch; there is no
second walk that could take another order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from accelsim.formats.random_bits import StreamKey
from accelsim.numerics.addition import AdditionRule, Float64Array, Outputs, odd_sum, odd_sum_3
from accelsim.numerics.aligned import add_aligned
from accelsim.numerics.exact_sum import exact_odd_sum
from accelsim.precision import Accumulator


@dataclass(frozen=True, slots=True)
class RoundedSum:
    """A rounding of sums, one for each output in view.

    Parameters
    ----------
    adder : Adder
        Who rounded them.
    position : int
        Names the random bits of the rounding.
    exact : float64 array
        The sums beforehand; exact, or with a sticky last bit.
    result : float64 array, same shape
        The sums afterwards.
    """

    adder: Adder
    position: int
    exact: Float64Array
    result: Float64Array


class Watch(Protocol):
    """Someone who is told of every addition of a walk, and changes nothing."""

    def added(self, rounded: RoundedSum, before: Float64Array) -> None:
        """Hear that a sum, `before`, was joined by one addend, or by the exact sum of a group."""

    def joined(self, rounded: RoundedSum, left: Float64Array, right: Float64Array) -> None:
        """Hear that two nodes of a tree became one."""

    def aligned(self, rounded: RoundedSum, members: Float64Array, fraction_bits: int) -> None:
        """Hear that members, the sum before first, were aligned, cut off, added and rounded.

        `members` has the shape (..., 1 + addends).
        """

    def summed(self, rounded: RoundedSum) -> None:
        """Hear that sums of products that were formed without rounding were rounded."""

    def added_integers(
        self,
        before: NDArray[np.int64],
        addend: NDArray[np.int64],
        result: NDArray[np.int64],
        accumulator: Accumulator,
    ) -> None:
        """Hear that an integer register took one addend."""


@dataclass(frozen=True, slots=True)
class Adder:
    """Adds by one rule, for named outputs.

    Parameters
    ----------
    rule : AdditionRule
        How sums are rounded.
    outputs : Outputs
        Rows and columns of the sums in the random stream.
    key : StreamKey, optional
        That stream; needed by stochastic rounding.
    watch : Watch, optional
        Who is told.
    """

    rule: AdditionRule
    outputs: Outputs
    key: StreamKey | None = None
    watch: Watch | None = None

    def add(self, total: Float64Array, addend: Float64Array, position: int) -> Float64Array:
        """Add one addend. Exact zero is +0 unless both are -0."""
        return self._add_exactly(total, odd_sum(total, addend), position)

    def add_group(self, total: Float64Array, group: Float64Array, position: int) -> Float64Array:
        """Add a group of addends, shape (..., addends), exactly to the sum, and round once."""
        if group.shape[-1] == 2:
            exact = odd_sum_3(total, group[..., 0], group[..., 1])
        else:
            exact = exact_odd_sum(np.concatenate([total[..., None], group], axis=-1))
        return self._add_exactly(total, exact, position)

    def add_aligned(
        self, total: Float64Array, group: Float64Array, position: int, *, fraction_bits: int
    ) -> Float64Array:
        """Add a group, shape (..., addends), aligned with the sum to the largest and cut off."""
        members = np.concatenate([total[..., None], group], axis=-1)
        exact = add_aligned(members, fraction_bits)
        result = self.round(exact, position)
        if self.watch is not None:
            rounded = RoundedSum(self, position, exact, result)
            self.watch.aligned(rounded, members, fraction_bits)
        return result

    def join(self, left: Float64Array, right: Float64Array, position: int) -> Float64Array:
        """Add two nodes of a tree."""
        exact = odd_sum(left, right)
        result = self.round(exact, position)
        if self.watch is not None:
            self.watch.joined(RoundedSum(self, position, exact, result), left, right)
        return result

    def sum_once(self, terms: Float64Array, position: int) -> Float64Array:
        """Add along the last axis exactly, and round once."""
        exact = exact_odd_sum(terms)
        result = self.round(exact, position)
        if self.watch is not None:
            self.watch.summed(RoundedSum(self, position, exact, result))
        return result

    def round(self, exact: Float64Array, position: int) -> Float64Array:
        """Round exact sums; nobody is told."""
        return self.rule.round(exact, position, self.key, self.outputs)

    def _add_exactly(self, total: Float64Array, exact: Float64Array, position: int) -> Float64Array:
        result = self.round(exact, position)
        if self.watch is not None:
            self.watch.added(RoundedSum(self, position, exact, result), total)
        return result
