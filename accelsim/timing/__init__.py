"""Timing: when. Processes for whatever contends or waits, closed forms for the rest."""

from accelsim.timing.estimate import estimate
from accelsim.timing.simulate import TimingOptions, simulate, simulate_op
from accelsim.timing.timeline import (
    CHIP,
    Buffer,
    CoreTiming,
    Interval,
    Level,
    OpTiming,
    StallCause,
    Timeline,
    Unit,
)

__all__ = [
    "CHIP",
    "Buffer",
    "CoreTiming",
    "Interval",
    "Level",
    "OpTiming",
    "StallCause",
    "Timeline",
    "TimingOptions",
    "Unit",
    "estimate",
    "simulate",
    "simulate_op",
]
