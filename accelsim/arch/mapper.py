"""How tile sizes and loop orders are chosen, and how cores may divide a reduction."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from accelsim.config import StrictModel
from accelsim.precision import FormatRef


class Objective(StrEnum):
    """What the choice of a mapping makes small."""

    #: No search: little traffic first, then few cycles, with room left for other tensors.
    RULE = "rule"
    #: Estimated cycles.
    CYCLES = "cycles"
    #: Estimated energy of moving data.
    ENERGY = "energy"
    #: Their product.
    EDP = "edp"


class Mapper(StrictModel):
    """How mappings are chosen."""

    objective: Objective = Objective.RULE
    """What to make small."""
    max_candidates: int = Field(default=2000, ge=1, le=10_000_000)
    """Mappings of an op that a search may look at; tile sizes are thinned to that many."""
    dram_energy_ratio: float = Field(default=200 / 6, gt=0, le=1e6)
    """Energy of a byte of DRAM over one of the scratchpad (200 to 6: Chen et al., ISCA 2016)."""


class SplitK(StrictModel):
    """Cores may divide k in the gradient phase; their sums are added by core number."""

    format: FormatRef
    """Format of those additions."""
