"""The closed forms against the register-level arrays, beyond the shapes that are tried out.

The exhaustive comparison over small shapes, and the arrays, are in tests/oracles/.
"""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from accelsim.timing.closed_forms import ArrayForm, Pass, isolated_pass, run_of_passes
from tests.oracles import timing_columns, timing_outputs
from tests.oracles.timing_cases import column_case, legal_chunks, output_case


@settings(max_examples=60)
@given(st.data())
def test_columns(data: st.DataObject) -> None:
    draw = data.draw
    rows, k_per_pe = draw(st.integers(1, 8)), draw(st.integers(1, 3))
    total_k = draw(st.integers(1, 4 * rows * k_per_pe))
    outs = draw(st.integers(1, 3))
    array = timing_columns.Columns(
        rows=rows,
        cols=draw(st.integers(1, 6)),
        chunk=draw(st.sampled_from(legal_chunks(rows * k_per_pe, total_k))),
        total_k=total_k,
        k_per_pe=k_per_pe,
        preload_hidden=draw(st.booleans()),
        overlap=draw(st.booleans()),
        latency=draw(st.integers(1, 20)),
        interval=draw(st.integers(1, 4)),
    )
    vectors = draw(st.lists(st.integers(1, 15), min_size=outs, max_size=outs))
    case, tiles = column_case(array, vectors=vectors, outs=outs)
    assert timing_columns.run(array, tiles, case.starts).cycles == case.cycles


@settings(max_examples=60)
@given(st.data())
def test_outputs(data: st.DataObject) -> None:
    draw = data.draw
    array = timing_outputs.Outputs(
        rows=draw(st.integers(1, 8)),
        cols=draw(st.integers(1, 6)),
        chunk=draw(st.integers(1, 20)),
        k_per_pe=draw(st.integers(1, 3)),
        drain_hidden=draw(st.booleans()),
        overlap=draw(st.booleans()),
        latency=draw(st.integers(1, 12)),
        interval=draw(st.integers(1, 5)),
    )
    case, tiles = output_case(array, k=draw(st.integers(1, 40)), count=draw(st.integers(1, 4)))
    assert timing_outputs.run(array, tiles, case.starts).cycles == case.cycles


@given(
    rows=st.integers(1, 300),
    cols=st.integers(1, 300),
    vectors=st.integers(1, 10_000),
    count=st.integers(1, 1_000_000),
    k_on_rows=st.booleans(),
    hidden=st.booleans(),
    overlap=st.booleans(),
)
def test_a_run_is_between_its_streams_and_its_passes_alone(
    rows: int, cols: int, vectors: int, count: int, k_on_rows: bool, hidden: bool, overlap: bool
) -> None:
    form = ArrayForm(
        rows=rows,
        cols=cols,
        k_on_rows=k_on_rows,
        chunk_size=vectors,
        preload_hidden=hidden,
        drain_hidden=hidden,
        overlap_passes=overlap,
    )
    item = Pass(vectors=vectors, k=vectors)
    got = run_of_passes(form, item, count=count)
    assert got.compute == count * vectors
    assert got.compute < got.total + 1 <= count * isolated_pass(form, item).total + 1
    assert got.accumulator == 0
