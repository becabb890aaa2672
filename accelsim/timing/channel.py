"""A queue between two processes that costs an event only where the reader really waits."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator
from typing import Any, Generic, TypeVar

from simpy import Environment, Event

Item = TypeVar("Item")


class Channel(Generic[Item]):
    """An unbounded queue with one writer and one reader.

    Items carry the cycle in which they are complete, which may lie ahead; so it
    does not matter which of two events of one instant the reader sees first.
    """

    def __init__(self, env: Environment) -> None:
        self._env = env
        self._items: deque[Item] = deque()
        self._wakes: Event | None = None

    def put(self, item: Item) -> None:
        """Append an item and wake the reader if it waits."""
        self._items.append(item)
        if self._wakes is not None:
            self._wakes.succeed()
            self._wakes = None

    def get(self) -> Generator[Event, Any, Item]:
        """Take the first item, waiting for one if there is none; use with ``yield from``."""
        while not self._items:
            self._wakes = Event(self._env)
            yield self._wakes
        return self._items.popleft()
