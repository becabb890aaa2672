"""Schedule: in which order. The hub that values, time and price are read from."""

from accelsim.schedule.dataflows import BUILTIN, Dataflow, dataflow_registry
from accelsim.schedule.make import make_schedule
from accelsim.schedule.mapping import Dim, Level, Loop, Mapping, Stationary
from accelsim.schedule.passes import PassGroup, PassPattern
from accelsim.schedule.reduction_order import ReductionOrder
from accelsim.schedule.schedule import Block, Schedule, Step
from accelsim.schedule.support import select_pair
from accelsim.schedule.working_set import WorkingSet, working_set

__all__ = [
    "BUILTIN",
    "Block",
    "Dataflow",
    "Dim",
    "Level",
    "Loop",
    "Mapping",
    "PassGroup",
    "PassPattern",
    "ReductionOrder",
    "Schedule",
    "Stationary",
    "Step",
    "WorkingSet",
    "dataflow_registry",
    "make_schedule",
    "select_pair",
    "working_set",
]
