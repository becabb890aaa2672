"""Calls of a function in worker processes, each of which works its way through neighbours.

Neighbours have much in common, and what a process has found for one of them it need not
find for the next. So every worker has a stretch of the calls and begins at its front; one
that has none left takes the rear half of the longest stretch. A result comes back as soon
as it is there, whatever its neighbours do.
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any, TypeVar

T = TypeVar("T")
R = TypeVar("R")

#: Neighbours that go to a worker in one piece: what they share is sent once.
_NEIGHBOURS = 16
#: Calls that a worker has: one to work on, one to go on with while the result is read.
_CALLS_AT_ONCE = 2
#: Threads of a worker's libraries share the cores with those of the other workers.
_THREAD_LIMITS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


def call_in_processes(
    function: Callable[[T], R], items: Sequence[T], processes: int
) -> Iterator[R]:
    """Yield the results of a function of every item, in the order in which they are ready.

    Parameters
    ----------
    function : callable
        Must be importable by other processes.
    items : sequence
        Those with much in common next to each other.
    processes : int
        Worker processes.

    Raises
    ------
    Exception
        What the function raises, or that a worker was killed.
    """
    from joblib.externals.loky import ProcessPoolExecutor, wait

    threads = str(max(1, (os.cpu_count() or 1) // processes))
    limits = {name: os.environ.get(name, threads) for name in _THREAD_LIMITS}
    stretches = Stretches(len(items), processes)
    pieces = _Pieces(function, items)
    workers = [ProcessPoolExecutor(max_workers=1, env=limits) for _ in stretches.left]
    running: dict[Any, int] = {}

    def send(worker: int) -> None:
        at = stretches.take(worker)
        if at is not None:
            running[workers[worker].submit(_call, *pieces.of(at))] = worker

    try:
        for _ in range(_CALLS_AT_ONCE):
            for worker in range(len(workers)):
                send(worker)
        while running:
            for done in wait(running, return_when="FIRST_COMPLETED").done:
                worker, result = running.pop(done), done.result()
                send(worker)
                yield result
    finally:
        for pool in workers:  # nobody waits for the calls that an error leaves
            pool.shutdown(kill_workers=bool(running))


class Stretches:
    """Which of the numbers from 0 on each worker takes next.

    Parameters
    ----------
    count : int
        Numbers.
    workers : int
        Workers; no more are given a stretch than there are numbers.

    Examples
    --------
    >>> stretches = Stretches(6, 2)
    >>> [stretches.take(worker) for worker in (0, 1, 0, 0, 0, 1, 1)]
    [0, 3, 1, 2, 5, 4, None]
    """

    def __init__(self, count: int, workers: int) -> None:
        workers = max(1, min(count, workers))
        borders = [count * at // workers for at in range(workers + 1)]
        #: What each worker has left.
        self.left = [range(*ends) for ends in pairwise(borders)]

    def take(self, worker: int) -> int | None:
        """Return the next number of a worker; None where all are taken."""
        if not self.left[worker]:
            longest = max(range(len(self.left)), key=lambda other: len(self.left[other]))
            whole = self.left[longest]
            middle = len(whole) // 2
            self.left[longest], self.left[worker] = whole[:middle], whole[middle:]
        mine = self.left[worker]
        self.left[worker] = mine[1:]
        return mine[0] if mine else None


class _Pieces:
    """Items as pieces of neighbours, each made ready to be sent once and while it is needed."""

    def __init__(self, function: Callable[[T], R], items: Sequence[T]) -> None:
        self._function = function
        self._items = items
        self._sent = lru_cache(maxsize=2**6)(self._piece)

    def of(self, at: int) -> tuple[bytes, int]:
        """Return the piece with an item, and its place there."""
        piece, place = divmod(at, _NEIGHBOURS)
        return self._sent(piece), place

    def _piece(self, number: int) -> bytes:
        from joblib.externals.loky.backend.reduction import dumps

        start = number * _NEIGHBOURS
        return bytes(dumps((self._function, self._items[start : start + _NEIGHBOURS])))


def _call(piece: bytes, place: int) -> Any:
    function, items = _opened(piece)
    return function(items[place])


@lru_cache(maxsize=2)
def _opened(piece: bytes) -> Any:
    return pickle.loads(piece)
