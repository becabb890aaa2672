"""Schedule: in which order. The hub that values, time and price are read from."""

from accelsim.schedule.dataflows import Dataflow
from accelsim.schedule.describe import describe
from accelsim.schedule.kinds import Kind, kind_of, op_shape_key
from accelsim.schedule.make import make_schedule, make_schedules
from accelsim.schedule.mapping import Dim, Level, Loop, Mapping, Stationary
from accelsim.schedule.passes import PassGroup, PassPattern
from accelsim.schedule.reduction_order import ReductionOrder
from accelsim.schedule.schedule import Block, Schedule, Step
from accelsim.schedule.support import select_pair
from accelsim.schedule.working_set import WorkingSet, working_set

__all__ = [
    "Block",
    "Dataflow",
    "Dim",
    "Kind",
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
    "describe",
    "kind_of",
    "make_schedule",
    "make_schedules",
    "op_shape_key",
    "select_pair",
    "working_set",
]
