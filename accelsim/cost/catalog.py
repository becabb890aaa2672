"""The cost tables that ship, and how a name or a path becomes a table."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path

from accelsim.config import load_model
from accelsim.cost.table import CostTable
from accelsim.errors import UnknownNameError
from accelsim.files import ResourceKind, resource_path
from accelsim.registry import Registry

#: Names of the tables that ship, best first.
SHIPPED = ("synth45", "synth45_zero_delay", "synth45_exact", "horowitz45", "tpuv4i_7nm")


def read_cost_table(path: str | os.PathLike[str]) -> CostTable:
    """Read a cost table from a file; paths in it start at its folder.

    Raises
    ------
    ConfigError
        With every problem of the file at once.
    """
    file = Path(path)
    table = load_model(file, CostTable)
    if table.sram is None:
        return table
    sram = table.sram.model_copy(update={"file": str((file.parent / table.sram.file).resolve())})
    return table.model_copy(update={"sram": sram})


@lru_cache(maxsize=len(SHIPPED))
def _read_shipped(name: str) -> CostTable:
    return read_cost_table(resource_path(ResourceKind.COST_TABLES, name))


#: What is registered: a table, or what reads one when it is first asked for.
TableSource = CostTable | Callable[[], CostTable]

#: Provider of the entry-point group ``accelsim.cost_tables``: name -> table or reader.
BUILTIN: dict[str, TableSource] = {name: partial(_read_shipped, name) for name in SHIPPED}


@lru_cache(maxsize=1)
def cost_table_registry() -> Registry[TableSource]:
    """Return the table of all cost tables: those that ship and what plugins add."""
    return Registry(
        "cost table", group="accelsim.cost_tables", builtin="accelsim.cost.catalog:BUILTIN"
    )


def list_cost_tables() -> tuple[str, ...]:
    """Return the names of all cost tables, sorted."""
    return cost_table_registry().names()


def load_cost_table(name_or_path: str | os.PathLike[str]) -> CostTable:
    """Return a cost table by name or by the path of its file.

    Raises
    ------
    UnknownNameError
        If it is neither; lists the nearest name and all known ones.
    ConfigError
        If the file is wrong.

    Examples
    --------
    >>> load_cost_table("synth45").technology_nm
    45.0
    """
    registry = cost_table_registry()
    text = os.fspath(name_or_path)
    if text in registry:
        source = registry.get(text)
        return source if isinstance(source, CostTable) else source()
    if Path(text).is_file():
        return read_cost_table(text)
    raise UnknownNameError("cost table", text, registry.names())
