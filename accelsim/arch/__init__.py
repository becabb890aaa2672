"""Arch: on what. The parts of a chip, as a user writes them."""

from accelsim.arch.accumulator import AccumulatorCapability, AccumulatorUnit
from accelsim.arch.chip import Chip
from accelsim.arch.interconnect import Interconnect, Topology
from accelsim.arch.mac_array import Drain, MacArray, OperandPair
from accelsim.arch.memory import Dram, Memory
from accelsim.arch.vector_unit import VectorUnit

__all__ = [
    "AccumulatorCapability",
    "AccumulatorUnit",
    "Chip",
    "Drain",
    "Dram",
    "Interconnect",
    "MacArray",
    "Memory",
    "OperandPair",
    "Topology",
    "VectorUnit",
]
