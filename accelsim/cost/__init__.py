"""Cost: at what price. Action counts from the schedule, times a table with sources."""

from accelsim.cost.actions import Action, ActionCounts, Component, Verb
from accelsim.cost.area import ChipArea, chip_area
from accelsim.cost.catalog import BUILTIN, cost_table_registry, list_cost_tables, load_cost_table
from accelsim.cost.chunks import ChunkCost, chunk_costs
from accelsim.cost.counting import count_actions
from accelsim.cost.coverage import describe_coverage, whole_chip_gaps, whole_chip_tables
from accelsim.cost.energy import EnergyReport, evaluate
from accelsim.cost.scaling import Scaling, ScalingMethod, scale
from accelsim.cost.sizing import Hold, hold_equal, resize_to_area
from accelsim.cost.table import Basis, CostRow, CostTable, UnitKind
from accelsim.cost.traffic import OpTraffic, trace_traffic

__all__ = [
    "BUILTIN",
    "Action",
    "ActionCounts",
    "Basis",
    "ChipArea",
    "ChunkCost",
    "Component",
    "CostRow",
    "CostTable",
    "EnergyReport",
    "Hold",
    "OpTraffic",
    "Scaling",
    "ScalingMethod",
    "UnitKind",
    "Verb",
    "chip_area",
    "chunk_costs",
    "cost_table_registry",
    "count_actions",
    "describe_coverage",
    "evaluate",
    "hold_equal",
    "list_cost_tables",
    "load_cost_table",
    "resize_to_area",
    "scale",
    "trace_traffic",
    "whole_chip_gaps",
    "whole_chip_tables",
]
