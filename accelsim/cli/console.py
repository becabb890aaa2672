"""What goes to the terminal: results to stdout, everything else to stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from accelsim.results import RunResult

#: Columns of a table that does not go to a terminal.
PLAIN_WIDTH = 150


def print_run(result: RunResult, verbose: bool) -> None:
    """Print a run: where its numbers come from, totals, shares, ops."""
    from accelsim.report.tables import ops_table, shares_table, totals_table

    energy = {name: pj * 1e-9 for name, pj in result.totals.energy_by_component_pj.items()}
    click.echo(
        f"recipe {result.recipe}, {result.phase}, batch {result.batch},"
        f" numerics {result.numerics}, seed {result.seed}"
    )
    for key, value in result.provenance.items():
        click.echo(f"{key}: {value}")
    print_tables(
        totals_table(result),
        shares_table("energy", energy, "mJ"),
        shares_table("area", result.totals.area_by_component_mm2, "mm2"),
        ops_table(result.ops, limit=None if verbose else 12),
    )


def print_tables(*tables: Any) -> None:
    """Print tables to stdout, in colour on a terminal only."""
    from rich.console import Console

    width = None if sys.stdout and sys.stdout.isatty() else PLAIN_WIDTH
    # Names come from files: what is in brackets is no markup of theirs.
    console = Console(file=sys.stdout, width=width, markup=False, emoji=False)
    for table in tables:
        console.print(table)


def print_json(document: Any) -> None:
    """Print one JSON document to stdout."""
    click.echo(json.dumps(document, indent=1, allow_nan=False))


def warn(result: RunResult, quiet: bool) -> None:
    """Print a run's warnings to stderr."""
    if not quiet:
        for text in result.warnings:
            click.echo(f"warning: {text}", err=True)


@contextmanager
def progress(quiet: bool) -> Iterator[Callable[[str], None]]:
    """Show the stage on a terminal's stderr while the block runs; else nothing."""
    if quiet or not sys.stderr.isatty():
        yield lambda _stage: None
        return
    from rich.console import Console

    with Console(stderr=True, markup=False, emoji=False).status("starting") as status:
        yield lambda stage: status.update(stage)
