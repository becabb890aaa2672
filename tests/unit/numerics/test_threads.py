"""Every task is done once, whoever does it, and errors arrive when nobody works any more."""

from __future__ import annotations

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from accelsim.errors import ConfigError
from accelsim.numerics.threads import run_tasks


@pytest.mark.parametrize("threads", [1, 2, 3, 7])
@pytest.mark.parametrize("tasks", [0, 1, 2, 15, 16, 17, 1000])
def test_every_task_is_done_once(tasks: int, threads: int) -> None:
    done: list[int] = []
    run_tasks(lambda first, last: done.extend(range(first, last)), tasks, threads)
    assert sorted(done) == list(range(tasks))


@pytest.mark.parametrize("threads", [0, -1])
def test_work_without_a_thread_is_refused(threads: int) -> None:
    with pytest.raises(ConfigError, match=f"not by {threads}"):
        run_tasks(lambda first, last: None, 16, threads)


def test_caller_and_helpers_work_side_by_side() -> None:
    """Three meet at a barrier, which one alone, or two, would wait at until it breaks."""
    barrier, names = threading.Barrier(3), set()

    def work(first: int, last: int) -> None:
        if threading.current_thread().name not in names:
            names.add(threading.current_thread().name)
            barrier.wait(timeout=30)

    run_tasks(work, 100, threads=3)
    assert len(names) == 3
    assert threading.current_thread().name in names


def test_helpers_are_kept() -> None:
    def helpers_of_one_call() -> set[int]:
        barrier, found = threading.Barrier(2), set()

        def work(first: int, last: int) -> None:
            if threading.get_ident() not in found:
                found.add(threading.get_ident())
                barrier.wait(timeout=30)

        run_tasks(work, 16, threads=2)
        return found - {threading.get_ident()}

    assert helpers_of_one_call() == helpers_of_one_call()


@pytest.mark.parametrize("fails_in_caller", [True, False])
def test_an_error_ends_all_work_and_is_raised(fails_in_caller: bool) -> None:
    caller, at_work, barrier = threading.get_ident(), [0], threading.Barrier(2)
    done: list[int] = []

    def work(first: int, last: int) -> None:
        if not done:
            barrier.wait(timeout=30)
        done.append(first)
        at_work[0] += 1
        try:
            if (threading.get_ident() == caller) is fails_in_caller:
                raise ZeroDivisionError(first)
            time.sleep(0.05)
        finally:
            at_work[0] -= 1

    with pytest.raises(ZeroDivisionError):
        run_tasks(work, 1000, threads=2)
    assert at_work == [0]
    # The error took the rest of the 16 pieces away.
    assert len(done) < 16
    count = len(done)
    time.sleep(0.2)
    assert len(done) == count


def test_work_may_share_its_own_work() -> None:
    done: list[tuple[int, int]] = []

    def inner(task: int, first: int, last: int) -> None:
        done.extend((task, i) for i in range(first, last))

    def outer(first: int, last: int) -> None:
        for task in range(first, last):
            run_tasks(partial(inner, task), 5, threads=2)

    run_tasks(outer, 6, threads=2)
    assert sorted(done) == [(task, i) for task in range(6) for i in range(5)]


def test_several_threads_may_call_at_once() -> None:
    def one(number: int) -> int:
        found: list[int] = []
        run_tasks(lambda first, last: found.extend(range(first, last)), 50 + number, threads=2)
        return len(found)

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(one, range(20))) == [50 + number for number in range(20)]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_process_has_helpers_of_its_own() -> None:
    """Threads do not survive a fork; waiting for the parent's would never end."""
    run_tasks(lambda first, last: None, 16, threads=2)
    child = os.fork()
    if child == 0:
        met = threading.Barrier(2)
        waited: list[int] = []

        def work(first: int, last: int) -> None:
            if threading.get_ident() not in waited:
                waited.append(threading.get_ident())
                met.wait(timeout=10)

        try:
            run_tasks(work, 16, threads=2)
            os._exit(0 if len(waited) == 2 else 1)
        finally:
            os._exit(2)
    assert os.waitpid(child, 0)[1] == 0
