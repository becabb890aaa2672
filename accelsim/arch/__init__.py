"""Arch: on what. The parts of a chip, as a user writes them."""

from accelsim.arch.accumulator import AccumulatorCapability, AccumulatorUnit
from accelsim.arch.catalog import DEFAULT_CHIP, list_chips, load_chip
from accelsim.arch.chip import Chip
from accelsim.arch.interconnect import Interconnect, Routing, Topology
from accelsim.arch.mac_array import Drain, MacArray, OperandPair, RegisterFile
from accelsim.arch.mapper import Mapper, Objective, SplitK
from accelsim.arch.memory import Dma, Dram, Memory, PagePolicy
from accelsim.arch.vector_unit import VectorUnit

__all__ = [
    "DEFAULT_CHIP",
    "AccumulatorCapability",
    "AccumulatorUnit",
    "Chip",
    "Dma",
    "Drain",
    "Dram",
    "Interconnect",
    "MacArray",
    "Mapper",
    "Memory",
    "Objective",
    "OperandPair",
    "PagePolicy",
    "RegisterFile",
    "Routing",
    "SplitK",
    "Topology",
    "VectorUnit",
    "list_chips",
    "load_chip",
]
