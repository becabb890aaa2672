"""Rows, banks and refresh in closed form, against a channel that works cycle by cycle."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from accelsim.timing.dram_channels import DramChannel, DramShape
from tests.oracles.dram_cycles import Timing, Transfer, run

#: (cycles since the request before, its pages and their cycles of data)
REQUESTS = st.lists(
    st.tuples(
        st.integers(0, 60),
        st.lists(st.tuples(st.integers(0, 11), st.integers(1, 30)), min_size=1, max_size=4),
    ),
    min_size=1,
    max_size=8,
)


@settings(max_examples=200)
@given(
    requests=REQUESTS,
    banks=st.integers(1, 4),
    precharge=st.integers(0, 12),
    activate=st.integers(0, 12),
    refresh=st.sampled_from([(0, 0), (60, 5), (60, 30), (101, 20), (40, 0)]),
)
def test_a_channel_ends_every_request_in_the_same_cycle(
    requests: list[tuple[int, list[tuple[int, int]]]],
    banks: int,
    precharge: int,
    activate: int,
    refresh: tuple[int, int],
) -> None:
    shape = DramShape(
        channels=1,
        interleave_bytes=1,
        burst_bytes=1,
        channel_rate=Fraction(1),
        pages=True,
        banks=banks,
        page_bytes=1024,
        precharge=precharge,
        activate=activate,
        refresh_interval=refresh[0],
        refresh=refresh[1],
    )
    channel, now = DramChannel(shape), 0
    ends: list[int] = []
    transfers: list[Transfer] = []
    last: list[int] = []
    for wait, pages in requests:
        now += wait
        ends.append(channel.serve(now, pages).end)
        transfers += [Transfer(now, page % banks, page // banks, cycles) for page, cycles in pages]
        last.append(len(transfers) - 1)
    found = run(transfers, Timing(precharge, activate, *refresh))
    assert ends == [found[at] for at in last]
