"""Vector ops that join tensors, move elements, and look rows up.

What they compute is in `accelsim.workload.shape_functions`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelsim.numerics.vector_ops_arithmetic import Arithmetic
from accelsim.workload.ops import Attribute
from accelsim.workload.shape_functions import aligned_shape

Array = NDArray[np.floating[Any]]
Attributes = Mapping[str, Attribute]
Function = Callable[[Sequence[Array], Attributes, Arithmetic], Array]


def together(*arrays: Array) -> list[Array]:
    """Return arrays with axes of extent 1 after the batch, so that NumPy broadcasts samples.

    Examples
    --------
    >>> [x.shape for x in together(np.zeros((2, 3, 4)), np.zeros((2, 4)))]
    [(2, 3, 4), (2, 1, 4)]
    """
    rank = max(x.ndim for x in arrays)
    return [x.reshape(aligned_shape(x.shape, rank)) for x in arrays]


def broadcast_sum(x: Array, shape: tuple[int, ...], arithmetic: Arithmetic) -> Array:
    """Return the sum along the axes where `shape` has 1 and `x` more, in index order from +0.

    Each addition is rounded; the axes are walked like the digits of a number, the last one
    fastest. NaN and infinity go through.

    Examples
    --------
    >>> broadcast_sum(np.ones((2, 3, 4)), (2, 1, 4), Arithmetic(None))[0, 0]
    array([3., 3., 3., 3.])
    """
    summed = [axis for axis, extent in enumerate(shape) if extent == 1 and x.shape[axis] > 1]
    if not summed:
        return x
    kept = [axis for axis in range(x.ndim) if axis not in summed]
    terms = x.transpose(*summed, *kept).reshape(-1, *(x.shape[axis] for axis in kept))
    return arithmetic.sum(terms).reshape(shape)


def embedding(ids: Array, table: Array) -> Array:
    """Return row id of (rows, features) for every id; NaN for an id that is no row.

    Examples
    --------
    >>> embedding(np.array([[1.0, 0.0]]), np.array([[10.0, 11.0], [20.0, 21.0]]))
    array([[[20., 21.],
            [10., 11.]]])
    """
    rows, known = _rows(ids, len(table))
    found = table[rows]
    return found if known.all() else np.where(known[..., None], found, found.dtype.type(np.nan))


def embedding_backward(error: Array, ids: Array, rows: int, arithmetic: Arithmetic) -> Array:
    """Return (rows, features): each row the sum of the errors whose id it is.

    Errors are added in the order of the ids, the last axis fastest, from +0, each
    addition rounded. An id that is no row goes nowhere.
    """
    features = error.shape[-1]
    errors = arithmetic.cast(error).reshape(-1, features)
    flat, known = _rows(ids.reshape(-1), rows)
    places = np.flatnonzero(known)
    places = places[np.argsort(flat[places], kind="stable")]
    targets = flat[places]
    total = np.zeros((rows, features), dtype=arithmetic.carrier)
    starts = np.flatnonzero(np.diff(targets, prepend=-1))
    turns = np.arange(len(targets)) - np.repeat(starts, np.diff(starts, append=len(targets)))
    for turn in range(int(turns.max(initial=-1)) + 1):  # the n-th error of every row at once
        mine = turns == turn
        total[targets[mine]] = arithmetic.add(total[targets[mine]], errors[places[mine]])
    return total


def _rows(ids: Array, rows: int) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Return ids as whole rows, and whether each is one."""
    known = (ids >= 0) & (ids < rows) & (ids == np.floor(ids))
    return np.where(known, ids, 0).astype(np.intp), known


def _binary(operation: Callable[[Arithmetic, Array, Array], Array]) -> Function:
    def call(inputs: Sequence[Array], _attributes: Attributes, arithmetic: Arithmetic) -> Array:
        a, b = together(*inputs)
        return operation(arithmetic, a, b)

    return call


def _divide_backward(inputs: Sequence[Array], _attrs: Attributes, arithmetic: Arithmetic) -> Array:
    error, y, b = together(*inputs)
    return arithmetic.divide(arithmetic.multiply(-error, y), b)


def _negate(inputs: Sequence[Array], _attributes: Attributes, _arithmetic: Arithmetic) -> Array:
    return -inputs[0]


def _expand(inputs: Sequence[Array], attributes: Attributes, _arithmetic: Arithmetic) -> Array:
    shape = _extents(attributes["shape"])
    aligned = inputs[0].reshape(aligned_shape(inputs[0].shape, len(shape)))
    return np.ascontiguousarray(np.broadcast_to(aligned, shape))


def _broadcast_sum(
    inputs: Sequence[Array], attributes: Attributes, arithmetic: Arithmetic
) -> Array:
    return broadcast_sum(inputs[0], _extents(attributes["shape"]), arithmetic)


def _transpose(inputs: Sequence[Array], attributes: Attributes, _arithmetic: Arithmetic) -> Array:
    return np.ascontiguousarray(inputs[0].transpose(_extents(attributes["axes"])))


def _concat(inputs: Sequence[Array], attributes: Attributes, _arithmetic: Arithmetic) -> Array:
    return np.concatenate(inputs, axis=_whole(attributes["axis"]))


def _places(attributes: Attributes) -> tuple[slice, ...]:
    taken = slice(*(_whole(attributes[name]) for name in ("start", "stop", "step")))
    return (*(slice(None),) * _whole(attributes["axis"]), taken)


def _slice(inputs: Sequence[Array], attributes: Attributes, _arithmetic: Arithmetic) -> Array:
    return np.ascontiguousarray(inputs[0][_places(attributes)])


def _slice_backward(
    inputs: Sequence[Array], attributes: Attributes, _arithmetic: Arithmetic
) -> Array:
    error, axis = inputs[0], _whole(attributes["axis"])
    shape = (*error.shape[:axis], _whole(attributes["extent"]), *error.shape[axis + 1 :])
    whole = np.zeros(shape, dtype=error.dtype)
    whole[_places(attributes)] = error
    return whole


def _embedding(inputs: Sequence[Array], _attributes: Attributes, _arithmetic: Arithmetic) -> Array:
    return embedding(inputs[0], inputs[1])


def _embedding_backward(
    inputs: Sequence[Array], attributes: Attributes, arithmetic: Arithmetic
) -> Array:
    return embedding_backward(inputs[0], inputs[1], _whole(attributes["rows"]), arithmetic)


def _whole(value: Attribute) -> int:
    assert isinstance(value, int), "a lowered extent is a whole number"
    return value


def _extents(value: Attribute) -> tuple[int, ...]:
    assert isinstance(value, tuple), "a lowered shape is a tuple"
    return tuple(_whole(one) for one in value)


#: Functions of this file by name.
SHAPES: Mapping[str, Function] = MappingProxyType(
    {
        "add": _binary(Arithmetic.add),
        "broadcast_sum": _broadcast_sum,
        "concat": _concat,
        "divide": _binary(Arithmetic.divide),
        "divide_backward": _divide_backward,
        "embedding": _embedding,
        "embedding_backward": _embedding_backward,
        "expand": _expand,
        "multiply": _binary(Arithmetic.multiply),
        "negate": _negate,
        "slice": _slice,
        "slice_backward": _slice_backward,
        "subtract": _binary(Arithmetic.subtract),
        "transpose": _transpose,
    }
)
