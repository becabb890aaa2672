"""What joins the cores to each other and to DRAM."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from accelsim.config import StrictModel


class Topology(StrEnum):
    """Shape of the on-chip network."""

    RING = "ring"
    BUS = "bus"


class Routing(StrEnum):
    """Which links traffic can wait for."""

    #: Those beside the DRAM port, which all traffic is taken to cross.
    PORT = "port"
    #: Every link on the way, between cores too: those from core to core go the shorter way.
    EVERY_LINK = "every_link"


class Interconnect(StrictModel):
    """Links between DRAM port and cores."""

    topology: Topology = Topology.RING
    """A ring has one link per direction and hop; a bus is one shared medium."""
    bytes_per_cycle: int | None = Field(default=None, ge=1, le=2**20)
    """Bytes per cycle and direction; null means unlimited."""
    hop_cycles: int = Field(default=1, ge=0, le=1024)
    """Cycles that a hop adds to a transfer's latency."""
    routing: Routing = Routing.PORT
    """Which links traffic can wait for."""
    multicast: bool = False
    """What several cores load together, or from each other, goes round once: each core takes
    it as it passes. Counts only with `routing: every_link`; without, every core is sent all
    of it by itself."""
