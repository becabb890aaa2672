"""The unit for everything that is not a GEMM."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from accelsim.config import StrictModel
from accelsim.precision import ArithmeticFormatRef


class VectorUnit(StrictModel):
    """`lanes` arithmetic lanes beside the scratchpad."""

    lanes: int = Field(ge=1, le=65536)
    """Elements that one cycle can serve, for a function that takes one cycle."""
    formats: tuple[ArithmeticFormatRef, ...] = Field(min_length=1, max_length=32)
    """Compute formats that the lanes have."""
    cycles_per_element: dict[str, Annotated[int, Field(ge=1, le=4096)]] = Field(
        default_factory=dict
    )
    """Cycles a lane spends on one element, by function; 1 where not listed."""
    latency_cycles: int = Field(default=1, ge=0, le=4096)
    """Cycles from the first element in to the first element out."""
    gemm_fallback: bool = False
    """Runs GEMMs that the array cannot serve, one MAC per lane and cycle."""
