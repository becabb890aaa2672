"""The arbiter serves by (time asked, key), whatever the order in which processes were made."""

from __future__ import annotations

from itertools import permutations

import simpy

from accelsim.timing.arbiter import Server, Service


def served(asking: list[tuple[int, tuple[int, int], int]]) -> list[tuple[tuple[int, int], Service]]:
    """Let a process for each (time, key, cycles) ask; return who was served when, in order."""
    env = simpy.Environment()
    server = Server(env, rank=0)
    log: list[tuple[tuple[int, int], Service]] = []

    def process(env, time, key, cycles):
        yield env.timeout(time)
        service = yield server.request(key, cycles)
        log.append((key, service))

    for time, key, cycles in asking:
        env.process(process(env, time, key, cycles))
    env.run()
    return log


def test_one_after_the_other_first_come_first_served() -> None:
    log = served([(5, (0, 1), 10), (0, (1, 1), 7)])
    assert log == [((1, 1), Service(0, 7)), ((0, 1), Service(7, 17))]


def test_ties_go_to_the_smallest_key_in_every_order_of_creation() -> None:
    asking = [(0, (2, 1), 3), (0, (0, 2), 4), (0, (0, 1), 5), (4, (1, 1), 0)]
    expected = [
        ((0, 1), Service(0, 5)),
        ((0, 2), Service(5, 9)),
        ((2, 1), Service(9, 12)),
        ((1, 1), Service(12, 12)),
    ]
    for order in permutations(asking):
        assert served(list(order)) == expected


def test_an_idle_server_starts_at_once() -> None:
    assert served([(0, (0, 0), 1), (9, (0, 1), 1)])[1][1] == Service(9, 10)
