"""A chip: cores of array, accumulators, vector unit and scratchpad, on DRAM."""

from __future__ import annotations

from pydantic import Field

from accelsim.arch.accumulator import AccumulatorUnit
from accelsim.arch.interconnect import Interconnect
from accelsim.arch.mac_array import MacArray
from accelsim.arch.memory import Dram, Memory
from accelsim.arch.vector_unit import VectorUnit
from accelsim.config import StrictModel


class Chip(StrictModel):
    """What a chip can do; a recipe says what is asked of it."""

    name: str = Field(min_length=1, max_length=200)
    """Name in reports."""
    description: str = ""
    """One sentence for people."""
    sources: dict[str, str] = Field(default_factory=dict)
    """Where each figure comes from, by dotted field name."""
    technology_nm: float = Field(gt=0, le=1000)
    """Feature size, for energy and area."""
    clock_mhz: float = Field(gt=0, le=1e6)
    """Clock of everything on the chip."""
    cores: int = Field(default=1, ge=1, le=4096)
    """Equal cores."""
    mac_array: MacArray
    """The array of each core."""
    accumulator: AccumulatorUnit
    """The accumulators of each core."""
    vector_unit: VectorUnit
    """The vector unit of each core."""
    scratchpad: Memory
    """The scratchpad of each core."""
    interconnect: Interconnect = Interconnect()
    """What joins the cores and DRAM."""
    dram: Dram
    """Main memory."""
    default_recipe: str
    """Recipe used when none is named."""
    cost_table: str
    """Cost table, by name or path."""

    @property
    def dram_bytes_per_cycle(self) -> float | None:
        """DRAM bandwidth in bytes per cycle; None means unlimited."""
        if self.dram.bandwidth_gb_per_s is None:
            return None
        return self.dram.bandwidth_gb_per_s * 1e3 / self.clock_mhz

    @property
    def dram_latency_cycles(self) -> int:
        """DRAM latency in whole cycles, rounded up."""
        return int(-(-self.dram.latency_ns * self.clock_mhz // 1000))

    def peak_macs_per_cycle(self, k_per_pe: int) -> int:
        """Return the MACs per cycle of all cores at a rate of `k_per_pe`."""
        return self.cores * self.mac_array.pe_count * k_per_pe
