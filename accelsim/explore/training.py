"""Train a network and say what that would cost on the chip, beside FP16 and FP32."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from accelsim.arch import DEFAULT_CHIP, Chip, list_chips, load_chip
from accelsim.errors import MappingError, UnsupportedError
from accelsim.explore.jobs import load_named
from accelsim.explore.parameters import split_overrides
from accelsim.explore.pricing import price_trace
from accelsim.explore.tailored_chip import fitted_chip
from accelsim.numerics.lifetimes import last_uses, operand_names, result_names
from accelsim.precision import Recipe, get_recipe
from accelsim.schedule import make_schedules
from accelsim.timing import simulate
from accelsim.training import (
    DataSet,
    Task,
    TrainingPrice,
    TrainingResult,
    TrainingSettings,
    load_data,
    train_task,
)
from accelsim.workload import Trace, Workload, load_workload, lower
from accelsim.workload.ops import Op, Phase, Role

#: Recipe of a training for which neither recipe nor chip was named.
DEFAULT_RECIPE = "wang2018"
#: Chips that a training's price is compared with, each with its default recipe.
PRICE_BASELINES = ("fp16", "fp32")

Progress = Callable[[str], None]


def train(
    workload: Workload | str | Path,
    *,
    data: DataSet | str | Path,
    recipe: Recipe | str | Path | None = None,
    arch: Chip | str | Path | None = None,
    settings: TrainingSettings | None = None,
    overrides: Sequence[str] = (),
    threads: int | None = None,
    folder: str | Path | None = None,
    resume: bool = False,
    priced: bool = True,
    on_progress: Progress | None = None,
) -> TrainingResult:
    """Train a network with the arithmetic of a chip.

    Parameters
    ----------
    workload : Workload, str or Path
        A network that classifies, its name, or its file.
    data : DataSet, str or Path
        A data set, its name, ``NAME:FOLDER``, or a folder; see `accelsim.training.load_data`.
    recipe : Recipe, str or Path, optional
        Precision recipe; the chip's default where None.
    arch : Chip, str or Path, optional
        The chip whose schedules order the additions. Where None, the chip that has the
        recipe as its default, else the FP8 chip, with the multipliers and adders that
        the recipe asks for where it lacks them; if no such chip can be built, additions
        are in plain k order and the training has no price of its own.
    settings : TrainingSettings, optional
        Optimizer, learning rate, length, batch and seed.
    overrides : sequence of str
        ``KEY=VALUE`` texts as for ``--set``.
    threads : int, optional
        All cores where None. Never changes a bit.
    folder : str or Path, optional
        Gets a checkpoint at each end of an epoch and every half minute.
    resume : bool
        Go on from the checkpoint in `folder`; the result is that of an uninterrupted run.
    priced : bool
        Simulate one step on the chip, on an FP16 and on an FP32 chip.
    on_progress : callable, optional
        Called with a line of text after every step.

    Returns
    -------
    TrainingResult

    Raises
    ------
    ConfigError, UnknownNameError, ShapeError, DataError, UnsupportedError
        If an input is wrong; see `accelsim.errors`.
    """
    changes = split_overrides(overrides, {"arch": Chip, "recipe": Recipe, "workload": Workload})
    network = load_named(workload, Workload, load_workload, changes["workload"])
    chip = None
    if arch is not None or changes["arch"]:
        chip = load_named(arch or DEFAULT_CHIP, Chip, load_chip, changes["arch"])
    default = DEFAULT_RECIPE if chip is None else chip.default_recipe
    wanted = get_recipe(default if recipe is None else recipe, changes["recipe"])
    settings = settings or TrainingSettings()
    task = Task(
        network,
        wanted,
        chip or training_chip(network, wanted, settings),
        data if isinstance(data, DataSet) else load_data(data),
        settings,
    )
    result = train_task(
        task,
        folder=None if folder is None else Path(folder),
        resume=resume,
        threads=threads or os.cpu_count() or 1,
        on_progress=on_progress,
    )
    return replace(result, prices=training_prices(task)) if priced else result


def training_chip(workload: Workload, recipe: Recipe, settings: TrainingSettings) -> Chip | None:
    """Return the chip that trains with a recipe, or None if no chip that it may be can.

    The first chip whose default the recipe is comes before the FP8 chip, and that before
    the FP8 chip with other arithmetic.
    """
    trace = _step_trace(workload, recipe, settings)
    chips = ((name, load_chip(name)) for name in list_chips())
    own = next((pair for pair in chips if pair[1].default_recipe == recipe.name), None)
    if own is not None and own[0] != DEFAULT_CHIP:
        with suppress(MappingError, UnsupportedError):
            make_schedules(trace.ops, own[1])
            return own[1]
    with suppress(MappingError, UnsupportedError):
        return fitted_chip(load_chip(DEFAULT_CHIP), trace)[0]
    return None


def training_prices(task: Task) -> tuple[TrainingPrice, ...]:
    """Return what a training costs on its own chip and on those that it is compared with."""
    pairs = [] if task.chip is None else [(task.chip, task.recipe)]
    own = task.chip.name if task.chip is not None else None
    for name in PRICE_BASELINES:
        chip = load_chip(name)
        if name != own:
            pairs.append((chip, get_recipe(chip.default_recipe)))
    return tuple(_price(task, chip, recipe) for chip, recipe in pairs)


def _price(task: Task, chip: Chip, recipe: Recipe) -> TrainingPrice:
    trace = _step_trace(task.workload, recipe, task.settings)
    schedules = make_schedules(trace.ops, chip)
    timeline = simulate(trace, chip, schedules)
    learned, state = _parameter_bytes(trace)
    return TrainingPrice(
        arch=chip.name,
        recipe=recipe.name,
        steps=task.steps,
        step_cycles=timeline.cycles,
        step_time_ms=timeline.cycles / (chip.clock_mhz * 1e3),
        step_energy_pj=price_trace(chip, trace, schedules, timeline).total_pj,
        weights_bytes=learned,
        state_bytes=state,
        saved_bytes=saved_bytes(trace),
        peak_bytes=peak_bytes(trace),
    )


def _step_trace(workload: Workload, recipe: Recipe, settings: TrainingSettings) -> Trace:
    return lower(
        workload, recipe, batch=settings.batch, phase="training", optimizer=settings.optimizer
    )


def _parameter_bytes(trace: Trace) -> tuple[int, int]:
    """Return the bytes of what learns, and of the optimizer's state."""
    infos = [trace.tensors[parameter.tensor] for parameter in trace.parameters]
    state = sum(info.stored_bytes for info in infos if info.role is Role.STATE)
    return sum(info.stored_bytes for info in infos) - state, state


def peak_bytes(trace: Trace) -> int:
    """Return the largest sum of stored bytes that are alive at one op of a trace.

    Parameters and inputs are there from the beginning, an op's results from that op on,
    each until the last op that names it; what replaces a parameter stays to the end, and
    what never reaches a memory does not count.
    """
    return max(
        sum(trace.tensors[name].stored_bytes for name in alive) for _, alive in _alive(trace)
    )


def saved_bytes(trace: Trace) -> int:
    """Return the stored bytes of the activations that wait for the backward pass.

    They are made before the first op that is no forward one, or given, and read from
    there on.
    """
    first = next(
        (index for index, op in enumerate(trace.ops) if op.phase is not Phase.FORWARD), None
    )
    if first is None:
        return 0
    made = {name for op in trace.ops[:first] for name in result_names(op)} | set(trace.inputs)
    read = {name for op in trace.ops[first:] for name in operand_names(op)}
    infos = (trace.tensors[name] for name in (made & read) - trace.transients())
    return sum(info.stored_bytes for info in infos if info.role is Role.ACTIVATION)


def _alive(trace: Trace) -> Iterator[tuple[Op, set[str]]]:
    """Yield every op and the tensors that are in memory while it runs."""
    transient = trace.transients()
    alive = {parameter.tensor for parameter in trace.parameters} | set(trace.inputs)
    kept = alive | set(trace.outputs)
    for op, ended in zip(trace.ops, last_uses(trace.ops), strict=True):
        alive |= {*operand_names(op), *result_names(op)} - transient
        yield op, alive
        alive -= ended - kept
