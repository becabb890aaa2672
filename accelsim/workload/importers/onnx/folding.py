"""Nodes whose inputs are all constant, computed in NumPy when a file is read.

Exporters leave arithmetic on shapes and on weights in a graph. What it makes is
bounded: a result that would be too large is refused before it is made, and what only
repeats or rearranges a tensor is a view of it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

import numpy as np

from accelsim.workload.importers.onnx.draft import CannotModelError
from accelsim.workload.importers.onnx.model import Array, OnnxModel, OnnxNode, Shape
from accelsim.workload.importers.onnx.shape_rules import (
    axes_of,
    flattened_shape,
    reshape_target,
    slice_index,
    split_sizes,
    squeezed_shape,
    unsqueezed_shape,
)

#: Elements of one folded tensor that are stored anew: 512 MiB of float32.
MAX_FOLDED_ELEMENTS = 2**27
#: Memory of all constants that are computed when a file is read: so much in any case, or
#: as many times the constants of the file.
MIN_FOLDED_BYTES, MAX_FOLDED_SHARE = 256 * 2**20, 4
#: Axes of an array.
MAX_RANK = 32

Arrays = Sequence[Array]
Fold = Callable[[OnnxNode, Arrays, int], Array | tuple[Array, ...]]

#: ONNX's numbers of element types, as NumPy's names; what is missing is not folded.
_TYPES = {
    1: "float32", 2: "uint8", 3: "int8", 4: "uint16", 5: "int16", 6: "int32", 7: "int64",
    9: "bool", 10: "float16", 11: "float64", 12: "uint32", 13: "uint64", 16: "float32",
}  # fmt: skip


def fold(node: OnnxNode, inputs: Arrays, opset: int) -> tuple[Array, ...]:
    """Compute a node on constants.

    Parameters
    ----------
    node : OnnxNode
        Its operator is a key of `FOLDS`.
    inputs : sequence of array
        What it reads; an array of no elements stands for an input that is left out.
    opset : int
        Version of ONNX's operators.

    Returns
    -------
    tuple of array
        The outputs. Division by zero and overflow give what NumPy gives.

    Raises
    ------
    CannotModelError
        If the inputs do not fit, or the result would be too large.
    """
    try:
        with np.errstate(all="ignore"):
            made = FOLDS[node.op](node, inputs, opset)
    except (ValueError, IndexError, TypeError, KeyError, OverflowError, MemoryError) as error:
        raise CannotModelError("its constants do not fit") from error
    return made if isinstance(made, tuple) else (made,)


class Budget:
    """Counts the memory of constants that are made, up to a bound."""

    def __init__(self, constants: Iterable[Array]) -> None:
        self._left = max(MIN_FOLDED_BYTES, MAX_FOLDED_SHARE * sum(a.nbytes for a in constants))

    def count(self, arrays: Arrays) -> None:
        """Count arrays; those that are views of others cost nothing.

        Raises
        ------
        CannotModelError
            If all together take too much.
        """
        self._left -= sum(array.nbytes for array in arrays if array.base is None)
        if self._left < 0:
            raise CannotModelError("what is made of constants takes too much memory")


def with_folded(model: OnnxModel, budget: Budget) -> OnnxModel:
    """Return a model without the nodes that constants alone decide.

    A node that cannot be folded stays; the walk over the graph says why.
    """
    constants = dict(model.constants)
    kept = []
    for node in model.nodes:
        names = [name for name in node.inputs if name]
        if node.op not in FOLDS or not names or any(name not in constants for name in names):
            kept.append(node)
            continue
        try:
            given = [constants[name] if name else np.empty(0) for name in node.inputs]
            made = fold(node, given, model.opset)
            budget.count(made)
        except CannotModelError:
            kept.append(node)
            continue
        constants.update(zip(node.outputs, made, strict=False))
    return replace(model, nodes=tuple(kept), constants=constants)


def bounded(shape: Shape) -> Shape:
    """Return a shape that a folded tensor may have.

    Raises
    ------
    CannotModelError
        If it has too many elements or axes.
    """
    if len(shape) > MAX_RANK or math.prod(shape) > MAX_FOLDED_ELEMENTS:
        raise CannotModelError(f"a constant of shape {list(shape)} is too large to be made")
    return shape


def _elementwise(function: Callable[..., Array]) -> Fold:
    def made(_node: OnnxNode, inputs: Arrays, _opset: int) -> Array:
        bounded(np.broadcast_shapes(*(array.shape for array in inputs)))
        result = function(*inputs)
        kind = inputs[0].dtype
        keeps = result.dtype.kind != "b" and kind.kind != "b"
        return np.asarray(result, dtype=kind if keeps else None)

    return made


def _divided(a: Array, b: Array) -> Array:
    """Divide; whole numbers are cut off toward zero, as in C."""
    if a.dtype.kind in "iu":
        return np.trunc(np.true_divide(a, b)).astype(a.dtype)
    return np.asarray(a / b)


def _where(_node: OnnxNode, inputs: Arrays, _opset: int) -> Array:
    bounded(np.broadcast_shapes(*(array.shape for array in inputs)))
    return np.where(inputs[0], inputs[1], inputs[2])


def _cast(node: OnnxNode, inputs: Arrays, _opset: int) -> Array:
    bounded(inputs[0].shape)
    return inputs[0].astype(_TYPES[int(node.attributes["to"])])


def _constant_of_shape(node: OnnxNode, inputs: Arrays, _opset: int) -> Array:
    value = node.get("value", np.zeros(1, np.float32))
    shape = tuple(int(extent) for extent in inputs[0].reshape(-1))
    if len(shape) > MAX_RANK or min(shape, default=0) < 0 or math.prod(shape) > 2**40:
        raise CannotModelError(f"a constant of shape {list(shape)} is too large to be made")
    return np.broadcast_to(value.reshape(()), shape)


def _range(_node: OnnxNode, inputs: Arrays, _opset: int) -> Array:
    start, limit, step = (array.reshape(()).item() for array in inputs)
    bounded((max(0, math.ceil((limit - start) / step)),))
    return np.arange(start, limit, step, dtype=inputs[0].dtype)


def _concat(node: OnnxNode, inputs: Arrays, _opset: int) -> Array:
    bounded((sum(array.size for array in inputs),))
    return np.concatenate(inputs, axis=int(node.attributes["axis"]))


def _gather(node: OnnxNode, inputs: Arrays, _opset: int) -> Array:
    data, indices = inputs
    axis = int(node.get("axis", 0))
    rest = data.size // max(1, data.shape[axis])
    bounded((indices.size, rest))
    return np.take(data, indices.astype(np.int64), axis=axis)


def _gather_elements(node: OnnxNode, inputs: Arrays, _opset: int) -> Array:
    data, indices = inputs
    bounded(indices.shape)
    return np.take_along_axis(data, indices.astype(np.int64), int(node.get("axis", 0)))


def _gather_nd(node: OnnxNode, inputs: Arrays, _opset: int) -> Array:
    data, indices = inputs
    if node.get("batch_dims", 0):
        raise CannotModelError("it gathers within batches")
    bounded((indices.size, *data.shape[indices.shape[-1] :]))
    return np.asarray(data[tuple(np.moveaxis(indices.astype(np.int64), -1, 0))])


def _slice(node: OnnxNode, inputs: Arrays, opset: int) -> Array:
    return inputs[0][slice_index(node, inputs[0].shape, inputs[1:], opset)]


def _split(node: OnnxNode, inputs: Arrays, _opset: int) -> tuple[Array, ...]:
    axis = int(node.get("axis", 0))
    sizes = split_sizes(node, inputs[0].shape[axis], inputs[1:])
    return tuple(np.split(inputs[0], np.cumsum(sizes)[:-1], axis=axis))


def _reshape(node: OnnxNode, inputs: Arrays, _opset: int) -> Array:
    return inputs[0].reshape(reshape_target(node, inputs[0].shape, inputs[1]))


def _flatten(node: OnnxNode, inputs: Arrays, _opset: int) -> Array:
    return inputs[0].reshape(flattened_shape(node, inputs[0].shape))


def _squeeze(node: OnnxNode, inputs: Arrays, _opset: int) -> Array:
    return inputs[0].reshape(squeezed_shape(inputs[0].shape, axes_of(node, inputs[1:])))


def _unsqueeze(node: OnnxNode, inputs: Arrays, _opset: int) -> Array:
    axes = axes_of(node, inputs[1:]) or ()
    return inputs[0].reshape(unsqueezed_shape(inputs[0].shape, axes))


def _transpose(node: OnnxNode, inputs: Arrays, _opset: int) -> Array:
    return inputs[0].transpose(node.get("perm", None))


def _expand(_node: OnnxNode, inputs: Arrays, _opset: int) -> Array:
    wanted = tuple(int(extent) for extent in inputs[1].reshape(-1))
    return np.broadcast_to(inputs[0], np.broadcast_shapes(inputs[0].shape, wanted))


def _tile(_node: OnnxNode, inputs: Arrays, _opset: int) -> Array:
    repeats = tuple(int(count) for count in inputs[1].reshape(-1))
    bounded(tuple(a * b for a, b in zip(inputs[0].shape, repeats, strict=True)))
    return np.tile(inputs[0], repeats)


def _shape(node: OnnxNode, inputs: Arrays, _opset: int) -> Array:
    shape = inputs[0].shape
    return np.array(shape[slice(node.get("start", None), node.get("end", None))], np.int64)


def _reduced(function: Callable[..., Array]) -> Fold:
    def made(node: OnnxNode, inputs: Arrays, _opset: int) -> Array:
        axes = axes_of(node, inputs[1:])
        keep = bool(node.get("keepdims", 1))
        return np.asarray(function(inputs[0], axis=axes, keepdims=keep), inputs[0].dtype)

    return made


def _trilu(node: OnnxNode, inputs: Arrays, _opset: int) -> Array:
    bounded(inputs[0].shape)
    offset = int(inputs[1].reshape(())) if len(inputs) > 1 and inputs[1].size else 0
    return (np.triu if node.get("upper", 1) else np.tril)(inputs[0], offset)


def _cumulative(_node: OnnxNode, inputs: Arrays, _opset: int) -> Array:
    bounded(inputs[0].shape)
    return np.cumsum(inputs[0], axis=int(inputs[1].reshape(())), dtype=inputs[0].dtype)


def _matmul(_node: OnnxNode, inputs: Arrays, _opset: int) -> Array:
    a, b = inputs
    bounded((a.size // max(1, a.shape[-1]), b.size // max(1, b.shape[-1 if b.ndim < 2 else -2])))
    return np.asarray(np.matmul(a, b))


def _dequantized(node: OnnxNode, inputs: Arrays, _opset: int) -> Array:
    x, scale = inputs[0], inputs[1]
    zero = inputs[2] if len(inputs) > 2 and inputs[2].size else np.zeros(1, x.dtype)
    bounded(x.shape)
    if scale.size > 1:
        shape = [1] * x.ndim
        shape[int(node.get("axis", 1))] = scale.size
        scale, zero = scale.reshape(shape), zero.reshape(shape) if zero.size > 1 else zero
    return np.asarray((x.astype(np.float32) - zero.astype(np.float32)) * scale, np.float32)


#: Operators that are computed when a file is read, if all that they read is constant.
FOLDS: Mapping[str, Fold] = MappingProxyType(
    {
        "Abs": _elementwise(np.abs),
        "Add": _elementwise(np.add),
        "And": _elementwise(np.logical_and),
        "Cast": _cast,
        "Ceil": _elementwise(np.ceil),
        "Concat": _concat,
        "ConstantOfShape": _constant_of_shape,
        "Cos": _elementwise(np.cos),
        "CumSum": _cumulative,
        "DequantizeLinear": _dequantized,
        "Div": _elementwise(_divided),
        "Equal": _elementwise(np.equal),
        "Exp": _elementwise(np.exp),
        "Expand": _expand,
        "Flatten": _flatten,
        "Floor": _elementwise(np.floor),
        "Gather": _gather,
        "GatherElements": _gather_elements,
        "GatherND": _gather_nd,
        "Greater": _elementwise(np.greater),
        "GreaterOrEqual": _elementwise(np.greater_equal),
        "Identity": lambda _node, inputs, _opset: inputs[0],
        "IsInf": _elementwise(np.isinf),
        "IsNaN": _elementwise(np.isnan),
        "Less": _elementwise(np.less),
        "LessOrEqual": _elementwise(np.less_equal),
        "Log": _elementwise(np.log),
        "MatMul": _matmul,
        "Max": _elementwise(lambda *arrays: np.maximum.reduce(np.broadcast_arrays(*arrays))),
        "Min": _elementwise(lambda *arrays: np.minimum.reduce(np.broadcast_arrays(*arrays))),
        "Mod": _elementwise(np.mod),
        "Mul": _elementwise(np.multiply),
        "Neg": _elementwise(np.negative),
        "Not": _elementwise(np.logical_not),
        "Or": _elementwise(np.logical_or),
        "Pow": _elementwise(np.power),
        "Range": _range,
        "Reciprocal": _elementwise(np.reciprocal),
        "ReduceMax": _reduced(np.max),
        "ReduceMean": _reduced(np.mean),
        "ReduceMin": _reduced(np.min),
        "ReduceProd": _reduced(np.prod),
        "ReduceSum": _reduced(np.sum),
        "Reshape": _reshape,
        "Shape": _shape,
        "Sin": _elementwise(np.sin),
        "Size": lambda _node, inputs, _opset: np.array(inputs[0].size, np.int64),
        "Slice": _slice,
        "Split": _split,
        "Sqrt": _elementwise(np.sqrt),
        "Squeeze": _squeeze,
        "Sub": _elementwise(np.subtract),
        "Tile": _tile,
        "Transpose": _transpose,
        "Trilu": _trilu,
        "Unsqueeze": _unsqueeze,
        "Where": _where,
    }
)
