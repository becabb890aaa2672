"""A GEMM in the order of a schedule.

A `ReductionOrder` says in which order the positions of k are visited, where chunks
end, how many products enter one addition, and into which segments k is split across
cores. The accumulator says what the
additions are. This module brings the two together.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from accelsim.errors import ShapeError, UnsupportedError
from accelsim.formats import NumberFormat, Rounding
from accelsim.formats.random_bits import StreamKey
from accelsim.numerics.gemm import multiply_matrices
from accelsim.numerics.path_choice import Product
from accelsim.numerics.vector_ops_arithmetic import Arithmetic
from accelsim.precision import Accumulator, PairRule
from accelsim.schedule.k_order import positions_in_order
from accelsim.schedule.reduction_order import ReductionOrder

Array = NDArray[np.floating[Any]]


class Ordered(Protocol):
    """Anything that fixes the order of additions of a GEMM, such as a `Schedule`."""

    def reduction_order(self) -> ReductionOrder:
        """Return the order in which the products of an output are added."""


def reduce_in_order(
    a: Array,
    b: Array,
    accumulator: Accumulator,
    order: ReductionOrder | None,
    *,
    formats: tuple[NumberFormat, NumberFormat] | None = None,
    threads: int = 1,
    key: StreamKey | None = None,
) -> Product:
    """Return the product of two stacks of matrices, added in `order`, and the path that ran.

    Parameters
    ----------
    a, b : array
        (groups, m, k) and (groups, k, n), members of formats that the accumulator takes.
    accumulator : Accumulator
    order : ReductionOrder or None
        None is plain k order with the accumulator's own chunks.
    formats : (NumberFormat, NumberFormat), optional
        Of `a` and `b`; saves measuring them.
    threads : int
        Never changes a bit.
    key : StreamKey, optional
        Names the random bits of stochastic additions.

    Returns
    -------
    Product
        Values (groups, m, n): members of the accumulator's outer format, or of the
        order's tree format where k is split.

    Raises
    ------
    ShapeError
        If the order is not one of k products.
    UnsupportedError
        For a split reduction with stochastic additions.
    """
    if _is_cheaper_transposed(a, b, accumulator):
        swapped = None if formats is None else (formats[1], formats[0])
        product = reduce_in_order(
            b.swapaxes(1, 2), a.swapaxes(1, 2), accumulator, order,
            formats=swapped, threads=threads, key=key,
        )  # fmt: skip
        return replace(product, values=product.values.swapaxes(1, 2))
    a_format, b_format = formats or (None, None)
    part = partial(
        multiply_matrices, a_format=a_format, b_format=b_format, threads=threads, key=key
    )
    if order is None:
        return part(a, b, accumulator)
    if order.k != a.shape[2]:
        raise ShapeError(f"The schedule orders {order.k} products; the operands have {a.shape[2]}.")
    a, b = in_order_of(a, b, order)
    ordered = in_chunks_of(accumulator, order)
    if len(order.segments) <= 1:
        return part(a, b, ordered)
    if Rounding.STOCHASTIC in (ordered.rounding, ordered.resolved_outer_rounding):
        raise UnsupportedError(
            "A reduction that is split across cores needs a deterministic accumulator:"
            " the positions of its random bits are defined for one segment only."
        )
    tree = Arithmetic(order.tree_format)
    sums = [
        part(a[:, :, start:stop], b[:, start:stop, :], ordered) for start, stop in order.segments
    ]
    total = tree.enter(sums[0].values)
    for segment in sums[1:]:
        total = tree.add(total, tree.enter(segment.values))
    return Product(total, sums[0].path.because(f"{len(sums)} segments of k are added afterwards"))


def _is_cheaper_transposed(a: Array, b: Array, accumulator: Accumulator) -> bool:
    """Return whether the transposed product reads its operands more nearly as they lie.

    Its sums are the same. Its left operand, `b` transposed, must be the smaller one to lay
    out anew, and there must be no random bits, whose names follow rows and columns.
    """
    roundings = (accumulator.rounding, accumulator.resolved_outer_rounding)
    lies_transposed = abs(a.strides[2]) > abs(a.strides[1])
    return lies_transposed and b.size < a.size and Rounding.STOCHASTIC not in roundings


def in_order_of(a: Array, b: Array, order: ReductionOrder) -> tuple[Array, Array]:
    """Return the operands with k in the order of the additions."""
    if not order.nest:
        return a, b
    places = positions_in_order(order.nest, order.k)
    return a[:, :, places], b[:, places, :]


def in_chunks_of(accumulator: Accumulator, order: ReductionOrder) -> Accumulator:
    """Return the accumulator with the chunks and the fusing of the order."""
    changes: dict[str, Any] = {}
    if accumulator.chunk_length(order.k) != order.chunk_size:
        changes["chunk_size"] = order.chunk_size
    fused = accumulator.pair_size if accumulator.pair is PairRule.FUSED else 1
    if fused != order.fused:
        changes["pair"] = PairRule.FUSED if order.fused > 1 else PairRule.SEQUENTIAL
        changes["pair_size"] = order.fused
    return accumulator.model_copy(update=changes) if changes else accumulator
