"""What chunks cost, for people: area and energy of the outer accumulators."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from accelsim.cost import ChunkCost
from accelsim.files import atomic_write, csv_text, json_text
from accelsim.report.figures import new_figure, save_figure
from accelsim.report.palette import OKABE_ITO
from accelsim.report.tables import plain_table

if TYPE_CHECKING:
    from rich.table import Table

CHUNK_COST_SCHEMA = "accelsim.chunk_cost/1"


def chunk_cost_table(arch: str, costs: Sequence[ChunkCost]) -> Table:
    """Return one row per chunk size."""
    heads = (
        "chunk", "outer adders per core", "their area, mm2", "chip area, mm2",
        "pJ per MAC", "of that for chunks", "overhead %",
    )  # fmt: skip
    rows = [
        (
            str(cost.chunk_size),
            str(cost.outer_adders),
            f"{cost.accumulator_area_mm2:.4g}",
            f"{cost.chip_area_mm2:.4g}",
            f"{cost.mac_pj + cost.outer_pj:.4g}",
            f"{cost.outer_pj:.4g}",
            f"{100 * cost.overhead:.2f}",
        )
        for cost in costs
    ]
    return plain_table(f"chunk sizes on {arch}", heads, rows)


def chunk_cost_document(arch: str, costs: Sequence[ChunkCost]) -> dict[str, Any]:
    """Return the JSON document ``accelsim.chunk_cost/1``."""
    return {"schema": CHUNK_COST_SCHEMA, "arch": arch, "rows": [_row(cost) for cost in costs]}


def write_chunk_cost_folder(arch: str, costs: Sequence[ChunkCost], folder: Path) -> None:
    """Write ``chunks.csv``, ``chunks.svg`` and ``result.json``."""
    rows = [_row(cost) for cost in costs]
    atomic_write(folder / "chunks.csv", csv_text(rows, list(rows[0])))
    atomic_write(folder / "result.json", json_text(chunk_cost_document(arch, costs)))
    write_chunk_cost_figure(costs, folder / "chunks.svg")


def write_chunk_cost_figure(costs: Sequence[ChunkCost], path: Path) -> None:
    """Draw the energy that chunks add to a MAC, and the area of their adders."""
    figure = new_figure()
    energy, area = figure.subplots(1, 2)
    sizes = [cost.chunk_size for cost in costs]
    energy.plot(sizes, [100 * cost.overhead for cost in costs], "o-", color=OKABE_ITO[4])
    energy.set(xscale="log", yscale="log", ylabel="energy added to a MAC, %")
    area.plot(sizes, [cost.accumulator_area_mm2 for cost in costs], "o-", color=OKABE_ITO[5])
    area.set(xscale="log", ylabel="area of the outer accumulators, mm2")
    area.set_ylim(bottom=0)
    for axes in (energy, area):
        axes.set_xlabel("chunk size, products")
        axes.set_xticks(sizes, [str(size) for size in sizes], fontsize=7)
        axes.minorticks_off()
    save_figure(figure, path)


def _row(cost: ChunkCost) -> dict[str, Any]:
    return {**asdict(cost), "overhead": cost.overhead}
