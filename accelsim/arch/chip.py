"""A chip: cores of array, accumulators, vector unit and scratchpad, on DRAM."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, Field, field_validator, model_validator

from accelsim.arch.accumulator import AccumulatorUnit
from accelsim.arch.interconnect import Interconnect
from accelsim.arch.mac_array import MacArray
from accelsim.arch.mapper import Mapper, SplitK
from accelsim.arch.memory import Dma, Dram, Memory
from accelsim.arch.vector_unit import VectorUnit
from accelsim.config import StrictModel
from accelsim.errors import ConfigError, Problem, UnknownNameError, near_miss_hint
from accelsim.files import ResourceKind, list_resources
from accelsim.registry import cost_tables, recipes

#: A name that ends so is a path, and is looked for when it is needed.
_FILE_ENDINGS = (".yaml", ".yml")


class Chip(StrictModel):
    """What a chip can do; a recipe says what is asked of it."""

    name: str = Field(min_length=1, max_length=200)
    """Name in reports."""
    description: str = ""
    """One sentence for people."""
    sources: dict[str, str] = Field(default_factory=dict)
    """Where each figure comes from, by dotted field name."""
    technology_nm: float = Field(gt=0, le=1000)
    """Feature size, for energy and area."""
    clock_mhz: float = Field(gt=0, le=1e6)
    """Clock of everything on the chip."""
    cores: int = Field(default=1, ge=1, le=4096)
    """Equal cores."""
    mac_array: MacArray
    """The array of each core."""
    accumulator: AccumulatorUnit
    """The accumulators of each core."""
    vector_unit: VectorUnit
    """The vector unit of each core."""
    scratchpad: Memory
    """The scratchpad of each core."""
    interconnect: Interconnect = Interconnect()
    """What joins the cores and DRAM."""
    dram: Dram
    """Main memory."""
    dma: Dma = Dma()
    """What moves data between DRAM and the scratchpads."""
    mapper: Mapper = Mapper()
    """How tile sizes and loop orders are chosen."""
    split_k: SplitK | None = None
    """How the cores' sums are combined where they divide k; null means that they never do."""
    prefetch_weights: bool = False
    """The weights that an op needs first may load while the op before still runs."""
    default_recipe: str
    """Recipe used when none is named."""
    cost_table: str
    """Cost table, by name or path."""

    @field_validator("default_recipe")
    @classmethod
    def _check_recipe(cls, name: str) -> str:
        if not name.endswith(_FILE_ENDINGS) and name not in recipes:
            raise UnknownNameError("recipe", name, recipes.names())
        return name

    @field_validator("cost_table")
    @classmethod
    def _check_cost_table(cls, name: str) -> str:
        shipped = list_resources(ResourceKind.COST_TABLES)
        if not name.endswith(_FILE_ENDINGS) and name not in shipped and name not in cost_tables:
            raise UnknownNameError("cost table", name, {*shipped, *cost_tables.names()})
        return name

    @model_validator(mode="after")
    def _check_sources(self) -> Self:
        """Refuse a source for a field that does not exist: it would vouch for nothing."""
        known = _field_names(self)
        problems = [
            Problem(f"No field has this name.{near_miss_hint(name, known)}", path=f"sources.{name}")
            for name in self.sources
            if name not in known
        ]
        if problems:
            raise ConfigError(problems)
        return self

    @property
    def dram_bytes_per_cycle(self) -> float | None:
        """DRAM bandwidth in bytes per cycle; None means unlimited."""
        if self.dram.bandwidth_gb_per_s is None:
            return None
        return self.dram.bandwidth_gb_per_s * 1e3 / self.clock_mhz

    @property
    def dram_latency_cycles(self) -> int:
        """DRAM latency in whole cycles, rounded up."""
        return self.cycles(self.dram.latency_ns)

    def cycles(self, time_ns: float) -> int:
        """Return a time in whole cycles, rounded up."""
        return int(-(-time_ns * self.clock_mhz // 1000))

    def peak_macs_per_cycle(self, k_per_pe: int) -> int:
        """Return the MACs per cycle of all cores at a rate of `k_per_pe`."""
        return self.cores * self.mac_array.pe_count * k_per_pe


def _field_names(model: BaseModel, prefix: str = "") -> list[str]:
    """Return the dotted names of all fields of a model and of the models in it."""
    names = []
    for name in type(model).model_fields:
        names.append(prefix + name)
        value = getattr(model, name)
        if isinstance(value, BaseModel):
            names.extend(_field_names(value, f"{prefix}{name}."))
    return names
