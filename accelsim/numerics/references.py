"""The float64 reading of a trace: what the ops mean without narrow formats.

Two references come from the same functions. `error_local` of an op compares it
with its own quantised inputs computed in float64, without rounding the output:
what this op alone lost. `error_total` compares it with the whole network in
float64 from unrounded weights and inputs: what all ops so far lost together.

In the whole-network reading a ``store`` stores nothing and its scale is 1.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelsim.formats import NumberFormat
from accelsim.numerics.lifetimes import as_seen, last_uses, operand_names, result_names
from accelsim.numerics.vector_ops_arithmetic import Arithmetic
from accelsim.numerics.vector_ops_dispatch import compute_vector_op, parts_of, store_scale
from accelsim.workload.ops import Gemm, Op, VectorOp
from accelsim.workload.trace import Trace

Array = NDArray[np.floating[Any]]

#: Float64 without further rounding.
EXACT = Arithmetic(None)


def reference_gemm(a: Array, b: Array) -> NDArray[np.float64]:
    """Return the product in float64: (groups, m, k) by (groups, k, n) gives (groups, m, n).

    The order of additions is BLAS's; NaN and infinity go through.
    """
    with np.errstate(all="ignore"):
        product = np.matmul(a.astype(np.float64, copy=False), b.astype(np.float64, copy=False))
    return np.asarray(product, dtype=np.float64)


def local_vector_op(
    op: VectorOp, inputs: Sequence[Array], target: NumberFormat
) -> tuple[Array, ...]:
    """Return the float64 results of a vector op on inputs as they are stored.

    Parameters
    ----------
    op : VectorOp
    inputs : sequence of array
        As stored, hence with the op's own roundings in them.
    target : NumberFormat
        Format of the first output; a scaled store takes its scale from it.
    """
    result = compute_vector_op(op, [x.astype(np.float64, copy=False) for x in inputs], EXACT)
    scale = store_scale(op, inputs, target)
    if scale is None:
        return (result,)
    return result * scale, np.array([scale])


def total_op(op: Op, inputs: Sequence[Array]) -> tuple[Array, ...]:
    """Return the float64 results of an op in the whole-network reading."""
    if isinstance(op, Gemm):
        product = reference_gemm(op.a.view.gather(inputs[0]), op.b.view.gather(inputs[1]))
        return (op.out.view.scatter(product),)
    result = compute_vector_op(op, as_seen(op, inputs), EXACT)
    return (*parts_of(op, result), np.ones(1))[: len(op.outputs)]


def total_reference(
    trace: Trace, tensors: Mapping[str, Array], *, keep: Collection[str] = ()
) -> dict[str, Array]:
    """Execute a whole trace in float64 on unrounded inputs and parameters.

    Parameters
    ----------
    trace : Trace
    tensors : mapping from str to array
        Unrounded contents of the trace's inputs and parameters; scales of
        parameters need not be there.
    keep : collection of str
        Tensors to return besides the trace's outputs.

    Returns
    -------
    dict from str to float64 array
        The outputs and the tensors of `keep`.
    """
    wanted = {*trace.outputs, *keep}
    scales = {parameter.scale for parameter in trace.parameters}
    alive: dict[str, Array] = {}
    ends = last_uses(trace.ops)
    for index, op in enumerate(trace.ops):
        for name in operand_names(op):
            if name not in alive:
                alive[name] = np.ones(1) if name in scales else as_float64(tensors[name])
        results = total_op(op, [alive[name] for name in operand_names(op)])
        alive.update(zip(result_names(op), results, strict=True))
        for name in ends[index] - wanted:
            del alive[name]
    return {name: alive[name].reshape(trace.shapes.get(name, alive[name].shape)) for name in wanted}


def as_float64(x: Array) -> NDArray[np.float64]:
    """Return `x` in float64, itself if it already is."""
    return np.asarray(x, dtype=np.float64)
