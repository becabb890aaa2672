"""The closed forms of row-stationary passes against a stack that works cycle by cycle.

"Not at n - 1, at n": every start and every period that the forms give is free of
hazards, and one cycle less is not.
"""

from __future__ import annotations

from itertools import cycle, pairwise, product

import pytest

from accelsim.schedule import ReductionOrder
from accelsim.timing.closed_forms import ArrayForm, Pass, gap, last_pass
from accelsim.timing.row_forms import RowStack, period
from tests.oracles.timing_rows import HazardError, Rows, Tile, run

#: Latency and initiation interval of the outer accumulator.
ADDERS = ((1, 1), (3, 1), (1, 2), (4, 3))


def turn(array: Rows) -> int:
    return period(
        k=array.total_k,
        line=array.line,
        chunk=array.chunk,
        rate=array.rate,
        latency=array.latency,
        interval=array.interval,
    )


def case(array: Rows, outputs: tuple[int, ...]) -> tuple[tuple[Tile, ...], tuple[int, ...], int]:
    """Return the passes over all of k of each group of outputs, their starts, and all cycles."""
    per_pass = array.rows * array.line
    tiles = tuple(
        Tile(out, (at, min(at + per_pass, array.total_k)), count)
        for out, count in enumerate(outputs)
        for at in range(0, array.total_k, per_pass)
    )
    shortest = -(-array.line // array.rate)
    form = ArrayForm(
        rows=array.rows,
        cols=1,
        preload_hidden=array.hidden,
        overlap_passes=array.overlap,
        stack=RowStack(array.rows, shortest, turn(array), array.load, array.latency),
    )
    passes = [
        Pass(one.outputs * shortest, one.k[1] - one.k[0], continues=one.k[0] > 0) for one in tiles
    ]
    starts = [form.preload]
    starts += [0] * (len(passes) - 1)
    for at, (before, after) in enumerate(pairwise(passes)):
        starts[at + 1] = starts[at] + gap(form, before, after)
    return tiles, tuple(starts), starts[-1] + last_pass(form, passes[-1])


@pytest.mark.parametrize("rate", [1, 2])
@pytest.mark.parametrize("rows", [1, 2, 3, 4])
def test_stacks_exhaustively_over_small_shapes(rows: int, rate: int) -> None:
    variants = cycle(product((True, False), (True, False), ADDERS, (0, 3, 11)))
    for line, lines, outputs, chunk in product((1, 2, 3, 6), (1, 2, 3, 5), (1, 2, 5), range(1, 9)):
        hidden, overlap, (latency, interval), load = next(variants)
        k = line * lines
        if chunk > k:
            continue
        array = Rows(rows, line, chunk, k, rate, latency, interval, load, hidden, overlap)
        tiles, starts, cycles = case(array, (outputs, outputs + 1))
        outcome = run(array, tiles, starts, turn(array))
        assert outcome.cycles == cycles, array
        for at, start in enumerate(starts):
            if start:
                with pytest.raises(HazardError):
                    run(array, tiles[: at + 1], (*starts[:at], start - 1), turn(array))
        order = ReductionOrder(k=k, chunk_size=chunk, fused=1, segments=((0, k),))
        expected = tuple(tuple(range(*one)) for one in order.chunks())
        assert set(outcome.sums.values()) == {expected}


def test_periods_are_the_shortest_that_work() -> None:
    tight = 0
    for line, lines, chunk, rate, adder in product(
        (2, 3, 5), (1, 2, 4), range(1, 8), (1, 2), ADDERS
    ):
        k = line * lines
        array = Rows(lines, line, min(chunk, k), k, rate, *adder)
        cycles = turn(array)
        tiles = (Tile(0, (0, k), 3),)
        run(array, tiles, (0,), cycles)
        if cycles > -(-line // rate):
            tight += 1
            with pytest.raises(HazardError):
                run(array, tiles, (0,), cycles - 1)
    assert tight > 50
