"""The same passes for the register-level arrays and for the closed forms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from accelsim.timing.closed_forms import (
    ArrayForm,
    ChunkCase,
    Pass,
    chunk_case,
    gap,
    last_pass,
)
from tests.oracles import timing_columns, timing_outputs


@dataclass(frozen=True)
class Case:
    """Passes in order, and what the closed forms say of them."""

    form: ArrayForm
    passes: tuple[Pass, ...]

    @property
    def starts(self) -> tuple[int, ...]:
        starts = [self.form.preload]
        for before, after in pairwise(self.passes):
            starts.append(starts[-1] + gap(self.form, before, after))
        return tuple(starts)

    @property
    def cycles(self) -> int:
        return self.starts[-1] + last_pass(self.form, self.passes[-1])


def legal_chunks(k_tile: int, k: int) -> tuple[int, ...]:
    """Every chunk size that ends where a column has an adder; one more holds all of k."""
    sizes = {c for c in range(1, k + 1) if c % k_tile == 0 or k_tile % c == 0}
    return tuple(sorted(sizes | {k}))


def column_case(
    array: timing_columns.Columns, *, vectors: Sequence[int], outs: int = 1
) -> tuple[Case, tuple[timing_columns.Tile, ...]]:
    """All k tiles of `outs` output tiles in turn; pass i streams vectors[out]."""
    tile, chunk, k = array.k_tile, array.chunk, array.total_k
    case = chunk_case(chunk_size=chunk, k_tile=tile, k=k)
    form = ArrayForm(
        rows=array.rows,
        cols=array.cols,
        k_per_pe=array.k_per_pe,
        chunk_size=chunk,
        taps=case is ChunkCase.TAPS,
        preload_hidden=array.preload_hidden,
        overlap_passes=array.overlap,
        latency=array.latency,
        interval=array.interval,
    )
    tiles = tuple(
        timing_columns.Tile(out, (at, min(at + tile, k)), vectors[out], array.cols)
        for out in range(outs)
        for at in range(0, k, tile)
    )
    passes = tuple(
        Pass(
            vectors=one.vectors,
            k=one.k[1] - one.k[0],
            continues=one.k[0] > 0,
            recirculates=one.k[0] % chunk != 0,
        )
        for one in tiles
    )
    return Case(form, passes), tiles


def output_case(
    array: timing_outputs.Outputs, *, k: int, count: int
) -> tuple[Case, tuple[timing_outputs.Tile, ...]]:
    """`count` output tiles of the whole reduction over k."""
    form = ArrayForm(
        rows=array.rows,
        cols=array.cols,
        k_per_pe=array.k_per_pe,
        k_on_rows=False,
        chunk_size=min(array.chunk, k),
        drain_hidden=array.drain_hidden,
        overlap_passes=array.overlap,
        latency=array.latency,
        interval=array.interval,
    )
    tiles = tuple(timing_outputs.Tile(out, k, array.rows, array.cols) for out in range(count))
    passes = tuple(Pass(vectors=-(-k // array.k_per_pe), k=k) for _ in tiles)
    return Case(form, passes), tiles
