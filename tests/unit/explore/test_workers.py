"""Calls in worker processes: all of them, once each, and neighbours by one worker."""

from __future__ import annotations

import os
import signal
from collections import Counter
from itertools import groupby

import pytest

from accelsim.explore.workers import Stretches, call_in_processes


@pytest.mark.parametrize(("count", "workers"), [(0, 2), (1, 4), (7, 2), (30, 3)])
def test_every_number_is_taken_once_whoever_is_quick(count: int, workers: int) -> None:
    for quick in range(workers):
        stretches = Stretches(count, workers)
        number_of_stretches = len(stretches.left)
        taken = []
        for turn in range(3 * count + 3):
            worker = quick if turn % 3 else turn // 3
            number = stretches.take(worker % number_of_stretches)
            if number is not None:
                taken.append(number)
        assert sorted(taken) == list(range(count))


def test_workers_that_are_equally_quick_change_over_once() -> None:
    stretches = Stretches(20, 2)
    by_worker = [[stretches.take(0), stretches.take(1)] for _ in range(10)]
    assert [one for one, _ in by_worker] == list(range(10))
    assert [two for _, two in by_worker] == list(range(10, 20))


def squared_where(number: int) -> tuple[int, int]:
    return number * number, os.getpid()


def test_results_are_those_of_the_function_by_several_processes() -> None:
    results = list(call_in_processes(squared_where, range(40), 2))
    assert Counter(square for square, _ in results) == Counter(n * n for n in range(40))
    assert len({process for _, process in results} | {os.getpid()}) == 3
    by_number = dict(results)
    runs = [key for key, _ in groupby(by_number[n * n] for n in range(40))]
    # A stretch each, and few changes where one worker was ready before the other.
    assert len(runs) < 10


def refuse(number: int) -> int:
    if number == 3:
        raise LookupError(f"no {number}")
    return number


def test_what_the_function_raises_comes_back() -> None:
    with pytest.raises(LookupError, match="no 3"):
        list(call_in_processes(refuse, range(6), 2))


def die(number: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return number


def test_a_killed_worker_is_an_error_and_no_wait() -> None:
    with pytest.raises(RuntimeError, match=r"terminated|killed"):
        list(call_in_processes(die, range(4), 2))
