"""``accelsim show``, ``list``, ``check`` and ``schema``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from accelsim.cli.console import print_json, print_tables
from accelsim.cli.importing import DIM_OPTION
from accelsim.cli.run import PHASE_OPTION
from accelsim.errors import AccelsimError

EXIT_INPUT = 2

Command = Callable[..., Any]


@click.group()
def show() -> None:
    """Print one thing in full: a chip, network, trace, schedule, format or recipe."""


def _show_command(name: str, help_text: str, *options: Callable[[Command], Command]) -> None:
    def body(name_or_path: str, **values: Any) -> None:
        from accelsim.report import show as pages

        for block in getattr(pages, name)(name_or_path, **values):
            if isinstance(block, str):
                click.echo(block)
            else:
                print_tables(block)

    command: Command = click.argument("name_or_path", metavar="NAME|FILE")(body)
    for option in reversed(options):
        command = option(command)
    show.command(name, help=help_text)(command)


_ARCH = click.option("--arch", default="fp8_chunk64", show_default=True, metavar="NAME|FILE")
_RECIPE = click.option("--recipe", metavar="NAME|FILE", help="Recipe [the chip's default].")
_BATCH = click.option("--batch", type=click.IntRange(1, 1_000_000), default=1, show_default=True)
_SET = click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE")
_OP = click.option("--op", metavar="NAME", help="One op of the trace [the first GEMM].")

_FIGURE = click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Draw the number line to a .svg, .pdf or .png file.",
)
_FORCE = click.option("--force", is_flag=True, help="Overwrite the file.")
_OP_OR_ALL = click.option("--op", metavar="NAME", help="One op of the trace [all].")
_GANTT = click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE.svg",
    help="Draw a Gantt figure.",
)  # fmt: skip

_SUM = click.option(
    "--accumulator", metavar="FORMAT", default="fp16_e6m9", show_default=True,
    help="Format of the sums.",
)  # fmt: skip
_COST_TABLE = click.option(
    "--cost-table", metavar="NAME|FILE", default="synth45", show_default=True,
    help="Where prices come from.",
)  # fmt: skip

_show_command("arch", "Print a chip with every default filled in.", _SET)
_show_command("workload", "Print a network layer by layer.", DIM_OPTION, _SET)
_show_command("recipe", "Print which number goes where.", _SET)
_show_command(
    "format",
    "Print a number format: constants, up to 8 bits all codes, and how dense its values are. "
    "It has a name, such as fp8_e5m2, float_e3m2, int3, posit6_es1 or mx_fp4, or is spelled: "
    "'{exponent_bits: 4, mantissa_bits: 3, specials: nan_only}'.",
    _FIGURE,
    _FORCE,
)
_show_command(
    "units",
    "Print area and energy of multiplier, adder, registers, converters and rounders of a format.",
    _SUM,
    _COST_TABLE,
)
_show_command(
    "trace", "Print the ops that a network lowers to.",
    _ARCH, _RECIPE, PHASE_OPTION, _BATCH, DIM_OPTION, _SET,
)  # fmt: skip
_show_command(
    "timeline", "Print when every unit is busy; draw it with -o.",
    _ARCH, _RECIPE, PHASE_OPTION, _BATCH, _OP_OR_ALL, _GANTT, DIM_OPTION, _SET,
)  # fmt: skip
_show_command(
    "schedule", "Print the loop nest and the order of additions.",
    _ARCH, _RECIPE, PHASE_OPTION, _BATCH, _OP, DIM_OPTION, _SET,
)  # fmt: skip


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@DIM_OPTION
def check(files: tuple[str, ...], dims: dict[str, int]) -> int:
    """Check chip, network, recipe and cost-table files; print every problem."""
    from accelsim.report.inventory import check_file

    faults = 0
    for file in files:
        try:
            kind = check_file(file, dims=dims)
        except AccelsimError as error:
            faults += 1
            click.echo(f"accelsim: {error}", err=True)
        else:
            click.echo(f"{file}: a valid {kind}")
    return EXIT_INPUT if faults else 0


@click.command("list")
@click.argument("kind", required=False)
def list_(kind: str | None) -> None:
    """List what has a name, or one KIND of it.

    Kinds are archs, workloads, recipes, formats, tensor_formats (which formats has too),
    dataflows, cost_tables and data_sets.
    """
    from accelsim.report.inventory import catalog
    from accelsim.report.tables import names_table

    for title, names in catalog(kind).items():
        print_tables(names_table(title, names))


@click.command()
@click.argument("kind", type=click.Choice(["arch", "workload", "recipe", "cost_table"]))
def schema(kind: str) -> None:
    """Print the JSON Schema of a kind of file."""
    from accelsim.report.inventory import schema as schema_of

    print_json(schema_of(kind))
