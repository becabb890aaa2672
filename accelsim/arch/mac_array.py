"""The grid of processing elements and what each can multiply."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from accelsim.config import StrictModel
from accelsim.precision import FormatRef, PairRule


class OperandPair(StrictModel):
    """Two operand formats that a processing element multiplies, and how fast."""

    a: FormatRef
    """Format of one operand."""
    b: FormatRef
    """Format of the other operand; the pair serves both orders."""
    k_per_pe: int = Field(default=1, ge=1, le=64)
    """Consecutive k positions that one element takes in a cycle."""
    pair: PairRule = PairRule.SEQUENTIAL
    """Whether those products are added one by one or fused."""


class Drain(StrEnum):
    """How finished outputs leave an output-stationary array."""

    #: Shifted out while the next tile streams in.
    HIDDEN = "hidden"
    #: Shifted out before the next tile starts.
    EXPOSED = "exposed"


class MacArray(StrictModel):
    """`rows` x `cols` processing elements under one dataflow."""

    rows: int = Field(ge=1, le=65536)
    """Processing elements down a column."""
    cols: int = Field(ge=1, le=65536)
    """Processing elements along a row."""
    dataflow: str
    """Registered name of the dataflow, such as ``weight_stationary``."""
    operand_pairs: tuple[OperandPair, ...] = Field(min_length=1, max_length=256)
    """What a processing element multiplies."""
    preload_hidden: bool = True
    """A second stationary register lets the next tile load behind the current stream."""
    overlap_passes: bool = True
    """Passes follow each other without draining the array in between."""
    drain: Drain = Drain.HIDDEN
    """How finished outputs leave an output-stationary array."""

    @property
    def pe_count(self) -> int:
        """Processing elements of one core's array."""
        return self.rows * self.cols
