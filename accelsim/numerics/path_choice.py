"""The names of the ways to compute a matrix product, and the record of a choice."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelsim.numerics import rules


class PathName(StrEnum):
    """The ways to compute a matrix product."""

    #: Float32 carrier, nearest-even by splitting; overflow impossible.
    FAST = "fast"
    #: As fast, clamped or poisoned at the largest number.
    BOUNDED = "bounded"
    #: Float32 carrier, nearest-even on the format's own subnormal grid.
    GRID = "grid"
    #: Float32 carrier, ties away from zero.
    AWAY = "away"
    #: Float32 itself, in order.
    ORDERED = "ordered"
    #: Float64 carrier, stochastic, sums exact before rounding.
    STOCHASTIC = "stochastic"
    #: Float32 inside a chunk, in order; a narrow outer accumulator.
    MIXED = "mixed"
    #: BLAS: every sum is exact, so its order does not matter; then one rounding or wrapping.
    BLAS = "blas"
    #: Integers in float64, saturated in order.
    CLAMPED = "clamped"
    #: Float64 carrier: several products, or a whole chunk, are added exactly before a rounding.
    GROUPED = "grouped"
    #: Float64 carrier: groups cut off below their largest term's last fraction bit.
    ALIGNED = "aligned"
    #: A tree of rounded additions inside a chunk.
    TREE = "tree"
    #: Float64 carrier, nearest-even on the format's own subnormal grid; overflow impossible.
    WIDE = "wide"
    #: Float64 carrier with a sticky bit: any format and rounding.
    GENERAL = "general"
    #: The float32 rules in NumPy, where Numba is missing.
    TILED = "tiled"
    #: The NumPy definition.
    DEFINITION = "definition"


@dataclass(frozen=True, slots=True)
class PathChoice:
    """Which path computes a product, and why no faster one does.

    Parameters
    ----------
    name : PathName
        The path.
    reasons : tuple of str
        What was proved, and what kept faster paths away.
    inner, outer : Rule, optional
        The constants of the kernels; None for paths that need none.
    """

    name: PathName
    reasons: tuple[str, ...]
    inner: rules.Rule | None = None
    outer: rules.Rule | None = None

    def __str__(self) -> str:
        """Return the path and its reasons in one line."""
        return f"{self.name} path; {'; '.join(self.reasons)}"

    def because(self, reason: str, name: PathName | None = None) -> PathChoice:
        """Return the choice with one more reason, and another name where that changes it."""
        return replace(self, name=name or self.name, reasons=(*self.reasons, reason))

    @property
    def is_wide(self) -> bool:
        """Whether the carrier is float64."""
        rule = self.inner.rounding if isinstance(self.inner, rules.TreeSum) else self.inner
        return not isinstance(rule, rules.Rule32 | rules.Ordered32 | rules.Stochastic32)

    @property
    def is_stochastic(self) -> bool:
        """Whether a kernel needs random words."""
        random = (rules.Stochastic64, rules.Stochastic32, rules.StochasticThreshold64)
        inner = self.inner.rounding if isinstance(self.inner, rules.ChunkRule) else self.inner
        return isinstance(inner, random) or isinstance(self.outer, random)

    @property
    def may_skip_zeros(self) -> bool:
        """Whether adding a zero product changes nothing: nearest rounding, -0 immaterial."""
        return isinstance(self.inner, rules.Rule32)

    @property
    def may_transpose(self) -> bool:
        """Whether a kernel may compute the transposed product: no output has a name in it."""
        return self.inner is not None and not self.is_stochastic

    @property
    def is_poisoned(self) -> bool:
        """Whether kernels mark overflow instead of following the format's rule."""
        inner = self.inner.rounding if isinstance(self.inner, rules.TreeSum) else self.inner
        return any(
            isinstance(rule, rules.Rule32 | rules.Odd32) and isinstance(rule.bound, rules.Poisoned)
            for rule in (inner, self.outer)
        )


@dataclass(frozen=True, slots=True)
class Product:
    """A matrix product, and how it was computed.

    Parameters
    ----------
    values : array, shape (..., m, n)
        The sums.
    path : PathChoice
        The path that ran, and why; of a sum in several parts that of the first part.
    """

    values: NDArray[np.floating[Any]]
    path: PathChoice
