"""What makes a trace a program: every name defined before use, every shape fitting."""

from __future__ import annotations

import math
from dataclasses import replace

from accelsim.precision.recipe import ScalingMethod
from accelsim.workload.error_view import ErrorView
from accelsim.workload.heads_view import HeadsView
from accelsim.workload.ops import Gemm, Op, Operand, VectorOp
from accelsim.workload.trace import Trace
from accelsim.workload.transposed_view import TransposedView
from accelsim.workload.vector_function import SCALED_BY_DIRECTION, SCALED_BY_FORMAT
from accelsim.workload.vector_functions import VECTOR_FUNCTIONS, VectorFunction
from accelsim.workload.vector_shapes import shape_problem
from accelsim.workload.views import ConvolutionView, MatrixView, View

_SCALINGS = (*(method.value for method in ScalingMethod), SCALED_BY_FORMAT, SCALED_BY_DIRECTION)


def check_trace(trace: Trace) -> str | None:
    """Return what is wrong with a trace, in a sentence, or None.

    Checked: op names are unique; every tensor that is read is an input, a parameter, a
    parameter's scale, or the output of an earlier op, and is written once; views lay
    out exactly their tensor; formats of operands are those of their tensors; vector
    functions exist, get as many tensors as they take, and fit
    the shapes of those.
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
        reads = (op.a.tensor, op.b.tensor) if isinstance(op, Gemm) else op.inputs
        writes = (op.out.tensor,) if isinstance(op, Gemm) else op.outputs
        problem = _flow_problem(trace, reads, writes, defined) or _op_problem(trace, op)
        if problem:
            return f"op {op.name!r}: {problem}"
        defined.update(writes)
    lost = [name for name in trace.outputs if name not in defined]
    if lost:
        return f"The output {lost[0]!r} is never made."
    for name, shape in trace.shapes.items():
        if name not in trace.outputs or math.prod(shape) != trace.tensors[name].elements:
            return f"{name!r} cannot be given as {shape}."
    return _update_problem(trace)


def _update_problem(trace: Trace) -> str | None:
    """Return what is wrong with the tensors that the next step reads."""
    given = {parameter.tensor for parameter in trace.parameters}
    for old, new in trace.updates.items():
        if old not in given:
            return f"{old!r} is updated, but is no parameter."
        if new not in trace.outputs:
            return f"{new!r} takes the place of {old!r}, but is no output."
        before, after = trace.tensors[old], trace.tensors[new]
        if (before.shape, before.format) != (after.shape, after.format):
            return f"{new!r} does not fit the place of {old!r}."
    return None


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


def _op_problem(trace: Trace, op: Op) -> str | None:
    return _gemm_problem(trace, op) if isinstance(op, Gemm) else _vector_problem(trace, op)


def _gemm_problem(trace: Trace, op: Gemm) -> str | None:
    wanted = {"a": (op.m, op.k), "b": (op.k, op.n), "out": (op.m, op.n)}
    for side, (rows, columns) in wanted.items():
        operand: Operand = getattr(op, side)
        info = trace.tensors[operand.tensor]
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
        view = operand.view.view if isinstance(operand.view, TransposedView) else operand.view
        if isinstance(view, ConvolutionView | ErrorView):
            if view.channels % view.groups:
                return f"the groups of its view of {side} do not divide the channels."
        elif math.prod(laid_out) != elements or _has_ragged_taps(view):
            return f"its view of {side} lays {elements} elements out as {laid_out}."
    return None


def _has_ragged_taps(view: View) -> bool:
    """Return whether a matrix view has taps that it cannot have."""
    return isinstance(view, MatrixView) and (
        view.rows % view.taps != 0 or (view.taps > 1 and (view.interleaved or not view.transposed))
    )


def _view_extents(operand: Operand) -> tuple[tuple[int, int, int], int]:
    """Return a view's (groups, rows, columns) and the number of elements of its tensor."""
    view = operand.view
    if isinstance(view, TransposedView):
        (groups, rows, columns), elements = _view_extents(replace(operand, view=view.view))
        return (groups, columns, rows), elements
    if isinstance(view, MatrixView):
        return (view.groups, view.rows, view.columns), math.prod(view.shape)
    if isinstance(view, HeadsView):
        return view.extents, math.prod(view.shape)
    assert isinstance(view, ConvolutionView | ErrorView)
    stored = (
        view.error_extents if isinstance(view, ErrorView) else (view.height, view.width)
    )  # fmt: skip
    rows = view.batch * math.prod(view.raster)
    columns = math.prod(view.kernel) * (view.channels // view.groups)
    return (view.groups, rows, columns), view.batch * math.prod(stored) * view.channels


def _vector_problem(trace: Trace, op: VectorOp) -> str | None:
    function = VECTOR_FUNCTIONS.get(op.function)
    if function is None:
        return f"{op.function!r} is no vector function."
    if len(op.inputs) != len(function.inputs) and not (function.is_variadic and op.inputs):
        return f"{op.function} takes {len(function.inputs)} tensors, not {len(op.inputs)}."
    if not 1 <= len(op.outputs) <= len(function.outputs) and not function.splits:
        return f"{op.function} makes up to {len(function.outputs)} tensors."
    problem = _attribute_problem(op, function)
    if problem:
        return problem
    inputs = trace.seen_shapes(op)
    stored = [trace.tensors[name].shape for name in op.inputs]
    if [*map(math.prod, inputs)] != [*map(math.prod, stored)]:  # as many, of as many elements
        return f"it sees its inputs as {inputs}; their shapes are {tuple(stored)}."
    outputs = [trace.tensors[name].shape for name in op.outputs]
    problem = shape_problem(op, function.inputs, inputs, outputs)
    if problem:
        return problem
    visits = function.visits(inputs[0], outputs[0], dict(op.attributes))
    if op.elements != visits:
        return f"it says {op.elements} element visits; {op.function} makes {visits}."
    return None


def _attribute_problem(op: VectorOp, function: VectorFunction) -> str | None:
    given = dict(op.attributes)
    wanted = set(function.attributes)
    if op.function == "store":
        scaling = given.get("scaling")
        if scaling not in _SCALINGS:
            return f"its scaling is {scaling!r}, not one of {', '.join(_SCALINGS)}."
        is_scaled = scaling in (ScalingMethod.AMAX, SCALED_BY_DIRECTION)
        if len(op.outputs) != 1 + is_scaled:
            return "a store makes a scale exactly where it is scaled."
        wanted = wanted if is_scaled else {"scaling"}
    extra, missing = sorted(given.keys() - wanted), sorted(wanted - given.keys())
    if extra:
        return f"{op.function} has no attribute {extra[0]!r}."
    return f"{op.function} needs the attribute {missing[0]!r}." if missing else None
