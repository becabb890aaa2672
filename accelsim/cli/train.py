"""``accelsim train``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from accelsim.cli.console import print_json, print_tables, progress

if TYPE_CHECKING:
    from accelsim.training import TrainingResult

_ARCH_HELP = "Chip whose schedules order the additions [the recipe's own]."
_DATA_HELP = "Data set (`accelsim list data_sets`), NAME:FOLDER for your own files, or a folder."


@click.command()
@click.argument("workload")
@click.option("--data", required=True, metavar="NAME|PATH", help=_DATA_HELP)
@click.option(
    "--recipe", "recipes", multiple=True, metavar="NAME|FILE",
    help="Precision recipe [wang2018]; several are trained side by side.",
)  # fmt: skip
@click.option("--arch", metavar="NAME|FILE", help=_ARCH_HELP)
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE")
@click.option("--epochs", type=click.IntRange(1, 1_000_000), default=1, show_default=True)
@click.option("--batch", type=click.IntRange(1, 1_000_000), default=64, show_default=True)
@click.option("--lr", "learning_rate", type=float, default=0.05, show_default=True)
@click.option("--optimizer", type=click.Choice(["sgd", "adam"]), default="sgd", show_default=True)
@click.option("--momentum", type=float, default=0.9, show_default=True, help="Of sgd.")
@click.option("--weight-decay", type=float, default=0.0, show_default=True)
@click.option(
    "--schedule",
    type=click.Choice(["constant", "step", "cosine"]),
    default="constant",
    show_default=True,
    help="Of the learning rate; step divides it by 10 after 1/2 and 3/4 of the steps.",
)
@click.option("--train-images", "train_samples", type=click.IntRange(1), metavar="N",
              help="Train on the first N samples [all].")  # fmt: skip
@click.option("--test-images", "test_samples", type=click.IntRange(1), metavar="N",
              help="Test on the first N samples [all].")  # fmt: skip
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=0, show_default=True)
@click.option(
    "--threads", type=click.IntRange(1, 1024), help="Threads of the arithmetic [all cores]."
)
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="DIR",
              help="Write checkpoints and the results.")  # fmt: skip
@click.option("--resume", is_flag=True, help="Go on from the checkpoint in the folder.")
@click.option("--force", is_flag=True, help="Overwrite the folder.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
def train(
    workload: str, data: str, recipes: tuple[str, ...], arch: str | None,
    overrides: tuple[str, ...], threads: int | None, output: Path | None, resume: bool,
    force: bool, as_json: bool, quiet: bool, **settings: Any,
) -> None:  # fmt: skip
    """Train WORKLOAD (a name, or a path) with the arithmetic of a chip."""
    from accelsim.report.training import prepare_training_folder, write_training_folder

    folders = training_folders(output, recipes)
    if output is not None:
        prepare_training_folder(output, folders, force=force, resume=resume)
    results = _train_all(
        recipes, folders, quiet or as_json,
        workload=workload, data=data, arch=arch, overrides=overrides, threads=threads,
        resume=resume, settings=settings,
    )  # fmt: skip
    if output is not None:
        write_training_folder(results, output, folders)
    _print(results, as_json)


def training_folders(output: Path | None, recipes: tuple[str, ...]) -> list[Path | None]:
    """Return where each training goes: the folder itself, or one folder in it for each recipe."""
    if output is None or len(recipes) < 2:
        return [output] * max(1, len(recipes))
    names = [Path(recipe).stem if recipe.endswith((".yaml", ".yml")) else recipe
             for recipe in recipes]  # fmt: skip
    if len(set(names)) < len(names):
        raise click.UsageError("Two recipes have the same name; their folders would be one.")
    return [output / name for name in names]


def _train_all(
    recipes: tuple[str, ...],
    folders: list[Path | None],
    quiet: bool,
    *,
    workload: str,
    settings: dict[str, Any],
    **options: Any,
) -> list[TrainingResult]:
    from accelsim.explore.training import train as train_one
    from accelsim.training import Schedule, TrainingSettings
    from accelsim.workload.optimizer import Optimizer

    settings["optimizer"] = Optimizer(settings["optimizer"])
    settings["schedule"] = Schedule(settings["schedule"])
    with progress(quiet) as on_progress:
        return [
            train_one(
                workload,
                recipe=recipe,
                settings=TrainingSettings(**settings),
                folder=folder,
                on_progress=on_progress,
                **options,
            )
            for recipe, folder in zip(recipes or (None,), folders, strict=True)
        ]


def _print(results: list[TrainingResult], as_json: bool) -> None:
    from accelsim.report.training import prices_table, trainings_document, trainings_table

    for result in results:
        if result.diverged_at is not None:
            click.echo(f"warning: {result.recipe} diverged at step {result.diverged_at}", err=True)
        if result.arch is None:
            click.echo(
                f"warning: no chip serves {result.recipe} as it was asked for: additions were in"
                " plain k order, and the training has no price of its own",
                err=True,
            )
    if as_json:
        print_json(trainings_document(results))
    else:
        print_tables(trainings_table(results), *(prices_table(result) for result in results))
