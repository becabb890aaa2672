"""One core in time: DMA in, array or vector unit, write-back, DMA out.

Work comes in portions: a part of a block whose passes run one directly after the
other once its operands are there. The processes of a core hand portions on in
order; a block's half of the scratchpad is one credit for its operands and one
for its results, so with double buffering the next block loads while one runs.
DMA uses the half that the array does not, and so never competes for its port.

Each process advances from border to border; what lies between is closed form.
What is handed on carries the cycle in which it is complete, known ahead: only DMA,
which shares DRAM and links with other cores, has to wait for that cycle to come.

Where cores divide k, each gives the others its sums of a block, and its lanes add up
their share only when all cores' sums of the block have come: the combining tree begins
with the last of them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from simpy import Environment, Event

from accelsim.schedule.traffic import Transfer
from accelsim.timing.addresses import Access
from accelsim.timing.arbiter import Service
from accelsim.timing.channel import Channel
from accelsim.timing.core_log import AT_ONCE, Arrival, CoreLog, served
from accelsim.timing.dram import DramModel
from accelsim.timing.interconnect import InterconnectModel, Route
from accelsim.timing.mac_array import ArrayModel, Border, PassRun
from accelsim.timing.meeting import Exchange, Meetings
from accelsim.timing.ring import Crossing
from accelsim.timing.timeline import Buffer, StallCause, Unit

#: Core and place in the order of its transfers.
Key = tuple[int, int]
#: A SimPy process.
Process = Generator[Event, Any, None]
_NOTHING = Transfer()


@dataclass(frozen=True, slots=True)
class Portion:
    """A part of a block.

    Parameters
    ----------
    opens, closes : bool
        First or last portion of its block.
    read : Transfer
        What must arrive before it can start.
    run : PassRun or None
        Its passes; None where the vector unit does the whole work.
    vector_cycles : int
        Work of the vector unit.
    port_cycles : int
        Cycles that the scratchpad's ports need for a vector unit's operands.
    write : Transfer or None
        Results that leave; None where it completes none.
    opens_write, closes_write : bool
        First or last portion of its block that completes results.
    read_from, write_to : tuple of Access
        Where in DRAM the bytes lie; empty where that does not matter.
    exchange : Exchange or None
        What cores that divide k give each other before the lanes work; None for others.
    """

    opens: bool
    closes: bool
    read: Transfer
    run: PassRun | None = None
    vector_cycles: int = 0
    port_cycles: int = 0
    write: Transfer | None = None
    opens_write: bool = False
    closes_write: bool = False
    read_from: tuple[Access, ...] = ()
    write_to: tuple[Access, ...] = ()
    exchange: Exchange | None = None


class Result(NamedTuple):
    """Results on their way out: when the first and the last of them leave the array."""

    portion: Portion
    first: int
    last: int


class Finished(NamedTuple):
    """Results that can leave: since when, and when all cores' sums of them were there."""

    ready: int
    met: int = 0


@dataclass(frozen=True, slots=True)
class Machine:
    """What all cores share."""

    env: Environment
    dram: DramModel
    links: InterconnectModel
    meetings: Meetings


class CoreModel:
    """The queues and credits of one core, and the processes between them.

    Parameters
    ----------
    machine : Machine
        What all cores share.
    core : int
        Number of the core.
    portions : sequence of Portion
        Its work, in order; at least one.
    array : ArrayModel or None
        The array; None where the vector unit does the whole work.
    halves : int
        Halves of the scratchpad: 2 with double buffering, else 1.
    latency : int
        Cycles from the first element into the vector unit to the first out of it.
    depth : int or None
        Loads that may be under way; None for any number.
    """

    def __init__(
        self,
        machine: Machine,
        core: int,
        portions: Sequence[Portion],
        *,
        array: ArrayModel | None,
        halves: int,
        latency: int,
        depth: int | None = None,
    ) -> None:
        env = machine.env
        self.log = CoreLog(core)
        self._machine = machine
        self._portions = portions
        self._latency = latency
        self._depth = depth
        self._under_way: deque[int] = deque()
        self._held: deque[int] = deque()
        self._in_block = 0
        self._halves: Channel[int] = Channel(env)
        self._loaded: Channel[Arrival] = Channel(env)
        self._slots: Channel[Arrival] = Channel(env)
        self._results: Channel[Result] = Channel(env)
        self._finished: Channel[Finished] = Channel(env)
        for _ in range(halves):
            self._halves.put(0)
            self._slots.put(AT_ONCE)
        work = self._vector_process() if array is None else self._array_process(array)
        #: The core's processes, not yet started, in any order.
        self.processes: tuple[Process, ...] = (
            self._dma_in_process(env),
            work,
            self._write_back_process(env, done_by_vector_unit=array is None),
            self._dma_out_process(env),
        )

    def _dma_in_process(self, env: Environment) -> Process:
        """Load portions in order, each block as soon as a half is free."""
        route = self._machine.links.route(self.log.core, outward=True)
        for at, portion in enumerate(self._portions):
            if portion.opens:
                free = yield from self._halves.get()
                yield from _until(env, free)
            size = portion.read
            if size != _NOTHING:
                yield from self._queued(env)
            asked = int(env.now)
            key = self._key(at, out=False)
            service = yield from self._dram(env, key, size.dram_bytes, portion.read_from)
            link = yield from self._link(env, key, route, size)
            arrival = self._arrival(service, link, size, route)
            done = max(service.end, link.end)
            self._loaded.put(arrival)
            if size != _NOTHING:
                self._under_way.append(arrival.time)
            moved = max(size.dram_bytes, size.link_bytes)
            self.log.busy(Unit.DMA_IN, asked, done, moved, at=at)
            self._fill(portion, at, arrival.time, moved)
            yield from _until(env, done)

    def _fill(self, portion: Portion, at: int, time: int, size: int) -> None:
        """Note that operands have come, and what their block holds until its half is free."""
        self.log.level(Buffer.OPERANDS, time, size, at=at)
        self._in_block += size
        if portion.closes:
            self._held.append(self._in_block)
            self._in_block = 0

    def _queued(self, env: Environment) -> Process:
        """Wait until another load may be under way."""
        if self._depth is not None:
            while len(self._under_way) >= self._depth:
                yield from _until(env, self._under_way.popleft())

    def _arrival(self, service: Service, link: Service, size: Transfer, route: Route) -> Arrival:
        """Return when a load is there, from when DRAM and links have served it."""
        latency = self._machine.dram.latency_cycles if size.dram_bytes else 0
        there = service.end + latency
        across = max(there, latency + link.end)
        across += _hops(link, route) if size.link_bytes else 0
        return Arrival(
            (
                *served(service, StallCause.DRAM_READ, later=latency),
                (across, StallCause.INTERCONNECT),
            )
        )

    def _array_process(self, array: ArrayModel) -> Process:
        """Run the passes of portion after portion; note why one starts late."""
        log = self.log
        known: dict[tuple[int, int], Border] = {}
        before: PassRun | None = None
        start = 0
        for at, portion in enumerate(self._portions):
            run = portion.run
            assert run is not None
            arrival = yield from self._loaded.get()
            slot = (yield from self._slots.get()) if portion.opens_write else AT_ONCE
            key = (id(before), id(run))
            border = known.get(key)
            if border is None:
                border = known[key] = array.border(before, run)
            first = log.late(start + border.gap.total, border.lead, arrival, slot)
            log.spend(border.gap)
            log.spend(run.span)
            log.count(run)
            start = first + run.span.total
            end = start + border.last
            log.busy(Unit.ARRAY, first, end, at=at)
            if portion.write is not None:
                output = first + (run.first_output or 0) + border.output
                self._results.put(Result(portion, output, end))
            if portion.closes:
                self._free_half(start + border.streaming, at)
            before = run
            log.work_end = end
            log.mark()
        assert before is not None
        log.spend(array.last(before.last))

    def _vector_process(self) -> Process:
        """Do portion after portion on the lanes; note why one starts late."""
        log = self.log
        free = 0
        for at, portion in enumerate(self._portions):
            arrival = yield from self._loaded.get()
            slot = (yield from self._slots.get()) if portion.opens_write else AT_ONCE
            begin = log.late(free, 0, arrival, slot)
            log.vectors += portion.vector_cycles
            log.plain += portion.vector_cycles
            log.stall(StallCause.SCRATCHPAD, max(0, portion.port_cycles - portion.vector_cycles))
            free = begin + max(portion.vector_cycles, portion.port_cycles)
            log.busy(Unit.VECTOR_UNIT, begin, free, at=at)
            if portion.write is not None:
                self._results.put(Result(portion, free, free + self._latency))
            if portion.closes:
                self._free_half(free, at)
            log.mark()
        log.plain += self._latency
        log.work_end = free + self._latency

    def _free_half(self, time: int, at: int) -> None:
        """Let the next block load from a cycle on."""
        self.log.level(Buffer.OPERANDS, time, -self._held.popleft(), at=at)
        self._halves.put(time)

    def _write_back_process(self, env: Environment, *, done_by_vector_unit: bool) -> Process:
        """Pass results through the fused vector ops while the array makes them."""
        free = 0
        for at, portion in enumerate(self._portions):
            if portion.write is None:
                continue
            result = yield from self._results.get()
            first, end, met = result.first, result.last, 0
            if portion.exchange is not None:
                met = yield from self._meet(env, at, portion.exchange, result.last)
                first = end = met
            if portion.vector_cycles and not done_by_vector_unit:
                begin = max(free, first)
                free = begin + portion.vector_cycles
                end = max(free, end) + self._latency
                self.log.busy(Unit.VECTOR_UNIT, begin, free, at=at)
            self._finished.put(Finished(end, met))

    def _meet(
        self, env: Environment, at: int, exchange: Exchange, made: int
    ) -> Generator[Event, Any, int]:
        """Give the other cores this core's sums, and return when all of theirs are there."""
        route = self._machine.links.route(self.log.core, outward=False)
        yield from _until(env, made)
        size = Transfer(0, exchange.link_bytes)
        link = yield from self._link(
            env, self._key(at, out=True), route, size, exchange.peers(self.log.core)
        )
        given = link.end + (_hops(link, route) if exchange.link_bytes else 0)
        met: int = yield self._machine.meetings.come(exchange, given)
        return met

    def _dma_out_process(self, env: Environment) -> Process:
        """Send finished results off in order, and free their half."""
        route = self._machine.links.route(self.log.core, outward=False)
        for at, portion in enumerate(self._portions):
            size = portion.write
            if size is None:
                continue
            ready, met = yield from self._finished.get()
            yield from _until(env, ready)
            key = self._key(at, out=True)
            link = yield from self._link(env, key, route, size)
            service = yield from self._dram(env, key, size.dram_bytes, portion.write_to)
            hops = _hops(link, route) if size.link_bytes else 0
            done = max(link.end + hops, service.end)
            made_by_lanes = portion.vector_cycles > 0
            phases = served(service, StallCause.DRAM_WRITE) if size.dram_bytes else ()
            gone = Arrival(
                (
                    (met, StallCause.COMBINE),
                    (ready if made_by_lanes else 0, StallCause.VECTOR_UNIT),
                    (link.start, StallCause.INTERCONNECT),
                    *phases,
                    (done, StallCause.INTERCONNECT),
                )
            )
            moved = max(size.dram_bytes, size.link_bytes)
            self.log.busy(Unit.DMA_OUT, ready, done, moved, at=at)
            self.log.level(Buffer.RESULTS, ready, moved, at=at)
            self.log.level(Buffer.RESULTS, done, -moved, at=at)
            self.log.gone = gone
            if portion.closes_write:
                self._slots.put(gone)
            yield from _until(env, done)

    def _dram(
        self, env: Environment, key: Key, size: int, where: tuple[Access, ...]
    ) -> Generator[Event, Any, Service]:
        """Have DRAM serve `size` bytes; returns the `Service` when it starts."""
        dram = self._machine.dram
        if size == 0 or dram.unlimited:
            return Service(int(env.now), int(env.now))
        service: Service = yield dram.request(key, size, where)
        self.log.busy(Unit.DRAM, service.start, service.end, size, at=key[1] // 2)
        return service

    def _link(
        self,
        env: Environment,
        key: Key,
        route: Route,
        size: Transfer,
        peers: Sequence[int] | None = None,
    ) -> Generator[Event, Any, Service]:
        """Have links carry a transfer, what is not DRAM's from or to other cores.

        Those are all, unless `peers` are given. Returns the `Service` when it starts.
        """
        links = self._machine.links
        if size.link_bytes == 0 or links.unlimited:
            return Service(int(env.now), int(env.now))
        port = min(size.dram_bytes, size.link_bytes)
        others = links.peers(self.log.core) if peers is None else peers
        crossing = Crossing(route.core, route.outward, port, size.link_bytes - port, others)
        service: Service = yield route.ask(key, crossing)
        self.log.busy(Unit.LINK, service.start, service.end, size.link_bytes, at=key[1] // 2)
        return service

    def _key(self, portion: int, *, out: bool) -> Key:
        """Return the arbitration key of a transfer: operands before results of a portion."""
        return (self.log.core, 2 * portion + out)


def _hops(link: Service, route: Route) -> int:
    """Return the cycles from the end of a link's service to the arrival."""
    return route.hop_cycles + link.later


def _until(env: Environment, time: int) -> Process:
    """Wait until a cycle, if it has not come yet."""
    if time > env.now:
        yield env.timeout(time - env.now)
