"""When a tensor of a trace is no longer needed."""

from __future__ import annotations

from collections.abc import Sequence

from accelsim.workload.ops import Gemm, Op


def operand_names(op: Op) -> tuple[str, ...]:
    """Return the names of the tensors that an op reads, in order."""
    return (op.a.tensor, op.b.tensor) if isinstance(op, Gemm) else op.inputs


def result_names(op: Op) -> tuple[str, ...]:
    """Return the names of the tensors that an op writes, in order."""
    return (op.out.tensor,) if isinstance(op, Gemm) else op.outputs


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
