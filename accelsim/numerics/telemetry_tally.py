"""The watch that counts: which additions of a walk lost something.

It is told of every addition by the walk that defines the sums
(`accelsim.numerics.accumulation`), so it can neither leave one out nor take
another order. What each count means is said at `AdditionCounts`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelsim.formats import FloatFormat
from accelsim.numerics.adder import RoundedSum
from accelsim.numerics.addition import Float64Array
from accelsim.numerics.aligned import shifted_out
from accelsim.precision import Accumulator, IntegerOverflow

#: Width at which sums wrap by themselves.
INT64_BITS = 64


class Tally:
    """A `Watch` that counts what additions lose.

    Examples
    --------
    >>> from accelsim.numerics import accumulate
    >>> tally = Tally()
    >>> float(accumulate(np.ones(1100), Accumulator(format="fp16_e6m9"), watch=tally))
    1024.0
    >>> tally.counts["additions"], tally.counts["swamped"]
    (1101, 76)
    """

    def __init__(self) -> None:
        self.counts = dict.fromkeys(
            ("additions", "swamped", "overflowed", "saturated", "underflowed"), 0
        )

    def added(self, rounded: RoundedSum, before: Float64Array) -> None:
        """Count an addition, swamped if the sum stayed what it was and should not have."""
        lost = (rounded.exact != before) & (rounded.result == before)
        self._count_rounding(rounded)
        self._count("additions", rounded.result.size)
        self._count("swamped", lost & np.isfinite(rounded.exact))

    def joined(self, rounded: RoundedSum, left: Float64Array, right: Float64Array) -> None:
        """Count an addition, swamped if the node is one of its addends and not for a zero."""
        lost = (right != 0) & (rounded.result == left) | (left != 0) & (rounded.result == right)
        self._count_rounding(rounded)
        self._count("additions", rounded.result.size)
        self._count("swamped", lost & np.isfinite(rounded.exact))

    def aligned(self, rounded: RoundedSum, members: Float64Array, fraction_bits: int) -> None:
        """Count an addition for every addend, swamped alone by its shift or all by rounding."""
        before, addends = members[..., 0], members[..., 1:]
        lost = shifted_out(members, fraction_bits)
        stayed = (rounded.exact != before) & (rounded.result == before)
        lost[..., 1:] |= stayed[..., None] & (addends != 0)
        self._count_rounding(rounded)
        self._count("additions", addends.size)
        self._count("swamped", lost & np.isfinite(rounded.exact)[..., None])

    def summed(self, rounded: RoundedSum) -> None:
        """Count one addition for a whole sum, in which nothing can be swamped."""
        self._count_rounding(rounded)
        self._count("additions", rounded.result.size)

    def added_integers(
        self,
        before: NDArray[np.int64],
        addend: NDArray[np.int64],
        result: NDArray[np.int64],
        accumulator: Accumulator,
    ) -> None:
        """Count an addition that wrapped as overflowed, one that was clamped as saturated."""
        wraps = accumulator.integer_overflow is IntegerOverflow.WRAP
        if wraps and accumulator.integer_bits == INT64_BITS:
            lost = (result < before) != (addend < 0)
        else:
            # Equal modulo 2**64 where nothing was lost, and only there.
            lost = result - addend != before
        self._count("additions", result.size)
        self._count("swamped", (addend != 0) & (result == before))
        self._count("overflowed" if wraps else "saturated", lost)

    def _count_rounding(self, rounded: RoundedSum) -> None:
        """Count what happens at the ends of the range, whatever was added."""
        exact, result = rounded.exact, rounded.result
        self._count("overflowed", np.isfinite(exact) & ~np.isfinite(result))
        self._count("underflowed", (exact != 0) & (result == 0))
        self._count("saturated", _is_clamped(rounded))

    def _count(self, what: str, where: NDArray[Any] | int) -> None:
        self.counts[what] += int(np.sum(where))


def _is_clamped(rounded: RoundedSum) -> NDArray[np.bool_]:
    """Return which finite sums became the end of the range for want of a number beyond."""
    exact, size = rounded.exact, np.abs(rounded.result)
    fmt = rounded.adder.rule.format
    clamped: NDArray[np.bool_] = (np.abs(exact) > fmt.max_finite) & (size >= fmt.max_finite)
    clamped &= np.isfinite(exact) & np.isfinite(size)
    if isinstance(fmt, FloatFormat) and clamped.any():
        # Half of a sum just beyond the range is rounded as the sum is without a bound.
        half = rounded.adder.round(exact / 2, rounded.position)
        clamped &= ~(np.abs(half) <= fmt.max_finite / 2)
    return clamped
