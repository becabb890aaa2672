"""How products become a sum: formats, chunks and roundings of an accumulator.

The order of the products is not here: it belongs to the schedule. This type
says what happens to them in that order.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Self

from pydantic import Field, model_validator

from accelsim.config import StrictModel
from accelsim.formats import Rounding
from accelsim.precision.format_ref import ArithmeticFormatRef


class AccumulationMethod(StrEnum):
    """How the products of one chunk are summed."""

    #: One rounded addition after the other, in order (Wang et al. 2018).
    SEQUENTIAL = "sequential"
    #: A balanced binary tree of rounded additions, then the outer accumulator.
    TREE = "tree"
    #: Exact inside the chunk, one rounding to `inner` at its end (IBM AIU with FP32 inside).
    ROUND_ONCE = "round_once"
    #: Groups aligned to their largest exponent and truncated (tensor cores).
    ALIGNED = "aligned"
    #: Two's complement integer of `integer_bits`.
    INTEGER = "integer"
    #: Exact over the whole reduction, one rounding at the end (Kulisch, quire).
    EXACT = "exact"


class PairRule(StrEnum):
    """What a processing element that takes two products a cycle does with them."""

    #: Two additions, each rounded.
    SEQUENTIAL = "sequential"
    #: acc + a0 b0 + a1 b1 formed exactly and rounded once (US patent 11,455,142).
    FUSED = "fused"


class IntegerOverflow(StrEnum):
    """What an integer accumulator does beyond its range."""

    WRAP = "wrap"
    SATURATE = "saturate"


class Accumulator(StrictModel):
    """A two-level accumulator.

    `Accumulator(format="fp16_e6m9", chunk_size=64)` is the one of Wang et al.
    2018: `format` stands for both `inner` and `outer`.

    Inside a chunk each product is added in `inner`; chunk sums are added, first
    to last, in `outer`. Both start from +0; the last chunk may be short.
    """

    inner: ArithmeticFormatRef
    """Format of the running sum inside a chunk."""
    outer: ArithmeticFormatRef
    """Format of the running sum over chunks, and of the result."""
    chunk_size: int | None = Field(default=None, ge=1, le=2**31)
    """Products per chunk; null makes the whole reduction one chunk."""
    method: AccumulationMethod = AccumulationMethod.SEQUENTIAL
    """How the products of one chunk are summed."""
    rounding: Rounding = Rounding.NEAREST_EVEN
    """Rounding of every addition inside a chunk."""
    outer_rounding: Rounding | None = None
    """Rounding of the additions over chunks; null means the same as `rounding`."""
    random_bits: int = Field(default=16, ge=1, le=32)
    """Random bits per stochastic rounding."""
    product: ArithmeticFormatRef | None = None
    """Format to which products are rounded before they are added; null keeps them exact."""
    pair: PairRule = PairRule.SEQUENTIAL
    """What is done with the products that a processing element takes in one cycle."""
    pair_size: int = Field(default=1, ge=1, le=64)
    """Consecutive products fused when `pair` is fused; 1 means no fusing."""
    saturate: bool = False
    """Clamp each rounded sum to the largest finite number instead of the formats' own rule."""
    aligned_group: int = Field(default=32, ge=1, le=1024)
    """Products aligned together by the `aligned` method."""
    aligned_fraction_bits: int = Field(default=13, ge=1, le=50)
    """Fraction bits kept below the group's largest exponent by the `aligned` method."""
    integer_bits: int = Field(default=32, ge=2, le=64)
    """Width of the accumulator of the `integer` method."""
    integer_overflow: IntegerOverflow = IntegerOverflow.WRAP
    """What the `integer` method does beyond its range."""

    @model_validator(mode="before")
    @classmethod
    def _expand_format(cls, data: Any) -> Any:
        if isinstance(data, dict) and "format" in data:
            both = data["format"]
            rest = {key: value for key, value in data.items() if key != "format"}
            return {"inner": both, "outer": both, **rest}
        return data

    @model_validator(mode="after")
    def _check_pair(self) -> Self:
        if self.pair is PairRule.FUSED and self.method is not AccumulationMethod.SEQUENTIAL:
            raise ValueError("pair: fused is defined for method: sequential only")
        return self

    @property
    def resolved_outer_rounding(self) -> Rounding:
        """Rounding of the additions over chunks."""
        return self.outer_rounding or self.rounding

    def chunk_length(self, k: int) -> int:
        """Return the products per full chunk of a reduction over `k`."""
        return max(1, k) if self.chunk_size is None else self.chunk_size
