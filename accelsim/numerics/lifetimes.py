"""When a tensor of a trace is no longer needed, and how much memory that leaves in use."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from accelsim.workload.ops import Gemm, Op, VectorOp
from accelsim.workload.trace import Trace

_STORED_BYTES, _EXACT_BYTES = 4, 8


def operand_names(op: Op) -> tuple[str, ...]:
    """Return the names of the tensors that an op reads, in order."""
    return (op.a.tensor, op.b.tensor) if isinstance(op, Gemm) else op.inputs


def result_names(op: Op) -> tuple[str, ...]:
    """Return the names of the tensors that an op writes, in order."""
    return (op.out.tensor,) if isinstance(op, Gemm) else op.outputs


def as_seen(op: VectorOp, inputs: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
    """Return the inputs of a vector op in the shapes in which it sees them."""
    if not op.input_shapes:
        return list(inputs)
    return [x.reshape(shape) for x, shape in zip(inputs, op.input_shapes, strict=True)]


def last_uses(ops: Sequence[Op]) -> tuple[frozenset[str], ...]:
    """Return, for each op, the tensors that no later op names.

    A result that nothing reads ends with the op that writes it.
    """
    last: dict[str, int] = {}
    for index, op in enumerate(ops):
        for name in (*operand_names(op), *result_names(op)):
            last[name] = index
    ends: list[set[str]] = [set() for _ in ops]
    for name, index in last.items():
        ends[index].add(name)
    return tuple(frozenset(names) for names in ends)


def peak_bytes(trace: Trace, *, references: bool = True) -> int:
    """Return the most memory that the arrays of an execution take at once, about.

    Counts the tensors alive at each op and the gathered operand and result of the
    op itself: four bytes an element, and eight more with references.
    """
    per_element = _STORED_BYTES + (_EXACT_BYTES if references else 0)
    alive: set[str] = set()
    peak = 0
    for op, ended in zip(trace.ops, last_uses(trace.ops), strict=True):
        alive.update((*operand_names(op), *result_names(op)))
        elements = sum(trace.tensors[name].elements for name in alive)
        if isinstance(op, Gemm):
            elements += op.groups * op.m * (op.k + op.n)
        peak = max(peak, elements * per_element)
        alive -= ended
    return peak
