"""The pipelines, each on one screen: trace, schedules, then values, time and price."""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from accelsim._version import __version__
from accelsim.arch import Chip
from accelsim.cost import Hold, hold_equal, load_cost_table
from accelsim.errors import ConfigError, DataError, Infeasibility, MappingError, UnsupportedError
from accelsim.explore.grid import grid, parse_axis
from accelsim.explore.jobs import Job, input_hashes, job_key, load_job, resolved
from accelsim.explore.pareto import check_metrics
from accelsim.explore.pricing import price_trace
from accelsim.explore.sweep import Point, SweepResult, run_points
from accelsim.explore.training import train as train
from accelsim.numerics.execution import Execution
from accelsim.numerics.executor import execute
from accelsim.numerics.initialize import bind_tensors, initialize
from accelsim.numerics.lifetimes import peak_bytes
from accelsim.numerics.op_telemetry import SAMPLED_OUTPUTS
from accelsim.precision import Recipe
from accelsim.results import Comparison, Readings, RunResult, assemble, compare_results
from accelsim.schedule import Schedule, make_schedules
from accelsim.timing import estimate, simulate
from accelsim.workload import Trace, Workload, lower
from accelsim.workload.importers.imported import ImportedNetwork
from accelsim.workload.inputs import InputSources, load_inputs
from accelsim.workload.settings import seeded_inputs
from accelsim.workload.weights import Weights, load_weights

#: Chips that `compare` puts side by side unless told otherwise, the baseline first.
DEFAULT_ARCHS = ("fp16", "fp8_chunk64", "fp16_fp16acc", "bf16", "int8", "fp32")
#: Rows of each GEMM that ``numerics="sample"`` executes on the real accumulator.
SAMPLED_ROWS = 16

Progress = Callable[[str], None]
#: A network, its name, or its file.
Network = Workload | ImportedNetwork | str | Path


def run(
    workload: Network,
    *,
    arch: Chip | str | Path = "fp8_chunk64",
    recipe: Recipe | str | Path | None = None,
    batch: int = 1,
    phase: str = "inference",
    mode: str = "event",
    numerics: str = "full",
    input: InputSources | None = None,
    weights: str | Path | None = None,
    seed: int = 0,
    threads: int | None = None,
    telemetry: bool = False,
    dims: Mapping[str, int] | None = None,
    strict: bool = False,
    overrides: Sequence[str] = (),
    on_progress: Progress | None = None,
) -> RunResult:
    """Run one network on one chip: values, cycles, energy and area.

    Parameters
    ----------
    workload : Workload, ImportedNetwork, str or Path
        A network, its name, or its file; an ``.onnx`` file brings its weights.
    arch : Chip, str or Path
        A chip, its name, or its file.
    recipe : Recipe, str or Path, optional
        Precision recipe; the chip's default where None.
    batch : int
        Samples at once.
    phase : str
        ``inference`` or ``training``: one step on seeded random labels.
    mode : str
        ``event`` simulates every transfer, ``analytic`` estimates from closed forms.
    numerics : str
        ``full`` computes every value, ``sample`` a seeded part of each GEMM, ``off`` none.
    input : str, Path, array, or a mapping from names to these, optional
        As for `accelsim.workload.inputs.load_inputs`; a photograph, seeded noise or seeded
        tokens where None.
    weights : str or Path, optional
        As for `load_weights`; seeded He weights where None.
    seed : int
        Names all random numbers of the run.
    threads : int, optional
        Threads of the arithmetic; all cores where None. Never changes a bit.
    telemetry : bool
        Count what the additions of a seeded sample of each GEMM's outputs lose.
    dims : mapping from str to int, optional
    strict : bool
        As for `accelsim.from_onnx`; for a file of another tool.
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
    job = load_job(
        workload, arch, recipe, overrides,
        batch=batch, phase=phase, mode=mode, numerics=numerics, input=input, weights=weights,
        seed=seed, threads=threads, telemetry=telemetry, dims=dims, strict=strict,
    )  # fmt: skip
    return _run_job(job, on_progress or _silent)


def compare(
    workloads: Sequence[Network] | Network,
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
        ``throughput`` (to its peak MACs per second), or ``nothing``.
    recipe : Recipe, str or Path, optional
        For all chips; each one's default where None.
    **options
        The other parameters of `run`.

    Raises
    ------
    ConfigError
        If `baseline` is none of `archs`, or two chips have one name.
    """
    networks = (workloads,) if isinstance(workloads, Network) else tuple(workloads)
    known: dict[Hashable, Workload | ImportedNetwork] = {}
    jobs = [
        load_job(network, arch, recipe, overrides, known=known, **options)
        for network in networks
        for arch in archs
    ]
    base = _baseline_chip([job.chip for job in jobs], baseline)
    table = load_cost_table(base.cost_table)
    results = []
    for job in jobs:
        chip = hold_equal(job.chip, base, Hold(hold), table=table)
        result = _run_job(replace(job, chip=chip), on_progress or _silent)
        if chip.mac_array.cols != job.chip.mac_array.cols:
            text = (
                f"{chip.name} has {chip.mac_array.cols} columns here instead of"
                f" {job.chip.mac_array.cols}, to hold {Hold(hold).value} equal."
            )
            result = replace(result, warnings=(*result.warnings, text))
        results.append(result)
    return compare_results(results, baseline=base.name, held=Hold(hold).value)


def sweep(
    workload: ImportedNetwork | str | Path,
    *,
    vary: Sequence[str],
    arch: str | Path = "fp8_chunk64",
    recipe: str | Path | None = None,
    overrides: Sequence[str] = (),
    mode: str = "analytic",
    numerics: str = "off",
    metrics: Sequence[str] = ("time_ms", "energy_pj", "area_mm2"),
    folder: str | Path | None = None,
    processes: int = 1,
    on_progress: Progress | None = None,
    **options: Any,
) -> SweepResult:
    """Run one network at every point of a grid.

    Parameters
    ----------
    workload, arch, recipe : str or Path
        As for `run`.
    vary : sequence of str
        ``KEY=VALUES`` texts, such as ``arch.mac_array.rows=32,64,128`` or
        ``recipe.accumulator.chunk_size=8:512:x2``.
    overrides : sequence of str
        Changes that all points share.
    mode : str
        As for `run`; estimates from closed forms unless asked otherwise.
    numerics : str
        As for `run`; with ``off`` the rows have no error.
    metrics : sequence of str
        Of the Pareto front; two or three names of `accelsim.explore.pareto.METRICS`.
    folder : str or Path, optional
        Rows are streamed to it; the same sweep goes on where it was stopped.
    processes : int
        Worker processes.
    on_progress : callable, optional
        Called after every point.
    **options
        The other parameters of `run`.

    Returns
    -------
    SweepResult
        A point that the chip cannot run has the status ``infeasible`` and a reason.

    Raises
    ------
    ConfigError, UnknownNameError
        If a key or a value is wrong; before anything runs.
    """
    check_metrics(metrics, numerics=numerics)
    axes = [parse_axis(text) for text in vary]
    points = []
    known: dict[Hashable, Workload | ImportedNetwork] = {}
    for texts in grid(axes):
        job = load_job(
            workload, arch, recipe, (*overrides, *texts),
            mode=mode, numerics=numerics, threads=1, known=known, **options,
        )  # fmt: skip
        settings = dict(text.split("=", 1) for text in texts)
        points.append(Point(job_key(job), settings, job))
    return run_points(
        points,
        _evaluate_point,
        metrics=metrics,
        folder=None if folder is None else Path(folder),
        manifest={"keys": sorted(point.key for point in points), "metrics": list(metrics)},
        processes=processes,
        quick=mode == "analytic" and numerics == "off",
        on_progress=on_progress or _silent,
    )


def _evaluate_point(job: Job) -> dict[str, Any]:
    """Return a sweep's row: status, then the totals and the worst output error."""
    try:
        result = _assembled(job, _silent, totals_only=True)
    except (MappingError, UnsupportedError) as error:
        return {"status": "infeasible", "reason": str(error)}
    totals = result.totals.document()
    numbers = {name: value for name, value in totals.items() if not isinstance(value, dict)}
    return {"status": "ok", "reason": "", **numbers, **result.worst_error()}


def _run_job(job: Job, on_progress: Progress) -> RunResult:
    result = _assembled(job, on_progress)
    more = (*_unread(job), *(job.imported.warnings() if job.imported else ()))
    return replace(result, warnings=(*result.warnings, *more)) if more else result


def _assembled(job: Job, on_progress: Progress, *, totals_only: bool = False) -> RunResult:
    """Return what the readings of a job say; without inputs and busy times if totals are enough."""
    on_progress(f"{job.workload.name} on {job.chip.name}: schedule")
    trace = _lowered(job.workload, job.recipe, job.batch, job.phase)
    if job.numerics != "off":
        _check_memory(trace)
    schedules = make_schedules(trace.ops, job.chip)
    execution, provenance = _execute(job, trace, schedules, on_progress)
    on_progress(f"{job.workload.name} on {job.chip.name}: time")
    clock = simulate if job.mode == "event" else partial(estimate, intervals=not totals_only)
    timeline = clock(trace, job.chip, schedules)
    on_progress(f"{job.workload.name} on {job.chip.name}: energy and area")
    price = price_trace(job.chip, trace, schedules, timeline, execution)
    return assemble(
        Readings(trace, schedules, timeline, price, execution),
        chip=job.chip,
        recipe=job.recipe,
        provenance=provenance,
        config={} if totals_only else resolved(job),
        input_hashes={} if totals_only else input_hashes(job),
        numerics=job.numerics,
        seed=job.seed,
        version=__version__,
    )


def _unread(job: Job) -> Iterator[str]:
    """Say which given files were not looked at because no values are computed."""
    given = [name for name, source in (("input", job.input), ("weights", job.weights))
             if source is not None]  # fmt: skip
    if given and job.numerics == "off":
        yield f"numerics is off: the {' and the '.join(given)} that were given were not read."


@lru_cache(maxsize=32)
def _lowered(workload: Workload, recipe: Recipe, batch: int, phase: str) -> Trace:
    """Return a trace; the points of a sweep over chips share one."""
    return lower(workload, recipe, batch=batch, phase=phase)


def _execute(
    job: Job, trace: Trace, schedules: Mapping[str, Schedule], on_progress: Progress
) -> tuple[Execution | None, dict[str, str]]:
    if job.numerics == "off":
        return None, {}
    on_progress(f"{job.workload.name} on {job.chip.name}: input and weights")
    given = load_inputs(job.input, job.workload.given, batch=job.batch, seed=job.seed)
    weights = _weights(job, given.values)
    more = seeded_inputs(trace, seed=job.seed, loss_scale=job.recipe.loss_scaling.first_factor)
    on_progress(f"{job.workload.name} on {job.chip.name}: values")
    execution = execute(
        trace,
        bind_tensors(trace, weights.arrays, given.values, more=more),
        schedules=schedules,
        threads=job.threads,
        seed=job.seed,
        sample=SAMPLED_ROWS if job.numerics == "sample" else None,
        telemetry=job.telemetry,
    )
    provenance = {"input": given.provenance, "weights": weights.provenance}
    if job.telemetry:
        provenance["telemetry"] = f"additions of {SAMPLED_OUTPUTS} outputs of each GEMM, by seed"
    return execution, provenance


def _weights(job: Job, given: Mapping[str, Any]) -> Weights:
    """Return the weights that were asked for, else those of the network's file, else seeded."""
    if job.weights is not None:
        return load_weights(job.weights, job.workload.parameters)
    if job.imported_weights is not None:
        return job.imported_weights.weights()
    return initialize(job.workload, given, seed=job.seed)


def _check_memory(trace: Trace) -> None:
    """Refuse before the machine has to: an operating system out of memory kills."""
    there = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    needed = peak_bytes(trace)
    if needed > there:
        levers = ("a smaller --batch", "--numerics off, which needs no values")
        what = f"The values of {trace.workload} at batch {trace.batch}"
        raise DataError(str(Infeasibility(what, needed >> 20, there >> 20, "MiB", levers)))


def _baseline_chip(chips: Sequence[Chip], name: str | None) -> Chip:
    by_name = {chip.name: chip for chip in chips}
    if name is None:
        return chips[0]
    if name not in by_name:
        raise ConfigError(f"The baseline {name!r} is none of the chips: {', '.join(by_name)}.")
    return by_name[name]


def _silent(_stage: str) -> None:
    return None
