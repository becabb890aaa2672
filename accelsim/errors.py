"""Every error that accelsim raises on purpose, in one tree.

::

    AccelsimError
    |-- ConfigError            a file or an option is wrong; carries every Problem found
    |-- UnknownNameError       a name that nothing is registered under
    |-- ShapeError             tensors or layers that do not chain
    |-- DataError              an input, weight or trace file that cannot be used
    |-- MappingError           an op that cannot be mapped on a chip: demand, bound, gap, levers
    |-- UnsupportedError       a chip cannot serve the format or accumulator that a recipe asks for
    |-- OutputError            a result that cannot be written where it was asked for
    |-- MissingExtraError      an optional dependency that is not installed
    |-- PluginError            a plugin that does not load, or that takes a name already taken
    `-- SelfTestError          the arithmetic of this installation is not trustworthy

All but the last two are the user's to mend (exit code 2): what was given is wrong,
or what it needs is not installed. Anything else that escapes from the package is a
bug. Those errors are also `ValueError`, so that a validator may raise them.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, field


class AccelsimError(Exception):
    """Base of every error that accelsim raises on purpose."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with an input, and where.

    Parameters
    ----------
    message : str
        What is wrong, why it matters and what would work; may have several lines.
    path : str
        Dotted path of the value, such as ``memories[1].capacity_kib``; may be empty.
    file : str
        File name, or the option that gave the value, such as ``--set arch.cores=0``.
    line, column : int or None
        Position in the file, counted from 1.
    """

    message: str
    path: str = ""
    file: str = ""
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        place = self.file
        if self.line is not None:
            place += f":{self.line}"
            if self.column is not None:
                place += f":{self.column}"
        head = "  ".join(part for part in (place, self.path) if part)
        body = self.message.replace("\n", "\n  ")
        return f"{head}\n  {body}" if head else body


class ConfigError(AccelsimError, ValueError):
    """A configuration that is wrong; all its problems are reported together."""

    def __init__(self, problems: Iterable[Problem] | Problem | str) -> None:
        if isinstance(problems, str):
            problems = (Problem(problems),)
        elif isinstance(problems, Problem):
            problems = (problems,)
        self.problems: tuple[Problem, ...] = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class UnknownNameError(AccelsimError, ValueError):
    """A name that nothing is registered under; lists the near ones and all known ones."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        self.kind = kind
        self.name = name
        self.known = tuple(sorted(known))
        hint = near_miss_hint(name, self.known)
        listing = ", ".join(self.known) if self.known else "(none)"
        super().__init__(f"Unknown {kind} {name!r}.{hint} Known: {listing}.")


class ShapeError(AccelsimError, ValueError):
    """Tensors or layers whose shapes do not fit together."""


class DataError(AccelsimError, ValueError):
    """An input, weight or trace file that is missing, corrupt or unusable."""


@dataclass(frozen=True, slots=True)
class Infeasibility:
    """Why something does not fit: how much was asked, how much there is, and what would help."""

    what: str
    demand: int
    bound: int
    unit: str
    levers: tuple[str, ...] = field(default=())

    @property
    def gap(self) -> int:
        """How much is missing, in `unit`."""
        return self.demand - self.bound

    def __str__(self) -> str:
        text = (
            f"{self.what}: needs {self.demand:,} {self.unit}, has {self.bound:,} {self.unit}"
            f" ({self.gap:,} too few)."
        )
        if self.levers:
            text += " What would help: " + "; ".join(self.levers) + "."
        return text


class MappingError(AccelsimError, ValueError):
    """An op that cannot be mapped on a chip; `reason` says by how much and what would help."""

    def __init__(self, message: str, reason: Infeasibility | None = None) -> None:
        self.reason = reason
        super().__init__(f"{message}\n  {reason}" if reason is not None else message)


class UnsupportedError(AccelsimError, ValueError):
    """A format or accumulator that a recipe asks for and the chip does not have."""


class OutputError(AccelsimError, ValueError):
    """A result that cannot be written where it was asked for."""


class MissingExtraError(AccelsimError, ValueError):
    """An optional dependency that is not installed; names the command that installs it."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        self.package = package
        self.extra = extra
        super().__init__(
            f"{purpose} needs the package {package!r}, which is not installed."
            f' Install it with: pip install "accelsim[{extra}]"'
        )


class PluginError(AccelsimError):
    """A plugin that cannot be loaded, or two objects under one name."""


class SelfTestError(AccelsimError):
    """The compiled arithmetic of this installation does not round as it must."""


def near_miss_hint(name: str, known: Iterable[str]) -> str:
    """Return `` Did you mean x?`` for the nearest of `known`, or an empty string."""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f" Did you mean {near[0]}?" if near else ""
