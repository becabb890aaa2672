"""The definition of every accumulator: plain NumPy, one product after the other.

Every faster path of this package must give the bits that these functions give.
They never reorder: the last axis of `products` is k, in the order of the
schedule. All roundings are those of `accelsim.formats`, applied to exact sums.
Chunks start from zero each, so that whole ones may be summed side by side.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np

from accelsim.errors import ConfigError
from accelsim.formats import NumberFormat, Rounding
from accelsim.formats.random_bits import Site, StreamKey
from accelsim.numerics.adder import Adder, Watch
from accelsim.numerics.addition import AdditionRule, Float64Array, Outputs, as_float64
from accelsim.numerics.integer import accumulate_integer
from accelsim.precision import AccumulationMethod, Accumulator, PairRule, arithmetic_format

#: Sums one chunk: (products of the chunk, index of its first product) -> sums.
ChunkSum = Callable[[Float64Array, int], Float64Array]
#: Chunk sums that are formed side by side: many for one call of NumPy, few enough for a cache.
SIDE_BY_SIDE = 1 << 12


def accumulate(
    products: Float64Array,
    accumulator: Accumulator,
    *,
    key: StreamKey | None = None,
    outputs: Outputs | None = None,
    watch: Watch | None = None,
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
    watch : Watch, optional
        Is told of every addition; changes no bit.

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
        return accumulate_integer(terms, accumulator, watch=watch)
    outer = Adder(outer_rule(accumulator), names, key, watch)
    if accumulator.method is AccumulationMethod.EXACT:
        return outer.sum_once(terms, 0)
    site = Site.TREE if accumulator.method is AccumulationMethod.TREE else Site.INNER
    inner = Adder(inner_rule(accumulator, site), names, key, watch)
    total = np.zeros(terms.shape[:-1])
    for chunk, part in enumerate(_chunk_sums(terms, accumulator, inner)):
        total = outer.add(total, part, chunk)
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


def _chunk_sums(
    terms: Float64Array, accumulator: Accumulator, adder: Adder
) -> Iterator[Float64Array]:
    """Yield the sum of every chunk, first to last.

    Where random bits depend on the position each chunk is summed alone.
    """
    sum_chunk = _chunk_sum(accumulator, adder)
    *shape, k = terms.shape
    length = accumulator.chunk_length(k)
    at_once = min(k // length, SIDE_BY_SIDE // max(1, math.prod(shape)))
    alone = accumulator.rounding is Rounding.STOCHASTIC or at_once < 2
    whole, block = (0, length) if alone else (k // length * length, at_once * length)
    for start in range(0, whole, block):
        chunks = terms[..., start : min(start + block, whole)]
        chunks = chunks.reshape(*shape, chunks.shape[-1] // length, length)
        yield from np.moveaxis(sum_chunk(chunks, start), -1, 0)
    for start in range(whole, k, length):
        yield sum_chunk(terms[..., start : start + length], start)


def _chunk_sum(accumulator: Accumulator, adder: Adder) -> ChunkSum:
    """Return the function that sums one chunk."""
    match accumulator.method:
        case AccumulationMethod.SEQUENTIAL:
            fused = accumulator.pair is PairRule.FUSED
            size = accumulator.pair_size if fused else 1
            return lambda terms, start: _in_turn(terms, start, adder, size)
        case AccumulationMethod.TREE:
            return lambda terms, start: _tree(terms, start, adder)
        case AccumulationMethod.ROUND_ONCE:
            return adder.sum_once
        case AccumulationMethod.ALIGNED:
            group, bits = accumulator.aligned_group, accumulator.aligned_fraction_bits
            return lambda terms, start: _aligned(terms, start, adder, group, bits)
        case _:
            raise ConfigError(f"{accumulator.method} has no sum per chunk.")


def _in_turn(terms: Float64Array, start: int, adder: Adder, size: int) -> Float64Array:
    """Add `size` products at a time, fused where that is more than one, to the sum."""
    total = np.zeros(terms.shape[:-1])
    for i in range(0, terms.shape[-1], size):
        group = terms[..., i : i + size]
        if group.shape[-1] == 1:
            total = adder.add(total, group[..., 0], start + i)
        else:
            total = adder.add_group(total, group, start + i)
    return total


def _tree(terms: Float64Array, start: int, adder: Adder) -> Float64Array:
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
        level = [adder.join(a, b, node + i) for i, (a, b) in enumerate(pairs)]
        node += len(level)
        if len(level) == 1:
            return level[0]


def _aligned(
    terms: Float64Array, start: int, adder: Adder, group: int, fraction_bits: int
) -> Float64Array:
    """Add groups of products that are aligned to their largest and truncated."""
    total = np.zeros(terms.shape[:-1])
    for i in range(0, terms.shape[-1], group):
        addends = terms[..., i : i + group]
        total = adder.add_aligned(total, addends, start + i, fraction_bits=fraction_bits)
    return total
