"""One dot product on fractions: the slow definition behind the definition.

Nothing here rounds but `NumberFormat.round_scalar`, on exact numbers. It shares
no arithmetic with `accelsim.numerics.accumulate`; both must give the same bits.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from accelsim.errors import ConfigError
from accelsim.formats import NumberFormat, Overflow, Rounding
from accelsim.formats.random_bits import Site, StreamKey, random_bits
from accelsim.formats.scalar import floor_log2
from accelsim.precision import AccumulationMethod, Accumulator, IntegerOverflow, PairRule

#: An exact number: a fraction, or a float that is NaN, infinite or -0.
Exact = Fraction | float


def dot_scalar(
    a: Sequence[float],
    b: Sequence[float],
    accumulator: Accumulator,
    *,
    key: StreamKey | None = None,
    row: int = 0,
    column: int = 0,
) -> float:
    """Return the dot product of two vectors, as one output element of a `matmul`.

    Parameters
    ----------
    a, b : sequences of float, length k
        The operands in schedule order.
    accumulator : Accumulator
        How products are summed.
    key, row, column : optional
        Stream and name of the output element, for stochastic rounding.

    Returns
    -------
    float
        The sum. NaN and infinity propagate; k = 0 gives +0; an exact zero is +0
        unless both addends are -0.

    Examples
    --------
    >>> dot_scalar([32.0, 1.25], [32.0, 1.5], Accumulator(format="fp16_e6m9"))
    1026.0
    """
    products = [_product(x, y, accumulator.product) for x, y in zip(a, b, strict=True)]
    if accumulator.method is AccumulationMethod.INTEGER:
        return float(_integer(products, accumulator))
    outer = _Rounder(
        accumulator.outer,
        accumulator.resolved_outer_rounding,
        accumulator,
        Site.OUTER,
        key,
        row,
        column,
    )
    if accumulator.method is AccumulationMethod.EXACT:
        return float(outer.round(_sum(products), 0)) if products else 0.0
    site = Site.TREE if accumulator.method is AccumulationMethod.TREE else Site.INNER
    inner = _Rounder(accumulator.inner, accumulator.rounding, accumulator, site, key, row, column)
    total: Exact = Fraction(0)
    length = accumulator.chunk_length(len(products))
    for chunk, start in enumerate(range(0, len(products), length)):
        part = _chunk(products[start : start + length], start, accumulator, inner)
        total = outer.round(_sum([total, part]), chunk)
    return float(total)


@dataclass(frozen=True, slots=True)
class _Rounder:
    """Rounds exact sums of one output element at one site."""

    format: NumberFormat
    rounding: Rounding
    accumulator: Accumulator
    site: Site
    key: StreamKey | None
    row: int
    column: int

    def round(self, x: Exact, position: int) -> Exact:
        """Round once; the result is exact again."""
        count = self.accumulator.random_bits
        bits = None
        if self.rounding is Rounding.STOCHASTIC:
            if self.key is None:
                raise ConfigError("Stochastic rounding needs a key: randomness is explicit.")
            drawn = random_bits(
                self.key, self.site, self.row, self.column, position=position, count=count
            )
            bits = int(drawn)
        value = self.format.round_scalar(
            x,
            rounding=self.rounding,
            overflow=Overflow.SATURATE if self.accumulator.saturate else None,
            random_bits=bits,
            random_bit_count=count,
        )
        return _exact(value)


def _exact(value: float) -> Exact:
    """Return a float as a fraction where that loses nothing."""
    if not math.isfinite(value) or (value == 0 and math.copysign(1.0, value) < 0):
        return value
    return Fraction(value)


def _product(x: float, y: float, fmt: NumberFormat | None) -> Exact:
    """Return the exact product, rounded to nearest where a product format is given."""
    if not (math.isfinite(x) and math.isfinite(y)) or (x * y == 0 and (x == 0 or y == 0)):
        product = _exact(x * y)
    else:
        product = Fraction(x) * Fraction(y)
    if fmt is None:
        return product
    return _exact(fmt.round_scalar(product, rounding=Rounding.NEAREST_EVEN))


def _sum(terms: Iterable[Exact]) -> Exact:
    """Add exactly; NaN and infinity as in IEEE 754."""
    known = list(terms)
    special = [t for t in known if isinstance(t, float) and not math.isfinite(t)]
    if special:
        return sum(special)
    if known and all(isinstance(t, float) for t in known):
        return -0.0
    return sum((Fraction(t) for t in known), Fraction(0))


def _chunk(
    products: Sequence[Exact], start: int, accumulator: Accumulator, inner: _Rounder
) -> Exact:
    """Return the sum of one chunk."""
    match accumulator.method:
        case AccumulationMethod.ROUND_ONCE:
            return inner.round(_sum(products), start)
        case AccumulationMethod.TREE:
            return _tree(products, 2 * start, inner)
        case AccumulationMethod.ALIGNED:
            return _aligned(products, start, accumulator, inner)
    size = accumulator.pair_size if accumulator.pair is PairRule.FUSED else 1
    total: Exact = Fraction(0)
    for i in range(0, len(products), size):
        total = inner.round(_sum([total, *products[i : i + size]]), start + i)
    return total


def _tree(products: Sequence[Exact], node: int, inner: _Rounder) -> Exact:
    """Add neighbours pairwise, level by level; a lone node is added to +0."""
    level = list(products)
    while True:
        if len(level) % 2:
            level.append(Fraction(0))
        level = [
            inner.round(_sum(level[2 * i : 2 * i + 2]), node + i) for i in range(len(level) // 2)
        ]
        node += len(level)
        if len(level) == 1:
            return level[0]


def _aligned(
    products: Sequence[Exact], start: int, accumulator: Accumulator, inner: _Rounder
) -> Exact:
    """Add groups of terms cut off below their largest exponent."""
    total: Exact = Fraction(0)
    for i in range(0, len(products), accumulator.aligned_group):
        terms = [total, *products[i : i + accumulator.aligned_group]]
        exact = _sum(terms)
        if not isinstance(exact, float):
            fractions = [Fraction(t) for t in terms]
            top = max((floor_log2(abs(f)) for f in fractions if f), default=0)
            step = Fraction(2) ** (top - accumulator.aligned_fraction_bits)
            exact = sum((math.trunc(f / step) * step for f in fractions), Fraction(0))
        elif exact == 0:
            exact = Fraction(0)
        total = inner.round(exact, start + i)
    return total


def _integer(products: Sequence[Exact], accumulator: Accumulator) -> int:
    """Add integers in a register."""
    total = 0
    length = accumulator.chunk_length(len(products))
    for start in range(0, len(products), length):
        part = 0
        for product in products[start : start + length]:
            part = _fit(part + int(product), accumulator)
        total = _fit(total + part, accumulator)
    return total


def _fit(x: int, accumulator: Accumulator) -> int:
    """Wrap or clamp to the register."""
    half = 1 << (accumulator.integer_bits - 1)
    if accumulator.integer_overflow is IntegerOverflow.WRAP:
        return (x + half) % (2 * half) - half
    return min(max(x, -half), half - 1)
