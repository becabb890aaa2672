"""How a dataflow lays one pass of a GEMM out on the array.

A dataflow is this and little else. `tiling.tile_gemm` turns a layout into a
mapping: it adds the loops over passes, blocks and cores.
"""

from __future__ import annotations

from dataclasses import dataclass

from accelsim.schedule.k_order import KNest
from accelsim.schedule.mapping import Dim, Stationary


@dataclass(frozen=True, slots=True)
class ArrayLayout:
    """One pass: what lies along rows and columns, what is streamed, what comes next.

    Parameters
    ----------
    dataflow : str
        Registered name of the dataflow.
    stationary : Stationary
        Operand that stays in the array during a pass.
    rows_dim, cols_dim, stream_dim : Dim
        Dimension along the rows, along the columns, and streamed; m, n and k once
        each.
    rows, cols : int
        Rows and columns of the array.
    k_per_pe : int
        k positions that an element takes per cycle.
    pass_order : tuple of Dim
        Order of the loops over passes of a block, outermost first.
    stream_limit : int or None
        Most vectors streamed in a pass; None for no limit.
    fallback : bool
        True where the "array" is the vector unit.
    units : tuple of (Dim, int)
        Positions that one row, column or vector serves, for the dimensions where it
        is not one, or `k_per_pe` of k.
    rows_per_pass : int or None
        Rows that a pass fills; None for all.
    k_nest : tuple of KLoop
        Order in which the positions of k are added; empty for plain k order.
    """

    dataflow: str
    stationary: Stationary
    rows_dim: Dim
    cols_dim: Dim
    stream_dim: Dim
    rows: int
    cols: int
    k_per_pe: int
    pass_order: tuple[Dim, ...]
    stream_limit: int | None = None
    fallback: bool = False
    units: tuple[tuple[Dim, int], ...] = ()
    rows_per_pass: int | None = None
    k_nest: KNest = ()

    def per_unit(self, dim: Dim) -> int:
        """Return the positions of `dim` that one row, column or vector serves."""
        for unit, positions in self.units:
            if unit is dim:
                return positions
        return self.k_per_pe if dim is Dim.K else 1

    @property
    def cycles_per_vector(self) -> int:
        """Cycles of one streamed vector, as `Mapping.cycles_per_vector`."""
        if self.stationary is not Stationary.ROW:
            return 1
        per_output = -(-self.per_unit(self.rows_dim) // self.k_per_pe)
        return per_output * self.per_unit(self.cols_dim)

    def spatial(self, dim: Dim) -> int | None:
        """Return the positions of `dim` that the array holds side by side; None if streamed."""
        if dim is self.rows_dim:
            return (self.rows_per_pass or self.rows) * self.per_unit(dim)
        if dim is self.cols_dim:
            return self.cols * self.per_unit(dim)
        return None

    def granule(self, dim: Dim) -> int:
        """Return the smallest useful tile of `dim`: the array's extent, or one vector."""
        return self.spatial(dim) or self.per_unit(dim)

    def vectors_per_pass(self, vectors: int) -> int:
        """Return how many of a block's vectors one pass streams: even parts within the limit."""
        if self.stream_limit is None or vectors <= self.stream_limit:
            return vectors
        passes = -(-vectors // self.stream_limit)
        return -(-vectors // passes)

    @property
    def k_tile(self) -> int | None:
        """Positions of k that adders at the array's edge see as one; None where all see each."""
        return None if self.stationary is Stationary.ROW else self.spatial(Dim.K)
