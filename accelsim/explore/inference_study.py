"""Post-training quantization: one trained network, many recipes, and the chip of each.

Every row is a recipe with a few fields changed: what the network says with it, how often
that is what it says in float32, how far its numbers are off, and what the same operations
cost on a chip that has its multipliers and adders. Values, cycles and energy are those of
one schedule.

References
----------
P. Micikevicius et al., "FP8 Formats for Deep Learning", arXiv:2209.05433: networks trained
in 16 bits, run in 8.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from accelsim.arch import DEFAULT_CHIP, Chip, load_chip
from accelsim.errors import MappingError, UnsupportedError
from accelsim.explore.parameters import split_overrides
from accelsim.explore.pricing import price_trace
from accelsim.explore.tailored_chip import fitted_chip
from accelsim.explore.variants import Variant
from accelsim.inference import InferenceTask, Part
from accelsim.numerics.calibration import calibrate
from accelsim.numerics.execution import Execution
from accelsim.numerics.executor import execute
from accelsim.numerics.initialize import bind_tensors
from accelsim.numerics.storage import ParameterMemory
from accelsim.precision import Recipe, get_recipe
from accelsim.precision.recipe import AmaxSource
from accelsim.schedule import Schedule
from accelsim.timing import estimate
from accelsim.workload import Trace, lower

STUDY_SCHEMA = "accelsim.inference_study/1"
#: The recipe that agreement refers to.
REFERENCE = "fp32"

_CALIBRATED = ("recipe.scaling.amax=calibrated",)
_PERCENTILE = (*_CALIBRATED, "recipe.scaling.threshold=percentile")
_MSE = (*_CALIBRATED, "recipe.scaling.threshold=mse")
_PER_CHANNEL = ("recipe.scaling.weights_per_channel=true",)


def _operands(fmt: str) -> tuple[str, ...]:
    return (f"recipe.operands.activation={fmt}", f"recipe.operands.weight={fmt}")


_E3M4 = _operands("{exponent_bits: 3, mantissa_bits: 4}")
_NAIVE = ("recipe.scaling.power_of_two=true",)

#: What the study runs, by name; the order is that of the table.
VARIANTS: Mapping[str, Variant] = MappingProxyType(
    {
        REFERENCE: Variant("fp32"),
        "e4m3_naive": Variant("fp8_formats", _NAIVE),
        "e5m2_naive": Variant("fp8_formats", (*_NAIVE, *_operands("fp8_e5m2"))),
        "e4m3": Variant("fp8_formats", (*_CALIBRATED, *_PER_CHANNEL)),
        "e4m3_percentile": Variant("fp8_formats", (*_PERCENTILE, *_PER_CHANNEL)),
        "e4m3_mse": Variant("fp8_formats", (*_MSE, *_PER_CHANNEL)),
        "e4m3_per_tensor": Variant("fp8_formats", _CALIBRATED),
        "e5m2": Variant("fp8_formats", (*_CALIBRATED, *_PER_CHANNEL, *_operands("fp8_e5m2"))),
        "e3m4": Variant("fp8_formats", (*_CALIBRATED, *_PER_CHANNEL, *_E3M4)),
        "e3m4_mse": Variant("fp8_formats", (*_MSE, *_PER_CHANNEL, *_E3M4)),
        "int8": Variant("int8", (*_CALIBRATED, *_PER_CHANNEL)),
        "int8_mse": Variant("int8", (*_MSE, *_PER_CHANNEL)),
        "posit8": Variant("posit8"),
        "mx_fp8": Variant("mx_fp8"),
        "wang2018": Variant("wang2018"),
        "hfp8": Variant("hfp8"),
    }
)


@dataclass(frozen=True, slots=True)
class LayerError:
    """How far one op's result is off, on the first part of the samples.

    `local` compares with float64 on the same stored operands, `total` with the network in
    float64; both are relative, None where there is nothing to compare.
    """

    variant: str
    op: str
    layer: str
    function: str
    local: float | None
    total: float | None


@dataclass(frozen=True, slots=True)
class InferenceRow:
    """One variant.

    `scores` are the task's; `agreement` is how much of what float32 says is said;
    `output_error` is relative, on the first part. Cycles, time and energy are of one
    sample of that part, None with the `reason` why where no chip serves the recipe.
    """

    variant: str
    recipe: str
    scores: Mapping[str, float]
    agreement: float
    output_error: float | None
    arch: str = ""
    cycles: float | None = None
    time_ms: float | None = None
    energy_pj: float | None = None
    area_mm2: float | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class InferenceStudy:
    """All rows of a study, and what was held equal."""

    task: str
    provenance: str
    samples: int
    calibration_samples: int
    arch: str
    rows: tuple[InferenceRow, ...]
    layers: tuple[LayerError, ...]

    def document(self) -> dict[str, Any]:
        """Return the JSON document ``accelsim.inference_study/1``."""
        return {"schema": STUDY_SCHEMA, **asdict(self)}


def study_inference(
    task: InferenceTask,
    *,
    variants: Mapping[str, Variant] = VARIANTS,
    arch: Chip | str | Path = DEFAULT_CHIP,
    overrides: Sequence[str] = (),
    fold_batch_norm: bool = True,
    threads: int | None = None,
    seed: int = 0,
    on_progress: Callable[[str], None] | None = None,
) -> InferenceStudy:
    """Run a trained network with every variant.

    Parameters
    ----------
    task : InferenceTask
    variants : mapping from str to Variant
        By name, in the order of the table.
    arch : Chip, str or Path
        The chip; for a recipe that it does not serve its multipliers and adders are exchanged
        for those that the recipe asks for.
    overrides : sequence of str
        ``KEY=VALUE`` texts that all variants share, as for ``--set``.
    fold_batch_norm : bool
        Fold each batch norm into the convolution before it.
    threads : int, optional
        All cores where None. Never changes a bit.
    seed : int
        Names the random bits of stochastic roundings.
    on_progress : callable, optional
        Called with a line of text before every part.

    Raises
    ------
    ConfigError, UnknownNameError, DataError
        If an input is wrong.
    """
    models: dict[str, type[Any]] = {"recipe": Recipe, "arch": Chip}
    shared = split_overrides(overrides, models)
    chip = arch if isinstance(arch, Chip) else load_chip(arch, shared["arch"])
    recipes = {}
    for name, variant in variants.items():
        own = split_overrides(variant.overrides, models)["recipe"]
        recipes[name] = get_recipe(variant.recipe, (*own, *shared["recipe"]))
    study = _Study(
        task, chip, fold_batch_norm, threads or os.cpu_count() or 1, seed,
        on_progress or (lambda _text: None),
    )  # fmt: skip
    rows, layers = study.compare(recipes)
    return InferenceStudy(
        task=task.name,
        provenance=task.provenance,
        samples=task.samples,
        calibration_samples=sum(part.batch for part in task.calibration),
        arch=chip.name,
        rows=rows,
        layers=layers,
    )


@dataclass(slots=True)
class _Found:
    """What one variant came to."""

    outputs: list[Any] = field(default_factory=list)
    output_error: float | None = None
    layers: list[LayerError] = field(default_factory=list)
    price: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class _Study:
    """What all variants share, and what was made for one of them."""

    task: InferenceTask
    chip: Chip
    fold_batch_norm: bool
    threads: int
    seed: int
    on_progress: Callable[[str], None]

    def compare(
        self, recipes: Mapping[str, Recipe]
    ) -> tuple[tuple[InferenceRow, ...], tuple[LayerError, ...]]:
        """Return a row for each recipe, beside the reference, and the errors of its layers."""
        plain = get_recipe(REFERENCE)
        exact = self.run(REFERENCE, plain)
        rows: list[InferenceRow] = []
        layers: list[LayerError] = []
        for name, recipe in recipes.items():
            found = exact if recipe == plain else self.run(name, recipe)
            rows.append(
                InferenceRow(
                    variant=name,
                    recipe=recipe.name,
                    scores=dict(self.task.scores(found.outputs)),
                    agreement=self.task.agreement(found.outputs, exact.outputs),
                    output_error=found.output_error,
                    **found.price,
                )
            )
            layers.extend(replace(error, variant=name) for error in found.layers)
        return tuple(rows), tuple(layers)

    def run(self, name: str, recipe: Recipe) -> _Found:
        """Return what a recipe says to all parts, what it loses, and what it costs."""
        found = _Found()
        programs: dict[tuple[int, int], _Program] = {}
        memory = ParameterMemory()
        constants = self._calibrated(name, recipe)
        for index, part in enumerate(self.task.parts):
            self.on_progress(f"{name}: part {index + 1} of {len(self.task.parts)}")
            key = (id(part.workload), part.batch)  # the task keeps its networks alive
            if key not in programs:
                programs[key] = self._program(part, recipe)
            program, is_first = programs[key], index == 0
            done = execute(
                program.trace,
                bind_tensors(program.trace, self.task.weights, part.inputs, more=constants),
                schedules=program.schedules,
                threads=self.threads,
                seed=self.seed,
                step=index,
                references=is_first,
                counts=is_first,
                memory=memory,
            )
            found.outputs.append(done.output)
            if is_first:
                found.output_error = (
                    None if done.output_error is None else done.output_error.relative
                )
                found.layers = _layer_errors(name, program.trace, done)
                found.price = program.price(done, part.batch)
        return found

    def _calibrated(self, name: str, recipe: Recipe) -> dict[str, Any]:
        """Return the magnitudes that constant scales move to the top of their range."""
        if recipe.scaling.amax is not AmaxSource.CALIBRATED or not self.task.calibration:
            return {}
        self.on_progress(f"{name}: calibration")
        traces = ((self._trace(part, recipe), part) for part in self.task.calibration)
        return dict(
            calibrate(
                recipe,
                (
                    (trace, bind_tensors(trace, self.task.weights, part.inputs))
                    for trace, part in traces
                ),
            )
        )

    def _trace(self, part: Part, recipe: Recipe) -> Trace:
        workload = part.workload.model_copy(update={"fold_batch_norm": self.fold_batch_norm})
        return lower(workload, recipe, batch=part.batch)

    def _program(self, part: Part, recipe: Recipe) -> _Program:
        trace = self._trace(part, recipe)
        try:
            chip, schedules = fitted_chip(self.chip, trace)
        except (MappingError, UnsupportedError) as error:
            return _Program(trace, None, {}, str(error))
        return _Program(trace, chip, schedules, "")


@dataclass(frozen=True, slots=True)
class _Program:
    """A trace, the chip that serves it if any, and the order of its additions there."""

    trace: Trace
    chip: Chip | None
    schedules: Mapping[str, Schedule]
    reason: str

    def price(self, execution: Execution, batch: int) -> dict[str, Any]:
        """Return what a sample costs, by field of a row."""
        if self.chip is None:
            return {"reason": self.reason}
        timeline = estimate(self.trace, self.chip, self.schedules)
        price = price_trace(self.chip, self.trace, self.schedules, timeline, execution)
        return {
            "arch": self.chip.name,
            "cycles": timeline.cycles / batch,
            "time_ms": timeline.cycles / (self.chip.clock_mhz * 1e3) / batch,
            "energy_pj": price.total_pj / batch,
            "area_mm2": price.area.total_mm2,
        }


def _layer_errors(variant: str, trace: Trace, execution: Execution) -> list[LayerError]:
    errors = []
    for op, record in zip(trace.ops, execution.records, strict=True):
        local, total = record.error_local, record.error_total
        errors.append(
            LayerError(
                variant,
                op.name,
                op.layer,
                "gemm" if op.kind == "gemm" else op.function,  # type: ignore[union-attr]
                None if local is None else local.relative,
                None if total is None else total.relative,
            )
        )
    return errors
