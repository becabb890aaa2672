"""All blocks of a schedule as columns of numbers.

`Schedule.blocks` says the same one block at a time and is the definition; a test holds
the two together. Here a column is made in one go, so that a block costs nanoseconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from accelsim.errors import Infeasibility, MappingError
from accelsim.schedule.mapping import Dim, Level
from accelsim.schedule.passes import Range
from accelsim.schedule.range_classes import extent_of
from accelsim.schedule.schedule import Block, Schedule

Column = NDArray[np.int64]
Flags = NDArray[np.bool_]
#: Blocks of one GEMM beyond which columns would fill the memory of a workstation.
_MOST_BLOCKS = 2**24
#: Values that a number of 64 bits tells apart.
_MOST_VALUES = 2**62


@dataclass(frozen=True, slots=True)
class Axis:
    """One dimension of all blocks: which of its ranges each block has.

    Parameters
    ----------
    starts, stops : array, shape (ranges,)
        The ranges into which cores and blocks cut the dimension, in order.
    at : array, shape (blocks,)
        Position of each block's range among them.
    firsts, lasts : array, shape (blocks,)
        The range begins, or ends, the share of the block's core.
    """

    starts: Column
    stops: Column
    at: Column
    firsts: Flags
    lasts: Flags

    @property
    def lengths(self) -> Column:
        """Positions of each block, shape (blocks,)."""
        return (self.stops - self.starts)[self.at]

    def classes(self, period: int) -> tuple[list[Range], Column]:
        """Return a range of every class, and the class of each block, shape (blocks,)."""
        lengths = np.unique(self.stops - self.starts, return_inverse=True)
        places = self.starts % period if period else self.starts
        _, firsts, classes = np.unique(
            places * len(lengths[0]) + lengths[1], return_index=True, return_inverse=True
        )
        ranges = [(int(self.starts[at]), int(self.stops[at])) for at in firsts]
        return ranges, classes[self.at]


@dataclass(frozen=True, slots=True)
class BlockTable:
    """The blocks of all cores, core by core, in time order.

    Parameters
    ----------
    schedule : Schedule
        Whose blocks.
    cores : array, shape (blocks,)
        Core of each.
    turns : array, shape (blocks,)
        Position of each among its core's.
    axes : mapping from Dim to Axis
        Its ranges.
    """

    schedule: Schedule
    cores: Column
    turns: Column
    axes: dict[Dim, Axis]

    def __len__(self) -> int:
        return len(self.cores)

    @property
    def outputs(self) -> Column:
        """Outputs, of all groups, that each block adds to."""
        group, m, n = (self.axes[dim].lengths for dim in (Dim.GROUP, Dim.M, Dim.N))
        return group * m * n

    @property
    def completes(self) -> Flags:
        """Whether each block completes its outputs."""
        return self.axes[Dim.K].lasts

    def kinds(self) -> tuple[Column, Column]:
        """Return a block of every kind, and the kind of each; passes of one kind are alike.

        A kind has one set of extents, one place in k within its chunks, and one core.
        """
        k = self.axes[Dim.K]
        lengths = (self.axes[dim].lengths for dim in Dim)
        in_chunk = k.starts[k.at] % self.schedule.mapping.chunk_size
        code = _joined((*lengths, in_chunk, k.firsts, k.lasts))
        _, firsts, kinds = np.unique(code, return_index=True, return_inverse=True)
        return firsts, kinds

    def block(self, at: int) -> Block:
        """Return a block as `Schedule.blocks` yields it, but for the number of its first step."""
        group, m, n, k = (
            (int(axis.starts[axis.at[at]]), int(axis.stops[axis.at[at]]))
            for axis in (self.axes[dim] for dim in Dim)
        )
        return Block(
            index=at,
            core=int(self.cores[at]),
            first_step=0,
            group=group,
            m=m,
            n=n,
            k=k,
            first_k=bool(self.axes[Dim.K].firsts[at]),
            last_k=bool(self.axes[Dim.K].lasts[at]),
        )

    def same_as_before(self, dims: Iterable[Dim]) -> Flags:
        """Return whether the block before each, on the same core, has the same ranges."""
        same = self.turns[1:] > 0
        for dim in dims:
            at = self.axes[dim].at
            same = same & (at[1:] == at[:-1])
        return np.concatenate(([False], same))

    def same_as_after(self, dims: Iterable[Dim]) -> Flags:
        """Return whether the block after each, on the same core, has the same ranges."""
        return np.concatenate((self.same_as_before(dims)[1:], [False]))


def _joined(columns: Sequence[Column | Flags]) -> Column:
    """Return one column that is equal where all are."""
    code, values = np.zeros(len(columns[0]), np.int64), 1
    for column in columns:
        low, high = int(column.min()), int(column.max())
        if low == high:
            continue
        if values * (high - low + 1) > _MOST_VALUES:
            code = np.unique(code, return_inverse=True)[1]
            values = int(code.max()) + 1
        code = code * (high - low + 1) + (column - low)
        values *= high - low + 1
    return code


def block_table(schedule: Schedule) -> BlockTable:
    """Return the blocks of a schedule as columns.

    Raises
    ------
    MappingError
        If there are more blocks than memory could hold.
    """
    if schedule.block_count > _MOST_BLOCKS:
        levers = ("a smaller batch", "a larger scratchpad.capacity_kib")
        what = f"blocks of {schedule.op.name}"
        reason = Infeasibility(what, schedule.block_count, _MOST_BLOCKS, "blocks", levers)
        raise MappingError(f"{schedule.op.name} has too many blocks to look at.", reason)
    mapping = schedule.mapping
    order = mapping.order(Level.BLOCK)
    order = (*(dim for dim in Dim if dim not in order), *order)
    cuts = {dim: _Cut.of(schedule, dim) for dim in Dim}
    used = np.arange(mapping.cores_used)
    share_of = {dim: np.zeros_like(used) for dim in Dim}
    for loop in reversed(mapping.at(Level.CORE)):
        share_of[loop.dim], used = used % loop.count, used // loop.count
    counts = {dim: cuts[dim].counts[share_of[dim]] for dim in Dim}
    blocks = np.prod([counts[dim] for dim in Dim], axis=0)
    cores = np.repeat(np.arange(mapping.cores_used), blocks)
    turns = np.arange(len(cores)) - (np.cumsum(blocks) - blocks)[cores]
    axes, rest = {}, turns
    for dim in reversed(order):
        count = counts[dim][cores]
        at = rest % count
        rest = rest // count
        cut = cuts[dim]
        axes[dim] = Axis(
            starts=cut.starts,
            stops=cut.stops,
            at=at + cut.offsets[share_of[dim]][cores],
            firsts=at == 0,
            lasts=at == count - 1,
        )
    return BlockTable(schedule=schedule, cores=cores, turns=turns, axes=axes)


@dataclass(frozen=True, slots=True)
class _Cut:
    """A dimension cut into shares of cores and these into blocks; `offsets` by share."""

    starts: Column
    stops: Column
    counts: Column
    offsets: Column

    @staticmethod
    def of(schedule: Schedule, dim: Dim) -> _Cut:
        extent = extent_of(schedule.op, dim)
        share = schedule.mapping.tile(Level.CORE, dim) or extent
        tile = schedule.mapping.tile(Level.BLOCK, dim) or extent
        starts = np.arange(0, extent, share)
        stops = np.minimum(starts + share, extent)
        counts = -(-(stops - starts) // tile)
        offsets = np.cumsum(counts) - counts
        of_share = np.repeat(np.arange(len(starts)), counts)
        first = starts[of_share] + (np.arange(len(of_share)) - offsets[of_share]) * tile
        return _Cut(first, np.minimum(first + tile, stops[of_share]), counts, offsets)
