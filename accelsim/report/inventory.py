"""What has a name, what a file is, and the schema of every kind of file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from accelsim.arch import Chip, list_chips, load_chip
from accelsim.config import json_schema, load_yaml
from accelsim.cost import CostTable, describe_coverage, list_cost_tables, load_cost_table
from accelsim.errors import ConfigError, DataError, Problem, UnknownNameError
from accelsim.files import ResourceKind, list_resources, resource_path
from accelsim.formats import (
    NumberFormat,
    TensorFormat,
    get_format,
    get_tensor_format,
    list_formats,
    list_tensor_formats,
)
from accelsim.precision import Recipe, get_recipe, list_recipes
from accelsim.registry import dataflows
from accelsim.schedule.support import check_vector_functions
from accelsim.training.datasets import describe_data_sets
from accelsim.workload import Workload, load_workload
from accelsim.workload.importers import is_foreign

#: Kinds of file by name: their model, and a key that no other kind has.
FILE_KINDS: Mapping[str, tuple[type[BaseModel], str]] = {
    "arch": (Chip, "mac_array"),
    "workload": (Workload, "layers"),
    "recipe": (Recipe, "operands"),
    "cost_table": (CostTable, "rows"),
}


def _load_chip(path: Path) -> Chip:
    """Return a chip whose vector functions exist, which the chip's own model cannot know."""
    chip = load_chip(path)
    try:
        check_vector_functions(chip)
    except UnknownNameError as error:
        place = "vector_unit.cycles_per_element"
        raise ConfigError(Problem(str(error), file=str(path), path=place)) from None
    return chip


_LOADERS: Mapping[str, Callable[[Path], object]] = {
    "arch": _load_chip,
    "workload": load_workload,
    "recipe": get_recipe,
    "cost_table": load_cost_table,
}


def check_file(path: str | Path, *, dims: Mapping[str, int] | None = None) -> str:
    """Check one file and return its kind.

    The kind is told by the keys of the file: ``mac_array`` for a chip, ``layers``
    for a network, ``operands`` for a recipe, ``rows`` for a cost table; a file that
    says ``base:`` is of its base's kind. A file of another tool is a network.

    Raises
    ------
    ConfigError
        With every problem of the file.
    DataError
        If the file does not exist.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"{path}: no such file.")
    if is_foreign(path):
        load_workload(path, dims=dims)
        return "workload"
    kind = _kind_of(path)
    _LOADERS[kind](path)
    return kind


def catalog(kind: str | None = None) -> dict[str, dict[str, str]]:
    """Return, by kind, every name with one line about it; ``formats`` are two kinds.

    Raises
    ------
    UnknownNameError
        If there is no such kind.
    """
    listings: dict[str, Callable[[], dict[str, str]]] = {
        "archs": lambda: {name: load_chip(name).description for name in list_chips()},
        "workloads": lambda: {
            name: load_workload(name).description for name in list_resources("workloads")
        },
        "recipes": lambda: {name: get_recipe(name).description for name in list_recipes()},
        "formats": lambda: {name: _format_line(get_format(name)) for name in list_formats()},
        "tensor_formats": lambda: {
            name: _tensor_format_line(get_tensor_format(name)) for name in list_tensor_formats()
        },
        "dataflows": lambda: {
            name: first_line(getattr(dataflow, "__doc__", ""))
            for name, dataflow in dataflows.items()
        },
        "cost_tables": lambda: {
            name: _cost_table_line(load_cost_table(name)) for name in list_cost_tables()
        },
        "data_sets": describe_data_sets,
    }
    if kind is None:
        return {name: listing() for name, listing in listings.items()}
    if kind not in listings:
        raise UnknownNameError("kind", kind, listings)
    kinds = (kind, "tensor_formats") if kind == "formats" else (kind,)
    return {name: listings[name]() for name in kinds}


def schema(kind: str) -> dict[str, Any]:
    """Return the JSON Schema of a kind of file: arch, workload, recipe or cost_table."""
    if kind not in FILE_KINDS:
        raise UnknownNameError("kind of file", kind, FILE_KINDS)
    return json_schema(FILE_KINDS[kind][0])


def first_line(text: str | None) -> str:
    """Return the first line of a docstring, or nothing."""
    return (text or "").strip().splitlines()[0] if text else ""


def _format_line(fmt: NumberFormat) -> str:
    return f"{fmt.bits} bits; {getattr(fmt, 'source', '')}"


def _tensor_format_line(fmt: TensorFormat[Any]) -> str:
    bits = f"{fmt.bits_per_element:.4g} bits an element, {fmt.element.name}"
    return f"{bits}; {first_line(type(fmt).__doc__)}"


def _cost_table_line(table: CostTable) -> str:
    return f"{table.description} {describe_coverage(table)}".strip()


def _kind_of(path: Path) -> str:
    data = load_yaml(path).data
    kind = _kind_by_keys(data)
    base = data.get("base") if isinstance(data, dict) else None
    if kind is None and isinstance(base, str):
        kind = _kind_by_keys(load_yaml(_base_of(path, base)).data)
    if kind is not None:
        return kind
    marks = ", ".join(f"{mark} ({kind})" for kind, (_, mark) in FILE_KINDS.items())
    raise ConfigError(
        Problem(f"Not a file of a known kind: it has none of the keys {marks}.", file=str(path))
    )


def _kind_by_keys(data: object) -> str | None:
    """Return the kind whose key a file has, or None."""
    keys = set(data) if isinstance(data, dict) else set()
    return next((kind for kind, (_, mark) in FILE_KINDS.items() if mark in keys), None)


def _base_of(path: Path, base: str) -> Path:
    """Return the file that a file is laid over: one beside it, or a chip that ships."""
    beside = path.parent / base
    if beside.is_file():
        return beside
    try:
        return resource_path(ResourceKind.ARCH_CONFIGS, base)
    except UnknownNameError as error:
        raise ConfigError(Problem(str(error), file=str(path), path="base")) from None
