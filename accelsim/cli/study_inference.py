"""``accelsim study inference``."""

from __future__ import annotations

from pathlib import Path

import click

from accelsim.cli.console import print_json, print_tables, progress

_RECIPES_HELP = "Variants of the study, or recipes [all variants; a wrong name lists them]."
_VARIANT_HELP = "One of your own, such as 'e4m2=fp8_formats recipe.operands.weight=float_e4m2'."


@click.command("inference")
@click.argument("workload", default="efficientnet_lite0")
@click.option("--data", metavar="NAME|PATH", help="What to run it on [the network's own].")
@click.option("--weights", type=click.Path(path_type=Path), metavar="FILE",
              help="Of a network that does not come trained.")  # fmt: skip
@click.option("--recipes", metavar="A,B,C", help=_RECIPES_HELP)
@click.option("--variant", "own", multiple=True, metavar="NAME=RECIPE [KEY=VALUE ...]",
              help=_VARIANT_HELP)  # fmt: skip
@click.option("--arch", default="fp8_chunk64", show_default=True, metavar="NAME|FILE")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="For all variants.")
@click.option("--samples", type=click.IntRange(1), metavar="N", help="The first N [the data's].")
@click.option("--calibration-samples", type=click.IntRange(1), metavar="N")
@click.option("--fold-batch-norm/--keep-batch-norm", default=True, show_default=True)
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=0, show_default=True)
@click.option(
    "--threads", type=click.IntRange(1, 1024), help="Threads of the arithmetic [all cores]."
)
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="DIR",
              help="Write tables, figure and page.")  # fmt: skip
@click.option("--force", is_flag=True, help="Overwrite the folder.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
def inference(
    workload: str, data: str | None, weights: Path | None, recipes: str | None,
    own: tuple[str, ...], arch: str, overrides: tuple[str, ...], samples: int | None,
    calibration_samples: int | None, fold_batch_norm: bool, seed: int, threads: int | None,
    output: Path | None, force: bool, as_json: bool, quiet: bool,
) -> None:  # fmt: skip
    """Run a trained network in many formats, calibrated, and price each on a chip.

    WORKLOAD is efficientnet_lite0 or minilm_l6, whose weights installed packages bring, or
    a network of your own with --weights and --data.
    """
    from accelsim.explore.inference_study import REFERENCE, VARIANTS, study_inference
    from accelsim.explore.variants import Variant, named_variants
    from accelsim.inference import load_task
    from accelsim.report.inference_study import inference_table, write_inference_folder
    from accelsim.report.run_folder import prepare_folder

    names = [REFERENCE] if own else list(VARIANTS)
    if recipes:
        names = [name.strip() for name in recipes.split(",")]
    chosen = named_variants(names, VARIANTS) | dict(Variant.parse(text) for text in own)
    if output is not None:
        prepare_folder(output, force=force)
    with progress(quiet or as_json) as on_progress:
        study = study_inference(
            load_task(
                workload,
                data=data,
                weights=weights,
                samples=samples,
                calibration_samples=calibration_samples,
            ),
            variants=chosen,
            arch=arch,
            overrides=overrides,
            fold_batch_norm=fold_batch_norm,
            threads=threads,
            seed=seed,
            on_progress=on_progress,
        )
        if output is not None:
            write_inference_folder(study, output)
    for row in study.rows:
        if row.reason and not quiet:
            click.echo(f"warning: {row.variant} has no price: {row.reason}", err=True)
    if as_json:
        print_json(study.document())
    else:
        print_tables(inference_table(study))
