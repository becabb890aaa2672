"""The functions of the vector unit that recurrent layers need.

The conventions are those of `accelsim.workload.vector_functions`. x and s are what a
step's input and the state before it contribute to the gates, (batch, units x gates) with
the gates of a unit side by side; ``sigmoid`` and ``tanh`` are as in
`accelsim.workload.activation_functions`, each rounded once.

==================== ===================== ================================================
function             inputs                result
==================== ===================== ================================================
``unstack_steps``    x                     one output for every step of (batch, steps,
                                           features); nothing moves, results only go to
                                           other addresses
``stack_steps``      h, ...                the inputs (batch, units) one after the other, as
                                           (batch, ``steps``, units of a step), or as (batch,
                                           all units) where ``steps`` is 0
``lstm_cell``        s, x, c               gates i, f, g, o, each a = round(x + s);
                                           round(round(sigmoid(f) * c) + round(sigmoid(i) *
                                           tanh(g)))
``lstm_output``      s, x, c               round(sigmoid(o) * tanh(c)), c of this step
``gru_state``        s, x, h               gates r, z, n: r = sigmoid(round(x + s)), z likewise,
                                           n = tanh(round(x + round(r * s))); round(round(round(1
                                           - z) * n) + round(z * h))
``gru_reset``        s, x, h               round(r * h); s has the gates r and z alone
``gru_update``       n, s, x, h            as ``gru_state`` with n = tanh(round(x + n)); s has the
                                           gates r and z alone
==================== ===================== ================================================

Visits: sums, products and comparisons are one each, a sigmoid or a tangent two.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from accelsim.workload.ops import Attribute, VectorOp
from accelsim.workload.vector_function import Shape, VectorFunction, per_output

Attributes = Mapping[str, Attribute]
#: Gates of each cell.
LSTM_GATES, GRU_GATES, GRU_EARLY_GATES = 4, 3, 2


def _passes(count: int) -> Callable[[Shape, Shape, Attributes], int]:
    """Return a count of visits: so many for every element of the output."""

    def visits(_x: Shape, y: Shape, _attributes: Attributes) -> int:
        return count * math.prod(y)

    return visits


def _nothing(_x: Shape, _y: Shape, _attributes: Attributes) -> int:
    """Count no visit."""
    return 0


_CELL = ("s", "x", "c")

RECURRENT_FUNCTIONS = (
    VectorFunction("unstack_steps", ("x",), ("y",), (), True, _nothing, splits=True),
    VectorFunction("stack_steps", ("h",), ("y",), ("steps",), False, per_output, is_variadic=True),
    # Three gates' sums, two sigmoids, one tangent; two products and their sum.
    VectorFunction("lstm_cell", _CELL, ("y",), (), True, _passes(3 + 2 * 2 + 2 + 3)),
    # Sum, sigmoid, tangent, product.
    VectorFunction("lstm_output", _CELL, ("y",), (), True, _passes(1 + 2 + 2 + 1)),
    # Three sums and a product, two sigmoids, one tangent; difference, two products, sum.
    VectorFunction("gru_state", ("s", "x", "h"), ("y",), (), True, _passes(4 + 2 * 2 + 2 + 4)),
    VectorFunction("gru_reset", ("s", "x", "h"), ("y",), (), True, _passes(1 + 2 + 1)),
    VectorFunction("gru_update", ("n", "s", "x", "h"), ("y",), (), True, _passes(2 + 2 + 2 + 4)),
)  # fmt: skip


def recurrent_shape_problem(
    op: VectorOp, inputs: Sequence[Shape], outputs: Sequence[Shape]
) -> str | None:
    """Return what is wrong with the shapes of an op of `RECURRENT`, in a sentence, or None.

    Parameters
    ----------
    op : VectorOp
    inputs, outputs : sequence of tuple of int
        Shapes of the tensors, as many as the op names.
    """
    made = _RULES[op.function](inputs, dict(op.attributes))
    if made is None:
        return f"{op.function} cannot take the shapes {list(inputs)} with the attributes it has."
    if op.function == "unstack_steps" and len(outputs) != inputs[0][1]:
        return f"it makes {len(outputs)} tensors of {inputs[0][1]} steps."
    wrong = next((shape for shape in outputs if shape != made), None)
    return None if wrong is None else f"an output has the shape {wrong}, not {made}."


def _unstack(inputs: Sequence[Shape], _attributes: Attributes) -> Shape | None:
    (x,) = inputs
    return (x[0], x[2]) if len(x) == 3 else None


def _stack(inputs: Sequence[Shape], attributes: Attributes) -> Shape | None:
    steps, count = attributes.get("steps"), len(inputs)
    if type(steps) is not int or steps < 0 or len(set(inputs)) != 1 or len(inputs[0]) != 2:
        return None
    batch, units = inputs[0]
    if steps == 0:
        return (batch, count * units)
    return None if count % steps else (batch, steps, count // steps * units)


def _cell(*gates: int) -> Callable[[Sequence[Shape], Attributes], Shape | None]:
    """Return the rule of a cell whose inputs have so many gates each."""

    def rule(inputs: Sequence[Shape], _attributes: Attributes) -> Shape | None:
        state = inputs[-1]
        if len(state) != 2:
            return None
        wanted = [(state[0], count * state[1]) for count in gates]
        return state if list(inputs) == wanted else None

    return rule


_RULES: Mapping[str, Callable[[Sequence[Shape], Attributes], Shape | None]] = MappingProxyType(
    {
        "gru_reset": _cell(GRU_EARLY_GATES, GRU_GATES, 1),
        "gru_state": _cell(GRU_GATES, GRU_GATES, 1),
        "gru_update": _cell(1, GRU_EARLY_GATES, GRU_GATES, 1),
        "lstm_cell": _cell(LSTM_GATES, LSTM_GATES, 1),
        "lstm_output": _cell(LSTM_GATES, LSTM_GATES, 1),
        "stack_steps": _stack,
        "unstack_steps": _unstack,
    }
)
#: Functions whose shapes are judged here.
RECURRENT = frozenset(_RULES)
