"""Cycles of passes, against counts made by hand."""

from __future__ import annotations

import pytest

from accelsim.timing.closed_forms import (
    ArrayForm,
    ChunkCase,
    Pass,
    PassCycles,
    chunk_case,
    chunk_stall,
    dependency,
    isolated_pass,
    run_of_passes,
    tap_chain,
)

R, C, T = 4, 3, 10


@pytest.mark.parametrize(
    ("k_on_rows", "drain_hidden", "total"),
    [
        (True, True, R + T + R + C - 2),  # preload, stream, drain
        (False, True, T + R + C - 2),
        (False, False, T + R + C - 2 + R),  # and the shift-out
    ],
)
def test_isolated_pass(k_on_rows: bool, drain_hidden: bool, total: int) -> None:
    form = ArrayForm(rows=R, cols=C, k_on_rows=k_on_rows, drain_hidden=drain_hidden)
    assert isolated_pass(form, Pass(vectors=T, k=T)) == PassCycles(T, total - T)


@pytest.mark.parametrize(
    ("hidden", "overlap", "vectors", "total"),
    [
        # One fill and drain around all: R + 5 T + R + C - 2.
        (True, True, 10, 4 + 5 * 10 + 5),
        # The port needs R cycles a tile: four starts R apart, then the last T.
        (True, True, 2, 4 + 4 * 4 + 2 + 5),
        # Every tile is loaded after the one before has streamed.
        (False, True, 10, 5 * (4 + 10) + 5),
        # Every pass drains; only the first preload shows.
        (True, False, 10, 4 + 5 * (10 + 5)),
        # SCALE-Sim: passes x (2 R + C + T - 2).
        (False, False, 10, 5 * (2 * 4 + 3 + 10 - 2)),
    ],
)
def test_runs_with_k_on_rows(hidden: bool, overlap: bool, vectors: int, total: int) -> None:
    form = ArrayForm(rows=R, cols=C, preload_hidden=hidden, overlap_passes=overlap)
    got = run_of_passes(form, Pass(vectors=vectors), count=5)
    assert got == PassCycles(5 * vectors, total - 5 * vectors)


@pytest.mark.parametrize(
    ("hidden", "overlap", "k", "total"),
    [
        (True, True, 10, 5 * 10 + 5),
        # Ends of tiles lie R apart, the time of a shift-out.
        (True, True, 2, 2 + 4 * 4 + 5),
        (False, True, 10, 5 * (10 + 4) + 5),
        (True, False, 10, 5 * (10 + 5)),
        (False, False, 10, 5 * (10 + 5 + 4)),
    ],
)
def test_runs_with_k_in_time(hidden: bool, overlap: bool, k: int, total: int) -> None:
    form = ArrayForm(
        rows=R,
        cols=C,
        k_on_rows=False,
        chunk_size=k,
        drain_hidden=hidden,
        overlap_passes=overlap,
    )
    got = run_of_passes(form, Pass(vectors=k, k=k), count=5)
    assert got == PassCycles(5 * k, total - 5 * k)


def test_accumulator_stalls_at_one_cycle_less_than_its_latency() -> None:
    """Passes of 10 vectors on the same outputs: an addition may take 10 cycles, not 11."""
    item = Pass(vectors=10, continues=True)
    for latency, late in ((10, 0), (11, 1), (13, 3)):
        form = ArrayForm(rows=R, cols=C, chunk_size=R, latency=latency)
        tail = latency - 1
        assert run_of_passes(form, item, count=5).accumulator == 4 * late + tail


def test_recirculation_needs_the_rows_and_the_latency_but_one() -> None:
    form = ArrayForm(rows=R, cols=C, chunk_size=8 * R, latency=3)
    assert dependency(form, Pass(vectors=1, continues=True, recirculates=True)) == 4 + 3 - 1


def test_initiation_interval_spaces_vectors() -> None:
    """Two cycles a vector: 9 extra inside the last pass, 10 in each one before."""
    form = ArrayForm(rows=R, cols=C, chunk_size=R, interval=2)
    assert run_of_passes(form, Pass(vectors=10), count=3).accumulator == 2 * 10 + 9


def test_taps_wait_for_each_other() -> None:
    """Sums leave at rows 1 and 3; the second addition waits for the first, 5 cycles later."""
    form = ArrayForm(rows=4, cols=1, chunk_size=2, taps=True, latency=5)
    assert tap_chain(form) == (1, 1 + 5)


@pytest.mark.parametrize(
    ("k", "chunk", "k_per_pe", "latency", "stall"),
    [
        (8, 4, 1, 4, 0),
        (8, 4, 1, 5, 1),
        (9, 4, 1, 4, 3),  # the last chunk ends one cycle after the one before
        (8, 1, 1, 3, 7 * 2),
        (8, 4, 2, 4, 2),
        (8, 1, 2, 1, 4),  # two ends in each of four cycles
    ],
)
def test_chunk_stall_by_hand(k: int, chunk: int, k_per_pe: int, latency: int, stall: int) -> None:
    form = ArrayForm(
        rows=1, cols=1, k_on_rows=False, chunk_size=chunk, k_per_pe=k_per_pe, latency=latency
    )
    assert chunk_stall(form, k) == stall


@pytest.mark.parametrize(
    ("chunk", "k", "case"),
    [
        (64, 576, ChunkCase.WHOLE),
        (10, 10, ChunkCase.WHOLE),
        (128, 576, ChunkCase.RECIRCULATE),
        (576, 576, ChunkCase.RECIRCULATE),
        (32, 576, ChunkCase.TAPS),
        (1, 576, ChunkCase.TAPS),
    ],
)
def test_chunk_cases(chunk: int, k: int, case: ChunkCase) -> None:
    assert chunk_case(chunk_size=chunk, k_tile=64, k=k) is case


def test_a_chunk_that_ends_where_no_adder_is_is_refused() -> None:
    with pytest.raises(ValueError, match="100 is neither a multiple nor a divisor"):
        chunk_case(chunk_size=100, k_tile=64, k=576)


def test_a_run_has_passes() -> None:
    with pytest.raises(ValueError, match="at least one pass"):
        run_of_passes(ArrayForm(rows=1, cols=1), Pass(vectors=1), count=0)
