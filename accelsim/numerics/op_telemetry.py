"""What the additions of one GEMM lost: a second pass over a seeded sample of its outputs."""

from __future__ import annotations

from accelsim.formats.random_bits import StreamKey
from accelsim.numerics.reduction import Array, in_chunks_of, in_order_of
from accelsim.numerics.telemetry import AdditionCounts, count_additions
from accelsim.precision import Accumulator
from accelsim.schedule.reduction_order import ReductionOrder

#: Outputs of each GEMM whose additions are repeated and counted.
SAMPLED_OUTPUTS = 64


def count_in_order(
    a: Array,
    b: Array,
    accumulator: Accumulator,
    order: ReductionOrder | None,
    *,
    key: StreamKey,
    sample: int = SAMPLED_OUTPUTS,
) -> AdditionCounts:
    """Count what the additions of sampled outputs lose, in the order of a schedule.

    Parameters
    ----------
    a, b : array
        (groups, m, k) and (groups, k, n).
    accumulator : Accumulator
        Any.
    order : ReductionOrder or None
        None is plain k order with the accumulator's own chunks.
    key : StreamKey
        Chooses the outputs, and names the random bits of stochastic additions.
    sample : int
        Outputs to look at.

    Returns
    -------
    AdditionCounts
        Those of the accumulator. Additions that join the segments of a reduction split
        across cores are made elsewhere, and are not counted.
    """
    ordered = accumulator
    segments: tuple[tuple[int, int], ...] = ((0, a.shape[-1]),)
    if order is not None and order.segments:
        ordered, segments = in_chunks_of(accumulator, order), order.segments
        a, b = in_order_of(a, b, order)
    first, *others = (
        count_additions(
            a[..., start:stop],
            b[..., start:stop, :],
            ordered,
            sample=sample,
            seed=key.seed + key.op,
            key=key,
        )
        for start, stop in segments
    )
    return sum(others, first)
