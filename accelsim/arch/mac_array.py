"""The grid of processing elements and what each can multiply."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field, field_validator

from accelsim.config import StrictModel
from accelsim.errors import ConfigError, Problem, UnknownNameError
from accelsim.precision import FormatRef, PairRule
from accelsim.registry import dataflows


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


class RegisterFile(StrictModel):
    """What an element of a row-stationary array keeps, in words.

    The defaults are those of Eyeriss (Chen et al., JSSC 2017, table I).
    """

    weights: int = Field(default=224, ge=1, le=2**20)
    """Weights: kernel rows of several output channels."""
    activations: int = Field(default=12, ge=1, le=2**20)
    """Activations under one window: kernel width x channels."""
    psums: int = Field(default=24, ge=1, le=2**20)
    """Output channels that take turns on the same activations."""


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
    register_file: RegisterFile = RegisterFile()
    """What an element keeps where kernel rows stay; no other dataflow asks."""

    @field_validator("dataflow")
    @classmethod
    def _check_dataflow(cls, name: str) -> str:
        if name not in dataflows:
            raise UnknownNameError("dataflow", name, dataflows.names())
        return name

    @field_validator("operand_pairs")
    @classmethod
    def _check_pairs(cls, pairs: tuple[OperandPair, ...]) -> tuple[OperandPair, ...]:
        """Refuse a pair given twice: it would not be clear which rate holds."""
        first_at: dict[frozenset[str], int] = {}
        problems = []
        for index, pair in enumerate(pairs):
            first = first_at.setdefault(frozenset((pair.a.name, pair.b.name)), index)
            if first != index:
                problems.append(
                    Problem(
                        f"{pair.a.name} x {pair.b.name} is listed already, as entry {first};"
                        " a pair serves both orders. Remove one of them.",
                        path=f"[{index}]",
                    )
                )
        if problems:
            raise ConfigError(problems)
        return pairs

    @property
    def pe_count(self) -> int:
        """Processing elements of one core's array."""
        return self.rows * self.cols
