"""The on-chip network in time: where traffic between cores and DRAM meets.

All traffic of a core crosses the links beside the DRAM port, so those are the
ones that can fill up. On a ring the first half of the cores is reached one way
round and the rest the other way, with a link out and a link back each: four
independent links. A bus is one medium for everything. Distance adds latency.
"""

from __future__ import annotations

from dataclasses import dataclass

from simpy import Environment

from accelsim.arch.chip import Chip
from accelsim.arch.interconnect import Topology
from accelsim.timing.arbiter import Server


@dataclass(frozen=True, slots=True)
class Route:
    """One core's way to or from DRAM."""

    server: Server
    hop_cycles: int


def hops_to(chip: Chip, core: int) -> int:
    """Return the links between DRAM and a core, the shorter way round."""
    if chip.cores == 1:
        return 0
    if chip.interconnect.topology is Topology.BUS:
        return 1
    return core + 1 if is_near(chip, core) else chip.cores - core


def is_near(chip: Chip, core: int) -> bool:
    """Return whether a core is reached by the first of two ways round; all are over a bus."""
    if chip.interconnect.topology is Topology.BUS:
        return True
    return core < -(-chip.cores // 2)


class InterconnectModel:
    """The links of a chip, shared by all its cores."""

    def __init__(self, env: Environment, chip: Chip, *, rank: int) -> None:
        self._chip = chip
        self._bytes_per_cycle = chip.interconnect.bytes_per_cycle
        count = 4 if chip.interconnect.topology is Topology.RING else 1
        self._links = tuple(Server(env, rank=rank + i) for i in range(count))

    @property
    def unlimited(self) -> bool:
        """Whether links take no time beyond the hops."""
        return self._bytes_per_cycle is None

    def route(self, core: int, *, outward: bool) -> Route:
        """Return the way from DRAM to a core (`outward`) or back."""
        latency = hops_to(self._chip, core) * self._chip.interconnect.hop_cycles
        if len(self._links) == 1:
            return Route(self._links[0], latency)
        way = 0 if is_near(self._chip, core) else 2
        return Route(self._links[way if outward else way + 1], latency)

    def cycles(self, size: int) -> int:
        """Return the cycles in which `size` bytes cross a link."""
        return 0 if self._bytes_per_cycle is None else -(-size // self._bytes_per_cycle)
