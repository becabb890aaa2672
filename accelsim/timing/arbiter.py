"""A shared server that nobody can reach first by luck.

SimPy breaks ties by the order in which events were created, which depends on the
order in which processes were. Here a server collects every request of an instant
and only then, after all ordinary events of that instant, serves the one that
asked first; of those that asked in the same cycle, the one with the smallest
(core, sequence) key. Each server decides at its own rank within the instant.
"""

from __future__ import annotations

import heapq
from typing import NamedTuple

from simpy import Environment, Event
from simpy.events import EventPriority

#: SimPy's ordinary events have priority 1; deciding comes after them.
_FIRST_RANK = 2


class Service(NamedTuple):
    """When a server worked on a request."""

    start: int
    end: int


class Server:
    """Serves one request at a time, in order of (time asked, core, sequence)."""

    def __init__(self, env: Environment, *, rank: int) -> None:
        self._env = env
        self._priority = EventPriority(_FIRST_RANK + rank)
        self._waiting: list[tuple[int, tuple[int, int], int, Event]] = []
        self._free_at = 0
        self._deciding = False

    def request(self, key: tuple[int, int], cycles: int) -> Event:
        """Return an event that fires with a `Service` when the request's turn comes.

        Parameters
        ----------
        key : (int, int)
            Core and sequence number; unique among waiting requests.
        cycles : int
            How long the server is busy with it.
        """
        granted = Event(self._env)
        heapq.heappush(self._waiting, (int(self._env.now), key, cycles, granted))
        self._decide_later()
        return granted

    def _decide_later(self) -> None:
        if self._deciding or not self._waiting:
            return
        self._deciding = True
        event = Event(self._env)
        event._ok = True
        event._value = None
        event.callbacks = [self._decide]
        delay = max(0, self._free_at - int(self._env.now))
        self._env.schedule(event, priority=self._priority, delay=delay)

    def _decide(self, _event: Event) -> None:
        self._deciding = False
        _, _, cycles, granted = heapq.heappop(self._waiting)
        start = int(self._env.now)
        self._free_at = start + cycles
        granted.succeed(Service(start, self._free_at))
        self._decide_later()
