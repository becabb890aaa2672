"""The pipelines, each on one screen: trace, schedules, then values, time and price."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar, cast

from accelsim._version import __version__
from accelsim.arch import Chip, load_chip
from accelsim.cost import (
    EnergyReport,
    Hold,
    count_actions,
    evaluate,
    hold_equal,
    load_cost_table,
    trace_traffic,
)
from accelsim.errors import ConfigError
from accelsim.explore.parameters import Override, split_overrides
from accelsim.numerics.execution import Execution
from accelsim.numerics.executor import execute
from accelsim.numerics.initialize import bind_tensors, initialize
from accelsim.precision import Recipe, get_recipe
from accelsim.results import Comparison, Readings, RunResult, assemble, compare_results
from accelsim.schedule import Schedule, make_schedules
from accelsim.timing import Timeline, simulate
from accelsim.workload import Gemm, Trace, Workload, load_workload, lower
from accelsim.workload.inputs import load_input
from accelsim.workload.weights import load_weights

#: Chips that `compare` puts side by side unless told otherwise, the baseline first.
DEFAULT_ARCHS = ("fp16", "fp8_chunk64", "fp16_fp16acc", "bf16", "fp32")
#: Rows of each GEMM that ``numerics="sample"`` executes on the real accumulator.
SAMPLED_ROWS = 16

Progress = Callable[[str], None]
M = TypeVar("M", Chip, Workload)


@dataclass(frozen=True, slots=True)
class Job:
    """Everything that a run reads, loaded and checked."""

    workload: Workload
    chip: Chip
    recipe: Recipe
    batch: int
    phase: str
    numerics: str
    input: str | Path | None
    weights: str | Path | None
    seed: int
    threads: int


def run(
    workload: Workload | str | Path,
    *,
    arch: Chip | str | Path = "fp8_chunk64",
    recipe: Recipe | str | Path | None = None,
    batch: int = 1,
    phase: str = "inference",
    numerics: str = "full",
    input: str | Path | None = None,
    weights: str | Path | None = None,
    seed: int = 0,
    threads: int | None = None,
    overrides: Sequence[str] = (),
    on_progress: Progress | None = None,
) -> RunResult:
    """Run one network on one chip: values, cycles, energy and area.

    Parameters
    ----------
    workload : Workload, str or Path
        A network, its name, or its file.
    arch : Chip, str or Path
        A chip, its name, or its file.
    recipe : Recipe, str or Path, optional
        Precision recipe; the chip's default where None.
    batch : int
        Samples at once.
    phase : str
        ``inference``.
    numerics : str
        ``full`` computes every value, ``sample`` a seeded part of each GEMM, ``off`` none.
    input, weights : str or Path, optional
        As for `load_input` and `load_weights`; a photograph and seeded He weights where None.
    seed : int
        Names all random numbers of the run.
    threads : int, optional
        Threads of the arithmetic; all cores where None. Never changes a bit.
    overrides : sequence of str
        ``KEY=VALUE`` texts as for ``--set``; for things named or read from files.
    on_progress : callable, optional
        Called with the name of each stage.

    Returns
    -------
    RunResult

    Raises
    ------
    ConfigError, UnknownNameError, ShapeError, DataError, MappingError, UnsupportedError
        If an input is wrong; see `accelsim.errors`.

    Examples
    --------
    >>> result = run("tiny", numerics="off")
    >>> result.totals.cycles == sum(op.cycles for op in result.ops)
    True
    """
    job = _load_job(
        workload, arch, recipe, overrides,
        batch=batch, phase=phase, numerics=numerics, input=input, weights=weights,
        seed=seed, threads=threads,
    )  # fmt: skip
    return _run_job(job, on_progress or _silent)


def compare(
    workloads: Sequence[Workload | str | Path] | Workload | str | Path,
    *,
    archs: Sequence[Chip | str | Path] = DEFAULT_ARCHS,
    baseline: str | None = None,
    hold: Hold | str = Hold.PE_COUNT,
    recipe: Recipe | str | Path | None = None,
    overrides: Sequence[str] = (),
    on_progress: Progress | None = None,
    **options: Any,
) -> Comparison:
    """Run networks on several chips, something held equal, and give the ratios.

    Parameters
    ----------
    workloads : network or sequence of networks
        As for `run`.
    archs : sequence of Chip, str or Path
        As for `run`.
    baseline : str, optional
        Name of the chip that ratios refer to; the first of `archs` where None.
    hold : Hold or str
        ``pe_count``, ``area`` (arrays resized in whole columns to the baseline's area) or
        ``throughput`` (to its peak MACs per second).
    recipe : Recipe, str or Path, optional
        For all chips; each one's default where None.
    **options
        The other parameters of `run`.

    Raises
    ------
    ConfigError
        If `baseline` is none of `archs`, or two chips have one name.
    """
    networks = (workloads,) if isinstance(workloads, Workload | str | Path) else tuple(workloads)
    jobs = [
        _load_job(network, arch, recipe, overrides, **options)
        for network in networks
        for arch in archs
    ]
    base = _baseline_chip([job.chip for job in jobs], baseline)
    table = load_cost_table(base.cost_table)
    results = []
    for job in jobs:
        chip = hold_equal(job.chip, base, Hold(hold), table=table)
        results.append(_run_job(replace(job, chip=chip), on_progress or _silent))
    return compare_results(results, baseline=base.name, held=Hold(hold).value)


def _load_job(
    workload: Workload | str | Path,
    arch: Chip | str | Path,
    recipe: Recipe | str | Path | None,
    overrides: Sequence[str],
    *,
    batch: int = 1,
    phase: str = "inference",
    numerics: str = "full",
    input: str | Path | None = None,
    weights: str | Path | None = None,
    seed: int = 0,
    threads: int | None = None,
) -> Job:
    if numerics not in ("full", "sample", "off"):
        raise ConfigError(f"numerics is {numerics!r}; it must be full, sample or off.")
    changes = split_overrides(overrides, {"arch": Chip, "recipe": Recipe, "workload": Workload})
    chip = _load(arch, Chip, load_chip, changes["arch"])
    return Job(
        workload=_load(workload, Workload, load_workload, changes["workload"]),
        chip=chip,
        recipe=get_recipe(chip.default_recipe if recipe is None else recipe, changes["recipe"]),
        batch=batch,
        phase=phase,
        numerics=numerics,
        input=input,
        weights=weights,
        seed=seed,
        threads=threads or os.cpu_count() or 1,
    )


def _load(
    given: M | str | Path,
    model: type[M],
    loader: Callable[[str | Path, Sequence[Override]], M],
    changes: Sequence[Override],
) -> M:
    if isinstance(given, model):
        if changes:
            raise ConfigError(f"Overrides need a name or a file, not a {model.__name__} object.")
        return given
    return loader(cast("str | Path", given), changes)


def _run_job(job: Job, on_progress: Progress) -> RunResult:
    on_progress(f"{job.workload.name} on {job.chip.name}: schedule")
    trace = lower(job.workload, job.recipe, batch=job.batch, phase=job.phase)
    schedules = make_schedules(trace.ops, job.chip)
    execution, provenance = _execute(job, trace, schedules, on_progress)
    on_progress(f"{job.workload.name} on {job.chip.name}: time")
    timeline = simulate(trace, job.chip, schedules)
    on_progress(f"{job.workload.name} on {job.chip.name}: energy and area")
    price = _price(job.chip, trace, schedules, timeline, execution)
    return assemble(
        Readings(trace, schedules, timeline, price, execution),
        chip=job.chip,
        recipe=job.recipe,
        provenance=provenance,
        config=_resolved(job),
        input_hashes=_hashes(job),
        numerics=job.numerics,
        seed=job.seed,
        version=__version__,
    )


def _hashes(job: Job) -> dict[str, str]:
    """Return the SHA-256 of everything that the run read."""
    models = {"arch": job.chip, "recipe": job.recipe, "workload": job.workload}
    hashes = {name: _sha256(model.model_dump_json().encode()) for name, model in models.items()}
    for name, file in (("input", job.input), ("weights", job.weights)):
        if file is not None and Path(file).is_file():
            hashes[name] = _sha256(Path(file).read_bytes())
    return hashes


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _resolved(job: Job) -> dict[str, Any]:
    """Return the inputs of a run as plain data, everything filled in."""
    return {
        "version": __version__,
        "seed": job.seed,
        "batch": job.batch,
        "phase": job.phase,
        "numerics": job.numerics,
        "input": None if job.input is None else str(job.input),
        "weights": None if job.weights is None else str(job.weights),
        "sha256": _hashes(job),
        "arch": job.chip.model_dump(mode="json"),
        "recipe": job.recipe.model_dump(mode="json"),
        "workload": job.workload.model_dump(mode="json"),
    }


def _execute(
    job: Job, trace: Trace, schedules: Mapping[str, Schedule], on_progress: Progress
) -> tuple[Execution | None, dict[str, str]]:
    if job.numerics == "off":
        return None, {}
    on_progress(f"{job.workload.name} on {job.chip.name}: input and weights")
    given = load_input(job.input, job.workload.input, batch=job.batch, seed=job.seed)
    weights = (
        initialize(job.workload, given.values, seed=job.seed)
        if job.weights is None
        else load_weights(job.weights, job.workload.parameters)
    )
    on_progress(f"{job.workload.name} on {job.chip.name}: values")
    execution = execute(
        trace,
        bind_tensors(trace, weights.arrays, given.values),
        schedules=schedules,
        threads=job.threads,
        seed=job.seed,
        sample=SAMPLED_ROWS if job.numerics == "sample" else None,
    )
    return execution, {"input": given.provenance, "weights": weights.provenance}


def _price(
    chip: Chip,
    trace: Trace,
    schedules: Mapping[str, Schedule],
    timeline: Timeline,
    execution: Execution | None,
) -> EnergyReport:
    traffic = trace_traffic(
        trace.ops, trace.tensors, outputs=trace.outputs, chip=chip, schedules=schedules
    )
    counts = [
        count_actions(schedules[op.name] if isinstance(op, Gemm) else op, chip, traffic[op.name])
        for op in trace.ops
    ]
    shares = [0.0] * len(counts)
    if execution is not None:
        shares = [record.zero_products or 0.0 for record in execution.records]
    return evaluate(
        counts,
        chip,
        load_cost_table(chip.cost_table),
        cycles=[op.cycles for op in timeline.ops],
        zero_shares=shares,
    )


def _baseline_chip(chips: Sequence[Chip], name: str | None) -> Chip:
    by_name = {chip.name: chip for chip in chips}
    if name is None:
        return chips[0]
    if name not in by_name:
        raise ConfigError(f"The baseline {name!r} is none of the chips: {', '.join(by_name)}.")
    return by_name[name]


def _silent(_stage: str) -> None:
    return None
