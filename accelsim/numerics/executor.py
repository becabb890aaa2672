"""Execute a trace: the value of every tensor, bit for bit.

The executor interprets the ops in order. A GEMM gathers its operands through
their views, adds the products in the order of its schedule (plain k order
where there is none), and lays the result out. A vector op rounds every
arithmetic result once to its compute format and stores once. Tensors live from
the op that makes them to the last op that reads them.

With `sample`, every GEMM gives what an ideal accumulator would: the float64
product of its stored operands, rounded once to the output format. Vector ops
and stores are as in a full run. Besides, that many rows of each GEMM, chosen by
seed, go through the real accumulator, from the same operands: those rows are
exact, `error_local` and the counts are theirs alone, and a `Record` says how
many rows that were. They do not enter the next op, so what a sample leaves out
is the errors of earlier accumulators, and nothing else. Stochastic additions get
the random bits of a row's place in the sample, not of its place in the GEMM.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelsim.errors import DataError
from accelsim.formats.random_bits import StreamKey
from accelsim.numerics.errors_report import measure
from accelsim.numerics.execution import Execution
from accelsim.numerics.lifetimes import last_uses
from accelsim.numerics.op_execution import Machine, Options
from accelsim.numerics.reduction import Ordered
from accelsim.numerics.storage import ParameterMemory
from accelsim.workload.trace import Trace

Array = NDArray[np.floating[Any]]


def execute(
    trace: Trace,
    tensors: Mapping[str, Array],
    *,
    schedules: Mapping[str, Ordered] | None = None,
    threads: int = 1,
    seed: int = 0,
    step: int = 0,
    sample: int | None = None,
    references: bool = True,
    counts: bool = True,
    telemetry: bool = False,
    keep: Collection[str] = (),
    memory: ParameterMemory | None = None,
) -> Execution:
    """Execute the ops of a trace in order and say what each of them lost.

    Parameters
    ----------
    trace : Trace
    tensors : mapping from str to array
        Unrounded contents of the trace's inputs and parameters, in the trace's
        shapes; each is read once, when first needed, and rounded once to the format
        of its tensor. `accelsim.numerics.initialize.bind_tensors` makes one.
    schedules : mapping from op name to schedule, optional
        Order of additions of a GEMM; k order with the op's own chunks where absent.
    threads : int
        Never changes a bit.
    seed : int
        Names the random bits of stochastic roundings, and the sampled rows.
    step : int
        Training step; names them too.
    sample : int, optional
        Rows per GEMM that go through the real accumulator; None for all.
    references : bool
        Compute `error_local` and `error_total`; more than doubles the work.
    counts : bool
        Count overflows, other events and zero products; without, records hold names only.
    telemetry : bool
        Repeat and count the additions of a seeded sample of each GEMM's outputs.
    keep : collection of str
        Tensors to return besides the trace's outputs.
    memory : ParameterMemory, optional
        Keeps parameters as they are stored from one execution to the next, of traces of one
        network with one recipe and one set of parameters.

    Returns
    -------
    Execution

    Raises
    ------
    DataError
        If a tensor is missing or has the wrong shape, or `sample` is not positive.

    Examples
    --------
    >>> from accelsim.numerics.initialize import bind_tensors, initialize
    >>> from accelsim.precision import get_recipe
    >>> from accelsim.workload import load_workload, lower
    >>> from accelsim.workload.inputs import load_input
    >>> network = load_workload("tiny")
    >>> x = load_input("normal", network.input).values
    >>> weights = initialize(network, x)
    >>> trace = lower(network, get_recipe("fp32"))
    >>> run = execute(trace, bind_tensors(trace, weights.arrays, x))
    >>> run.output.shape, run.output_error.relative < 1e-6
    ((1, 10), True)
    """
    if sample is not None and sample < 1:
        raise DataError(f"sample must be at least 1 row per GEMM, not {sample}.")
    unknown = [name for name in keep if name not in trace.tensors]
    if unknown:
        raise DataError(f"The trace has no tensor named {', '.join(map(repr, unknown))}.")
    options = Options(schedules or {}, threads, seed, sample, references, counts, telemetry, memory)
    machine = Machine(trace, tensors, options)
    wanted = sorted({*trace.outputs, *keep})
    records = []
    for index, (op, ended) in enumerate(zip(trace.ops, last_uses(trace.ops), strict=True)):
        records.append(machine.run(op, StreamKey(seed=seed, step=step, op=index)))
        machine.release(ended.difference(wanted))
    for name in wanted:
        machine.load(name)
    output = trace.outputs[0]
    return Execution(
        outputs=trace.outputs,
        tensors=_given(trace, machine.stored, wanted),
        references=_given(trace, machine.exact, wanted) if references else {},
        records=tuple(records),
        output_error=measure(
            machine.unscaled(output), machine.exact[output], trace.tensors[output].format
        )
        if references
        else None,
    )


def _given(trace: Trace, tensors: Mapping[str, Array], names: Collection[str]) -> dict[str, Array]:
    """Return tensors in the shapes in which the trace gives them."""
    return {name: tensors[name].reshape(trace.shapes.get(name, tensors[name].shape))
            for name in names}  # fmt: skip
