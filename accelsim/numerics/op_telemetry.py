"""What is known about the arithmetic of one GEMM besides its values.

Which path its formats and operands allow, and, from a second pass over a seeded
sample of its outputs, what its additions lost.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelsim.formats import NumberFormat
from accelsim.formats.random_bits import StreamKey
from accelsim.numerics.operands import OperandFacts, ProductFacts
from accelsim.numerics.paths import PathChoice, choose_path
from accelsim.numerics.reduction import Array, in_chunks_of, in_order_of
from accelsim.numerics.telemetry import AdditionCounts, count_additions, is_countable
from accelsim.precision import Accumulator
from accelsim.schedule.reduction_order import ReductionOrder

#: Outputs of each GEMM whose additions are repeated and counted.
SAMPLED_OUTPUTS = 64


def allowed_path(
    a: Array, b: Array, formats: tuple[NumberFormat, NumberFormat], accumulator: Accumulator
) -> PathChoice:
    """Return the fastest path that is proved right for these operands, and why.

    Parameters
    ----------
    a, b : array (..., m, k) and (..., k, n)
        Members of `formats`.
    formats : (NumberFormat, NumberFormat)
    accumulator : Accumulator

    Examples
    --------
    >>> from accelsim.formats import get_format
    >>> fp8 = get_format("fp8_e5m2")
    >>> ones = np.ones((4, 4), np.float32)
    >>> acc = Accumulator(format="fp16_e6m9", chunk_size=64)
    >>> str(allowed_path(ones, ones, (fp8, fp8), acc).name)
    'fast'
    """
    facts_a, facts_b = _facts(a, formats[0]), _facts(b, formats[1])
    return choose_path(ProductFacts.of(facts_a, facts_b, a.shape[-1]), accumulator)


def count_in_order(
    a: Array,
    b: Array,
    accumulator: Accumulator,
    order: ReductionOrder | None,
    *,
    key: StreamKey,
    sample: int = SAMPLED_OUTPUTS,
) -> AdditionCounts | None:
    """Count what the additions of sampled outputs lose, in the order of a schedule.

    Parameters
    ----------
    a, b : array
        (groups, m, k) and (groups, k, n).
    accumulator : Accumulator
    order : ReductionOrder or None
        None is plain k order with the accumulator's own chunks.
    key : StreamKey
        Chooses the outputs, and names the random bits of stochastic additions.
    sample : int
        Outputs to look at.

    Returns
    -------
    AdditionCounts or None
        None for accumulators that do not add one product after the other. Additions
        that join the segments of a reduction split across cores are not counted.
    """
    ordered = accumulator
    segments: tuple[tuple[int, int], ...] = ((0, a.shape[-1]),)
    if order is not None and order.segments:
        ordered, segments = in_chunks_of(accumulator, order), order.segments
        a, b = in_order_of(a, b, order)
    if not is_countable(ordered):
        return None
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


def _facts(x: NDArray[np.floating[Any]], fmt: NumberFormat) -> OperandFacts:
    """Return what the format promises and the largest magnitude; else what the data shows."""
    amax = float(max(np.max(x, initial=0.0), -np.min(x, initial=0.0)))
    promised = OperandFacts.of_format(fmt, amax=amax)
    if promised is None or not np.isfinite(amax):
        return OperandFacts.of_data(np.ascontiguousarray(x))
    return promised
