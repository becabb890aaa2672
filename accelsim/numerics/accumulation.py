"""The definition of every accumulator: plain NumPy, one product after the other.

Every faster path of this package must give the bits that these functions give.
They never reorder: the last axis of `products` is k, in the order of the
schedule. All roundings are those of `accelsim.formats`, applied to exact sums.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from accelsim.errors import ConfigError
from accelsim.formats import NumberFormat, Rounding
from accelsim.formats.random_bits import Site, StreamKey
from accelsim.numerics.addition import AdditionRule, Float64Array, Outputs, as_float64, odd_sum_3
from accelsim.numerics.aligned import add_aligned
from accelsim.numerics.exact_sum import exact_odd_sum
from accelsim.numerics.integer import accumulate_integer
from accelsim.precision import AccumulationMethod, Accumulator, PairRule, arithmetic_format

#: Sums one chunk: (products of the chunk, index of its first product) -> sums.
ChunkSum = Callable[[Float64Array, int], Float64Array]


def accumulate(
    products: Float64Array,
    accumulator: Accumulator,
    *,
    key: StreamKey | None = None,
    outputs: Outputs | None = None,
) -> Float64Array:
    """Sum products as an accumulator does.

    Parameters
    ----------
    products : float64 array, shape (..., k)
        Exact products in schedule order. Where the accumulator names a product
        format they are rounded to it first, nearest-even.
    accumulator : Accumulator
        Formats, chunk size, method and roundings.
    key, outputs : optional
        Random stream of stochastic rounding, and row and column of every sum in
        it; default: the position in the result, the last axis being the column.

    Returns
    -------
    float64 array, shape (...)
        The sums; each a value of `accumulator.outer` (of the integer, for the
        integer method). NaN and infinity propagate; overflow follows the
        formats, or saturates where the accumulator says so; k = 0 gives +0. An
        exact zero is +0 in every rounding mode, unless both addends are -0.

    Raises
    ------
    ConfigError, DataError
        If stochastic rounding has no key, a format is too wide to be an
        accumulator, or the integer method meets a product that is no integer.

    Examples
    --------
    Ones stop counting at 1024 in ten significant bits: half a step, ties to even.

    >>> ones = np.ones(4096)
    >>> float(accumulate(ones, Accumulator(format="fp16_e6m9")))
    1024.0
    >>> float(accumulate(ones, Accumulator(format="fp16_e6m9", chunk_size=64)))
    4096.0

    References
    ----------
    N. Wang et al., "Training Deep Neural Networks with 8-bit Floating Point
    Numbers", NeurIPS 2018: chunk-based accumulation.
    """
    terms = as_float64(products)
    if accumulator.product is not None:
        terms = as_float64(accumulator.product.quantize(terms, rounding=Rounding.NEAREST_EVEN))
    names = Outputs.of_shape(terms.shape[:-1]) if outputs is None else outputs
    if accumulator.method is AccumulationMethod.INTEGER:
        return accumulate_integer(terms, accumulator)
    outer = outer_rule(accumulator)
    if accumulator.method is AccumulationMethod.EXACT:
        return outer.round(exact_odd_sum(terms), 0, key, names)
    chunk_sum = _chunk_sum(accumulator, key, names)
    total = np.zeros(terms.shape[:-1])
    length = accumulator.chunk_length(terms.shape[-1])
    for chunk, start in enumerate(range(0, terms.shape[-1], length)):
        total = outer.add(
            total, chunk_sum(terms[..., start : start + length], start), chunk, key, names
        )
    return total


def accumulate_chunked(
    products: Float64Array,
    *,
    chunk_size: int | None,
    inner: NumberFormat | str,
    outer: NumberFormat | str,
    rounding: Rounding = Rounding.NEAREST_EVEN,
    key: StreamKey | None = None,
) -> Float64Array:
    """Sum products with a two-level, chunked, sequential accumulator.

    The last axis is cut into runs of `chunk_size` products. Each run is added
    one product at a time in `inner`; the run sums are then added, first to
    last, in `outer`. A short form of `accumulate`, which see.

    Raises
    ------
    ConfigError, UnknownNameError
        If a format is not known, or no sum can be in it.

    Examples
    --------
    >>> ones = np.ones(4096)
    >>> half = dict(inner="fp16_e5m10", outer="fp16_e5m10")
    >>> float(accumulate_chunked(ones, chunk_size=4096, **half))
    2048.0
    >>> float(accumulate_chunked(ones, chunk_size=64, **half))
    4096.0
    """
    accumulator = Accumulator(
        inner=arithmetic_format(inner),
        outer=arithmetic_format(outer),
        chunk_size=chunk_size,
        rounding=rounding,
    )
    return accumulate(products, accumulator, key=key)


def inner_rule(accumulator: Accumulator, site: Site = Site.INNER) -> AdditionRule:
    """Return what happens to a sum inside a chunk."""
    return AdditionRule(
        format=accumulator.inner,
        rounding=accumulator.rounding,
        saturate=accumulator.saturate,
        random_bits=accumulator.random_bits,
        site=site,
    )


def outer_rule(accumulator: Accumulator) -> AdditionRule:
    """Return what happens to a sum over chunks."""
    return AdditionRule(
        format=accumulator.outer,
        rounding=accumulator.resolved_outer_rounding,
        saturate=accumulator.saturate,
        random_bits=accumulator.random_bits,
        site=Site.OUTER,
    )


def _chunk_sum(accumulator: Accumulator, key: StreamKey | None, names: Outputs) -> ChunkSum:
    """Return the function that sums one chunk."""
    rule = inner_rule(accumulator)
    match accumulator.method:
        case AccumulationMethod.SEQUENTIAL if accumulator.pair is PairRule.FUSED:
            size = accumulator.pair_size
            return lambda terms, start: _fused(terms, start, rule, size, key, names)
        case AccumulationMethod.SEQUENTIAL:
            return lambda terms, start: _sequential(terms, start, rule, key, names)
        case AccumulationMethod.TREE:
            node_rule = inner_rule(accumulator, Site.TREE)
            return lambda terms, start: _tree(terms, start, node_rule, key, names)
        case AccumulationMethod.ROUND_ONCE:
            return lambda terms, start: rule.round(exact_odd_sum(terms), start, key, names)
        case AccumulationMethod.ALIGNED:
            group, bits = accumulator.aligned_group, accumulator.aligned_fraction_bits
            return lambda terms, start: _aligned(terms, start, rule, group, bits, key, names)
        case _:
            raise ConfigError(f"{accumulator.method} has no sum per chunk.")


def _sequential(
    terms: Float64Array, start: int, rule: AdditionRule, key: StreamKey | None, names: Outputs
) -> Float64Array:
    """Add one product after the other."""
    total = np.zeros(terms.shape[:-1])
    for i in range(terms.shape[-1]):
        total = rule.add(total, terms[..., i], start + i, key, names)
    return total


def _fused(
    terms: Float64Array,
    start: int,
    rule: AdditionRule,
    size: int,
    key: StreamKey | None,
    names: Outputs,
) -> Float64Array:
    """Add `size` products at a time exactly to the sum, and round once."""
    total = np.zeros(terms.shape[:-1])
    for i in range(0, terms.shape[-1], size):
        group = terms[..., i : i + size]
        if group.shape[-1] == 1:
            total = rule.add(total, group[..., 0], start + i, key, names)
            continue
        if group.shape[-1] == 2:
            exact = odd_sum_3(total, group[..., 0], group[..., 1])
        else:
            exact = exact_odd_sum(np.concatenate([total[..., None], group], axis=-1))
        total = rule.round(exact, start + i, key, names)
    return total


def _tree(
    terms: Float64Array, start: int, rule: AdditionRule, key: StreamKey | None, names: Outputs
) -> Float64Array:
    """Add neighbours pairwise, level by level, each node rounded.

    A node without a neighbour is added to +0. Nodes are numbered level by level
    from ``2 * start``, which names their random bits.
    """
    level = [terms[..., i] for i in range(terms.shape[-1])]
    zero = np.zeros(terms.shape[:-1])
    node = 2 * start
    while True:
        level += [zero] * (len(level) % 2)
        pairs = list(zip(level[0::2], level[1::2], strict=True))
        level = [rule.add(a, b, node + i, key, names) for i, (a, b) in enumerate(pairs)]
        node += len(level)
        if len(level) == 1:
            return level[0]


def _aligned(
    terms: Float64Array,
    start: int,
    rule: AdditionRule,
    group: int,
    fraction_bits: int,
    key: StreamKey | None,
    names: Outputs,
) -> Float64Array:
    """Add groups of products that are aligned to their largest and truncated."""
    total = np.zeros(terms.shape[:-1])
    for i in range(0, terms.shape[-1], group):
        members = np.concatenate([total[..., None], terms[..., i : i + group]], axis=-1)
        total = rule.round(add_aligned(members, fraction_bits), start + i, key, names)
    return total
