"""The names of the rules by which binary float formats differ."""

from __future__ import annotations

from enum import StrEnum


class Specials(StrEnum):
    """Which codes are not finite numbers."""

    #: The all-ones exponent: fraction 0 is infinity, all else NaN (IEEE 754).
    IEEE = "ieee"
    #: Only the all-ones magnitude is NaN; no infinity (the ``fn`` of ml_dtypes and OCP E4M3).
    NAN_ONLY = "nan_only"
    #: Only the code of -0 is NaN; no infinity, no -0 (``fnuz``).
    NEGATIVE_ZERO_NAN = "negative_zero_nan"
    #: The all-ones magnitude is one symbol for NaN and infinity (DLFloat); decodes to NaN.
    MERGED = "merged"
    #: Every code is a finite number.
    NONE = "none"


class Subnormals(StrEnum):
    """What exponent field 0 means."""

    #: Subnormal numbers, evenly spaced down to zero (IEEE 754).
    GRADUAL = "gradual"
    #: Zero only; a result below the smallest normal number, after rounding, becomes zero.
    FLUSHED = "flushed"
    #: An ordinary binade, except that fraction 0 is zero (DLFloat).
    NORMAL_BINADE = "normal_binade"
    #: An ordinary binade throughout; there is no zero (the OCP scale E8M0).
    NO_ZERO = "no_zero"
