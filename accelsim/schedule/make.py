"""From a GEMM and a chip to its schedule."""

from __future__ import annotations

from accelsim.arch import Chip
from accelsim.schedule.dataflows import dataflow_registry, vector_fallback
from accelsim.schedule.mapping import Mapping
from accelsim.schedule.schedule import Schedule
from accelsim.schedule.support import runs_on_vector_unit
from accelsim.schedule.validate import check_mapping
from accelsim.workload.ops import Gemm


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
        dataflow = vector_fallback if fallback else dataflow_registry.get(chip.mac_array.dataflow)
        mapping = dataflow(op, chip)
    check_mapping(op, chip, mapping)
    return Schedule(op=op, mapping=mapping, cores=chip.cores)
