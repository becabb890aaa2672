"""The on-chip network in time: where traffic between cores and DRAM meets.

Two models of it. With ``routing: port`` all traffic of a core crosses the links beside
the DRAM port, so those are the ones that can fill up: on a ring the first half of the
cores is reached one way round and the rest the other way, with a link out and a link
back each, four independent links; distance adds latency. With ``routing: every_link``
every link of the ring is there; see `ring`. A bus is one medium for everything.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from simpy import Environment, Event

from accelsim.arch.chip import Chip
from accelsim.arch.interconnect import Routing, Topology
from accelsim.timing.arbiter import Desk, Server
from accelsim.timing.ring import Crossing, Ring


class Route(NamedTuple):
    """One core's way in or out.

    Parameters
    ----------
    core : int
        The core.
    outward : bool
        To the core; else from it.
    hop_cycles : int
        Latency of the way; 0 where services tell it themselves.
    ask : callable
        Takes a key and a `Crossing`; returns an event that fires with a `Service` when the
        crossing begins.
    """

    core: int
    outward: bool
    hop_cycles: int
    ask: Callable[[tuple[int, int], Crossing], Event]


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
        net = chip.interconnect
        is_ring = net.topology is Topology.RING
        self._ring: Desk[Crossing] | None = None
        if is_ring and net.routing is Routing.EVERY_LINK and chip.cores > 1:
            ring = Ring.of(chip)
            self._ring = Desk(env, ring.serve, rank=rank)
        self._links = tuple(Server(env, rank=rank + i) for i in range(4 if is_ring else 1))
        #: Whether links take no time beyond the hops.
        self.unlimited = net.bytes_per_cycle is None and self._ring is None

    def route(self, core: int, *, outward: bool) -> Route:
        """Return the way to a core (`outward`) or from it."""
        if self._ring is not None:
            return Route(core, outward, 0, self._ring.request)
        latency = hops_to(self._chip, core) * self._chip.interconnect.hop_cycles
        way = 0 if is_near(self._chip, core) else 2
        link = self._links[(way if outward else way + 1) % len(self._links)]

        def ask(key: tuple[int, int], crossing: Crossing) -> Event:
            return link.request(key, self._cycles(crossing))

        return Route(core, outward, latency, ask)

    def peers(self, core: int) -> Sequence[int]:
        """Return the other cores."""
        return [other for other in range(self._chip.cores) if other != core]

    def _cycles(self, crossing: Crossing) -> int:
        """Return the cycles in which a crossing passes one link."""
        net, size = self._chip.interconnect, crossing.port_bytes + crossing.peer_bytes
        once = net.routing is Routing.EVERY_LINK and net.multicast and crossing.outward
        if once and crossing.peers:
            # On a bus all cores hear what any is sent.
            own = -(-crossing.peer_bytes // len(crossing.peers))
            size = max(crossing.port_bytes, own)
        rate = net.bytes_per_cycle
        return 0 if rate is None else -(-size // rate)
