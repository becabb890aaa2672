"""The cost of chunks, against the counts of a real GEMM."""

from __future__ import annotations

import pytest

from accelsim.arch import load_chip
from accelsim.cost.actions import Component
from accelsim.cost.catalog import load_cost_table
from accelsim.cost.chunks import chunk_costs
from accelsim.cost.counting import count_actions
from accelsim.cost.energy import price_chip
from accelsim.errors import UnsupportedError
from tests.unit.cost.gemms import make_gemm, schedule, small_chip

TABLE = load_cost_table("synth45")


@pytest.mark.parametrize("chunk", [16, 64, 256])
def test_the_closed_form_is_the_limit_of_the_counts(chunk) -> None:
    """k of 16 chunks of 256: nothing is short, so both agree to rounding."""
    chip = load_chip("fp8_chunk64")
    op = make_gemm(32, 64, 4096, operand="fp8_e5m2", chunk_size=chunk)
    prices = price_chip(chip, TABLE)
    counts = count_actions(schedule(op, chip), chip)
    counted = sum(
        count * prices.action_pj(action)[0]
        for action, count in counts.items()
        if action.component is Component.ACCUMULATOR
    )
    (closed,) = chunk_costs(chip, TABLE, chunk_sizes=[chunk])
    assert closed.outer_pj == pytest.approx(counted / op.macs, rel=1e-9)
    assert closed.mac_pj == pytest.approx(4.229 * prices.units.scaling.energy)  # e5m2 x e5m2


def test_chunks_of_a_column_cost_little_and_chunks_of_one_a_lot() -> None:
    one, column, long = chunk_costs(load_chip("fp8_chunk64"), TABLE, chunk_sizes=[1, 64, 512])
    assert one.overhead > 0.8
    assert column.overhead < 0.05
    assert long.overhead < column.overhead
    assert one.chip_area_mm2 > column.chip_area_mm2 == long.chip_area_mm2
    assert (one.outer_adders, column.outer_adders) == (2048, 32)


def test_a_chunk_that_ends_between_adders_is_refused() -> None:
    with pytest.raises(UnsupportedError, match=r"^A chunk of 100 is neither a multiple"):
        chunk_costs(load_chip("fp8_chunk64"), TABLE, chunk_sizes=[100])
    with pytest.raises(UnsupportedError, match=r"^Sums of an output-stationary array stay"):
        chunk_costs(small_chip(dataflow="output_stationary"), TABLE, chunk_sizes=[2])
