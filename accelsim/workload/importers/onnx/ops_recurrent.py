"""Recurrent cells. ONNX orders their gates otherwise than PyTorch, and the layers are PyTorch's.

References
----------
ONNX operator specifications: LSTM, GRU.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

import numpy as np

from accelsim.workload.importers.onnx.context import Context, Value
from accelsim.workload.importers.onnx.draft import CannotModelError
from accelsim.workload.importers.onnx.layout import Axes, Tensor, reshaped
from accelsim.workload.importers.onnx.model import Array, OnnxNode
from accelsim.workload.importers.onnx.operators import Operator
from accelsim.workload.importers.onnx.ops_shapes import cut, joined

#: Where each of PyTorch's gates stands in ONNX: i, f, g, o in i, o, f, g; r, z, n in z, r, n.
_GATES = {"lstm": (0, 2, 3, 1), "gru": (1, 0, 2)}
#: Activations that the layers have, in ONNX's order, for one direction.
_ACTIVATIONS = {"lstm": ("Sigmoid", "Tanh", "Tanh"), "gru": ("Sigmoid", "Tanh")}
#: Optional inputs that must be zero, and what they are.
_ZEROS = {5: "its first state", 6: "its first inner state", 7: "its peepholes"}


def recurrent(context: Context, node: OnnxNode, *, kind: str) -> tuple[Value, ...]:
    """Make an ``LSTM`` or a ``GRU`` an `lstm` or a `gru`: all states, or the last one."""
    x = context.tensor(node, 0)
    steps_axis, batch_axis = (1, 0) if node.get("layout", 0) else (0, 1)
    steps = x.shape[steps_axis]
    _check(context, node, kind, steps)
    wants = [bool(name and context.left[name]) for name in (*node.outputs, "", "")[:3]]
    x = context.arranged(x, (steps_axis, 2))
    weights = _parameters(context, node, kind)
    directions, units = (2 if "weight_ih_l0_reverse" in weights else 1), weights["weight_hh_l0"]
    fields: dict[str, Any] = {
        "input_size": x.shape[2], "hidden_size": units.shape[1], "bias": "bias_ih_l0" in weights,
    }  # fmt: skip
    if directions == 2:
        fields["bidirectional"] = True
    if kind == "gru" and not node.get("linear_before_reset", 0):
        fields["linear_before_reset"] = False
    if not wants[0]:
        fields["output"] = "last"
    name = context.draft.add(kind, (x.layer,), node.name, parameters=weights, **fields)
    if not wants[0]:
        end = Tensor(name, (directions * units.shape[1],), (0,))
        return Tensor("", (), ()), _ends_seen(context, end, directions, batch_axis)
    axes: Axes = (0, 1)
    states = Tensor(name, (steps, directions * units.shape[1]), axes)
    seen = _states_seen(context, states, directions, batch_axis)
    if not wants[1]:
        return (seen,)
    return seen, _ends_of(context, node.name, states, directions, batch_axis)


def _check(context: Context, node: OnnxNode, kind: str, steps: int) -> None:
    """Refuse what the layers cannot do."""
    for index, what in _ZEROS.items():
        given = context.optional(node, index)
        if given is not None and np.any(given):
            raise CannotModelError(f"{what} are not zero" if index > 6 else f"{what} is not zero")
    lengths = context.optional(node, 4)
    if lengths is not None and np.any(lengths != steps):
        raise CannotModelError("its sequences differ in length")
    if node.get("direction", "forward") == "reverse":
        raise CannotModelError("it goes backward only")
    usual = _ACTIVATIONS[kind]
    given_names = tuple(node.get("activations", ())) or usual
    if given_names not in (usual, usual * 2) or node.get("clip", 0) or node.get("input_forget", 0):
        raise CannotModelError("its cell is none of the usual")
    if len(node.outputs) > 2 and node.outputs[2] and context.left[node.outputs[2]]:
        raise CannotModelError("its inner state is read")


def _parameters(context: Context, node: OnnxNode, kind: str) -> dict[str, Array]:
    """Return weights and biases by PyTorch's names, gates in PyTorch's order."""
    made = {}
    weights, bias = (context.constant(node, 1), context.constant(node, 2)), None
    if context.has(node, 3):
        bias = context.constant(node, 3)
    for direction, tag in enumerate(("l0", "l0_reverse")[: weights[0].shape[0]]):
        for source, weight in zip(("ih", "hh"), weights, strict=True):
            made[f"weight_{source}_{tag}"] = _ordered(weight[direction], kind)
        if bias is not None:
            for source, half in zip(("ih", "hh"), np.split(bias[direction], 2), strict=True):
                made[f"bias_{source}_{tag}"] = _ordered(half, kind)
    return made


def _ordered(array: Array, kind: str) -> Array:
    """Return rows of gates in PyTorch's order."""
    gates = _GATES[kind]
    if array.shape[0] % len(gates):
        raise CannotModelError(f"its weights have {array.shape[0]} rows for {len(gates)} gates")
    return np.concatenate([np.split(array, len(gates))[gate] for gate in gates])


def _states_seen(context: Context, states: Tensor, directions: int, batch_axis: int) -> Tensor:
    """Return all states as ONNX gives them: (steps, directions, batch, units)."""
    steps, units = states.shape[0], states.shape[1] // directions
    if batch_axis == 0:
        return reshaped(context.draft, states, (1, steps, directions, units))
    return reshaped(context.draft, states, (steps, directions, 1, units))


def _ends_seen(context: Context, end: Tensor, directions: int, batch_axis: int) -> Tensor:
    """Return the last state as ONNX gives it: (directions, batch, units)."""
    units = end.shape[-1] // directions
    target = (1, directions, units) if batch_axis == 0 else (directions, 1, units)
    return reshaped(context.draft, end, target)


def _ends_of(
    context: Context, wanted: str, states: Tensor, directions: int, batch_axis: int
) -> Tensor:
    """Return the last state of each direction, cut from all states."""
    steps, units = states.shape[0], states.shape[1] // directions
    last = cut(context, wanted, states, 0, slice(steps - 1, steps))
    if directions == 2:
        first = cut(context, wanted, states, 0, slice(0, 1))
        parts = [
            cut(context, wanted, last, 1, slice(0, units)),
            cut(context, wanted, first, 1, slice(units, 2 * units)),
        ]
        last = joined(context, wanted, parts, 1)
    return _ends_seen(context, last, directions, batch_axis)


#: Recurrent cells.
RECURRENT_OPERATORS: Mapping[str, Operator] = MappingProxyType(
    {"GRU": partial(recurrent, kind="gru"), "LSTM": partial(recurrent, kind="lstm")}
)
