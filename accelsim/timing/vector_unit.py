"""The vector unit in time: elements over lanes, times what a function costs a lane."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from accelsim.arch.vector_unit import VectorUnit
from accelsim.errors import UnknownNameError
from accelsim.workload.ops import VectorOp
from accelsim.workload.vector_functions import VECTOR_FUNCTIONS


@dataclass(frozen=True, slots=True)
class LaneWork:
    """Work for the lanes of one core.

    Parameters
    ----------
    lane_cycles : int
        Element visits times cycles per element, summed over functions.
    lanes : int
        Lanes of the core.
    """

    lane_cycles: int
    lanes: int

    @property
    def cycles(self) -> int:
        """Cycles in which all lanes together do the work."""
        return -(-self.lane_cycles // self.lanes)

    def before(self, done: int, whole: int) -> int:
        """Return the cycles for the first `done` of `whole` equal parts of the work."""
        return -(-self.lane_cycles * done // (whole * self.lanes)) if whole else 0


def lane_work(ops: Sequence[VectorOp], unit: VectorUnit) -> LaneWork:
    """Return the work of vector ops, one after the other, on one unit.

    A function for which the chip gives no cycles takes one for each element.

    Raises
    ------
    UnknownNameError
        If there is no function of that name: nobody knows what it would cost.

    Examples
    --------
    A function that takes 4 cycles an element, 100 elements, 64 lanes: 400 / 64,
    rounded up.

    >>> LaneWork(lane_cycles=4 * 100, lanes=64).cycles
    7
    """
    for op in ops:
        if op.function not in VECTOR_FUNCTIONS:
            raise UnknownNameError("vector function", op.function, VECTOR_FUNCTIONS)
    total = sum(op.elements * unit.cycles_per_element.get(op.function, 1) for op in ops)
    return LaneWork(total, unit.lanes)
