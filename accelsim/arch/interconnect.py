"""What joins the cores to each other and to DRAM."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from accelsim.config import StrictModel


class Topology(StrEnum):
    """Shape of the on-chip network."""

    RING = "ring"
    BUS = "bus"


class Interconnect(StrictModel):
    """Links between DRAM port and cores."""

    topology: Topology = Topology.RING
    """A ring has one link per direction and hop; a bus is one shared medium."""
    bytes_per_cycle: int | None = Field(default=None, ge=1, le=2**20)
    """Bytes per cycle and direction; null means unlimited."""
    hop_cycles: int = Field(default=1, ge=0, le=1024)
    """Cycles that a hop adds to a transfer's latency."""
