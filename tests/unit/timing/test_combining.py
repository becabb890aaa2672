"""Cores that divide k: the tree begins when the last core's sums are there.

Two cores, 4 x 4 outputs, arrays of 4 x 4: a core's k tiles of 4 take 4 cycles each, one
after the other, after a preload of 4 and before 6 of drain. It gives half of its sums, 8
of 2 bytes, to the other; a hop takes a cycle; 16 lanes add 16 outputs in one.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from accelsim.schedule.traffic import Transfer
from accelsim.timing import OpTiming, StallCause, simulate_op
from accelsim.workload.ops import Phase
from tests.unit.timing.machines import make_chip, make_gemm, schedule_of


def split(k: int, *, n: int = 4, cores: int = 2, **chip_parts: Any) -> OpTiming:
    chip = make_chip(cores=cores, split_k={"format": "fp16_e6m9"}, **chip_parts)
    op = replace(make_gemm(4, n, k, chunk_size=4), phase=Phase.GRADIENT)
    schedule = schedule_of(op, chip)
    assert schedule.k_splits == cores
    return simulate_op(op, chip, schedule, write=Transfer())


def test_sums_cross_a_hop_and_are_added() -> None:
    """A hop for the operands, 4 + 4 * 4 + 6 on the array, a hop for the sums, a cycle to add."""
    got = split(32)
    assert got.array_cycles == 4 + 4 * 4 + 6
    assert got.stalls == {
        StallCause.INTERCONNECT: 1,
        StallCause.COMBINE: 1,
        StallCause.VECTOR_UNIT: 1,
    }


def test_who_is_ready_first_waits_for_the_other() -> None:
    """k = 20 is three tiles for one core and two for the other, which ends 4 cycles earlier."""
    got = split(20)
    waits = [core.stalls[StallCause.COMBINE] for core in got.cores]
    assert waits == [1, 1 + 4]
    assert [core.cycles for core in got.cores] == [got.cycles] * 2 == [1 + 22 + 1 + 1] * 2


@pytest.mark.parametrize(("topology", "waits"), [("ring", [5, 5]), ("bus", [8 + 5, 5])])
def test_sums_take_their_time_on_a_link(topology: str, waits: list[int]) -> None:
    """16 bytes from each core at 4 bytes a cycle, and a hop.

    On a bus, the operands of both cores come in turn, 32 bytes at a time, so that the second
    core is 8 cycles behind.
    """
    got = split(32, interconnect={"bytes_per_cycle": 4, "topology": topology})
    assert [core.stalls[StallCause.COMBINE] for core in got.cores] == waits
    assert got.link_bytes == split(32).link_bytes


def test_the_tree_waits_for_the_whole_block() -> None:
    """No lane works before the last sum of a block has crossed: two tiles of n, one lane."""
    got = split(64, n=8, cores=4, lanes=1)
    lanes = [one for one in got.relative_intervals if one.unit == "vector_unit"]
    arrays = [one for one in got.relative_intervals if one.unit == "array"]
    assert min(one.start for one in lanes) > max(one.end for one in arrays)
