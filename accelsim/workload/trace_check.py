"""What makes a trace a program: every name defined before use, every shape fitting."""

from __future__ import annotations

import math

from accelsim.workload.ops import Gemm, Operand, VectorOp
from accelsim.workload.trace import Trace
from accelsim.workload.vector_functions import VECTOR_FUNCTIONS
from accelsim.workload.views import ConvolutionView, MatrixView


def check_trace(trace: Trace) -> str | None:
    """Return what is wrong with a trace, in a sentence, or None.

    Checked: op names are unique; every tensor that is read is an input, a parameter, a
    parameter's scale, or the output of an earlier op, and is written once; views lay
    out exactly their tensor; formats of operands are those of their tensors; vector
    functions exist and get as many tensors as they take.
    """
    defined = set(trace.inputs)
    for parameter in trace.parameters:
        defined.update(name for name in (parameter.tensor, parameter.scale) if name)
    unknown = sorted(name for name in defined if name not in trace.tensors)
    if unknown:
        return f"{unknown[0]!r} is given but described nowhere."
    seen: set[str] = set()
    for op in trace.ops:
        if op.name in seen:
            return f"Two ops are called {op.name!r}."
        seen.add(op.name)
        problem = _gemm_problem(trace, op) if isinstance(op, Gemm) else _vector_problem(op)
        reads = (op.a.tensor, op.b.tensor) if isinstance(op, Gemm) else op.inputs
        writes = (op.out.tensor,) if isinstance(op, Gemm) else op.outputs
        problem = problem or _flow_problem(trace, reads, writes, defined)
        if problem:
            return f"op {op.name!r}: {problem}"
        defined.update(writes)
    lost = [name for name in trace.outputs if name not in defined]
    return f"The output {lost[0]!r} is never made." if lost else None


def _flow_problem(
    trace: Trace, reads: tuple[str, ...], writes: tuple[str, ...], defined: set[str]
) -> str | None:
    for name in reads:
        if name not in defined:
            return f"it reads {name!r}, which nothing has made before it."
    for name in writes:
        if name not in trace.tensors:
            return f"it makes {name!r}, which is described nowhere."
        if name in defined:
            return f"it makes {name!r} a second time."
    return None


def _gemm_problem(trace: Trace, op: Gemm) -> str | None:
    wanted = {"a": (op.m, op.k), "b": (op.k, op.n), "out": (op.m, op.n)}
    for side, (rows, columns) in wanted.items():
        operand: Operand = getattr(op, side)
        info = trace.tensors.get(operand.tensor)
        if info is None:
            return f"{operand.tensor!r} is described nowhere."
        if info.format != operand.format:
            return (
                f"{side} is read as {operand.format.name}, but {operand.tensor!r} is stored "
                f"as {info.format.name}."
            )
        laid_out, elements = _view_extents(operand)
        if laid_out != (op.groups, rows, columns):
            return f"its view of {side} is {laid_out}, not {(op.groups, rows, columns)}."
        if elements != info.elements:
            return f"its view of {side} covers {elements} elements of {info.elements}."
    return None


def _view_extents(operand: Operand) -> tuple[tuple[int, int, int], int]:
    """Return a view's (groups, rows, columns) and the number of elements of its tensor."""
    view = operand.view
    if isinstance(view, MatrixView):
        return (view.groups, view.rows, view.columns), math.prod(view.shape)
    assert isinstance(view, ConvolutionView)
    rows = view.batch * view.out_height * view.out_width
    columns = math.prod(view.kernel) * (view.channels // view.groups)
    elements = view.batch * view.height * view.width * view.channels
    return (view.groups, rows, columns), elements


def _vector_problem(op: VectorOp) -> str | None:
    function = VECTOR_FUNCTIONS.get(op.function)
    if function is None:
        return f"{op.function!r} is no vector function."
    if len(op.inputs) != len(function.inputs):
        return f"{op.function} takes {len(function.inputs)} tensors, not {len(op.inputs)}."
    if not 1 <= len(op.outputs) <= len(function.outputs):
        return f"{op.function} makes up to {len(function.outputs)} tensors."
    extra = [name for name, _ in op.attributes if name not in function.attributes]
    return f"{op.function} has no attribute {extra[0]!r}." if extra else None
