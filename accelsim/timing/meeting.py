"""Where cores that divide k wait for each other's sums.

The sums of an output are added by core number, on the lanes of the core to which the
output falls, once all of them are there: a block's tree begins when the last core has
given its sums of the block. Who comes first makes no difference.
"""

from __future__ import annotations

from dataclasses import dataclass

from simpy import Environment, Event

from accelsim.schedule.passes import Range


@dataclass(frozen=True, slots=True)
class Exchange:
    """What a core gives to the others that divide the k of a block.

    Parameters
    ----------
    block : tuple of (int, int)
        Ranges of group, m and n: which outputs.
    cores : tuple of int
        The cores that have sums of them.
    link_bytes : int
        Bytes that this core gives.
    """

    block: tuple[Range, ...]
    cores: tuple[int, ...]
    link_bytes: int

    def peers(self, core: int) -> tuple[int, ...]:
        """Return the other cores."""
        return tuple(other for other in self.cores if other != core)


class Meetings:
    """All meetings of an op; a meeting is over when its last core has come."""

    def __init__(self, env: Environment) -> None:
        self._env = env
        self._open: dict[tuple[Range, ...], tuple[Event, list[int]]] = {}

    def come(self, exchange: Exchange, given: int) -> Event:
        """Return an event that fires with the cycle in which all sums of a block are there.

        Parameters
        ----------
        exchange : Exchange
            What this core gives.
        given : int
            Cycle in which the others have it.
        """
        event, times = self._open.setdefault(exchange.block, (Event(self._env), []))
        times.append(given)
        if len(times) == len(exchange.cores):
            del self._open[exchange.block]
            event.succeed(max(times))
        return event
