"""The names of the rounding modes and of the overflow rules."""

from __future__ import annotations

from enum import StrEnum
from typing import TypeVar

from accelsim.errors import ConfigError, near_miss_hint

Choice = TypeVar("Choice", bound=StrEnum)


class Rounding(StrEnum):
    """How a real number becomes one of its two neighbours in a format."""

    #: To the nearest neighbour, ties to the one with an even significand (IEEE 754 default).
    NEAREST_EVEN = "nearest_even"
    #: To the nearest neighbour, ties away from zero (IBM DLFloat's "nearest, ties up").
    NEAREST_AWAY = "nearest_away"
    #: To the neighbour with the smaller magnitude (truncation).
    TOWARD_ZERO = "toward_zero"
    #: To the larger neighbour (toward plus infinity).
    UP = "up"
    #: To the smaller neighbour (toward minus infinity).
    DOWN = "down"
    #: Away from zero with probability equal to the discarded fraction, cut to N bits.
    STOCHASTIC = "stochastic"


class Overflow(StrEnum):
    """What becomes of a rounded magnitude beyond the largest finite number."""

    #: Infinity where the format has one, else its NaN, else the largest finite number.
    TO_INFINITY = "to_infinity"
    #: The largest finite number with the same sign.
    SATURATE = "saturate"


def choose(given: str | None, default: Choice) -> Choice:
    """Return the choice that `given` names, or the default where it is None.

    Raises
    ------
    ConfigError
        If the name is none of the choices; it lists them and the nearest.

    Examples
    --------
    >>> choose("up", Rounding.NEAREST_EVEN)
    <Rounding.UP: 'up'>
    """
    if given is None:
        return default
    kind = type(default)
    try:
        return kind(given)
    except ValueError:
        names = [choice.value for choice in kind]
        raise ConfigError(
            f"{given!r} is no {kind.__name__.lower()} rule.{near_miss_hint(str(given), names)}"
            f" Known: {', '.join(names)}."
        ) from None
