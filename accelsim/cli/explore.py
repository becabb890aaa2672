"""``accelsim sweep``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from accelsim.cli.console import print_json, print_tables, progress
from accelsim.cli.importing import import_options

_VARY_HELP = "Values of one field: 32,64,128, or a range 8:64:8 or 8:512:x2."


@click.command()
@click.argument("workload")
@click.option("--arch", default="fp8_chunk64", show_default=True, metavar="NAME|FILE")
@click.option("--recipe", metavar="NAME|FILE", help="Precision recipe [chip's default].")
@click.option("--vary", multiple=True, required=True, metavar="KEY=VALUES", help=_VARY_HELP)
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE")
@click.option("--batch", type=click.IntRange(1, 1_000_000), default=1, show_default=True)
@click.option(
    "--mode",
    type=click.Choice(["event", "analytic"]),
    default="analytic",
    show_default=True,
    help="Simulate every transfer, or estimate from closed forms.",
)
@click.option("--numerics", type=click.Choice(["off", "sample", "full"]), default="off")
@click.option("--pareto", default="time_ms,energy_pj,area_mm2", show_default=True, metavar="A,B,C")
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=0, show_default=True)
@click.option("-j", "--jobs", type=click.IntRange(1, 1024), default=1, show_default=True)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), metavar="DIR", help="Stream rows here."
)
@import_options
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
def sweep(
    workload: str, pareto: str, jobs: int, output: Path | None, as_json: bool, quiet: bool,
    **options: Any,
) -> None:  # fmt: skip
    """Run WORKLOAD at every point of a grid; a stopped sweep goes on where it was."""
    from accelsim import api
    from accelsim.report.figures import write_pareto_figure
    from accelsim.report.tables import sweep_table

    metrics = tuple(name.strip() for name in pareto.split(","))
    with progress(quiet or as_json) as on_progress:
        result = api.sweep(
            workload, metrics=metrics, folder=output, processes=jobs,
            on_progress=on_progress, **options,
        )  # fmt: skip
        if output is not None:
            write_pareto_figure(result, output / "pareto.svg")
    if as_json:
        print_json(result.document())
    else:
        print_tables(sweep_table(result))
