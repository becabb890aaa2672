"""How vector ops are cut: never into portions that wait for latency alone."""

from __future__ import annotations

from typing import Any

import pytest

from accelsim.errors import UnknownNameError
from accelsim.schedule.support import check_vector_functions
from accelsim.schedule.traffic import Transfer
from accelsim.timing import StallCause, simulate_op
from accelsim.timing.vector_portions import least_row_bytes, vector_portions
from tests.unit.timing.machines import make_chip
from tests.unit.timing.test_simulate import vector_op


def chip_of(**dma: Any) -> Any:
    """8 bytes a cycle after 50 cycles: 400 bytes come in the latency."""
    return make_chip(dram={"bandwidth_gb_per_s": 8.0, "latency_ns": 50, "burst_bytes": 16}, dma=dma)


@pytest.mark.parametrize(
    ("size", "count"),
    [(16, 1), (400, 1), (401, 2), (800, 2), (3200, 8), (10**6, 8)],
)
def test_a_row_of_portions_is_what_dram_delivers_in_its_latency(size: int, count: int) -> None:
    assert least_row_bytes(chip_of()) == 400
    assert vector_portions(chip_of(), Transfer(size), Transfer(), limit=8) == count
    assert vector_portions(chip_of(), Transfer(), Transfer(size), limit=8) == count


def test_a_chip_may_say_how_small_portions_are() -> None:
    assert vector_portions(chip_of(min_portion_bytes=100), Transfer(400), Transfer(), limit=8) == 4


def test_without_latency_a_portion_is_a_burst_of_every_core() -> None:
    chip = make_chip(cores=2, dram={"bandwidth_gb_per_s": 8.0, "burst_bytes": 16})
    assert vector_portions(chip, Transfer(64), Transfer(), limit=8) == 2
    assert vector_portions(chip, Transfer(), Transfer(), limit=8) == 8


def test_a_small_op_pays_the_latency_once() -> None:
    """128 bytes in, 50 + 16 cycles; 8 elements a cycle; 128 bytes out, 16 cycles."""
    op, size = vector_op("relu", 64, fused=False), Transfer(128)
    got = simulate_op(op, chip_of(), read=size, write=size)
    assert got.compute_cycles == 64 // 16
    assert got.stalls == {StallCause.DRAM_READ: 66, StallCause.DRAM_WRITE: 16}
    cut = simulate_op(op, chip_of(min_portion_bytes=1), read=size, write=size)
    assert cut.cycles > got.cycles + 100


def test_twice_the_bandwidth_never_slows_a_vector_op() -> None:
    op = vector_op("relu", 4000, fused=False)
    for size in range(100, 8000, 331):
        cycles = []
        for rate in (2.0, 4.0, 8.0, 16.0):
            chip = make_chip(dram={"bandwidth_gb_per_s": rate, "latency_ns": 50})
            cycles.append(simulate_op(op, chip, read=Transfer(size), write=Transfer(size)).cycles)
        assert cycles == sorted(cycles, reverse=True)


def test_cycles_of_a_function_are_the_chips() -> None:
    chip = make_chip(lanes=4, vector={"cycles_per_element": {"softmax": 7}})
    assert simulate_op(vector_op("softmax", 100, fused=False), chip).cycles == 7 * 100 // 4


def test_a_function_that_does_not_exist_takes_no_guessed_time() -> None:
    with pytest.raises(UnknownNameError, match="softmax"):
        simulate_op(vector_op("softmx", 100, fused=False), make_chip())


def test_cycles_of_a_function_that_does_not_exist_are_refused() -> None:
    chip = make_chip(vector={"cycles_per_element": {"softmx": 7}})
    with pytest.raises(UnknownNameError, match="softmax"):
        check_vector_functions(chip)
