"""The evidence of a paper again: one network, many recipes, several seeds, one table.

Every variant is a recipe and the few fields in which it differs, so that each row of
the table is one ablation; every variant sees the same seeds, hence the same initial
weights and the same batches.

References
----------
N. Wang et al., "Training Deep Neural Networks with 8-bit Floating Point Numbers",
NeurIPS 2018: chunks of 64, stochastic rounding in the update, a 16-bit last layer and
a loss scale of 1000 are each said to be needed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from accelsim.errors import ConfigError, UnknownNameError
from accelsim.explore.training import train
from accelsim.training import DataSet, TrainingResult, TrainingSettings, load_data

STUDY_SCHEMA = "accelsim.training_study/1"
#: The variant that the others are compared with.
REFERENCE = "fp32"
_CELLS = "trainings"


@dataclass(frozen=True, slots=True)
class Variant:
    """A recipe and the fields in which it differs."""

    recipe: str
    overrides: tuple[str, ...] = ()


#: What the study trains with, by name; the order is that of the table.
VARIANTS: Mapping[str, Variant] = MappingProxyType(
    {
        REFERENCE: Variant("fp32"),
        "wang2018": Variant("wang2018"),
        "chunk_1": Variant("wang2018", ("recipe.accumulator.chunk_size=1",)),
        "nearest_update": Variant("wang2018", ("recipe.update.rounding=nearest_even",)),
        "last_layer_fp8": Variant("wang2018", ("recipe.last_layer=null",)),
        "no_loss_scaling": Variant("wang2018", ("recipe.loss_scaling.method=none",)),
        "wide_accumulator": Variant(
            "wang2018", ("recipe.accumulator.inner=fp32", "recipe.accumulator.outer=fp32")
        ),
        "all_ablations": Variant(
            "wang2018",
            (
                "recipe.accumulator.chunk_size=1",
                "recipe.update.rounding=nearest_even",
                "recipe.last_layer=null",
                "recipe.loss_scaling.method=none",
            ),
        ),
    }
)


@dataclass(frozen=True, slots=True)
class StudyRow:
    """One training of the study."""

    variant: str
    seed: int
    arch: str
    steps: int
    final_loss: float | None
    test_error: float | None
    diverged_at: int | None
    weights_sha256: str


@dataclass(frozen=True, slots=True)
class VariantSummary:
    """A variant over its seeds; errors are shares of the test samples.

    `spread` is the sample standard deviation, None for one seed; `difference` is the
    mean over seeds of the error minus the reference's with the same seed. Both leave out
    seeds that diverged.
    """

    variant: str
    seeds: int
    diverged: int
    mean: float | None
    spread: float | None
    difference: float | None


@dataclass(frozen=True, slots=True)
class TrainingStudy:
    """All trainings of a study, and what was held equal."""

    workload: str
    data: str
    provenance: str
    settings: Mapping[str, Any]
    rows: tuple[StudyRow, ...]
    #: Seed-by-seed results, for the curves.
    results: Mapping[str, tuple[TrainingResult, ...]]

    def summaries(self) -> tuple[VariantSummary, ...]:
        """Return one summary per variant, in the order of the table."""
        reference = {row.seed: row.test_error for row in self.rows if row.variant == REFERENCE}
        names = dict.fromkeys(row.variant for row in self.rows)
        return tuple(
            _summary(name, [row for row in self.rows if row.variant == name], reference)
            for name in names
        )

    def document(self) -> dict[str, Any]:
        """Return the JSON document ``accelsim.training_study/1``."""
        return {
            "schema": STUDY_SCHEMA,
            "workload": self.workload,
            "data": self.data,
            "provenance": self.provenance,
            "settings": dict(self.settings),
            "summaries": [asdict(summary) for summary in self.summaries()],
            "rows": [asdict(row) for row in self.rows],
        }


def study_training(
    workload: str,
    *,
    data: DataSet | str,
    settings: TrainingSettings,
    variants: Sequence[str] = tuple(VARIANTS),
    seeds: int = 3,
    threads: int | None = None,
    folder: Path | None = None,
    on_progress: Callable[[str], None] | None = None,
) -> TrainingStudy:
    """Train a network with every variant and every seed.

    Parameters
    ----------
    workload : str
        Name or file of a network.
    data : DataSet or str
        As for `accelsim.training.load_data`.
    settings : TrainingSettings
        Held equal; its seed is the first of `seeds` consecutive ones.
    variants : sequence of str
        Names of `VARIANTS`.
    seeds, threads : int
        Trainings per variant, and threads of each.
    folder : Path, optional
        Keeps a checkpoint of each training; the same study goes on where it stopped.
    on_progress : callable, optional
        Called with a line of text after every step.

    Raises
    ------
    UnknownNameError, ConfigError, DataError
        If an input is wrong.
    """
    for name in variants:
        if name not in VARIANTS:
            raise UnknownNameError("variant", name, VARIANTS)
    if seeds < 1:
        raise ConfigError(f"A study needs at least 1 seed, not {seeds}.")
    loaded = data if isinstance(data, DataSet) else load_data(data)
    results: dict[str, tuple[TrainingResult, ...]] = {}
    for name in dict.fromkeys(variants):
        results[name] = tuple(
            train(
                workload,
                data=loaded,
                recipe=VARIANTS[name].recipe,
                overrides=VARIANTS[name].overrides,
                settings=replace(settings, seed=settings.seed + offset),
                threads=threads,
                folder=_cell(folder, name, settings.seed + offset),
                resume=True,
                priced=False,
                on_progress=on_progress,
            )
            for offset in range(seeds)
        )
    first = next(iter(results.values()))[0]
    return TrainingStudy(
        workload=first.workload,
        data=loaded.name,
        provenance=loaded.provenance,
        settings={**settings.document(), "seeds": seeds},
        rows=tuple(_row(name, result) for name in results for result in results[name]),
        results=results,
    )


def _cell(folder: Path | None, variant: str, seed: int) -> Path | None:
    """Return the folder of one training, made if it is not there."""
    if folder is None:
        return None
    cell = folder / _CELLS / f"{variant}-{seed}"
    cell.mkdir(parents=True, exist_ok=True)
    return cell


def _row(variant: str, result: TrainingResult) -> StudyRow:
    last, tested = result.history[-1], result.test_accuracy
    return StudyRow(
        variant=variant,
        seed=int(result.settings["seed"]),
        arch=result.arch or "",
        steps=last.step,
        final_loss=last.loss if math.isfinite(last.loss) else None,
        test_error=None if tested is None else 1.0 - tested,
        diverged_at=result.diverged_at,
        weights_sha256=result.weights_sha256,
    )


def _summary(
    name: str, rows: Sequence[StudyRow], reference: Mapping[int, float | None]
) -> VariantSummary:
    errors = {row.seed: row.test_error for row in rows if row.test_error is not None}
    gaps = [
        error - other
        for seed, error in errors.items()
        if (other := reference.get(seed)) is not None
    ]
    mean = math.fsum(errors.values()) / len(errors) if errors else None
    spread = None
    if mean is not None and len(errors) > 1:
        squares = math.fsum((error - mean) ** 2 for error in errors.values())
        spread = math.sqrt(squares / (len(errors) - 1))
    return VariantSummary(
        variant=name,
        seeds=len(rows),
        diverged=len(rows) - len(errors),
        mean=mean,
        spread=spread,
        difference=math.fsum(gaps) / len(gaps) if gaps else None,
    )
