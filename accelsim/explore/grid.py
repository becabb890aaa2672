"""The points of a sweep: every combination of the values of some keys."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NoReturn

from accelsim.errors import ConfigError, Problem

#: Points of one sweep; more is a typing error sooner than a plan.
MAX_POINTS = 1_000_000
_RANGE = re.compile(r"^(-?\d+):(-?\d+):([x+]?)(\d+)$")


@dataclass(frozen=True, slots=True)
class Axis:
    """A key and the values that it takes, as texts of ``--set``."""

    key: str
    values: tuple[str, ...]


def parse_axis(text: str) -> Axis:
    """Read ``KEY=VALUES``.

    Values are a list, ``32,64,128``; an arithmetic range, ``8:64:8`` or ``8:64:+8``;
    or a geometric one, ``8:512:x2``. A range includes its end where a step meets it.

    Raises
    ------
    ConfigError
        If the text is not of that form, or a range is empty or endless.

    Examples
    --------
    >>> parse_axis("recipe.accumulator.chunk_size=8:64:x2").values
    ('8', '16', '32', '64')
    >>> parse_axis("arch.cores=1:4:1").values
    ('1', '2', '3', '4')
    """
    key, sign, values = (part.strip() for part in text.partition("="))
    if not sign or not key or not values:
        _refuse(f"--vary {text}", "Expected KEY=VALUES, such as arch.mac_array.rows=32,64,128.")
    return Axis(key, parse_values(values, place=f"--vary {text}"))


def parse_values(text: str, *, place: str) -> tuple[str, ...]:
    """Read a list or a range as `parse_axis` does; `place` is where an error says it was.

    Examples
    --------
    >>> parse_values("1:8:x2", place="--chunks")
    ('1', '2', '4', '8')
    """
    match = _RANGE.match(text)
    found = _range(place, *match.groups()) if match else _split(text)
    if len(set(found)) != len(found):
        _refuse(place, "A value is listed twice.")
    if not all(found):
        _refuse(place, "A value is empty.")
    return found


def grid(axes: Sequence[Axis]) -> tuple[tuple[str, ...], ...]:
    """Return every combination as ``KEY=VALUE`` texts, the last axis fastest.

    Raises
    ------
    ConfigError
        If two axes have one key, or there are more than `MAX_POINTS` points.
    """
    keys = [axis.key for axis in axes]
    for key in keys:
        if keys.count(key) > 1:
            _refuse(f"--vary {key}", "The key is varied twice.")
    count = 1
    for axis in axes:
        count *= len(axis.values)
    if count > MAX_POINTS:
        raise ConfigError(f"The sweep has {count:,} points; at most {MAX_POINTS:,} are run.")
    texts = ([f"{axis.key}={value}" for value in axis.values] for axis in axes)
    return tuple(itertools.product(*texts))


def _split(values: str) -> tuple[str, ...]:
    """Cut at commas that stand outside brackets, so that a value may be a mapping or list."""
    parts, depth, start = [], 0, 0
    for position, letter in enumerate(values):
        depth += (letter in "[{") - (letter in "]}")
        if letter == "," and depth == 0:
            parts.append(values[start:position].strip())
            start = position + 1
    return (*parts, values[start:].strip())


def _range(place: str, first: str, last: str, kind: str, step: str) -> tuple[str, ...]:
    low, high, by = int(first), int(last), int(step)
    if by < (2 if kind == "x" else 1) or high < low or (kind == "x" and low < 1):
        _refuse(place, "The range has no end or no element.")
    return tuple(str(value) for value in _count(low, high, by, geometric=kind == "x"))


def _count(low: int, high: int, by: int, *, geometric: bool) -> Iterable[int]:
    value = low
    for _ in range(MAX_POINTS + 1):
        if value > high:
            return
        yield value
        value = value * by if geometric else value + by


def _refuse(place: str, message: str) -> NoReturn:
    raise ConfigError(Problem(message, file=place))
