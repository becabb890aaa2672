"""Products whose sums are all exact: BLAS in any order, then what the definition does last.

Valid where `accelsim.numerics.chunk_paths` has proved that every sum of products,
in any order, is exact in float64.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelsim.formats.random_bits import StreamKey
from accelsim.numerics.accumulation import outer_rule
from accelsim.numerics.addition import Float64Array, Outputs
from accelsim.numerics.integer import wrap
from accelsim.precision import AccumulationMethod, Accumulator, IntegerOverflow

_Array = NDArray[np.floating[Any]]


def multiply_exactly(
    a: _Array, b: _Array, accumulator: Accumulator, *, in_float32: bool, key: StreamKey | None
) -> Float64Array:
    """Multiply (batch, m, k) by (batch, k, n) and round or wrap the exact sums once.

    A sum that is zero is +0.
    """
    dtype = np.float32 if in_float32 else np.float64
    # BLAS may give -0 where all products are -0.
    sums = np.matmul(a.astype(dtype, copy=False), b.astype(dtype, copy=False)) + dtype(0.0)
    exact: Float64Array = sums.astype(np.float64, copy=False)
    if accumulator.method is AccumulationMethod.INTEGER:
        if accumulator.integer_overflow is IntegerOverflow.SATURATE:
            return exact
        return wrap(exact.astype(np.int64), accumulator.integer_bits).astype(np.float64)
    batches, m, n = exact.shape
    names = Outputs(np.arange(batches * m).reshape(batches, m, 1), np.arange(n))
    return outer_rule(accumulator).round(exact, 0, key, names)
