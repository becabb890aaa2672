"""Rows, refresh and channels of DRAM, in cycles counted by hand.

One channel of 16 bytes a cycle, bursts of 64 bytes, pages of 1 KiB in 4 banks; opening a
row takes 14 cycles, closing one 10. A whole page is 64 cycles of transfer.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accelsim.timing.addresses import Access, Layout
from accelsim.timing.arbiter import Service
from accelsim.timing.dram_channels import DramChannels, DramShape

SHAPE = DramShape(
    channels=1,
    interleave_bytes=64,
    burst_bytes=64,
    channel_rate=Fraction(16),
    pages=True,
    banks=4,
    page_bytes=1024,
    precharge=10,
    activate=14,
)
#: Refreshes of 20 cycles begin in cycles 50, 150, 250...
REFRESHED = replace(SHAPE, refresh_interval=100, refresh=20)


def at(start: int, size: int) -> tuple[Access, ...]:
    return (Access(Layout(start), 0, size),)


def served(shape: DramShape, *asked: tuple[int, int, int]) -> list[Service]:
    """Ask for (cycle, address, bytes) one after the other."""
    dram = DramChannels(shape)
    return [dram.serve(cycle, at(address, size)) for cycle, address, size in asked]


def test_a_closed_row_is_opened_and_then_hit() -> None:
    first, second = served(SHAPE, (0, 0, 256), (30, 256, 256))
    assert first == Service(14, 14 + 16, row_cycles=14)
    assert second == Service(30, 30 + 16)


def test_another_row_of_the_bank_is_closed_first() -> None:
    """Page 4 is row 1 of bank 0."""
    _, miss = served(SHAPE, (0, 0, 256), (30, 4 * 1024, 256))
    assert miss == Service(30 + 24, 30 + 24 + 16, row_cycles=24)


def test_a_row_of_another_bank_opens_while_the_channel_transfers() -> None:
    """Asked for in cycle 0, page 1 is open in cycle 14, long before page 0 has passed."""
    first, second = served(SHAPE, (0, 0, 1024), (0, 1024, 1024))
    assert (first, second) == (Service(14, 78, row_cycles=14), Service(78, 142))


def test_a_bank_closes_its_row_only_after_its_own_transfer() -> None:
    """Both asked for in cycle 0; the second waits for the first in cycle 78, then 24 more."""
    _, second = served(SHAPE, (0, 0, 1024), (0, 4 * 1024, 64))
    assert second == Service(78 + 24, 78 + 24 + 4, row_cycles=24)


def test_of_a_stream_only_the_first_row_shows() -> None:
    assert served(SHAPE, (0, 0, 8 * 1024)) == [Service(14, 14 + 8 * 64, row_cycles=14)]


def test_with_one_bank_every_row_shows() -> None:
    one_bank = replace(SHAPE, banks=1)
    (got,) = served(one_bank, (0, 0, 4 * 1024))
    opening = 14 + 3 * 24
    assert got == Service(14, opening + 4 * 64, row_cycles=opening)


@pytest.mark.parametrize(
    ("banks", "apart"),
    [
        (4, 64),  # a page passes in 64 cycles
        (2, (64 + 60 + 90) // 2),  # a bank is busy for 214 cycles a page, and two take turns
        (1, 64 + 60 + 90),
    ],
)
def test_the_rate_of_a_stream_is_that_of_a_long_one(banks: int, apart: int) -> None:
    shape = replace(SHAPE, banks=banks, precharge=60, activate=90)
    ends = [served(shape, (0, 0, pages * 1024))[0].end for pages in (8, 16)]
    assert ends[1] - ends[0] == 8 * apart
    assert shape.stream_rate == Fraction(1024, apart)


def test_refreshes_slow_a_stream_by_their_share() -> None:
    """34 of every 100 cycles: over 1,000 cycles 660 cycles of transfer."""
    ends = [served(REFRESHED, (0, 0, size * 16))[0].end for size in (6600, 13200)]
    assert ends[1] - ends[0] == 10_000
    assert REFRESHED.stream_rate == Fraction(16 * 66, 100)


def test_a_refresh_stops_a_transfer_and_closes_its_row() -> None:
    """36 of 64 cycles pass from 14 to 50; 20 of refresh and 14 to open; then 28."""
    (got,) = served(REFRESHED, (0, 0, 1024))
    assert got == Service(14, 50 + 20 + 14 + 28, row_cycles=14, refresh_cycles=34)


def test_after_a_refresh_a_row_is_closed_but_needs_no_closing() -> None:
    _, again = served(REFRESHED, (0, 0, 64), (80, 0, 64))
    assert again == Service(80 + 14, 80 + 14 + 4, row_cycles=14)


def test_who_asks_in_a_refresh_waits_for_its_end() -> None:
    """The refresh of cycle 150 ends in cycle 170."""
    (got,) = served(REFRESHED, (155, 0, 64))
    assert got == Service(170 + 14, 170 + 14 + 4, row_cycles=14, refresh_cycles=15)


@pytest.mark.parametrize(("asked", "end"), [(45, 49), (46, 50), (47, 84 + 1)])
def test_a_refresh_stalls_at_one_cycle_less(asked: int, end: int) -> None:
    """A hit of 4 cycles just ends before the refresh of cycle 50, or has a cycle left."""
    _, hit = served(REFRESHED, (0, 0, 64), (asked, 64, 64))
    assert hit.end == end


def test_channels_transfer_side_by_side() -> None:
    """Two channels of 8 bytes a cycle, 64 bytes in turn: 128 in a row take 8 cycles, as with
    one channel of 16; two runs that both lie in channel 0 take 16."""
    shape = replace(SHAPE, channels=2, channel_rate=Fraction(8), pages=False)
    assert served(shape, (0, 0, 128)) == [Service(0, 8)]
    runs = (Access(Layout(0, run=64, pitch=128), 0, 128),)
    assert DramChannels(shape).serve(0, runs) == Service(0, 16)


def test_short_runs_pay_for_whole_bursts_and_far_ones_for_rows() -> None:
    """Four runs of 16 bytes are a burst each: 4 cycles each in one row; 4 KiB apart they lie
    in as many rows of bank 0."""
    near = (Access(Layout(0, run=16, pitch=256), 0, 64),)
    far = (Access(Layout(0, run=16, pitch=4096), 0, 64),)
    assert DramChannels(SHAPE).serve(0, near) == Service(14, 14 + 16, row_cycles=14)
    opening = 14 + 3 * 24
    assert DramChannels(SHAPE).serve(0, far) == Service(14, opening + 16, row_cycles=opening)


REQUESTS = st.lists(
    st.tuples(st.integers(0, 200), st.integers(0, 2**15), st.integers(1, 2**12)),
    min_size=1,
    max_size=12,
)


@given(st.integers(1, 8), st.integers(0, 10**6), st.integers(1, 10**5), st.integers(1, 5))
def test_pieces_are_all_bytes_and_none_twice(
    channels: int, address: int, size: int, interleave: int
) -> None:
    shape = replace(SHAPE, channels=channels, interleave_bytes=64 * interleave)
    pieces = list(shape.pieces(address, size))
    assert sum(count for _, _, count in pieces) == size
    assert len({channel for channel, _, _ in pieces}) == len(pieces) <= channels


@given(st.lists(st.integers(1, 2**13), min_size=1, max_size=10), st.integers(1, 6), st.booleans())
def test_twice_the_channels_never_slow_a_stream(
    sizes: list[int], channels: int, pages: bool
) -> None:
    ends = []
    for count in (channels, 2 * channels):
        dram = DramChannels(replace(SHAPE, channels=count, pages=pages))
        start = end = 0
        for size in sizes:
            end = max(end, dram.serve(0, at(start, size)).end)
            start += size
        ends.append(end)
    assert ends[1] <= ends[0]


@given(REQUESTS)
def test_rows_and_refresh_never_speed_up(asked: list[tuple[int, int, int]]) -> None:
    """Without rows, with them, with slower ones."""
    times = [0, *(cycle for cycle, _, _ in asked)]
    ordered = [(sum(times[: i + 2]), address, size) for i, (_, address, size) in enumerate(asked)]
    slower = replace(SHAPE, precharge=20, activate=30)
    shapes: tuple[Any, ...] = (replace(SHAPE, pages=False), SHAPE, slower)
    ends = [[one.end for one in served(shape, *ordered)] for shape in shapes]
    assert all(a <= b <= c for a, b, c in zip(*ends, strict=True))
    refreshed = served(REFRESHED, *ordered)
    assert all(one.end >= end for one, end in zip(refreshed, ends[0], strict=True))


@given(REQUESTS)
def test_hits_are_never_slower_than_misses(asked: list[tuple[int, int, int]]) -> None:
    """The same sizes at the same times, all in one row, and each in a row of its own."""
    times = sorted(cycle for cycle, _, _ in asked)
    sizes = [min(size, 1024) for _, _, size in asked]
    hits = [(time, 0, size) for time, size in zip(times, sizes, strict=True)]
    misses = [
        (time, i * 4096, size) for i, (time, size) in enumerate(zip(times, sizes, strict=True))
    ]
    for hit, miss in zip(served(SHAPE, *hits), served(SHAPE, *misses), strict=True):
        assert hit.end <= miss.end


@given(REQUESTS)
def test_parts_of_a_service_are_no_more_than_it(asked: list[tuple[int, int, int]]) -> None:
    ordered = sorted(asked)
    dram, before = DramChannels(REFRESHED), 0
    for cycle, address, size in ordered:
        got = dram.serve(cycle, at(address, size))
        begin = max(cycle, before)
        bursts = (-(-(address + size) // 64) - address // 64) * 64
        assert got.end == begin + got.row_cycles + got.refresh_cycles + bursts // 16
        before = got.end
