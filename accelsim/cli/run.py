"""``accelsim run`` and ``accelsim compare``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from accelsim.cli.console import print_json, print_run, print_tables, progress, warn
from accelsim.cli.importing import import_options

EXIT_CONDITION = 3

Command = Callable[..., Any]

PHASE_OPTION = click.option(
    "--phase",
    type=click.Choice(["inference", "training"]),
    default="inference",
    show_default=True,
    help="Answer a batch, or train on it for one step.",
)


def run_options(command: Command) -> Command:
    """Add the options that `run` and `compare` share."""
    options = [
        click.option("--recipe", metavar="NAME|FILE", help="Precision recipe [chip's default]."),
        PHASE_OPTION,
        click.option("--batch", type=click.IntRange(1, 1_000_000), default=1, show_default=True),
        click.option(
            "--input",
            "inputs",
            multiple=True,
            metavar="[INPUT=]FILE|NAME",
            help="Image, .npy, .npz, or normal, uniform; repeat with INPUT= for several inputs.",
        ),
        click.option(
            "--weights",
            metavar="FILE",
            help="Trained weights: .npz, .safetensors, or PyTorch's .pt, .pth [seeded He].",
        ),
        click.option(
            "--set",
            "overrides",
            multiple=True,
            metavar="KEY=VALUE",
            help="Change one field, such as arch.cores=2.",
        ),
        click.option(
            "--mode",
            type=click.Choice(["event", "analytic"]),
            default="event",
            show_default=True,
            help="Simulate every transfer, or estimate from closed forms.",
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
        click.option(
            "--telemetry",
            is_flag=True,
            help="Count what additions lose, in a seeded sample of each GEMM.",
        ),
        click.option("--json", "as_json", is_flag=True, help="Print one JSON document."),
        click.option("-q", "--quiet", is_flag=True, help="No progress and no warnings."),
        click.option("-v", "--verbose", is_flag=True, help="Print every op."),
    ]
    for option in reversed(options):
        command = option(command)
    return import_options(command)


@click.command()
@click.argument("workload", default="resnet50")
@click.option("--arch", default="fp8_chunk64", show_default=True, metavar="NAME|FILE")
@run_options
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
    with progress(quiet or as_json) as on_progress:
        result = api.run(workload, arch=arch, on_progress=on_progress, **renamed(options))
        if output is not None:
            write_run_folder(result, output)
    warn(result, quiet)
    if as_json:
        print_json(result.document())
    else:
        print_run(result, verbose)
    failed = [
        text for condition, text in zip(conditions, fail_on, strict=True) if condition(result)
    ]
    for text in failed:
        click.echo(f"accelsim: condition holds: {text}", err=True)
    return EXIT_CONDITION if failed else 0


@click.command()
@click.argument("workloads", nargs=-1)
@click.option("--archs", metavar="A,B,C", help="Chips to compare [fp8_chunk64 and its rivals].")
@click.option("--baseline", metavar="NAME", help="Chip that ratios refer to [first of --archs].")
@click.option(
    "--hold",
    type=click.Choice(["pe_count", "area", "throughput", "nothing"]),
    default="pe_count",
    show_default=True,
)
@run_options
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Write comparison.json, .csv and .svg.",
)
@click.option("--force", is_flag=True, help="Overwrite the folder.")
def compare(
    workloads: tuple[str, ...], archs: str | None, output: Path | None, force: bool,
    as_json: bool, quiet: bool, verbose: bool, **options: Any,
) -> None:  # fmt: skip
    """Run WORKLOADS on several chips and print the ratios."""
    from accelsim import api
    from accelsim.report.figures import write_comparison_figure
    from accelsim.report.run_folder import prepare_folder, write_comparison
    from accelsim.report.tables import comparison_table, means_table

    if output is not None:
        prepare_folder(output, force=force)
    names = tuple(name.strip() for name in archs.split(",")) if archs else api.DEFAULT_ARCHS
    with progress(quiet or as_json) as on_progress:
        comparison = api.compare(
            workloads or ("resnet50",), archs=names, on_progress=on_progress, **renamed(options)
        )
        if output is not None:
            write_comparison(comparison, output)
            write_comparison_figure(comparison, output / "comparison.svg")
    if not quiet:
        for text in dict.fromkeys(t for row in comparison.rows for t in row.result.warnings):
            click.echo(f"warning: {text}", err=True)
    if as_json:
        print_json(comparison.document())
        return
    print_tables(comparison_table(comparison))
    if len(workloads) > 1:
        print_tables(means_table(comparison))
    if verbose:
        for row in comparison.rows:
            print_run(row.result, verbose=False)


def renamed(options: dict[str, Any]) -> dict[str, Any]:
    """Return options under the names that the api gives them, and inputs by name."""
    given: tuple[str, ...] = options.pop("inputs")
    named = dict(text.split("=", 1) for text in given if "=" in text and not Path(text).exists())
    if len(given) == 1 and not named:
        return {**options, "input": given[0]}
    if len(named) != len(given):
        raise click.UsageError(
            "Several --input need the name of each once: --input user=users.npy --input ..."
        )
    return {**options, "input": named or None}
