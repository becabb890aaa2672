"""From GEMMs and a chip to their schedules."""

from __future__ import annotations

from collections.abc import Hashable, Iterable

from accelsim.arch import Chip
from accelsim.errors import UnsupportedError
from accelsim.registry import dataflows
from accelsim.schedule.dataflows import Dataflow, vector_fallback
from accelsim.schedule.kinds import op_shape_key
from accelsim.schedule.mapping import Mapping
from accelsim.schedule.schedule import Schedule
from accelsim.schedule.support import (
    check_vector_functions,
    runs_on_vector_unit,
    vector_op_refusals,
)
from accelsim.schedule.validate import check_mapping
from accelsim.workload.ops import Gemm, Op, VectorOp


def make_schedule(op: Gemm, chip: Chip, *, mapping: Mapping | None = None) -> Schedule:
    """Return the order in which `chip` runs `op`.

    The chip's dataflow maps the op, unless `mapping` is given; where the array
    cannot serve the op and the chip has a fallback, the vector unit runs it and
    `Schedule.mapping.fallback` says so. The mapping is checked in every case.

    Raises
    ------
    UnsupportedError
        If the chip cannot multiply or add as the op asks; it lists what it can.
    MappingError
        If the mapping is not legal: a chunk ends where no adder is, a block does
        not fit the scratchpad, or a loop does not cover the op.
    UnknownNameError
        If the chip names a dataflow that is not registered.
    """
    fallback = runs_on_vector_unit(op, chip)
    if mapping is None:
        dataflow: Dataflow = vector_fallback
        if not fallback:
            dataflow = dataflows.get(chip.mac_array.dataflow)
        mapping = dataflow(op, chip)
    check_mapping(op, chip, mapping)
    return Schedule(op=op, mapping=mapping, cores=chip.cores)


def make_schedules(ops: Iterable[Op], chip: Chip) -> dict[str, Schedule]:
    """Return the schedule of every GEMM of a trace, by name; equal ones are mapped once.

    Raises
    ------
    UnsupportedError
        If the chip cannot serve some ops: all reasons together, each once.
    MappingError
        As `make_schedule`, for the first op that cannot be mapped.
    UnknownNameError
        If the chip names a dataflow or a vector function that does not exist.
    """
    check_vector_functions(chip)
    schedules: dict[str, Schedule] = {}
    mapped: dict[Hashable, Schedule] = {}
    refusals: dict[str, str] = {}
    for op in ops:
        if isinstance(op, VectorOp):
            for reason in vector_op_refusals(op, chip):
                refusals.setdefault(reason, op.name)
            continue
        key = op_shape_key(op)
        if key not in mapped:
            try:
                mapped[key] = make_schedule(op, chip)
            except UnsupportedError as error:
                for reason in error.args[0].splitlines()[1:]:
                    refusals.setdefault(reason.strip(), op.name)
                continue
        schedules[op.name] = Schedule(op, mapped[key].mapping, chip.cores)
    if refusals:
        lines = "\n".join(f"  {reason} (first: {name})" for reason, name in refusals.items())
        raise UnsupportedError(f"Chip {chip.name} cannot do what the recipe asks.\n{lines}")
    return schedules
