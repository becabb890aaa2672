"""The order of additions of one output: what makes a result bit-exact."""

from __future__ import annotations

from dataclasses import dataclass

from accelsim.formats import NumberFormat


@dataclass(frozen=True, slots=True)
class ReductionOrder:
    """In what order, and with which roundings between, k products become one sum.

    Two schedules with equal reduction orders give equal bits.

    Parameters
    ----------
    k : int
        Products.
    chunk_size : int
        Products per chunk; the last may be short.
    fused : int
        Consecutive products that enter one addition; 1 means one by one.
    segments : tuple of (start, stop)
        Ranges of k that are reduced independently, one after the other listed by
        core; a single segment (0, k) unless k is split across cores.
    tree_format : NumberFormat or None
        Format of the additions that combine the segments, in listed order; None
        for a single segment.
    """

    k: int
    chunk_size: int
    fused: int
    segments: tuple[tuple[int, int], ...]
    tree_format: NumberFormat | None = None
