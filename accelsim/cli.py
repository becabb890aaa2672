"""The command line: parse, call the api, print. The only module that prints.

stdout carries the result alone: tables, or with ``--json`` one document.
Progress, warnings and errors go to stderr. Exit codes: 0 done; 1 a failure of
accelsim; 2 wrong input; 3 done, but a ``--fail-on`` condition holds; 130
interrupted.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from accelsim._version import __version__
from accelsim.errors import AccelsimError

if TYPE_CHECKING:
    from accelsim.results import RunResult

EXIT_FAILURE, EXIT_INPUT, EXIT_CONDITION, EXIT_INTERRUPTED = 1, 2, 3, 130
#: Columns of a table that does not go to a terminal.
PLAIN_WIDTH = 150
TRACEBACK_FLAG = "--traceback"

Command = Callable[..., Any]


def main() -> None:
    """Run the command line and exit with its code."""
    try:
        code = cli.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("Interrupted.", err=True)
        code = EXIT_INTERRUPTED
    except AccelsimError as error:
        click.echo(f"accelsim: {error}", err=True)
        code = EXIT_INPUT
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = EXIT_FAILURE
    except Exception as error:
        if TRACEBACK_FLAG in sys.argv:
            raise
        click.echo(
            f"accelsim failed: {type(error).__name__}: {error}\n"
            "  This is a fault of accelsim, not of your input."
            f" `accelsim {TRACEBACK_FLAG} ...` shows where it happened.",
            err=True,
        )
        code = EXIT_FAILURE
    sys.exit(code or 0)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="accelsim")
@click.option(TRACEBACK_FLAG, is_flag=True, help="Show where a failure of accelsim happened.")
def cli(traceback: bool) -> None:
    """Values, cycles, energy and area of a low-precision accelerator, from one schedule."""


def _run_options(command: Command) -> Command:
    """Add the options that `run` and `compare` share."""
    options = [
        click.option("--recipe", metavar="NAME|FILE", help="Precision recipe [chip's default]."),
        click.option("--phase", type=click.Choice(["inference", "training"]), default="inference"),
        click.option("--batch", type=click.IntRange(1, 1_000_000), default=1, show_default=True),
        click.option(
            "--input", "input_", metavar="FILE|NAME", help="Image, .npy, .npz, or normal, uniform."
        ),
        click.option(
            "--weights", metavar="FILE", help="Trained weights, .npz or .safetensors [seeded He]."
        ),
        click.option(
            "--set",
            "overrides",
            multiple=True,
            metavar="KEY=VALUE",
            help="Change one field, such as arch.cores=2.",
        ),
        click.option(
            "--numerics",
            type=click.Choice(["full", "sample", "off"]),
            default="full",
            show_default=True,
        ),
        click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=0, show_default=True),
        click.option(
            "--threads", type=click.IntRange(1, 1024), help="Threads of the arithmetic [all cores]."
        ),
        click.option("--json", "as_json", is_flag=True, help="Print one JSON document."),
        click.option("-q", "--quiet", is_flag=True, help="No progress and no warnings."),
        click.option("-v", "--verbose", is_flag=True, help="Print every op."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


@cli.command()
@click.argument("workload", default="resnet50")
@click.option("--arch", default="fp8_chunk64", show_default=True, metavar="NAME|FILE")
@_run_options
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), metavar="DIR", help="Write a run folder."
)
@click.option("--force", is_flag=True, help="Overwrite the run folder.")
@click.option(
    "--fail-on", multiple=True, metavar="CONDITION", help="Exit 3 if it holds, such as 'error>0.1'."
)
def run(
    workload: str, arch: str, output: Path | None, force: bool, fail_on: tuple[str, ...],
    as_json: bool, quiet: bool, verbose: bool, **options: Any,
) -> int:  # fmt: skip
    """Run WORKLOAD (a name, or a path) on one chip."""
    from accelsim import api
    from accelsim.report.conditions import parse_condition
    from accelsim.report.run_folder import prepare_folder, write_run_folder

    conditions = [parse_condition(text) for text in fail_on]
    if output is not None:
        prepare_folder(output, force=force)
    with _progress(quiet or as_json) as on_progress:
        result = api.run(workload, arch=arch, on_progress=on_progress, **_renamed(options))
        if output is not None:
            write_run_folder(result, output)
    _warn(result, quiet)
    if as_json:
        _print_json(result.document())
    else:
        _print_run(result, verbose)
    failed = [
        text for condition, text in zip(conditions, fail_on, strict=True) if condition(result)
    ]
    for text in failed:
        click.echo(f"accelsim: condition holds: {text}", err=True)
    return EXIT_CONDITION if failed else 0


@cli.command()
@click.argument("workloads", nargs=-1)
@click.option("--archs", metavar="A,B,C", help="Chips to compare [fp8_chunk64 and its rivals].")
@click.option(
    "--baseline", metavar="NAME", help="Chip that ratios refer to [fp16, else the first]."
)
@click.option(
    "--hold",
    type=click.Choice(["pe_count", "area", "throughput"]),
    default="pe_count",
    show_default=True,
)
@_run_options
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Write comparison.json and .csv.",
)
@click.option("--force", is_flag=True, help="Overwrite the folder.")
def compare(
    workloads: tuple[str, ...], archs: str | None, output: Path | None, force: bool,
    as_json: bool, quiet: bool, verbose: bool, **options: Any,
) -> None:  # fmt: skip
    """Run WORKLOADS on several chips and print the ratios."""
    from accelsim import api
    from accelsim.report.run_folder import prepare_folder, write_comparison
    from accelsim.report.tables import comparison_table, means_table

    if output is not None:
        prepare_folder(output, force=force)
    names = tuple(name.strip() for name in archs.split(",")) if archs else api.DEFAULT_ARCHS
    with _progress(quiet or as_json) as on_progress:
        comparison = api.compare(
            workloads or ("resnet50",), archs=names, on_progress=on_progress, **_renamed(options)
        )
        if output is not None:
            write_comparison(comparison, output)
    if not quiet:
        for text in dict.fromkeys(t for row in comparison.rows for t in row.result.warnings):
            click.echo(f"warning: {text}", err=True)
    if as_json:
        _print_json(comparison.document())
        return
    _print_tables(comparison_table(comparison))
    if len(workloads) > 1:
        _print_tables(means_table(comparison))
    if verbose:
        for row in comparison.rows:
            _print_run(row.result, verbose=False)


@cli.group()
def show() -> None:
    """Print one thing in full: a chip, network, trace, schedule, format or recipe."""


def _show_command(name: str, help_text: str, *options: Callable[[Command], Command]) -> None:
    def body(name_or_path: str, **values: Any) -> None:
        from accelsim.report import show as pages

        for block in getattr(pages, name)(name_or_path, **values):
            if isinstance(block, str):
                click.echo(block)
            else:
                _print_tables(block)

    command: Command = click.argument("name_or_path", metavar="NAME|FILE")(body)
    for option in reversed(options):
        command = option(command)
    show.command(name, help=help_text)(command)


_ARCH = click.option("--arch", default="fp8_chunk64", show_default=True, metavar="NAME|FILE")
_RECIPE = click.option("--recipe", metavar="NAME|FILE", help="Recipe [the chip's default].")
_BATCH = click.option("--batch", type=click.IntRange(1, 1_000_000), default=1, show_default=True)
_SET = click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE")
_OP = click.option("--op", metavar="NAME", help="One op of the trace [the first GEMM].")

_show_command("arch", "Print a chip with every default filled in.", _SET)
_show_command("workload", "Print a network layer by layer.", _SET)
_show_command("recipe", "Print which number goes where.", _SET)
_show_command("format", "Print a number format: constants and, up to 8 bits, all codes.")
_show_command("trace", "Print the ops that a network lowers to.", _ARCH, _RECIPE, _BATCH, _SET)
_show_command(
    "schedule", "Print the loop nest and the order of additions.", _ARCH, _RECIPE, _BATCH, _OP, _SET
)


@cli.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
def check(files: tuple[str, ...]) -> int:
    """Check chip, network, recipe and cost-table files; print every problem."""
    from accelsim.report.inventory import check_file

    faults = 0
    for file in files:
        try:
            kind = check_file(file)
        except AccelsimError as error:
            faults += 1
            click.echo(f"accelsim: {error}", err=True)
        else:
            click.echo(f"{file}: a valid {kind}")
    return EXIT_INPUT if faults else 0


@cli.command("list")
@click.argument("kind", required=False)
def list_(kind: str | None) -> None:
    """List what has a name: chips, networks, recipes, formats, dataflows, cost tables."""
    from accelsim.report.inventory import catalog
    from accelsim.report.tables import names_table

    for title, names in catalog(kind).items():
        _print_tables(names_table(title, names))


@cli.command()
@click.argument("kind", type=click.Choice(["arch", "workload", "recipe", "cost_table"]))
def schema(kind: str) -> None:
    """Print the JSON Schema of a kind of file."""
    from accelsim.report.inventory import schema as schema_of

    _print_json(schema_of(kind))


def _renamed(options: dict[str, Any]) -> dict[str, Any]:
    return {{"input_": "input"}.get(key, key): value for key, value in options.items()}


def _print_run(result: RunResult, verbose: bool) -> None:
    from accelsim.report.tables import ops_table, shares_table, totals_table

    energy = {name: pj * 1e-9 for name, pj in result.totals.energy_by_component_pj.items()}
    click.echo(
        f"recipe {result.recipe}, {result.phase}, batch {result.batch},"
        f" numerics {result.numerics}, seed {result.seed}"
    )
    for key, value in result.provenance.items():
        click.echo(f"{key}: {value}")
    _print_tables(
        totals_table(result),
        shares_table("energy", energy, "mJ"),
        shares_table("area", result.totals.area_by_component_mm2, "mm2"),
        ops_table(result.ops, limit=None if verbose else 12),
    )


def _print_tables(*tables: Any) -> None:
    from rich.console import Console

    console = Console(file=sys.stdout, width=None if sys.stdout.isatty() else PLAIN_WIDTH)
    for table in tables:
        console.print(table)


def _print_json(document: Any) -> None:
    click.echo(json.dumps(document, indent=1, allow_nan=False))


def _warn(result: RunResult, quiet: bool) -> None:
    if not quiet:
        for text in result.warnings:
            click.echo(f"warning: {text}", err=True)


@contextmanager
def _progress(quiet: bool) -> Iterator[Callable[[str], None]]:
    if quiet or not sys.stderr.isatty():
        yield lambda _stage: None
        return
    from rich.console import Console

    with Console(stderr=True).status("starting") as status:
        yield lambda stage: status.update(stage)
