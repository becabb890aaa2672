"""Element-wise vector ops computed and stored block by block, on several threads.

Such an op needs no tensor between its arithmetic and its store: a block of rows is read,
rounded as often as the op says, rounded to the stored format, and written.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelsim.formats import Rounding
from accelsim.formats.random_bits import StreamKey
from accelsim.numerics.row_blocks import BLOCK_ELEMENTS, fill_rows
from accelsim.numerics.storage import store_tensor
from accelsim.numerics.vector_ops_arithmetic import Arithmetic
from accelsim.numerics.vector_ops_dispatch import compute_vector_op, is_scaled, makes_parts
from accelsim.precision import TensorStorage
from accelsim.workload.ops import TensorInfo, VectorOp
from accelsim.workload.vector_functions import VECTOR_FUNCTIONS

Array = NDArray[np.floating[Any]]


def stored_by_rows(
    op: VectorOp, inputs: Sequence[Array], info: TensorInfo, *, key: StreamKey, threads: int
) -> Array | None:
    """Return what an op stores, computed by blocks of rows.

    Parameters
    ----------
    op : VectorOp
    inputs : sequence of array
        As the op sees them.
    info : TensorInfo
        Of its output.
    key : StreamKey
        Of the op.
    threads : int
        Never changes a bit.

    Returns
    -------
    array or None
        None for an op that has to see its tensors whole, or whose tensors are small, and
        for one thread, which would gain less than the copy of each block costs.
    """
    if threads == 1 or not _may_be_cut(op, inputs, info):
        return None
    columns = inputs[0].shape[-1]
    is_cut = [x.shape == inputs[0].shape for x in inputs]
    seen = [x.reshape(-1, columns) if cut else x for x, cut in zip(inputs, is_cut, strict=True)]
    arithmetic = Arithmetic(op.compute_format)

    def stored(part: slice) -> Array:
        block = [x[part] if cut else x for x, cut in zip(seen, is_cut, strict=True)]
        result = compute_vector_op(op, block, arithmetic)
        return store_tensor(
            result, info.format, rounding=op.rounding, overflow=op.overflow, key=key
        )

    out = np.empty(seen[0].shape, info.format.value_dtype)
    return fill_rows(stored, out, threads=threads).reshape(info.shape)


def _may_be_cut(op: VectorOp, inputs: Sequence[Array], info: TensorInfo) -> bool:
    """Return whether every row of the output depends on that row of the inputs alone.

    Formats with scales look at the whole tensor, and random bits have the names of its rows.
    """
    shape = inputs[0].shape
    return (
        VECTOR_FUNCTIONS[op.function].elementwise
        and not makes_parts(op)
        and not is_scaled(op)
        and op.rounding is not Rounding.STOCHASTIC
        and not isinstance(info.format, TensorStorage)
        and math.prod(info.shape) == math.prod(shape) >= 2 * BLOCK_ELEMENTS
        and len(shape) > 1
        and info.shape[-1] == shape[-1]
        and all(x.shape in (shape, (1,), shape[-1:]) for x in inputs)
    )
