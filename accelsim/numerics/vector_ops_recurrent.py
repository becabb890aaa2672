"""The cells of recurrent layers, gate by gate.

What they compute is in `accelsim.workload.recurrent_functions`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelsim.numerics.vector_ops_activations import ACTIVATIONS
from accelsim.numerics.vector_ops_arithmetic import Arithmetic
from accelsim.workload.ops import Attribute
from accelsim.workload.recurrent_functions import GRU_EARLY_GATES, GRU_GATES, LSTM_GATES

Array = NDArray[np.floating[Any]]
Attributes = Mapping[str, Attribute]
Function = Callable[[Sequence[Array], Attributes, Arithmetic], Array]


def gates_of(x: Array, count: int) -> tuple[Array, ...]:
    """Return the gates of (batch, units x count), each (batch, units).

    Examples
    --------
    >>> [gate.tolist() for gate in gates_of(np.array([[1.0, 2.0, 3.0, 4.0]]), 2)]
    [[[1.0, 3.0]], [[2.0, 4.0]]]
    """
    grouped = x.reshape(len(x), -1, count)
    return tuple(grouped[:, :, gate] for gate in range(count))


def lstm_cell(s: Array, x: Array, c: Array, arithmetic: Arithmetic) -> Array:
    """Return the cell state after a step, from that before it."""
    i, f, g, _ = _sums(s, x, LSTM_GATES, arithmetic)
    kept = arithmetic.multiply(_sigmoid(f, arithmetic), c)
    new = arithmetic.multiply(_sigmoid(i, arithmetic), _tanh(g, arithmetic))
    return arithmetic.add(kept, new)


def lstm_output(s: Array, x: Array, c: Array, arithmetic: Arithmetic) -> Array:
    """Return what a step gives out, from the cell state after it."""
    *_, o = _sums(s, x, LSTM_GATES, arithmetic)
    return arithmetic.multiply(_sigmoid(o, arithmetic), _tanh(c, arithmetic))


def gru_state(s: Array, x: Array, h: Array, arithmetic: Arithmetic) -> Array:
    """Return the state after a step whose reset gate multiplies what the state contributes."""
    (s_r, s_z, s_n), (x_r, x_z, x_n) = gates_of(s, GRU_GATES), gates_of(x, GRU_GATES)
    r = _sigmoid(arithmetic.add(x_r, s_r), arithmetic)
    z = _sigmoid(arithmetic.add(x_z, s_z), arithmetic)
    return _mixed(arithmetic.add(x_n, arithmetic.multiply(r, s_n)), z, h, arithmetic)


def gru_reset(s: Array, x: Array, h: Array, arithmetic: Arithmetic) -> Array:
    """Return the state times the reset gate."""
    (s_r, _), (x_r, _, _) = gates_of(s, GRU_EARLY_GATES), gates_of(x, GRU_GATES)
    return arithmetic.multiply(_sigmoid(arithmetic.add(x_r, s_r), arithmetic), h)


def gru_update(n: Array, s: Array, x: Array, h: Array, arithmetic: Arithmetic) -> Array:
    """Return the state after a step whose reset gate multiplied the state."""
    (_, s_z), (_, x_z, x_n) = gates_of(s, GRU_EARLY_GATES), gates_of(x, GRU_GATES)
    z = _sigmoid(arithmetic.add(x_z, s_z), arithmetic)
    return _mixed(arithmetic.add(x_n, n), z, h, arithmetic)


def _mixed(new: Array, z: Array, h: Array, arithmetic: Arithmetic) -> Array:
    """Return round(round(round(1 - z) * tanh(new)) + round(z * h))."""
    one = np.ones((), arithmetic.carrier)
    fresh = arithmetic.multiply(arithmetic.subtract(one, z), _tanh(new, arithmetic))
    return arithmetic.add(fresh, arithmetic.multiply(z, h))


def _sums(s: Array, x: Array, count: int, arithmetic: Arithmetic) -> tuple[Array, ...]:
    return gates_of(arithmetic.add(x, s), count)


def _sigmoid(x: Array, arithmetic: Arithmetic) -> Array:
    return ACTIVATIONS["sigmoid"]([x], {}, arithmetic)


def _tanh(x: Array, arithmetic: Arithmetic) -> Array:
    return ACTIVATIONS["tanh"]([x], {}, arithmetic)


def _plain(function: Callable[..., Array]) -> Function:
    """Return a function of arrays and arithmetic as one that also takes attributes."""

    def call(inputs: Sequence[Array], _attributes: Attributes, arithmetic: Arithmetic) -> Array:
        return function(*inputs, arithmetic)

    return call


def _unstack(inputs: Sequence[Array], _attributes: Attributes, _arithmetic: Arithmetic) -> Array:
    """Return (steps, batch, features); the executor takes it apart."""
    return inputs[0].swapaxes(0, 1)


def _stack(inputs: Sequence[Array], attributes: Attributes, _arithmetic: Arithmetic) -> Array:
    steps = attributes["steps"]
    assert isinstance(steps, int), "a lowered number of steps is a whole number"
    joined = np.concatenate(inputs, axis=1)
    return joined.reshape(len(joined), steps, -1) if steps else joined


#: Functions of recurrent layers by name.
RECURRENT_STEPS: Mapping[str, Function] = MappingProxyType(
    {
        "gru_reset": _plain(gru_reset),
        "gru_state": _plain(gru_state),
        "gru_update": _plain(gru_update),
        "lstm_cell": _plain(lstm_cell),
        "lstm_output": _plain(lstm_output),
        "stack_steps": _stack,
        "unstack_steps": _unstack,
    }
)
