"""Dataflows: one small function each, ``(op, chip) -> Mapping``.

`accelsim.registry.dataflows` has them all, with those that other packages give
through the entry-point group ``accelsim.dataflows``. `accelsim.testing.check_dataflow`
proves that one keeps the laws.
"""

from __future__ import annotations

from collections.abc import Callable

from accelsim.arch import Chip
from accelsim.schedule.dataflows.input_stationary import input_stationary
from accelsim.schedule.dataflows.output_stationary import output_stationary
from accelsim.schedule.dataflows.row_stationary import row_stationary
from accelsim.schedule.dataflows.vector_fallback import vector_fallback
from accelsim.schedule.dataflows.weight_stationary import weight_stationary
from accelsim.schedule.mapping import Mapping
from accelsim.workload.ops import Gemm

#: A dataflow maps one GEMM onto one chip.
Dataflow = Callable[[Gemm, Chip], Mapping]

#: The dataflows that ship.
BUILTIN: dict[str, Dataflow] = {
    "input_stationary": input_stationary,
    "output_stationary": output_stationary,
    "row_stationary": row_stationary,
    "weight_stationary": weight_stationary,
}

__all__ = [
    "BUILTIN",
    "Dataflow",
    "input_stationary",
    "output_stationary",
    "row_stationary",
    "vector_fallback",
    "weight_stationary",
]
