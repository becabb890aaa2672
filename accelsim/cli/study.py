"""``accelsim study``: experiments that papers argue from, to be repeated and varied."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from accelsim.cli.console import print_json, print_tables, progress
from accelsim.cli.study_inference import inference
from accelsim.cli.study_training import training
from accelsim.cli.study_validation import validation
from accelsim.errors import ConfigError, Problem

_OUTPUT = click.option(
    "-o", "--output", type=click.Path(path_type=Path), metavar="DIR", help="Write a study folder."
)
_FORCE = click.option("--force", is_flag=True, help="Overwrite the folder.")
_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
_QUIET = click.option("-q", "--quiet", is_flag=True, help="No progress.")
_SEED = click.option(
    "--seed", type=click.IntRange(0, 2**63 - 1), default=0, show_default=True, help="Of all draws."
)

_DISTRIBUTIONS = ("uniform", "normal", "lognormal", "product", "constant")
_ROUNDINGS = ("nearest_even", "nearest_away", "toward_zero", "up", "down", "stochastic")


@click.group()
def study() -> None:
    """Repeat an experiment with formats, sizes and seeds of your own."""


study.add_command(inference)
study.add_command(training)
study.add_command(validation)


@study.command("accumulation")
@click.option(
    "--format", default="fp16_e6m9", show_default=True, metavar="NAME", help="Of the sums."
)
@click.option("--outer-format", metavar="NAME", help="Of the sums over chunks [--format].")
@click.option(
    "--input-format",
    metavar="NAME",
    help="Of what is added [--format; fp8_e5m2 for the operands of products].",
)
@click.option(
    "--chunks",
    default="1:4096:x2",
    show_default=True,
    metavar="VALUES",
    help="Chunk sizes: 1,8,64, or a range 8:64:8 or 1:4096:x2.",
)
@click.option(
    "--rounding",
    "roundings",
    type=click.Choice(_ROUNDINGS),
    multiple=True,
    default=("nearest_even", "stochastic"),
    show_default=True,
    help="Of every addition; may be repeated.",
)
@click.option(
    "--distribution",
    type=click.Choice(_DISTRIBUTIONS),
    default="uniform",
    show_default=True,
    help="Of the numbers: uniform has mean 1 and deviation 1, product multiplies normals.",
)
@click.option(
    "--length",
    type=click.IntRange(16, 1 << 26),
    default=65536,
    show_default=True,
    help="Longest sum.",
)
@click.option(
    "--trials", type=click.IntRange(1, 4096), default=32, show_default=True, help="Vectors."
)
@_SEED
@_OUTPUT
@_FORCE
@_JSON
@_QUIET
def accumulation(
    chunks: str, output: Path | None, force: bool, as_json: bool, quiet: bool, **options: Any
) -> None:
    """Measure the error of long sums against their length, for many chunk sizes.

    The experiment of Wang et al. 2018: sums of positive numbers freeze where half a
    step of the accumulator exceeds what is added; chunks and stochastic rounding help.
    """
    from accelsim.explore.accumulation import study_accumulation
    from accelsim.precision import format_spec
    from accelsim.report.accumulation import accumulation_table, write_accumulation_folder
    from accelsim.report.run_folder import prepare_folder

    sizes = _chunk_sizes(chunks)
    for name in ("format", "outer_format", "input_format"):
        options[name] = None if options[name] is None else format_spec(options[name])
    if output is not None:
        prepare_folder(output, force=force)
    with progress(quiet or as_json) as on_progress:
        result = study_accumulation(chunk_sizes=sizes, on_progress=on_progress, **options)
        if output is not None:
            write_accumulation_folder(result, output)
    if as_json:
        print_json(result.document())
    else:
        print_tables(accumulation_table(result))


@study.command("chunks")
@click.option("--arch", default="fp8_chunk64", show_default=True, metavar="NAME|FILE")
@click.option("--chunks", default="1:1024:x2", show_default=True, metavar="VALUES")
@_OUTPUT
@_FORCE
@_JSON
def chunks(arch: str, chunks: str, output: Path | None, force: bool, as_json: bool) -> None:
    """Price the outer accumulators of a chip against the chunk size.

    A long chunk goes round through its column again, a short one needs more adders
    along it: what both cost in area, and in energy for each multiply-accumulate.
    """
    from accelsim.arch import load_chip
    from accelsim.cost import chunk_costs, load_cost_table
    from accelsim.report import chunk_cost
    from accelsim.report.run_folder import prepare_folder

    sizes = _chunk_sizes(chunks)
    chip = load_chip(arch)
    if output is not None:
        prepare_folder(output, force=force)
    costs = chunk_costs(chip, load_cost_table(chip.cost_table), chunk_sizes=sizes)
    if output is not None:
        chunk_cost.write_chunk_cost_folder(chip.name, costs, output)
    if as_json:
        print_json(chunk_cost.chunk_cost_document(chip.name, costs))
    else:
        print_tables(chunk_cost.chunk_cost_table(chip.name, costs))


def _chunk_sizes(text: str) -> tuple[int, ...]:
    from accelsim.explore.grid import parse_values

    place = f"--chunks {text}"
    values = parse_values(text, place=place)
    try:
        return tuple(int(value) for value in values)
    except ValueError as error:
        raise ConfigError(Problem("Chunk sizes are whole numbers.", file=place)) from error
