"""A ring of four cores and the DRAM port, link by link, in cycles counted by hand.

Node 0 is the port, core i is node i + 1; a link passes 10 bytes a cycle and adds a hop of
one cycle.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accelsim.timing import simulate_op
from accelsim.timing.arbiter import Service
from accelsim.timing.ring import Crossing, Ring
from tests.unit.timing.machines import make_chip, make_gemm, schedule_of

ALL = (0, 1, 2, 3)


def ring(**changes: Any) -> Ring:
    return Ring(4, **{"bytes_per_cycle": 10, "hop_cycles": 1, "multicast": False} | changes)


def from_port(core: int, size: int) -> Crossing:
    return Crossing(core, True, size, 0, ())


def from_peers(core: int, size: int) -> Crossing:
    return Crossing(core, True, 0, size, tuple(other for other in ALL if other != core))


def arrival(service: Service) -> int:
    return service.end + service.later


@pytest.mark.parametrize(("core", "hops"), [(0, 1), (1, 2), (2, 2), (3, 1)])
def test_alone_a_transfer_takes_its_bytes_and_its_hops(core: int, hops: int) -> None:
    assert ring().serve(5, from_port(core, 80)) == Service(5, 5 + 8, later=hops)


@given(st.integers(1, 9), st.data())
def test_alone_it_does_so_on_any_ring(cores: int, data: Any) -> None:
    """The shorter way of node core + 1 on a circle of cores + 1 nodes."""
    core, size = data.draw(st.integers(0, cores - 1)), data.draw(st.integers(1, 10**4))
    rate, hop = data.draw(st.integers(1, 64)), data.draw(st.integers(0, 9))
    one = Ring(cores, bytes_per_cycle=rate, hop_cycles=hop, multicast=False)
    hops = min(core + 1, cores - core)
    assert arrival(one.serve(0, from_port(core, size))) == -(-size // rate) + hop * hops


def test_cores_on_one_way_share_its_first_link_and_others_do_not() -> None:
    one = ring()
    assert one.serve(0, from_port(0, 80)) == Service(0, 8, later=1)
    assert one.serve(0, from_port(1, 80)) == Service(8, 16, later=2)
    assert one.serve(0, from_port(3, 80)) == Service(0, 8, later=1)


def test_the_two_directions_of_a_link_are_two_links() -> None:
    one = ring()
    one.serve(0, from_port(0, 80))
    assert one.serve(0, Crossing(0, False, 80, 0, ())) == Service(0, 8, later=1)


def test_cores_exchange_without_the_port() -> None:
    """Core 1 gives core 2 80 bytes over the link between them, while core 0 loads."""
    one = ring()
    one.serve(0, from_port(0, 80))
    assert one.serve(0, Crossing(1, False, 0, 80, (2,))) == Service(0, 8, later=1)
    # What comes to core 2 from the port's other side still finds its way free.
    assert one.serve(0, from_port(3, 80)).start == 0


def test_what_comes_from_all_cores_adds_up_towards_the_taker() -> None:
    """20 bytes each to node 1: from 3 and 2 one way, so 2 and then 4 cycles; from 4 the
    other way over the port. The slower is there in cycle 1 + 4 + 1."""
    got = ring().serve(0, from_peers(0, 60))
    assert (got, arrival(got)) == (Service(0, 4, later=2), 6)


def test_with_multicast_half_comes_from_each_side() -> None:
    """30 bytes each way: 3 cycles; over the port it is two hops."""
    got = ring(multicast=True).serve(0, from_peers(0, 60))
    assert got == Service(0, 3, later=2)


@given(st.integers(2, 8), st.integers(1, 5000))
def test_handing_on_is_never_slower_than_sending_to_each(cores: int, size: int) -> None:
    """All cores take as much from all others, at once."""
    ends = []
    for multicast in (False, True):
        one = Ring(cores, bytes_per_cycle=7, hop_cycles=0, multicast=multicast)
        taken = [
            one.serve(0, Crossing(core, True, 0, size, [i for i in range(cores) if i != core]))
            for core in range(cores)
        ]
        ends.append(max(map(arrival, taken)))
    assert ends[1] <= ends[0]


def test_without_a_limit_only_hops_remain() -> None:
    assert arrival(ring(bytes_per_cycle=None).serve(3, from_port(1, 10**6))) == 3 + 2


def test_links_of_an_op_are_simulated_where_the_chip_says_so() -> None:
    """Two cores, one share of n each, load 256 x 4 bytes of a together: with every link
    there, each half comes from DRAM to one core, and from it to the other."""
    op = make_gemm(256, 8, 4)

    def cycles(**net: Any) -> int:
        chip = make_chip(cores=2, interconnect={"bytes_per_cycle": 1, **net})
        got = simulate_op(op, chip, schedule_of(op, chip))
        assert set(got.stalls) <= {"interconnect", "imbalance"}
        return got.cycles

    port, every = cycles(), cycles(routing="every_link")
    bus = cycles(topology="bus")
    heard = cycles(topology="bus", routing="every_link", multicast=True)
    assert every <= port < bus
    assert heard < bus
