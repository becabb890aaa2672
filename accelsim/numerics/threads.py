"""Threads that share the tasks of a kernel.

The caller works too, and its helpers are kept: a thread that is started anew often begins
on the core of the thread that started it, and shares that core until it is moved.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache

from accelsim.errors import ConfigError

#: Pieces of work per thread, so that the last one is not waited for long.
PIECES_PER_THREAD = 8


def run_tasks(work: Callable[[int, int], None], tasks: int, threads: int) -> None:
    """Do tasks 0 .. tasks - 1 on threads; returns, or raises, when no thread is at work.

    Parameters
    ----------
    work : callable
        Does tasks from its first argument on, up to before its second; called on several
        threads at once, and helps only if it releases the GIL.
    tasks : int
        Number of tasks.
    threads : int
        The caller is one of them.

    Raises
    ------
    ConfigError
        If there is not even one thread.

    Examples
    --------
    >>> done = []
    >>> run_tasks(lambda first, last: done.extend(range(first, last)), 5, threads=2)
    >>> sorted(done)
    [0, 1, 2, 3, 4]
    """
    if threads < 1:
        raise ConfigError(f"Work is done by one thread at least, not by {threads}.")
    pieces = min(tasks, threads * PIECES_PER_THREAD)
    if threads == 1 or pieces <= 1:
        work(0, tasks)
        return
    waiting = iter(range(pieces))
    turn = threading.Lock()

    def help_out() -> None:
        try:
            while True:
                with turn:
                    piece = next(waiting, pieces)
                if piece == pieces:
                    return
                work(tasks * piece // pieces, tasks * (piece + 1) // pieces)
        except BaseException:
            # Nobody needs the rest.
            with turn:
                for _ in waiting:
                    pass
            raise

    helpers = _helpers(threads - 1, os.getpid())
    given = [helpers.submit(help_out) for _ in range(min(threads, pieces) - 1)]
    try:
        help_out()
    finally:
        _wait(given)


@lru_cache(maxsize=4)
def _helpers(count: int, process: int) -> ThreadPoolExecutor:
    """Return the threads of a process; a forked one has none of its parent's."""
    return ThreadPoolExecutor(count, thread_name_prefix=f"accelsim-{process}")


def _wait(given: list[Future[None]]) -> None:
    """Wait for helpers that have begun; those of a busy pool may not have to."""
    begun = [helper for helper in given if not helper.cancel()]
    for helper in begun:
        helper.result()
