"""The functions of the vector unit that join tensors, move elements, and look rows up.

The conventions are those of `accelsim.workload.vector_functions`. Two shapes *broadcast*
as in NumPy, sample by sample: axes after the batch are aligned at the last one, and an
extent of 1 stands for any other.

====================== =============== =====================================================
function               inputs          result
====================== =============== =====================================================
``add``                a, b            round(a + b)
``subtract``           a, b            round(a - b)
``multiply``           a, b            round(a * b)
``divide``             a, b            round(a / b)
``divide_backward``    error, y, b     round(round(-error * y) / b): the error of b in y = a / b
``negate``             x               -x, exact
``expand``             x               x repeated along axes of extent 1 to ``shape``, exact
``broadcast_sum``      x               the ordered rounded sum along the axes that ``shape``
                                       has an extent of 1 for, in index order
``transpose``          x               the axes in the order ``axes``, exact
``concat``             x, ...          one after the other along ``axis``, exact
``slice``              x               elements ``start``, ``start + step``, ... before ``stop``
                                       along ``axis``, exact
``slice_backward``     error           zeros of ``extent`` along ``axis``, and the error in the
                                       places that a ``slice`` took, exact
``embedding``          ids, table      row ``id`` of the table for every id, exact
``embedding_backward`` error, ids      a table of ``rows`` rows; each is the ordered rounded sum
                                       of the errors whose id it is, in the order of the ids
====================== =============== =====================================================

Attributes: those named above; ``axes`` and ``axis`` count the batch as axis 0.

What only moves elements still passes each of them through a lane, once. An ``embedding``
reads the rows that it gives, not the whole table; a row that is no row of the table is NaN.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from accelsim.workload.ops import Attribute, VectorOp
from accelsim.workload.vector_function import VectorFunction, per_input, per_output

Shape = tuple[int, ...]
Attributes = Mapping[str, Attribute]
_TAKEN = ("axis", "start", "step", "stop")

SHAPE_FUNCTIONS = (
    VectorFunction("add", ("a", "b"), ("y",), (), True, per_output),
    VectorFunction("subtract", ("a", "b"), ("y",), (), True, per_output),
    VectorFunction("multiply", ("a", "b"), ("y",), (), True, per_output),
    VectorFunction("divide", ("a", "b"), ("y",), (), True, per_output),
    VectorFunction("divide_backward", ("error", "y", "b"), ("y",), (), True, per_output),
    VectorFunction("negate", ("x",), ("y",), (), True, per_output),
    VectorFunction("expand", ("x",), ("y",), ("shape",), False, per_output),
    VectorFunction("broadcast_sum", ("x",), ("y",), ("shape",), False, per_input),
    VectorFunction("transpose", ("x",), ("y",), ("axes",), False, per_output),
    VectorFunction("concat", ("x",), ("y",), ("axis",), False, per_output, is_variadic=True),
    VectorFunction("slice", ("x",), ("y",), _TAKEN, False, per_output),
    VectorFunction("slice_backward", ("error",), ("y",), ("extent", *_TAKEN), False, per_output),
    VectorFunction("embedding", ("ids", "table"), ("y",), (), False, per_output, gathers=True),
    VectorFunction("embedding_backward", ("error", "ids"), ("y",), ("rows",), False, per_input),
)


def aligned_shape(shape: Shape, rank: int) -> Shape:
    """Return a shape with extents of 1 after the batch, so that it has `rank` axes.

    Examples
    --------
    >>> aligned_shape((2, 5), 4)
    (2, 1, 1, 5)
    """
    return (*shape[:1], *(1,) * (rank - len(shape)), *shape[1:])


def broadcast_shape(shapes: Sequence[Shape]) -> Shape | None:
    """Return the shape that tensors have together, or None where they do not fit.

    Examples
    --------
    >>> broadcast_shape([(2, 3, 4), (2, 4), (2, 3, 1)])
    (2, 3, 4)
    >>> broadcast_shape([(2, 3), (2, 4)]) is None
    True
    """
    rank = max(map(len, shapes))
    together = []
    for extents in zip(*(aligned_shape(shape, rank) for shape in shapes), strict=True):
        wide = {extent for extent in extents if extent != 1}
        if len(wide) > 1:
            return None
        together.append(wide.pop() if wide else 1)
    return tuple(together)


def joint_shape_problem(
    op: VectorOp, inputs: Sequence[Shape], outputs: Sequence[Shape]
) -> str | None:
    """Return what is wrong with the shapes of an op of `JOINT_FUNCTIONS`, in a sentence, or None.

    Parameters
    ----------
    op : VectorOp
    inputs, outputs : sequence of tuple of int
        Shapes of the tensors.
    """
    try:
        made = _RULES[op.function](inputs, dict(op.attributes))
    except (TypeError, ValueError, IndexError):  # attributes of a damaged file
        made = None
    if made is None:
        return f"{op.function} cannot take the shapes {list(inputs)} with the attributes it has."
    if outputs[0] != made:
        return f"its output has the shape {outputs[0]}, not {made}."
    return None


def _broadcast(inputs: Sequence[Shape], _attributes: Attributes) -> Shape | None:
    return broadcast_shape(inputs)


def _same(inputs: Sequence[Shape], _attributes: Attributes) -> Shape | None:
    return inputs[0]


def _extents(attributes: Attributes, name: str) -> Shape:
    value = attributes[name]
    if not isinstance(value, tuple) or not all(type(one) is int for one in value):
        raise TypeError(f"{name} is no tuple of whole numbers")
    return tuple(int(one) for one in value)


def _expand(inputs: Sequence[Shape], attributes: Attributes) -> Shape | None:
    shape = _extents(attributes, "shape")
    return shape if broadcast_shape([inputs[0], shape]) == shape else None


def _broadcast_sum(inputs: Sequence[Shape], attributes: Attributes) -> Shape | None:
    shape = _extents(attributes, "shape")
    fits = len(shape) == len(inputs[0]) and broadcast_shape([inputs[0], shape]) == inputs[0]
    return shape if fits else None


def _transpose(inputs: Sequence[Shape], attributes: Attributes) -> Shape | None:
    axes = _extents(attributes, "axes")
    if sorted(axes) != list(range(len(inputs[0]))):
        return None
    return tuple(inputs[0][axis] for axis in axes)


def _concat(inputs: Sequence[Shape], attributes: Attributes) -> Shape | None:
    axis = attributes["axis"]
    if type(axis) is not int:
        return None
    rest = {(*shape[:axis], 0, *shape[axis + 1 :]) for shape in inputs}
    if len(rest) != 1 or not 0 <= axis < len(inputs[0]):
        return None
    whole = sum(shape[axis] for shape in inputs)
    return (*inputs[0][:axis], whole, *inputs[0][axis + 1 :])


def _taken(attributes: Attributes) -> tuple[int, range]:
    axis, start, step, stop = (attributes[name] for name in _TAKEN)
    if not all(type(value) is int for value in (axis, start, step, stop)):
        raise TypeError("a slice is described by whole numbers")
    return int(axis), range(int(start), int(stop), int(step))  # type: ignore[arg-type]


def _slice(inputs: Sequence[Shape], attributes: Attributes) -> Shape | None:
    axis, taken = _taken(attributes)
    shape = inputs[0]
    if not 0 <= axis < len(shape) or not len(taken) or taken.step < 1:
        return None
    if taken.start < 0 or taken[-1] >= shape[axis]:
        return None
    return (*shape[:axis], len(taken), *shape[axis + 1 :])


def _slice_backward(inputs: Sequence[Shape], attributes: Attributes) -> Shape | None:
    axis, _ = _taken(attributes)
    extent = attributes["extent"]
    if type(extent) is not int or not 0 <= axis < len(inputs[0]):
        return None
    whole = (*inputs[0][:axis], extent, *inputs[0][axis + 1 :])
    return whole if _slice((whole,), attributes) == inputs[0] else None


def _embedding(inputs: Sequence[Shape], _attributes: Attributes) -> Shape | None:
    ids, table = inputs
    return (*ids, table[1]) if len(table) == 2 else None


def _embedding_backward(inputs: Sequence[Shape], attributes: Attributes) -> Shape | None:
    error, ids = inputs
    rows = attributes["rows"]
    return (rows, error[-1]) if error[:-1] == ids and type(rows) is int else None


_RULES: Mapping[str, Callable[[Sequence[Shape], Attributes], Shape | None]] = MappingProxyType(
    {
        "add": _broadcast,
        "broadcast_sum": _broadcast_sum,
        "concat": _concat,
        "divide": _broadcast,
        "divide_backward": _broadcast,
        "embedding": _embedding,
        "embedding_backward": _embedding_backward,
        "expand": _expand,
        "multiply": _broadcast,
        "negate": _same,
        "slice": _slice,
        "slice_backward": _slice_backward,
        "subtract": _broadcast,
        "transpose": _transpose,
    }
)
#: Functions whose shapes are judged here.
JOINT_FUNCTIONS = frozenset(_RULES)
