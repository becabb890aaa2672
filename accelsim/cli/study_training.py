"""``accelsim study training``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from accelsim.cli.console import print_json, print_tables, progress

_VARIANTS_HELP = (
    "wang2018's ablations, or recipes [all ablations; a wrong name lists what there is]."
)
_VARIANT_HELP = "One of your own, such as 'short=wang2018 recipe.accumulator.chunk_size=8'."


@click.command("training")
@click.argument("workload", default="fashion_cnn")
@click.option("--data", default="fashion_mnist", show_default=True, metavar="NAME|PATH")
@click.option("--variants", metavar="A,B,C", help=_VARIANTS_HELP)
@click.option("--variant", "own", multiple=True, metavar="NAME=RECIPE [KEY=VALUE ...]",
              help=_VARIANT_HELP)  # fmt: skip
@click.option("--seeds", type=click.IntRange(1, 100), default=3, show_default=True)
@click.option("--epochs", type=click.IntRange(1, 10_000), default=1, show_default=True)
@click.option("--batch", type=click.IntRange(1, 1_000_000), default=64, show_default=True)
@click.option("--lr", "learning_rate", type=float, default=0.02, show_default=True)
@click.option("--optimizer", type=click.Choice(["sgd", "adam"]), default="sgd", show_default=True)
@click.option("--momentum", type=float, default=0.9, show_default=True)
@click.option("--weight-decay", type=float, default=0.0, show_default=True)
@click.option("--schedule", type=click.Choice(["constant", "step", "cosine"]), default="constant",
              show_default=True)  # fmt: skip
@click.option(
    "--train-images", "train_samples", type=click.IntRange(1), default=20_000, show_default=True
)
@click.option("--test-images", "test_samples", type=click.IntRange(1), metavar="N", help="[all]")
@click.option("--seed", type=click.IntRange(0, 2**62), default=0, show_default=True,
              help="The first of them.")  # fmt: skip
@click.option(
    "--threads", type=click.IntRange(1, 1024), help="Threads of each training [cores / jobs]."
)
@click.option("-j", "--jobs", type=click.IntRange(1, 1024), default=1, show_default=True,
              help="Trainings at once.")  # fmt: skip
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="DIR",
              help="Write checkpoints and results; a study goes on where it stopped.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
def training(
    workload: str, data: str, variants: str | None, own: tuple[str, ...], seeds: int,
    threads: int | None, jobs: int, output: Path | None, as_json: bool, quiet: bool,
    **settings: Any,
) -> None:  # fmt: skip
    """Train WORKLOAD with FP32, with wang2018, and without each part of it in turn.

    The evidence of Wang et al. 2018 on data that fit: what chunks, stochastic rounding
    in the update, the 16-bit last layer and the loss scale are each worth; or any recipes
    and variants of them side by side.
    """
    from accelsim.explore.training_study import (
        REFERENCE,
        VARIANTS,
        study_training,
    )
    from accelsim.explore.variants import Variant, named_variants
    from accelsim.report.run_folder import prepare_folder
    from accelsim.report.training_study import study_table, write_study_folder
    from accelsim.training import Schedule, TrainingSettings
    from accelsim.workload.optimizer import Optimizer

    names = [REFERENCE] if own else list(VARIANTS)
    if variants:
        names = [name.strip() for name in variants.split(",")]
    chosen = named_variants(names, VARIANTS) | dict(Variant.parse(text) for text in own)
    if output is not None:
        # Checkpoints of other settings are refused one by one.
        prepare_folder(output, force=True)
    settings["optimizer"] = Optimizer(settings["optimizer"])
    settings["schedule"] = Schedule(settings["schedule"])
    with progress(quiet or as_json) as on_progress:
        study = study_training(
            workload,
            data=data,
            settings=TrainingSettings(**settings),
            variants=chosen,
            seeds=seeds,
            threads=threads,
            jobs=jobs,
            folder=output,
            on_progress=on_progress,
        )
        if output is not None:
            write_study_folder(study, output)
    if as_json:
        print_json(study.document())
    else:
        print_tables(study_table(study))
