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
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from accelsim.errors import ConfigError
from accelsim.explore.training import train
from accelsim.explore.variants import Variant
from accelsim.training import DataSet, TrainingResult, TrainingSettings, load_data

STUDY_SCHEMA = "accelsim.training_study/1"
#: The variant that the others are compared with.
REFERENCE = "fp32"
_CELLS = "trainings"


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
    variants: Mapping[str, Variant] = VARIANTS,
    seeds: int = 3,
    threads: int | None = None,
    jobs: int = 1,
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
    variants : mapping from str to Variant
        What is trained, by name, in the order of the table.
    seeds : int
        Trainings per variant.
    threads : int, optional
        Threads of each training; the cores divided by `jobs` where None. Never changes a bit.
    jobs : int
        Trainings at once, each in a process of its own.
    folder : Path, optional
        Keeps a checkpoint of each training; the same study goes on where it stopped.
    on_progress : callable, optional
        Called with a line of text after every step, or after every training where there
        are several at once.

    Raises
    ------
    ConfigError, UnknownNameError, DataError
        If an input is wrong.
    """
    if seeds < 1 or jobs < 1:
        raise ConfigError(f"A study needs at least 1 seed and 1 job, not {seeds} and {jobs}.")
    loaded = data if isinstance(data, DataSet) else load_data(data)
    threads = threads or max(1, (os.cpu_count() or 1) // jobs)
    cells = [
        _Cell(name, variant, replace(settings, seed=settings.seed + offset))
        for name, variant in variants.items()
        for offset in range(seeds)
    ]
    trained = _trained(
        cells, workload, loaded, threads=threads, jobs=jobs, folder=folder, on_progress=on_progress
    )
    results = {
        name: tuple(
            result for cell, result in zip(cells, trained, strict=True) if cell.name == name
        )
        for name in variants
    }
    return TrainingStudy(
        workload=trained[0].workload,
        data=loaded.name,
        provenance=loaded.provenance,
        settings={**settings.document(), "seeds": seeds},
        rows=tuple(_row(name, result) for name in results for result in results[name]),
        results=results,
    )


@dataclass(frozen=True, slots=True)
class _Cell:
    """One training of the study: a variant with one seed."""

    name: str
    variant: Variant
    settings: TrainingSettings

    def train(
        self,
        workload: str,
        data: DataSet,
        *,
        threads: int,
        folder: Path | None,
        on_progress: Callable[[str], None] | None = None,
    ) -> TrainingResult:
        """Train it, or go on with it."""
        own = None
        if folder is not None:
            own = folder / _CELLS / f"{self.name}-{self.settings.seed}"
            own.mkdir(parents=True, exist_ok=True)
        return train(
            workload,
            data=data,
            recipe=self.variant.recipe,
            overrides=self.variant.overrides,
            settings=self.settings,
            threads=threads,
            folder=own,
            resume=True,
            priced=False,
            on_progress=on_progress,
        )


def _trained(
    cells: Sequence[_Cell],
    workload: str,
    data: DataSet,
    *,
    threads: int,
    jobs: int,
    folder: Path | None,
    on_progress: Callable[[str], None] | None,
) -> list[TrainingResult]:
    """Return the result of every cell, in order."""
    if jobs == 1:
        return [
            cell.train(workload, data, threads=threads, folder=folder, on_progress=on_progress)
            for cell in cells
        ]
    from joblib import Parallel, delayed

    trained = []
    running = Parallel(n_jobs=jobs, return_as="generator")(
        delayed(cell.train)(workload, data, threads=threads, folder=folder) for cell in cells
    )
    for cell, result in zip(cells, running, strict=True):
        trained.append(result)
        if on_progress is not None:
            on_progress(f"{len(trained)} of {len(cells)}: {cell.name}, seed {cell.settings.seed}")
    return trained


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
