"""A mapping: one GEMM as a tiled loop nest on one chip. Loop order is data.

A dataflow is a function that returns one of these, and nothing else: which
dimension lies along the rows and the columns of the array, which one is
streamed, in which order the tiles are visited. `Schedule` unrolls it in time.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from accelsim.errors import MappingError
from accelsim.formats import NumberFormat
from accelsim.schedule.k_order import KNest


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
    #: Kernel rows in the elements, rows of activations past them.
    ROW = "row"


@dataclass(frozen=True, slots=True)
class Loop:
    """One loop: iterations of `tile` consecutive positions of `dim` at `level`.

    `count` iterations cover the extent that the enclosing loop of the same
    dimension hands down; the last may be short.

    The spatial loops describe the machine, not the op: `count` of ROWS and COLS
    is the number of rows and columns that the array has, and `tile` the
    positions that one of them serves (`k_per_pe` where k lies along the rows, a
    kernel row or an output row where those stay). STREAM's `tile` is the positions
    that one streamed vector covers.
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
        (ROWS, COLS, PE) and STREAM. A dimension without a loop at a level is
        not divided there.
    k_per_pe : int
        k positions that one element takes per cycle.
    chunk_size : int
        Products per chunk, at most k.
    fallback : bool
        True where the vector unit runs the GEMM because the array cannot; ROWS
        is then 1 and COLS the number of lanes.
    k_nest : tuple of KLoop
        Order in which the positions of k are added; empty for plain k order. Ranges
        of k, here and in blocks and steps, are ranges of places in this order.
    tree_format : NumberFormat or None
        Format in which the sums of cores that divide k are added, by core number;
        None where no CORE loop runs over k.
    """

    dataflow: str
    stationary: Stationary
    loops: tuple[Loop, ...]
    k_per_pe: int
    chunk_size: int
    fallback: bool = False
    k_nest: KNest = ()
    tree_format: NumberFormat | None = None

    def find(self, level: Level, dim: Dim) -> Loop | None:
        """Return the loop over `dim` at `level`, or None where there is none."""
        for loop in self.loops:
            if loop.level is level and loop.dim is dim:
                return loop
        return None

    def tile(self, level: Level, dim: Dim) -> int | None:
        """Return the tile of `dim` at `level`, or None where there is no such loop."""
        loop = self.find(level, dim)
        return None if loop is None else loop.tile

    def at(self, level: Level) -> tuple[Loop, ...]:
        """Return the loops of a level, outermost first."""
        return tuple([loop for loop in self.loops if loop.level is level])

    def order(self, level: Level) -> tuple[Dim, ...]:
        """Return the dimensions of a level's loops, outermost first."""
        return tuple(loop.dim for loop in self.at(level))

    def only(self, level: Level) -> Loop:
        """Return the single loop of a level: ROWS, COLS, PE or STREAM.

        Raises
        ------
        MappingError
            If the level does not have exactly one loop.
        """
        loops = [loop for loop in self.loops if loop.level is level]
        if len(loops) != 1:
            raise MappingError(f"A mapping needs one {level} loop, this one has {len(loops)}.")
        return loops[0]

    @property
    def rows(self) -> int:
        """Rows of the array that runs the GEMM."""
        return self.only(Level.ROWS).count

    @property
    def cols(self) -> int:
        """Columns of the array that runs the GEMM."""
        return self.only(Level.COLS).count

    @property
    def k_on_rows(self) -> bool:
        """Whether k lies along the rows, so that partial sums travel down a column."""
        return self.only(Level.ROWS).dim is Dim.K

    @property
    def cycles_per_vector(self) -> int:
        """Cycles of one streamed vector in one element: 1, or all products of an output row."""
        if self.stationary is not Stationary.ROW:
            return 1
        return self.cycles_per_output * self.only(Level.COLS).tile

    @property
    def cycles_per_output(self) -> int:
        """Cycles that an element spends on one output at a time: 1, or those of a kernel row."""
        if self.stationary is not Stationary.ROW:
            return 1
        return -(-self.only(Level.ROWS).tile // self.k_per_pe)

    @property
    def cores_used(self) -> int:
        """Cores that get work."""
        used = 1
        for loop in self.at(Level.CORE):
            used *= loop.count
        return used
