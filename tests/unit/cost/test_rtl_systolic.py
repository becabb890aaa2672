"""A systolic array in Verilog: its cycles are the closed forms', its bits the emulator's."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from accelsim.cost.rtl.simulate import run_bench
from accelsim.numerics import matmul
from accelsim.precision import Accumulator
from accelsim.timing.closed_forms import ArrayForm, Pass, run_of_passes
from tests.unit.cost.rtl_oracle import codes, float_formats, needs_iverilog, values

pytestmark = needs_iverilog

E5M2, SUM = float_formats("fp8_e5m2", "fp16_e6m9")
#: The sum of the last row is held in a register, then added and stored: two cycles.
LATENCY = 2
BENCH = Path(__file__).with_name("systolic_bench.v")


@dataclass(frozen=True)
class Case:
    """An array, and a product of (vectors, k) with (k, cols) on it."""

    rows: int
    cols: int
    k_per_pe: int
    hidden: bool
    vectors: int
    k: int

    @property
    def k_tile(self) -> int:
        return self.rows * self.k_per_pe

    @property
    def passes(self) -> int:
        return -(-self.k // self.k_tile)

    @property
    def form(self) -> ArrayForm:
        return ArrayForm(
            rows=self.rows,
            cols=self.cols,
            k_per_pe=self.k_per_pe,
            chunk_size=self.k_tile,
            preload_hidden=self.hidden,
            latency=LATENCY,
        )


CASES = [
    Case(rows=4, cols=3, k_per_pe=1, hidden=True, vectors=7, k=22),  # stream longer than preload
    Case(rows=4, cols=3, k_per_pe=1, hidden=False, vectors=7, k=22),
    Case(rows=4, cols=3, k_per_pe=1, hidden=True, vectors=2, k=20),  # preload longer than stream
    Case(rows=4, cols=3, k_per_pe=1, hidden=False, vectors=2, k=20),
    Case(rows=2, cols=5, k_per_pe=1, hidden=True, vectors=1, k=9),
    Case(rows=2, cols=3, k_per_pe=2, hidden=True, vectors=5, k=23),
    Case(rows=3, cols=2, k_per_pe=2, hidden=False, vectors=5, k=12),  # no ragged chunk
    Case(rows=5, cols=4, k_per_pe=2, hidden=True, vectors=9, k=7),  # one pass
]


def operands(case: Case) -> tuple[np.ndarray, np.ndarray]:
    """Return codes (vectors, k) and (k, cols): of any size, subnormal, cancelling, large."""
    rng = np.random.default_rng(case.k)
    x = rng.integers(0, 0x7C, (case.vectors, case.k)) | rng.integers(0, 2, (case.vectors, 1)) << 7
    w = rng.integers(0x30, 0x48, (case.k, case.cols)) | rng.integers(0, 2, (1, case.cols)) << 7
    x[:, 1::2] = x[:, : 2 * (case.k // 2) : 2] ^ 0x80  # the product before, but for the weight
    return x.astype(np.uint64), w.astype(np.uint64)


def join(items: np.ndarray) -> int:
    """Return bytes as one number, the first lowest."""
    return int.from_bytes(bytes(int(item) for item in items), "little")


def run(case: Case, x: np.ndarray, w: np.ndarray, folder: Path) -> list[tuple[int, int, int]]:
    """Return (cycle, column, code) of every stored sum."""
    padded = case.passes * case.k_tile
    x = np.pad(x, ((0, 0), (0, padded - case.k)))  # idle rows: +0 times +0
    w = np.pad(w, ((0, padded - case.k), (0, 0)))
    weights, vectors = [], []
    for tile in range(case.passes):
        at = slice(tile * case.k_tile, (tile + 1) * case.k_tile)
        rows = w[at].reshape(case.rows, case.k_per_pe, case.cols)
        weights += [join(row.T.ravel()) for row in rows[::-1]]  # last row first
        for vector in range(case.vectors):
            flags = (vector == 0) << 2 | (vector == case.vectors - 1) << 1 | (tile == 0)
            vectors.append(flags << (8 * case.k_tile) | join(x[vector, at]))
    (folder / "weights.hex").write_text("\n".join(f"{word:x}" for word in weights))
    (folder / "vectors.hex").write_text("\n".join(f"{word:x}" for word in vectors))
    text = BENCH.read_text()
    limit = run_of_passes(case.form, item(case), count=case.passes).total + 10
    for name, value in {
        "R": case.rows, "C": case.cols, "P": case.k_per_pe, "HIDDEN": int(case.hidden),
        "ROWS": len(weights), "VECTORS": len(vectors), "LIMIT": limit,
    }.items():  # fmt: skip
        text = text.replace(f"@{name}@", str(value))
    run_bench(text, folder)
    lines = (folder / "stored.txt").read_text().splitlines()
    split = [line.split() for line in lines]
    return [(int(cycle), int(column), int(code, 16)) for cycle, column, code in split]


def item(case: Case) -> Pass:
    return Pass(vectors=case.vectors, k=case.k, continues=case.passes > 1)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_array_in_verilog(case, tmp_path) -> None:
    """First and last sum in the cycles of the closed form, and every sum bit for bit.

    A sum that leaves the last row in cycle c is stored at the end of cycle c + 1. The
    first vector enters after the preload, and meets row R - 1 of column 0 R - 1 cycles
    later.
    """
    x, w = operands(case)
    stored = run(case, x, w, tmp_path)
    assert len(stored) == case.passes * case.vectors * case.cols
    assert stored[0][0] == case.rows + case.rows - 1 + LATENCY - 1
    cycles = run_of_passes(case.form, item(case), count=case.passes).total
    assert stored[-1][0] + 1 == cycles
    accumulator = Accumulator(format="fp16_e6m9", chunk_size=case.k_tile)
    for tile in range(case.passes):  # running sums after each pass
        k = min(case.k, (tile + 1) * case.k_tile)
        left, right = values(x[:, :k], E5M2), values(w[:k], E5M2)
        expected = codes(matmul(left, right, accumulator, path="definition"), SUM)
        for column in range(case.cols):
            mine = [code for _, at, code in stored if at == column]
            got = mine[tile * case.vectors : (tile + 1) * case.vectors]
            assert got == expected[:, column].tolist()


@pytest.mark.parametrize("case", CASES[:4], ids=str)
def test_passes_start_as_far_apart_as_the_closed_form_says(case, tmp_path) -> None:
    """Column 0 stores a vector a cycle; the first ones of two passes are a gap apart."""
    x, w = operands(case)
    cycles = [at for at, column, _ in run(case, x, w, tmp_path) if column == 0]
    starts = cycles[:: case.vectors]
    expected = max(case.vectors, case.rows) if case.hidden else case.vectors + case.rows
    assert np.diff(starts).tolist() == [expected] * (case.passes - 1)
