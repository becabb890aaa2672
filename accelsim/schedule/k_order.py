"""In which order the positions of k are added, where that is not plain k order. Order is data.

k runs over (kernel_y, kernel_x, channel), last fastest. An order nests the same
three differently, or cuts one of them in two; written as loops, outermost first,
each with its number of iterations and the distance in k between two of them, it
is a handful of integers whatever the length of k.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class KLoop:
    """One loop over k: `count` iterations, `stride` positions of k apart."""

    count: int
    stride: int


#: Loops over k, outermost first; none at all is plain k order.
KNest = tuple[KLoop, ...]


def k_nest(loops: Sequence[tuple[int, int]]) -> KNest:
    """Return the nest of (count, stride) loops in its only form.

    Loops of one iteration are left out and loops that continue each other are
    joined, so that equal orders are equal objects; plain k order is empty.

    Examples
    --------
    Two kernel rows of three channels each, channels outside: k = 0, 3, 1, 4, 2, 5.

    >>> k_nest([(3, 1), (2, 3)])
    (KLoop(count=3, stride=1), KLoop(count=2, stride=3))
    >>> k_nest([(2, 3), (3, 1)])
    ()
    """
    joined: list[KLoop] = []
    for count, stride in loops:
        if count == 1:
            continue
        if joined and joined[-1].stride == count * stride:
            joined[-1] = KLoop(joined[-1].count * count, stride)
        else:
            joined.append(KLoop(count, stride))
    plain = len(joined) == 1 and joined[0].stride == 1
    return () if plain else tuple(joined)


def covers(nest: KNest, k: int) -> bool:
    """Return whether a nest visits each of `k` positions exactly once.

    It does if its loops, sorted by stride, continue each other from 1 up to k.
    """
    reach = 1
    for loop in sorted(nest, key=lambda loop: loop.stride):
        if loop.stride != reach:
            return False
        reach *= loop.count
    return reach == k if nest else True


def positions_in_order(nest: KNest, k: int) -> NDArray[np.int64]:
    """Return the k positions in the order of their additions, shape (k,).

    Raises
    ------
    ValueError
        If the nest does not visit each of the `k` positions once.
    """
    if not nest:
        return np.arange(k)
    if not covers(nest, k):
        raise ValueError(f"the loops {nest} do not visit {k} positions once each")
    order = np.zeros(1, dtype=np.int64)
    for loop in nest:
        order = (order[:, None] + np.arange(loop.count) * loop.stride).ravel()
    return order


def position_at(nest: KNest, index: int) -> int:
    """Return the k position of the product that is added as number `index`, from 0."""
    if not nest:
        return index
    at = 0
    inside = prod(loop.count for loop in nest)
    for loop in nest:
        inside //= loop.count
        digit, index = divmod(index, inside)
        at += digit * loop.stride
    return at
