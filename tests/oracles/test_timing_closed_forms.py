"""The closed forms of a pass against arrays that move every operand register by register.

"Stalls at n - 1, not at n": every start that the forms give is free of hazards,
and starting any pass one cycle earlier is not.
"""

from __future__ import annotations

from itertools import cycle, product

import pytest

from tests.oracles import timing_columns, timing_outputs
from tests.oracles.timing_cases import column_case, legal_chunks, output_case
from tests.oracles.timing_columns import Columns, HazardError
from tests.oracles.timing_outputs import Outputs

SWITCHES = tuple(product((True, False), repeat=2))
#: Latency and initiation interval of the outer accumulator.
ADDERS = ((1, 1), (3, 1), (1, 2), (4, 3))


@pytest.mark.parametrize("k_per_pe", [1, 2])
@pytest.mark.parametrize("rows", [1, 2, 3, 4])
def test_columns_exhaustively_over_small_shapes(rows: int, k_per_pe: int) -> None:
    variants = cycle(product(SWITCHES, ADDERS))
    for cols, vectors, k in product(range(1, 5), range(1, 7), range(1, 10)):
        chunks = legal_chunks(rows * k_per_pe, k)
        (hidden, overlap), (latency, interval) = next(variants)
        array = Columns(
            rows=rows,
            cols=cols,
            chunk=chunks[(cols + vectors + k) % len(chunks)],
            total_k=k,
            k_per_pe=k_per_pe,
            preload_hidden=hidden,
            overlap=overlap,
            latency=latency,
            interval=interval,
        )
        case, tiles = column_case(array, vectors=(vectors,))
        starts = case.starts
        assert timing_columns.run(array, tiles, starts).cycles == case.cycles, array
        for at, start in enumerate(starts):
            with pytest.raises(HazardError):
                timing_columns.run(array, tiles[: at + 1], (*starts[:at], start - 1))


@pytest.mark.parametrize(("hidden", "overlap"), SWITCHES)
@pytest.mark.parametrize(("latency", "interval"), ADDERS)
def test_columns_earliest_starts_found_by_trying(
    hidden: bool, overlap: bool, latency: int, interval: int
) -> None:
    for rows, vectors, k_per_pe in product((1, 3), (1, 4), (1, 2)):
        k = 3 * rows * k_per_pe - (rows > 1)
        for chunk in legal_chunks(rows * k_per_pe, k):
            array = Columns(
                rows=rows,
                cols=2,
                chunk=chunk,
                total_k=k,
                k_per_pe=k_per_pe,
                preload_hidden=hidden,
                overlap=overlap,
                latency=latency,
                interval=interval,
            )
            case, tiles = column_case(array, vectors=(vectors,))
            assert timing_columns.earliest_starts(array, tiles) == case.starts, array


@pytest.mark.parametrize(("hidden", "overlap"), SWITCHES)
def test_columns_with_several_output_tiles_of_different_length(hidden: bool, overlap: bool) -> None:
    for latency, k in product((1, 6), (2, 5)):
        array = Columns(
            rows=2,
            cols=2,
            chunk=2,
            total_k=k,
            preload_hidden=hidden,
            overlap=overlap,
            latency=latency,
        )
        case, tiles = column_case(array, vectors=(4, 1, 2), outs=3)
        assert timing_columns.earliest_starts(array, tiles) == case.starts
        assert timing_columns.run(array, tiles, case.starts).cycles == case.cycles


@pytest.mark.parametrize("k_per_pe", [1, 2])
@pytest.mark.parametrize("rows", [1, 2, 3, 4])
def test_outputs_exhaustively_over_small_shapes(rows: int, k_per_pe: int) -> None:
    variants = cycle(product(SWITCHES, ADDERS))
    for cols, k, chunk in product(range(1, 4), range(1, 10), (1, 2, 3, 4, 9)):
        (hidden, overlap), (latency, interval) = next(variants)
        array = Outputs(
            rows=rows,
            cols=cols,
            chunk=chunk,
            k_per_pe=k_per_pe,
            drain_hidden=hidden,
            overlap=overlap,
            latency=latency,
            interval=interval,
        )
        case, tiles = output_case(array, k=k, count=2)
        assert timing_outputs.run(array, tiles, case.starts).cycles == case.cycles, array


@pytest.mark.parametrize(("hidden", "overlap"), SWITCHES)
def test_outputs_earliest_end_found_by_trying(hidden: bool, overlap: bool) -> None:
    for rows, k, chunk, (latency, interval) in product((1, 3), (1, 2, 5), (1, 2, 9), ADDERS):
        array = Outputs(
            rows=rows,
            cols=2,
            chunk=chunk,
            drain_hidden=hidden,
            overlap=overlap,
            latency=latency,
            interval=interval,
        )
        case, tiles = output_case(array, k=k, count=3)
        starts = timing_outputs.earliest_starts(array, tiles)
        assert timing_outputs.run(array, tiles, starts).cycles == case.cycles, array
