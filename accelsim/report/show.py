"""Pages of ``accelsim show``: one thing in full. Text and tables, in order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel

from accelsim.arch import Chip, load_chip
from accelsim.config import dump_yaml
from accelsim.errors import UnknownNameError
from accelsim.explore.parameters import split_overrides
from accelsim.formats import FloatFormat, NumberFormat, get_format
from accelsim.precision import Recipe, get_recipe
from accelsim.report.tables import plain_table
from accelsim.schedule import describe, make_schedule
from accelsim.workload import Gemm, Op, Trace, Workload, load_workload, lower

if TYPE_CHECKING:
    from rich.table import Table

Page = Iterator["str | Table"]
#: Formats with at most this many bits have all their codes shown.
MAX_CODE_BITS = 8
_CODES_PER_ROW = 8


def arch(name_or_path: str, *, overrides: Sequence[str] = ()) -> Page:
    """Print a chip with base, overrides and defaults filled in."""
    changes = split_overrides(overrides, {"arch": Chip})
    yield dump_yaml(load_chip(name_or_path, changes["arch"]).model_dump(mode="json"))


def recipe(name_or_path: str, *, overrides: Sequence[str] = ()) -> Page:
    """Print a recipe in full."""
    changes = split_overrides(overrides, {"recipe": Recipe})
    yield dump_yaml(get_recipe(name_or_path, changes["recipe"]).model_dump(mode="json"))


def workload(name_or_path: str, *, overrides: Sequence[str] = ()) -> Page:
    """Print a network: every layer, its output shape, parameters and MACs."""
    changes = split_overrides(overrides, {"workload": Workload})
    network = load_workload(name_or_path, changes["workload"])
    rows = [
        (node.name, node.layer.kind, " x ".join(map(str, node.output_shape)), f"{node.macs:,}")
        for node in network.graph.nodes
    ]
    yield plain_table(network.name, ("layer", "kind", "output", "MACs"), rows)
    yield f"{network.macs():,} MACs, {network.parameter_count:,} parameters"


def trace(
    name_or_path: str, *, arch: str, recipe: str | None, batch: int, overrides: Sequence[str] = ()
) -> Page:
    """Print the ops that a network lowers to under a recipe."""
    lowered, _ = _lowered(name_or_path, arch, recipe, batch, overrides)
    rows = [(op.name, op.kind, *_reads_and_writes(op)) for op in lowered.ops]
    title = f"{lowered.workload} under {lowered.recipe}, batch {lowered.batch}"
    yield plain_table(title, ("op", "kind", "shape", "reads", "computes in", "writes"), rows)
    yield f"{len(lowered.ops)} ops, {len(lowered.gemms)} GEMMs, {lowered.macs:,} MACs"


def schedule(
    name_or_path: str,
    *,
    arch: str,
    recipe: str | None,
    batch: int,
    op: str | None,
    overrides: Sequence[str] = (),
) -> Page:
    """Print the loop nest of a GEMM and the order in which its products are added."""
    lowered, chip = _lowered(name_or_path, arch, recipe, batch, overrides)
    by_name = {gemm.name: gemm for gemm in lowered.gemms}
    name = next(iter(by_name), "") if op is None else op
    if name not in by_name:
        raise UnknownNameError("GEMM of the trace", name, by_name)
    yield "\n".join(describe(make_schedule(by_name[name], chip)))


def format(name_or_path: str) -> Page:
    """Print a format: its constants and, up to 8 bits, the value of every code."""
    fmt = get_format(name_or_path)
    yield plain_table(fmt.name, ("constant", "value"), _constants(fmt))
    if fmt.bits <= MAX_CODE_BITS:
        yield _codes(fmt)


def _lowered(
    name: str, arch: str, recipe: str | None, batch: int, overrides: Sequence[str]
) -> tuple[Trace, Chip]:
    targets: dict[str, type[BaseModel]] = {"arch": Chip, "recipe": Recipe, "workload": Workload}
    changes = split_overrides(overrides, targets)
    chip = load_chip(arch, changes["arch"])
    policy = get_recipe(recipe or chip.default_recipe, changes["recipe"])
    return lower(load_workload(name, changes["workload"]), policy, batch=batch), chip


def _reads_and_writes(op: Op) -> tuple[str, str, str, str]:
    if isinstance(op, Gemm):
        chunk = op.accumulator.chunk_size
        adds = f"{op.accumulator.inner.name}, chunk {chunk if chunk else 'k'}"
        groups = f"{op.groups} x " if op.groups > 1 else ""
        shape = f"{groups}{op.m} x {op.n} x {op.k}"
        return shape, f"{op.a.format.name}, {op.b.format.name}", adds, op.out.format.name
    place = " (fused)" if op.fused else ""
    return f"{op.elements:,} el", "", op.compute_format.name, f"{', '.join(op.outputs)}{place}"


def _constants(fmt: NumberFormat) -> list[tuple[str, str]]:
    rows = [("bits", str(fmt.bits))]
    if isinstance(fmt, FloatFormat):
        names = (
            "signed", "exponent_bits", "mantissa_bits", "bias", "specials", "subnormals",
            "overflow", "rounding", "max_finite", "min_normal", "min_subnormal", "source",
        )  # fmt: skip
        rows += [(name.replace("_", " "), _shown(getattr(fmt, name))) for name in names]
    return rows


def _shown(value: object) -> str:
    return f"{value!r}" if isinstance(value, float) else str(value)


def _codes(fmt: NumberFormat) -> Table:
    codes = np.arange(2**fmt.bits, dtype=np.uint32)
    values = fmt.decode(codes)
    rows = [
        (f"0x{first:02x}", *(f"{value:.6g}" for value in values[first : first + _CODES_PER_ROW]))
        for first in range(0, len(codes), _CODES_PER_ROW)
    ]
    heads = ("code", *(f"+{offset}" for offset in range(min(_CODES_PER_ROW, len(codes)))))
    return plain_table("values by code", heads, rows)
