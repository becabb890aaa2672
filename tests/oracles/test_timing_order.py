"""The order in which the register-level arrays add, and the values that come of it.

Operands travel through the arrays as terms that name themselves, so a sum spells
out which products met and in what order. It must be the order that the schedule
promises. Fed with numbers, the arrays are one more path to the worked example.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest

from accelsim.formats import get_format, round_scalar
from accelsim.schedule import ReductionOrder, Schedule
from accelsim.timing.closed_forms import array_form
from tests import worked_example as we
from tests.oracles import timing_columns, timing_outputs
from tests.oracles.timing_columns import TERMS, Arithmetic, Columns
from tests.oracles.timing_outputs import Outputs
from tests.unit.timing.machines import make_chip, make_gemm, schedule_of

Operand = Callable[[int, int], Any]


def run_schedule(
    schedule: Schedule, *, math: Arithmetic, a: Operand, b: Operand
) -> dict[tuple[int, int], Any]:
    """Run the steps of every core on an array of its own; return the sum of every (m, n)."""
    sums: dict[tuple[int, int], Any] = {}
    run = _run_columns if schedule.mapping.k_on_rows else _run_outputs
    for core in range(schedule.cores):
        steps = tuple(step for step in schedule.steps() if step.core == core)
        if steps:
            sums.update(run(schedule, steps, math, a, b))
    return sums


def _run_columns(schedule, steps, math, a, b):
    mapping, weights_stay = schedule.mapping, schedule.mapping.stationary.value == "weight"
    array = Columns(
        rows=mapping.rows,
        cols=mapping.cols,
        chunk=mapping.chunk_size,
        total_k=schedule.op.k,
        k_per_pe=mapping.k_per_pe,
        fused=schedule.reduction_order().fused > 1,
        latency=2,
    )
    spread = [step.n if weights_stay else step.m for step in steps]
    streams = [step.m if weights_stay else step.n for step in steps]
    keys = list(dict.fromkeys((step.m, step.n) for step in steps))
    tiles = [
        timing_columns.Tile(
            keys.index((step.m, step.n)), step.k, stream[1] - stream[0], cols[1] - cols[0]
        )
        for step, stream, cols in zip(steps, streams, spread, strict=True)
    ]

    def streamed(tile, vector, k):
        at = streams[tile][0] + vector
        return a(at, k) if weights_stay else b(k, at)

    def stationary(tile, k, col):
        at = spread[tile][0] + col
        return b(k, at) if weights_stay else a(at, k)

    starts = timing_columns.earliest_starts(array, tiles)
    outcome = timing_columns.run(
        array, tiles, starts, math=math, streamed=streamed, stationary=stationary
    )
    sums = {}
    for (out, vector, col), total in outcome.sums.items():
        m, n = keys[out]
        place = (m[0] + vector, n[0] + col) if weights_stay else (m[0] + col, n[0] + vector)
        sums[place] = total
    return sums


def _run_outputs(schedule, steps, math, a, b):
    mapping = schedule.mapping
    array = Outputs(
        rows=mapping.rows,
        cols=mapping.cols,
        chunk=mapping.chunk_size,
        k_per_pe=mapping.k_per_pe,
        fused=schedule.reduction_order().fused > 1,
        latency=2,
    )
    tiles = [
        timing_outputs.Tile(at, schedule.op.k, step.m[1] - step.m[0], step.n[1] - step.n[0])
        for at, step in enumerate(steps)
    ]

    def left(tile, row, k):
        m = steps[tile].m[0] + row
        return a(m, k) if m < steps[tile].m[1] else math.zero

    def top(tile, k, col):
        n = steps[tile].n[0] + col
        return b(k, n) if n < steps[tile].n[1] else math.zero

    starts = timing_outputs.earliest_starts(array, tiles)
    outcome = timing_outputs.run(array, tiles, starts, math=math, left=left, top=top)
    return {
        (steps[out].m[0] + row, steps[out].n[0] + col): total
        for (out, row, col), total in outcome.sums.items()
    }


def promised(order: ReductionOrder, product: Callable[[int], Any]) -> Any:
    """Spell a reduction order out as the terms that the arrays would build."""
    total: Any = TERMS.zero
    for first, stop in order.chunks():
        chunk: Any = TERMS.zero
        for at in range(first, stop, order.fused):
            group = tuple(product(k) for k in range(at, min(at + order.fused, stop)))
            chunk = TERMS.add_inner(chunk, group)
        total = TERMS.add_outer(total, chunk)
    return total


DATAFLOWS = ("weight_stationary", "output_stationary", "input_stationary")


@pytest.mark.parametrize("dataflow", DATAFLOWS)
@pytest.mark.parametrize("k_per_pe", [1, 2])
@pytest.mark.parametrize("k", [1, 3, 4, 7, 9])
@pytest.mark.parametrize("chunk", [1, 2, 4, 8, None])
def test_order_of_additions_is_the_schedules(
    dataflow: str, k_per_pe: int, k: int, chunk: int | None
) -> None:
    chip = make_chip(dataflow=dataflow, rows=2, cols=2, k_per_pe=k_per_pe)
    schedule = schedule_of(make_gemm(3, 3, k, chunk_size=chunk), chip)
    sums = run_schedule(
        schedule, math=TERMS, a=lambda m, k: ("a", m, k), b=lambda k, n: ("b", k, n)
    )
    order = schedule.reduction_order()
    assert len(sums) == 9
    for (m, n), total in sums.items():

        def product(k: int, m: int = m, n: int = n) -> Any:
            pair = (("a", m, k), ("b", k, n))
            return pair[::-1] if dataflow == "input_stationary" else pair

        assert total == promised(order, product)


@pytest.mark.parametrize("dataflow", DATAFLOWS)
@pytest.mark.parametrize("fused", [False, True])
def test_fused_pairs_enter_one_addition(dataflow: str, fused: bool) -> None:
    chip = make_chip(dataflow=dataflow, rows=2, cols=2, k_per_pe=2, fused=fused)
    schedule = schedule_of(make_gemm(2, 2, 7, chunk_size=4, fused=fused), chip)
    sums = run_schedule(schedule, math=TERMS, a=lambda m, k: k, b=lambda k, n: k)
    assert schedule.reduction_order().fused == (2 if fused else 1)
    assert set(sums.values()) == {promised(schedule.reduction_order(), lambda k: (k, k))}


def rounded(fmt_name: str) -> Arithmetic:
    """Numbers: exact products, every addition rounded once by the scalar definition."""
    fmt = get_format(fmt_name)

    def add(total: float, group: tuple[float, ...]) -> float:
        return round_scalar(Fraction(total) + sum(map(Fraction, group)), fmt)

    return Arithmetic(
        product=lambda x, w: Fraction(x) * Fraction(w),
        add_inner=add,
        add_outer=lambda total, chunk: add(total, (chunk,)),
        zero=0.0,
    )


@pytest.mark.parametrize("dataflow", DATAFLOWS)
@pytest.mark.parametrize(
    ("k", "chunk", "k_per_pe", "fused", "result"),
    [
        (5, we.CHUNK, 1, False, we.RESULT),
        (5, we.CHUNK, 2, False, we.RESULT),
        (4, we.CHUNK, 1, False, we.RESULT_K4),
        (5, None, 1, False, we.RESULT_ONE_CHUNK),
        (5, None, 2, True, we.RESULT_FUSED_PAIRS),
    ],
)
@pytest.mark.parametrize(("cores", "side"), [(1, 2), (4, 1)])
def test_worked_example_comes_out_of_the_registers(
    dataflow: str,
    k: int,
    chunk: int | None,
    k_per_pe: int,
    fused: bool,
    result: Any,
    cores: int,
    side: int,
) -> None:
    """On one array of 2 x 2; and on four cores whose arrays are one column or element wide."""
    rows = side if dataflow == "output_stationary" else 2
    chip = make_chip(
        dataflow=dataflow, rows=rows, cols=side, k_per_pe=k_per_pe, fused=fused, cores=cores
    )
    schedule = schedule_of(make_gemm(2, 2, k, chunk_size=chunk, fused=fused), chip)
    sums = run_schedule(
        schedule,
        math=rounded(we.ACCUMULATOR_FORMAT),
        a=lambda m, k: float(we.A[m, k]),
        b=lambda k, n: float(we.B[k, n]),
    )
    assert sums == {(m, n): result[m, n] for m in (0, 1) for n in (0, 1)}


def test_form_of_a_schedule_is_the_chips_and_the_mappings() -> None:
    chip = make_chip(rows=2, cols=3, k_per_pe=2, latency=5)
    form = array_form(chip, schedule_of(make_gemm(3, 3, 9, chunk_size=1), chip).mapping, k=9)
    assert (form.rows, form.cols, form.k_per_pe, form.latency, form.taps) == (2, 3, 2, 5, True)
