"""The adders of the array: the chain inside it and the outer ones at its edge."""

from __future__ import annotations

from pydantic import Field

from accelsim.config import StrictModel
from accelsim.formats import Rounding
from accelsim.precision import AccumulationMethod, ArithmeticFormatRef


class AccumulatorCapability(StrictModel):
    """One kind of accumulator that the hardware has; any chunk size that the geometry allows."""

    inner: ArithmeticFormatRef
    """Format of the running sum inside a chunk."""
    outer: ArithmeticFormatRef
    """Format of the running sum over chunks."""
    methods: tuple[AccumulationMethod, ...] = (AccumulationMethod.SEQUENTIAL,)
    """Ways of summing inside a chunk."""
    roundings: tuple[Rounding, ...] = (Rounding.NEAREST_EVEN,)
    """Roundings of an addition."""
    products: tuple[ArithmeticFormatRef, ...] = ()
    """Formats to which products can be rounded before they are added; exact is always there."""


class AccumulatorUnit(StrictModel):
    """What the accumulators can do and how long they take."""

    supports: tuple[AccumulatorCapability, ...] = Field(min_length=1, max_length=64)
    """Formats and methods."""
    latency_cycles: int = Field(default=1, ge=1, le=1024)
    """Cycles from an addend's arrival at the outer accumulator to the stored sum."""
    initiation_interval_cycles: int = Field(default=1, ge=1, le=1024)
    """Cycles between two additions that an outer accumulator can start."""
    entries: int | None = Field(default=None, ge=1, le=2**24)
    """Partial sums that the accumulator memory of a column holds; null means enough."""
