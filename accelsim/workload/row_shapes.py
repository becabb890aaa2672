"""Which shapes the vector ops of transformers may have that work on rows of a sequence."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from accelsim.workload.ops import Attribute, VectorOp

Shape = tuple[int, ...]
Attributes = Mapping[str, Attribute]
#: Takes the shapes of the inputs; returns that of the output, or None where they do not fit.
_Rule = Callable[[Sequence[Shape], Attributes], Shape | None]


def row_shape_problem(
    op: VectorOp, inputs: Sequence[Shape], outputs: Sequence[Shape]
) -> str | None:
    """Return what is wrong with the shapes of an op of `ROW_FUNCTIONS`, in a sentence, or None.

    Parameters
    ----------
    op : VectorOp
    inputs, outputs : sequence of tuple of int
        Shapes of the tensors, as many as the op names.
    """
    if any(len(shape) < 1 for shape in inputs) or len(inputs[0]) < 2:
        return f"{op.function} works on rows and is given the shapes {list(inputs)}."
    made = _RULES[op.function](inputs, dict(op.attributes))
    if made is None:
        return f"{op.function} cannot take the shapes {list(inputs)} with the attributes it has."
    if outputs[0] != made:
        return f"its output has the shape {outputs[0]}, not {made}."
    return None


def _masked(inputs: Sequence[Shape], _attributes: Attributes) -> Shape | None:
    x, mask = inputs
    if len(x) != 4 or mask not in ((x[0], x[2], x[3]), (x[0], 1, x[3])):
        return None
    return x


def _with_table(inputs: Sequence[Shape], attributes: Attributes) -> Shape | None:
    x, table = inputs
    fits = len(table) == 2 and table[1] == x[-1] and _whole(attributes, "offset") >= 0
    return x if fits and _whole(attributes, "offset") + x[-2] <= table[0] else None


def _table(inputs: Sequence[Shape], attributes: Attributes) -> Shape | None:
    (x,) = inputs
    rows, offset = _whole(attributes, "rows"), _whole(attributes, "offset")
    return (rows, x[-1]) if offset >= 0 and offset + x[-2] <= rows else None


def _one_more(inputs: Sequence[Shape], _attributes: Attributes) -> Shape | None:
    x, row = inputs
    return (*x[:-2], x[-2] + 1, x[-1]) if row == x[-1:] else None


def _together(inputs: Sequence[Shape], _attributes: Attributes) -> Shape | None:
    past, x = inputs
    if len(past) != len(x) or (*past[:-2], past[-1]) != (*x[:-2], x[-1]):
        return None
    return (*x[:-2], past[-2] + x[-2], x[-1])


def _fewer(inputs: Sequence[Shape], attributes: Attributes) -> Shape | None:
    (x,) = inputs
    rest = x[-2] - _whole(attributes, "count")
    return (*x[:-2], rest, x[-1]) if 0 < rest <= x[-2] else None


def _row(inputs: Sequence[Shape], _attributes: Attributes) -> Shape | None:
    return inputs[0][-1:]


def _whole(attributes: Attributes, name: str) -> int:
    """Return a whole number; -1, which fits nowhere, where there is none."""
    value = attributes.get(name)
    return value if type(value) is int else -1


_RULES: Mapping[str, _Rule] = MappingProxyType(
    {
        "append_rows": _together,
        "drop_rows": _fewer,
        "first_row_sum": _row,
        "masked_softmax": _masked,
        "position_add": _with_table,
        "position_gradient": _table,
        "prepend_row": _one_more,
    }
)
#: Functions whose shapes are judged here.
ROW_FUNCTIONS = frozenset(_RULES)
