"""A ring with every link: the DRAM port and the cores in a circle, a link each way between.

The port is node 0 and core i node i + 1. A transfer goes the shorter way round (by rising
node numbers where both are equal), and holds each link of its way for bytes / bandwidth,
one hop after the link before, or later where that is still held: it flows through, and
never takes up room between links. Links serve in the order in which transfers are asked
for.

A core takes what is not DRAM's from the other cores, each of which has an equal part, and
gives its sums to the other cores that divide k in equal parts. Its links then carry what
comes from, or goes to, all cores that lie behind them. With multicast, what cores give to
all goes round both ways at once, half of it each way, and every core hands on what it
takes: a link carries every byte once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from accelsim.arch.chip import Chip
from accelsim.timing.arbiter import Service


class Crossing(NamedTuple):
    """Bytes that one core moves over the network.

    Parameters
    ----------
    core : int
        The core.
    outward : bool
        To the core; else from it.
    port_bytes : int
        Between it and DRAM.
    peer_bytes : int
        Between it and other cores.
    peers : sequence of int
        Those cores.
    """

    core: int
    outward: bool
    port_bytes: int
    peer_bytes: int
    peers: Sequence[int]


#: A directed link: the node that it leaves, and whether node numbers rise along it.
Link = tuple[int, bool]


class Ring:
    """The links of a ring and until when each is held.

    Parameters
    ----------
    cores : int
        Cores on the ring.
    bytes_per_cycle : int or None
        Of a link; None for no limit.
    hop_cycles : int
        Latency of a link.
    multicast : bool
        What cores take from each other passes every link once.
    """

    def __init__(
        self, cores: int, *, bytes_per_cycle: int | None, hop_cycles: int, multicast: bool
    ) -> None:
        self._nodes = cores + 1
        self._rate = bytes_per_cycle
        self._hop = hop_cycles
        self._multicast = multicast
        self._free: dict[Link, int] = {}

    @staticmethod
    def of(chip: Chip) -> Ring:
        """Return the ring of a chip, nothing on it."""
        net = chip.interconnect
        return Ring(
            chip.cores,
            bytes_per_cycle=net.bytes_per_cycle,
            hop_cycles=net.hop_cycles,
            multicast=net.multicast,
        )

    def serve(self, now: int, crossing: Crossing) -> Service:
        """Return when a crossing begins and, its hops left to `later`, has arrived."""
        services = [self._carry(now, flow) for flow in self._flows(crossing)]
        if not services:
            return Service(now, now)
        last = max(services, key=lambda one: one.end + one.later)
        return last._replace(start=min(one.start for one in services))

    def way(self, source: int, target: int) -> list[Link]:
        """Return the links from node to node, the shorter way round.

        Examples
        --------
        >>> Ring(4, bytes_per_cycle=1, hop_cycles=1, multicast=False).way(0, 4)
        [(0, False)]
        """
        distance = (target - source) % self._nodes
        rising = 2 * distance <= self._nodes
        count = distance if rising else self._nodes - distance
        step = 1 if rising else -1
        return [((source + step * at) % self._nodes, rising) for at in range(count)]

    def _flows(self, crossing: Crossing) -> Iterator[list[tuple[Link, int]]]:
        """Yield flows of a crossing: the links of each, in order, with their bytes."""
        node = crossing.core + 1
        if crossing.port_bytes:
            ends = (0, node) if crossing.outward else (node, 0)
            yield [(link, crossing.port_bytes) for link in self.way(*ends)]
        if not crossing.peer_bytes or not crossing.peers:
            return
        if self._multicast and crossing.outward:
            yield from self._handed_on(node, crossing.peer_bytes)
            return
        for rising in (True, False):
            flow = self._spread(node, crossing, rising=rising)
            if flow:
                yield flow

    def _spread(self, node: int, crossing: Crossing, *, rising: bool) -> list[tuple[Link, int]]:
        """Return one direction's links, each with what it carries of equal parts of peers."""
        each, over = divmod(crossing.peer_bytes, len(crossing.peers))
        loads: dict[Link, int] = {}
        longest: list[Link] = []
        for at, peer in enumerate(crossing.peers):
            ends = (peer + 1, node) if crossing.outward else (node, peer + 1)
            way = self.way(*ends)
            if way[0][1] is not rising:
                continue
            longest = max(longest, way, key=len)
            for link in way:
                loads[link] = loads.get(link, 0) + each + (at < over)
        return [(link, loads[link]) for link in longest]

    def _handed_on(self, node: int, size: int) -> Iterator[list[tuple[Link, int]]]:
        """Yield a core's links from its neighbours on both sides, each with half of the bytes."""
        for step, half in ((1, size - size // 2), (-1, size // 2)):
            before = (node - step) % self._nodes
            way = [(before, step == 1)]
            if before == 0:  # the port lies between
                way.insert(0, ((before - step) % self._nodes, step == 1))
            yield [(link, half) for link in way]

    def _carry(self, now: int, flow: Sequence[tuple[Link, int]]) -> Service:
        """Hold every link of a flow in turn; return when it begins and has arrived."""
        at, begun, end = now, -1, now
        for link, size in flow:
            start = max(at, self._free.get(link, 0))
            cycles = 0 if self._rate is None else -(-size // self._rate)
            self._free[link] = start + cycles
            begun = start if begun < 0 else begun
            end = max(end, start + cycles + self._hop)
            at = start + self._hop
        hops = len(flow) * self._hop
        return Service(begun, end - hops, later=hops)
