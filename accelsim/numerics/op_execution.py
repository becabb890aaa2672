"""One op at a time: its values, its float64 references, and what it lost.

A `Machine` holds the tensors that are alive: as stored, in float64 (the
whole-network reading), and the factor by which a scaled tensor is larger than
what it stands for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelsim.errors import DataError
from accelsim.formats import NumberFormat, Overflow, Rounding
from accelsim.formats.random_bits import StreamKey
from accelsim.numerics.errors_report import (
    ErrorFigures,
    EventCounts,
    count_events,
    measure,
    zero_product_share,
)
from accelsim.numerics.execution import Record
from accelsim.numerics.lifetimes import as_seen, operand_names, result_names
from accelsim.numerics.op_telemetry import count_in_order
from accelsim.numerics.reduction import Ordered, reduce_in_order
from accelsim.numerics.references import as_float64, local_vector_op, reference_gemm, total_op
from accelsim.numerics.rowwise_ops import stored_by_rows
from accelsim.numerics.storage import ParameterMemory, load_input, load_parameter, store_tensor
from accelsim.numerics.update_ops import compute_update
from accelsim.numerics.vector_ops_arithmetic import Arithmetic
from accelsim.numerics.vector_ops_dispatch import (
    compute_vector_op,
    makes_parts,
    parts_of,
    store_scale,
)
from accelsim.workload.ops import Gemm, Op, TensorInfo, VectorOp
from accelsim.workload.parameters import TraceParameter
from accelsim.workload.trace import Trace
from accelsim.workload.training_functions import UPDATE_FUNCTIONS

Array = NDArray[np.floating[Any]]
#: What a stored tensor was multiplied by: one number, or an array that broadcasts to it.
Factor = Array | float
#: Rows of a GEMM, as an index.
Rows = NDArray[np.intp] | slice
ALL_ROWS = slice(None)


@dataclass(frozen=True, slots=True)
class Options:
    """How a trace is executed; see `accelsim.numerics.executor.execute`."""

    schedules: Mapping[str, Ordered]
    threads: int
    seed: int
    sample: int | None
    references: bool
    counts: bool = True
    telemetry: bool = False
    memory: ParameterMemory | None = None


class Machine:
    """The tensors that are alive while a trace is executed.

    Attributes
    ----------
    stored : dict from str to array
        As the chip stores them.
    exact : dict from str to float64 array
        In the whole-network reading; empty without references.
    factors : dict from str to number or array
        What a stored tensor is larger by than the tensor that it stands for, where
        that is not 1.
    """

    def __init__(self, trace: Trace, tensors: Mapping[str, Array], options: Options) -> None:
        self._trace = trace
        self._tensors = tensors
        self._options = options
        self._parameters = {parameter.tensor: parameter for parameter in trace.parameters}
        self.stored: dict[str, Array] = {}
        self.exact: dict[str, Array] = {}
        self.factors: dict[str, Factor] = {}

    def run(self, op: Op, key: StreamKey) -> Record:
        """Execute one op whose operands are given, parameters, or results of earlier ops."""
        for name in operand_names(op):
            self.load(name)
        if isinstance(op, Gemm):
            return self._gemm(op, key)
        return self._vector_op(op, key)

    def load(self, name: str) -> None:
        """Bring an input or parameter in, unless it is there."""
        if name in self.stored:
            return
        if name not in self._tensors:
            raise DataError(f"The tensor {name!r} is neither given nor made by an earlier op.")
        info = self._trace.tensors[name]
        parameter = self._parameters.get(name)
        if parameter is None:
            self.stored[name] = load_input(self._tensors[name], info)
        else:
            self.stored[name], scale = self._stored_parameter(info, parameter)
            if parameter.scale is not None:
                self._put_scale(parameter.scale, scale)
                self.factors[name] = scale
        if self._options.references:
            self.exact[name] = as_float64(self._tensors[name])

    def _stored_parameter(
        self, info: TensorInfo, parameter: TraceParameter
    ) -> tuple[Array, Factor]:
        memory = self._options.memory
        if memory is None:
            return load_parameter(self._tensors[info.name], info, parameter)
        return memory.load(self._tensors, info, parameter)

    def release(self, names: Iterable[str]) -> None:
        """Forget tensors that no later op reads."""
        for name in names:
            for table in (self.stored, self.exact, self.factors):
                table.pop(name, None)

    def unscaled(self, name: str) -> Array:
        """Return the stored tensor, divided by its factor if it has one."""
        return _divided(self.stored[name], self.factors.get(name, 1.0))

    def _put_scale(self, name: str, scale: Factor) -> None:
        """Put a scale in: as stored, and 1 in the whole-network reading, which scales nothing."""
        self.stored[name] = np.asarray(scale, dtype=np.float32).reshape(-1)
        if self._options.references:
            self.exact[name] = np.ones(self.stored[name].shape)

    def _gemm(self, op: Gemm, key: StreamKey) -> Record:
        options = self._options
        a = op.a.view.gather(self.stored[op.a.tensor])  # (groups, m, k)
        b = op.b.view.gather(self.stored[op.b.tensor])  # (groups, k, n)
        rows = _sampled_rows(op, options.sample, key)
        schedule = options.schedules.get(op.name)
        order = None if schedule is None else schedule.reduction_order()
        product = reduce_in_order(
            a[:, rows],
            b,
            op.accumulator,
            order,
            formats=(op.a.format, op.b.format),
            threads=options.threads,
            key=key,
        )
        values = _leave_accumulator(product.values, op, key)  # (groups, rows, n)
        is_sample = options.sample is not None
        local = reference_gemm(a, b) if options.references or is_sample else None
        whole = values
        if is_sample and local is not None:
            whole, local = _leave_accumulator(local, op, key), local[:, rows]
        self.stored[op.out.tensor] = op.out.view.scatter(whole)
        factor = self.factors.get(op.a.tensor, 1.0) * self.factors.get(op.b.tensor, 1.0)
        if np.any(factor != 1.0):
            self.factors[op.out.tensor] = np.reshape(factor, -1)  # along the last axis
        return Record(
            op.name,
            self._events(values, values if local is None else local, op.out.format),
            error_local=self._local_error(values, local, op.out.format),
            error_total=self._total_error(op, values, factor, rows),
            zero_products=zero_product_share(a, b) if options.counts else None,
            sampled_rows=values.shape[1] if is_sample else None,
            arithmetic=product.path.name.value,
            additions=count_in_order(a, b, op.accumulator, order, key=key)
            if options.telemetry
            else None,
        )

    def _vector_op(self, op: VectorOp, key: StreamKey) -> Record:
        inputs = as_seen(op, [self.stored[name] for name in op.inputs])
        name = op.outputs[0]
        fmt = self._trace.tensors[name].format
        if op.function in UPDATE_FUNCTIONS:
            return self._update(op, inputs, key)
        result, scale = None, None
        values = self._stored_by_rows(op, inputs, key)
        if values is None:
            arithmetic = Arithmetic(op.compute_format, self._options.threads)
            result = compute_vector_op(op, inputs, arithmetic)
            scale = store_scale(op, inputs, fmt)
            if scale is not None:
                result = np.asarray(result, dtype=np.float64) * scale
                self._put_scale(op.outputs[1], scale)
                self.factors[name] = scale
            values = store_tensor(result, fmt, rounding=op.rounding, overflow=op.overflow, key=key)
        self.stored.update(zip(op.outputs, parts_of(op, values), strict=False))
        if not self._options.references:
            return Record(op.name, self._events(values, values if result is None else result, fmt))
        local = local_vector_op(op, inputs, fmt)[0]
        return Record(
            op.name,
            self._events(values, local, fmt),
            error_local=measure(values, local, fmt),
            error_total=self._total_error(op, values, 1.0 if scale is None else scale),
        )

    def _stored_by_rows(
        self, op: VectorOp, inputs: Sequence[Array], key: StreamKey
    ) -> Array | None:
        """Return what an op stores where nobody asks for the result before it was stored."""
        options, info = self._options, self._trace.tensors[op.outputs[0]]
        if options.counts and not options.references:
            return None
        return stored_by_rows(op, inputs, info, key=key, threads=options.threads)

    def _update(self, op: VectorOp, inputs: Sequence[Array], key: StreamKey) -> Record:
        """Execute an update, which is rounded once, straight to its stored format."""
        name = op.outputs[0]
        fmt = self._trace.tensors[name].format
        values = compute_update(op, inputs, fmt, key)
        self.stored[name] = values
        if not self._options.references:
            return Record(op.name, self._events(values, values, fmt))
        local = local_vector_op(op, inputs, fmt)[0]
        return Record(
            op.name,
            self._events(values, local, fmt),
            error_local=measure(values, local, fmt),
            error_total=self._total_error(op, values, 1.0),
        )

    def _events(self, values: Array, exact: Array, fmt: NumberFormat) -> EventCounts:
        return count_events(values, exact, fmt) if self._options.counts else EventCounts()

    def _local_error(
        self, values: Array, local: Array | None, fmt: NumberFormat
    ) -> ErrorFigures | None:
        if local is None or not self._options.references:
            return None
        return measure(values, local, fmt)

    def _total_error(
        self, op: Op, values: Array, factor: Factor, rows: Rows = ALL_ROWS
    ) -> ErrorFigures | None:
        """Execute the op in float64 and compare the values, or rows of a GEMM, with it."""
        if not self._options.references:
            return None
        results = total_op(op, [self.exact[name] for name in operand_names(op)])
        self.exact.update(zip(result_names(op), results, strict=True))
        if isinstance(op, Gemm):
            total = op.out.view.gather(results[0])[:, rows]
        else:
            total = np.stack(results) if makes_parts(op) else results[0]
        fmt = self._trace.tensors[result_names(op)[0]].format
        return measure(_divided(values, factor), total, fmt)


def _sampled_rows(op: Gemm, sample: int | None, key: StreamKey) -> Rows:
    """Return which rows of a GEMM go through the real accumulator, in ascending order."""
    if sample is None or sample >= op.m:
        return ALL_ROWS
    generator = np.random.Generator(np.random.PCG64((key.seed, key.op)))
    return np.sort(generator.choice(op.m, size=sample, replace=False))


def _leave_accumulator(sums: Array, op: Gemm, key: StreamKey) -> Array:
    """Round sums to the format in which they leave the accumulator, to nearest even."""
    overflow = Overflow.SATURATE if op.accumulator.saturate else None
    return store_tensor(
        sums, op.out.format, rounding=Rounding.NEAREST_EVEN, overflow=overflow, key=key
    )


def _divided(values: Array, factor: Factor) -> Array:
    return values if np.all(factor == 1.0) else np.asarray(values, dtype=np.float64) / factor
