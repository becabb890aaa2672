"""A shared server that nobody can reach first by luck.

SimPy breaks ties by the order in which events were created, which depends on the
order in which processes were. Here a desk collects every request of an instant
and only then, after all ordinary events of that instant, deals with them: with the
smallest (core, sequence) key first. So requests are dealt with in the order of
(time asked, key), and when each is served is known as soon as it is asked. Each
desk decides at its own rank within the instant.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

from simpy import Environment, Event
from simpy.events import EventPriority

#: SimPy's ordinary events have priority 1; deciding comes after them.
_FIRST_RANK = 2
#: What is asked for.
Ask = TypeVar("Ask")


class Service(NamedTuple):
    """When a server worked on a request.

    Parameters
    ----------
    start, end : int
        First cycle, and first cycle after it.
    row_cycles, refresh_cycles : int
        Cycles before `end` that went into opening rows of DRAM and into its refresh.
    later : int
        Cycles after `end` until what was moved has arrived.
    """

    start: int
    end: int
    row_cycles: int = 0
    refresh_cycles: int = 0
    later: int = 0


class Desk(Generic[Ask]):
    """Deals with requests in the order of (time asked, core, sequence).

    Parameters
    ----------
    env : Environment
        The clock.
    serve : callable
        Takes the cycle and the request, and returns when it is served; called once for
        each, in order.
    rank : int
        When in an instant it decides.
    """

    def __init__(
        self, env: Environment, serve: Callable[[int, Ask], Service], *, rank: int
    ) -> None:
        self._env = env
        self._serve = serve
        self._priority = EventPriority(_FIRST_RANK + rank)
        self._waiting: list[tuple[tuple[int, int], int, Ask, Event]] = []
        self._asked = 0

    def request(self, key: tuple[int, int], ask: Ask) -> Event:
        """Return an event that fires with a `Service` when the request's turn comes.

        Parameters
        ----------
        key : (int, int)
            Core and sequence number; unique among the requests of an instant.
        ask : Ask
            What is asked for.
        """
        granted = Event(self._env)
        if not self._waiting:
            self._decide_later()
        self._asked += 1
        heapq.heappush(self._waiting, (key, self._asked, ask, granted))
        return granted

    def _decide_later(self) -> None:
        event = Event(self._env)
        event._ok = True
        event._value = None
        event.callbacks = [self._decide]
        self._env.schedule(event, priority=self._priority)

    def _decide(self, _event: Event) -> None:
        now = int(self._env.now)
        while self._waiting:
            _, _, ask, granted = heapq.heappop(self._waiting)
            service = self._serve(now, ask)
            granted._ok = True
            granted._value = service
            self._env.schedule(granted, delay=service.start - now)


class Server(Desk[int]):
    """Serves one request at a time; what is asked for is how many cycles it takes."""

    def __init__(self, env: Environment, *, rank: int) -> None:
        self._free_at = 0
        super().__init__(env, self._take, rank=rank)

    def _take(self, now: int, cycles: int) -> Service:
        start = max(now, self._free_at)
        self._free_at = start + cycles
        return Service(start, self._free_at)
