"""A mapping: one GEMM as a tiled loop nest on one chip. Loop order is data."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Dim(StrEnum):
    """A dimension of a GEMM."""

    GROUP = "group"
    M = "m"
    N = "n"
    K = "k"


class Level(StrEnum):
    """Where in the machine a loop lives, outermost first."""

    #: Across cores, in parallel.
    CORE = "core"
    #: Over blocks that fit the scratchpad, in time.
    BLOCK = "block"
    #: Over stationary tile passes within a block, in time; one iteration is one step.
    PASS = "pass"
    #: Down the array's rows, in parallel.
    ROWS = "rows"
    #: Along the array's columns, in parallel.
    COLS = "cols"
    #: Consecutive k positions inside one processing element and cycle.
    PE = "pe"
    #: Vectors streamed through the array, one a cycle.
    STREAM = "stream"


class Stationary(StrEnum):
    """The operand that stays in the array during a pass."""

    WEIGHT = "weight"
    OUTPUT = "output"
    INPUT = "input"


@dataclass(frozen=True, slots=True)
class Loop:
    """One loop: iterations of `tile` consecutive positions of `dim` at `level`.

    `count` iterations cover the extent that the enclosing loop of the same
    dimension hands down; the last may be short.
    """

    dim: Dim
    level: Level
    tile: int
    count: int


@dataclass(frozen=True, slots=True)
class Mapping:
    """The tiled loop nest of one GEMM, outermost loop first.

    Parameters
    ----------
    dataflow : str
        Registered name of the dataflow that made it.
    stationary : Stationary
        Operand that stays in the array.
    loops : tuple of Loop
        The nest. CORE loops first, then BLOCK, PASS, then the spatial loops
        (ROWS, COLS, PE) and STREAM.
    k_per_pe : int
        k positions that one element takes per cycle.
    chunk_size : int
        Products per chunk, at most k.
    fallback : bool
        True where the vector unit runs the GEMM because the array cannot.
    """

    dataflow: str
    stationary: Stationary
    loops: tuple[Loop, ...]
    k_per_pe: int
    chunk_size: int
    fallback: bool = False

    def tile(self, level: Level, dim: Dim) -> int | None:
        """Return the tile of `dim` at `level`, or None where there is no such loop."""
        for loop in self.loops:
            if loop.level is level and loop.dim is dim:
                return loop.tile
        return None

    def order(self, level: Level) -> tuple[Dim, ...]:
        """Return the dimensions of a level's loops, outermost first."""
        return tuple(loop.dim for loop in self.loops if loop.level is level)
