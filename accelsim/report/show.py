"""Pages of ``accelsim show``: one thing in full. Text and tables, in order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel

from accelsim.arch import Chip, load_chip
from accelsim.config import dump_yaml
from accelsim.errors import OutputError, UnknownNameError
from accelsim.explore.parameters import split_overrides
from accelsim.formats import TensorFormat
from accelsim.numerics import explain_path
from accelsim.numerics.reduction import in_chunks_of
from accelsim.precision import Recipe, get_recipe
from accelsim.report.figures import write_gantt_figure
from accelsim.report.format_page import find_format, format_page
from accelsim.report.number_line import write_number_line
from accelsim.report.tables import plain_table
from accelsim.report.unit_costs import units_page
from accelsim.schedule import Schedule, describe, make_schedule, make_schedules
from accelsim.timing import simulate
from accelsim.workload import Gemm, Op, Trace, Workload, load_workload, lower

if TYPE_CHECKING:
    from rich.table import Table

Page = Iterator["str | Table"]


def arch(name_or_path: str, *, overrides: Sequence[str] = ()) -> Page:
    """Print a chip with base, overrides and defaults filled in."""
    changes = split_overrides(overrides, {"arch": Chip})
    yield dump_yaml(load_chip(name_or_path, changes["arch"]).model_dump(mode="json"))


def recipe(name_or_path: str, *, overrides: Sequence[str] = ()) -> Page:
    """Print a recipe in full."""
    changes = split_overrides(overrides, {"recipe": Recipe})
    yield dump_yaml(get_recipe(name_or_path, changes["recipe"]).model_dump(mode="json"))


def workload(
    name_or_path: str, *, dims: Mapping[str, int] | None = None, overrides: Sequence[str] = ()
) -> Page:
    """Print a network: every layer, its output shape, parameters and MACs."""
    changes = split_overrides(overrides, {"workload": Workload})
    network = load_workload(name_or_path, changes["workload"], dims=dims)
    rows = [
        (node.name, node.layer.kind, " x ".join(map(str, node.output_shape)), f"{node.macs:,}")
        for node in network.graph.nodes
    ]
    yield plain_table(network.name, ("layer", "kind", "output", "MACs"), rows)
    yield f"{network.macs():,} MACs, {network.parameter_count:,} parameters"


def trace(
    name_or_path: str,
    *,
    arch: str,
    recipe: str | None,
    phase: str = "inference",
    batch: int,
    dims: Mapping[str, int] | None = None,
    overrides: Sequence[str] = (),
) -> Page:
    """Print the ops that a network lowers to under a recipe."""
    lowered, _ = _lowered(
        name_or_path, arch, recipe=recipe, phase=phase, batch=batch, dims=dims, overrides=overrides
    )
    rows = [(op.name, op.kind, *_reads_and_writes(op)) for op in lowered.ops]
    title = f"{lowered.workload} under {lowered.recipe}, {lowered.phase}, batch {lowered.batch}"
    yield plain_table(title, ("op", "kind", "shape", "reads", "computes in", "writes"), rows)
    yield f"{len(lowered.ops)} ops, {len(lowered.gemms)} GEMMs, {lowered.macs:,} MACs"


def schedule(
    name_or_path: str,
    *,
    arch: str,
    recipe: str | None,
    phase: str = "inference",
    batch: int,
    op: str | None,
    dims: Mapping[str, int] | None = None,
    overrides: Sequence[str] = (),
) -> Page:
    """Print the loop nest of a GEMM and the order in which its products are added."""
    lowered, chip = _lowered(
        name_or_path, arch, recipe=recipe, phase=phase, batch=batch, dims=dims, overrides=overrides
    )
    by_name = {gemm.name: gemm for gemm in lowered.gemms}
    name = next(iter(by_name), "") if op is None else op
    if name not in by_name:
        raise UnknownNameError("GEMM of the trace", name, by_name)
    plan = make_schedule(by_name[name], chip)
    yield "\n".join((*describe(plan), _arithmetic(plan)))


def timeline(
    name_or_path: str,
    *,
    arch: str,
    recipe: str | None,
    phase: str = "inference",
    batch: int,
    op: str | None,
    output: Path | None = None,
    dims: Mapping[str, int] | None = None,
    overrides: Sequence[str] = (),
) -> Page:
    """Print when every unit is busy with the ops, or with one; draw it where asked."""
    lowered, chip = _lowered(
        name_or_path, arch, recipe=recipe, phase=phase, batch=batch, dims=dims, overrides=overrides
    )
    found = simulate(lowered, chip, make_schedules(lowered.ops, chip))
    if op is not None and op not in {one.name for one in lowered.ops}:
        raise UnknownNameError("op of the trace", op, [one.name for one in lowered.ops])
    intervals = [one for one in found.intervals() if op is None or one.op == op]
    rows = [
        (one.op, "chip" if one.core < 0 else str(one.core), one.unit.value, f"{one.start:,}",
         f"{one.end:,}", f"{one.bytes:,}" if one.bytes else "")
        for one in intervals
    ]  # fmt: skip
    title = f"{lowered.workload} on {chip.name}"
    yield plain_table(title, ("op", "core", "unit", "from cycle", "to cycle", "bytes"), rows)
    yield f"{found.cycles:,} cycles"
    if output is not None:
        write_gantt_figure(intervals, output, title=title if op is None else f"{title}: {op}")


def format(name_or_path: str, *, output: Path | None = None, force: bool = False) -> Page:
    """Print a format: constants, codes, number line; draw it where `output` names a file."""
    fmt = find_format(name_or_path)
    if output is not None:
        if output.exists() and not force:
            raise OutputError(f"{output} exists. Use --force to overwrite, or another name.")
        write_number_line(fmt.element if isinstance(fmt, TensorFormat) else fmt, output)
    yield from format_page(fmt)


def units(name_or_path: str, *, accumulator: str, cost_table: str) -> Page:
    """Print what arithmetic of a format costs: the format by name or spelled out."""
    yield from units_page(name_or_path, accumulator=accumulator, cost_table=cost_table)


def _lowered(
    name: str,
    arch: str,
    *,
    recipe: str | None,
    phase: str,
    batch: int,
    dims: Mapping[str, int] | None,
    overrides: Sequence[str],
) -> tuple[Trace, Chip]:
    targets: dict[str, type[BaseModel]] = {"arch": Chip, "recipe": Recipe, "workload": Workload}
    changes = split_overrides(overrides, targets)
    chip = load_chip(arch, changes["arch"])
    policy = get_recipe(recipe or chip.default_recipe, changes["recipe"])
    network = load_workload(name, changes["workload"], dims=dims)
    return lower(network, policy, batch=batch, phase=phase), chip


def _arithmetic(plan: Schedule) -> str:
    """Return which path of the arithmetic the formats alone allow, and why."""
    op = plan.op
    accumulator = in_chunks_of(op.accumulator, plan.reduction_order())
    choice = explain_path(op.a.format, op.b.format, accumulator, k=op.k)
    return f"arithmetic by the formats alone: {choice.name} path; {'; '.join(choice.reasons)}"


def _reads_and_writes(op: Op) -> tuple[str, str, str, str]:
    if isinstance(op, Gemm):
        chunk = op.accumulator.chunk_size
        adds = f"{op.accumulator.inner.name}, chunk {chunk if chunk else 'k'}"
        groups = f"{op.groups} x " if op.groups > 1 else ""
        shape = f"{groups}{op.m} x {op.n} x {op.k}"
        return shape, f"{op.a.format.name}, {op.b.format.name}", adds, op.out.format.name
    place = " (fused)" if op.fused else ""
    return f"{op.elements:,} el", "", op.compute_format.name, f"{', '.join(op.outputs)}{place}"
