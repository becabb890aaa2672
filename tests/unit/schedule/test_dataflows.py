"""What the dataflows put where: pass counts and nests counted by hand."""

from __future__ import annotations

import pytest

from accelsim.arch import load_chip
from accelsim.schedule import Dim, Level, PassGroup, Schedule, Stationary, make_schedule
from accelsim.schedule.dataflows import BUILTIN, vector_fallback
from accelsim.testing import check_dataflow
from accelsim.testing.check_dataflow import example_chip, example_gemm

NAMES = ("weight_stationary", "output_stationary", "input_stationary")
SIZES = (32, 128)


def passes(schedule: Schedule) -> list[PassGroup]:
    return [one for block in schedule.blocks() for one in schedule.block_passes(block)]


@pytest.mark.parametrize("dataflow", [*BUILTIN.values(), vector_fallback])
def test_builtin_dataflow_keeps_the_laws(dataflow: object) -> None:
    assert callable(dataflow)
    check_dataflow(dataflow)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("m", "n", "k"), [(3136, 64, 576), (49, 512, 2048), (1, 1000, 100)])
@pytest.mark.parametrize(("short", "name"), tuple(zip(("ws", "os", "is"), NAMES, strict=True)))
def test_scalesim_chip_makes_the_passes_of_the_closed_form(
    short: str, name: str, size: int, m: int, n: int, k: int
) -> None:
    # (Sr, Sc, T) = (K, N, M), (M, N, K), (K, M, N): ceil(Sr/R) * ceil(Sc/C) passes of T vectors.
    sr, sc, t = {"ws": (k, n, m), "os": (m, n, k), "is": (k, m, n)}[short]
    chip = load_chip(f"scalesim_{short}_{size}x{size}")
    op = example_gemm(m, n, k, chunk_size=None)
    schedule = make_schedule(op, chip)
    assert schedule.mapping.dataflow == name
    assert schedule.block_count == 1
    assert schedule.pass_count == -(-sr // size) * -(-sc // size)
    assert {one.vectors for one in passes(schedule)} == {t}


def test_depthwise_convolution_makes_passes_of_its_own_for_every_group() -> None:
    # 16 groups of k = 9, n = 1 on 32 x 32: one pass each, 9 rows and 1 column in use.
    chip = load_chip("scalesim_ws_32x32")
    schedule = make_schedule(example_gemm(50, 1, 9, groups=16), chip)
    (run,) = passes(schedule)
    assert (run.count, run.rows_used, run.cols_used, run.vectors) == (16, 9, 1, 50)


def test_two_rate_elements_halve_the_rows_that_k_needs() -> None:
    # k = 10 at 2 per element on 4 rows: k tiles of 8 and 2, so 4 and 1 rows.
    chip = example_chip(rows=4, cols=4, k_per_pe=2)
    runs = passes(make_schedule(example_gemm(6, 4, 10, chunk_size=8), chip))
    assert [(run.rows_used, run.k) for run in runs] == [(4, 8), (1, 2)]
    assert [(run.k_first, run.k_last) for run in runs] == [(True, False), (False, True)]


def test_output_stationary_streams_k_at_the_rate_of_the_elements() -> None:
    # k = 9 at 2 per element: 5 vectors.
    chip = example_chip(dataflow="output_stationary", rows=4, cols=4, k_per_pe=2)
    (run,) = passes(make_schedule(example_gemm(4, 4, 9), chip))
    assert (run.vectors, run.rows_used, run.cols_used) == (5, 4, 4)


def test_chunk_of_two_tiles_recirculates_every_other_pass() -> None:
    # k tile 4, chunk 8, k = 20: passes at 0, 4, 8, 12, 16; chunks end at 8, 16 and 20.
    chip = example_chip(rows=4, cols=4)
    runs = passes(make_schedule(example_gemm(5, 4, 20, chunk_size=8), chip))
    expanded = [run for run in runs for _ in range(run.count)]
    assert [run.recirculates for run in expanded] == [False, True, False, True, False]
    assert [run.outer_adds for run in expanded] == [0, 1, 0, 1, 1]


def test_chunk_of_half_a_tile_ends_twice_in_a_pass() -> None:
    # k tile 4, chunk 2, k = 7: chunks end at 2 and 4, then at 6 and, short, at 7.
    chip = example_chip(rows=4, cols=4)
    runs = passes(make_schedule(example_gemm(5, 4, 7, chunk_size=2), chip))
    assert [(run.k, run.outer_adds, run.recirculates) for run in runs] == [
        (4, 2, False),
        (3, 2, False),
    ]


def test_accumulator_entries_cut_the_streamed_vectors_into_even_parts() -> None:
    # 10 vectors, room for 4: 3 passes of 4, 4 and 2 for each of 2 k tiles.
    chip = example_chip(rows=4, cols=4, entries=4)
    schedule = make_schedule(example_gemm(10, 4, 8, chunk_size=4), chip)
    assert [run.vectors for run in passes(schedule) for _ in range(run.count)] == [4] * 4 + [2] * 2


def test_output_stationary_does_not_need_accumulator_entries() -> None:
    chip = example_chip(dataflow="output_stationary", rows=4, cols=4, entries=1)
    schedule = make_schedule(example_gemm(4, 4, 100), chip)
    assert schedule.pass_count == 1


@pytest.mark.parametrize(
    ("name", "stationary", "rows", "cols", "stream"),
    [
        ("weight_stationary", Stationary.WEIGHT, Dim.K, Dim.N, Dim.M),
        ("output_stationary", Stationary.OUTPUT, Dim.M, Dim.N, Dim.K),
        ("input_stationary", Stationary.INPUT, Dim.K, Dim.M, Dim.N),
    ],
)
def test_dataflow_lays_the_dimensions_along_the_array(
    name: str, stationary: Stationary, rows: Dim, cols: Dim, stream: Dim
) -> None:
    mapping = make_schedule(example_gemm(9, 9, 9), example_chip(dataflow=name)).mapping
    assert mapping.stationary is stationary
    assert mapping.only(Level.ROWS).dim is rows
    assert mapping.only(Level.COLS).dim is cols
    assert mapping.only(Level.STREAM).dim is stream


def test_all_partial_sums_of_an_output_follow_each_other() -> None:
    # The accumulators hold one n tile: k tiles of it are adjacent in time.
    chip = example_chip(rows=4, cols=4)
    schedule = make_schedule(example_gemm(5, 8, 12, chunk_size=4), chip)
    assert [(step.n, step.k) for step in schedule.steps()] == [
        ((0, 4), (0, 4)),
        ((0, 4), (4, 8)),
        ((0, 4), (8, 12)),
        ((4, 8), (0, 4)),
        ((4, 8), (4, 8)),
        ((4, 8), (8, 12)),
    ]
