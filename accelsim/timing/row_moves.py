"""What all cores move for every row of blocks, added up as columns of numbers.

One entry of a column is one block, or one part of a vector op, of one core; its row is
its turn among its core's. The parts of a transfer arrive one by one: one of them is at
the border of the row, the others are alike.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import gcd

import numpy as np
from numpy.typing import NDArray

from accelsim.arch.chip import Chip
from accelsim.schedule.traffic import Transfer
from accelsim.schedule.traffic_table import Moves
from accelsim.timing.dram import DramRate
from accelsim.timing.interconnect import is_near
from accelsim.timing.pipeline import Amount, Move

Column = NDArray[np.int64]
#: Products beyond this are made of whole numbers without a limit.
_MOST = 1 << 62


@dataclass(frozen=True, slots=True)
class Entries:
    """Of which core and row each entry is; the entries of the first core come first.

    Parameters
    ----------
    chip : Chip
        How fast its DRAM and links are.
    cores, rows : array, shape (entries,)
        Core and row of each.
    """

    chip: Chip
    cores: Column
    rows: Column

    @property
    def count(self) -> int:
        """Number of rows."""
        return int(self.rows.max()) + 1

    def sums(self, column: Column) -> Column:
        """Return the sum over the cores for every row."""
        total = np.zeros(self.count, np.int64)
        np.add.at(total, self.rows, column)
        return total

    def moves(self, whole: Moves, part: Moves, parts: Column) -> tuple[Move, ...]:
        """Return what each row moves in one direction.

        Parameters
        ----------
        whole, part : Moves
            All of each entry, and its part at the border of its row.
        parts : array, shape (entries,)
            Into how many parts each is cut.
        """
        chip, rate = self.chip, DramRate.of(self.chip)
        others: Column = np.maximum(1, parts - 1)
        border = _each(rate.cycles, part.dram)
        dram: Column = border + others * _each(rate.cycles, -((part.dram - whole.dram) // others))
        near = np.array([is_near(chip, core) for core in range(chip.cores)])[self.cores]
        link, part_link = (
            self._link_cycles(np.maximum(self.sums(one.link * near), self.sums(one.link * ~near)))
            for one in (whole, part)
        )
        first: Column = np.zeros((4, self.count), np.int64)
        mine = self.cores == 0
        first[:, self.rows[mine]] = (
            dram[mine],
            self._link_cycles(whole.link[mine]),
            border[mine],
            self._link_cycles(part.link[mine]),
        )
        columns = (
            self.sums(dram), link, first[0], first[1],
            self.sums(border), part_link, first[2], first[3], self.sums(whole.dram),
        )  # fmt: skip
        return tuple(_move(*row) for row in zip(*(one.tolist() for one in columns), strict=True))

    def _link_cycles(self, size: Column) -> Column:
        """Return the cycles in which bytes cross a link."""
        rate = self.chip.interconnect.bytes_per_cycle
        return np.zeros_like(size) if rate is None else -(-size // rate)


def last_part(moves: Moves, parts: Column, cut: NDArray[np.bool_]) -> Moves:
    """Return the last of the `parts` of each transfer, all of it where it is not cut."""
    dram, link = (
        np.where(cut, one - one * (parts - 1) // parts, one) for one in (moves.dram, moves.link)
    )
    return Moves(dram, link)


def shared_out(whole: Transfer, done: Column, of: int) -> Moves:
    """Return what of a transfer falls to each entry; `done` has one more element than there are.

    Entry i gets the part from ``done[i]`` to ``done[i + 1]`` of `of`.
    """
    dram, link = (
        np.diff(scaled(total, done, of)) for total in (whole.dram_bytes, whole.link_bytes)
    )
    return Moves(dram, link)


def scaled(total: int, done: Column, of: int) -> Column:
    """Return ``total * done // of``, exactly; 0 where `of` is 0."""
    if of == 0 or total == 0:
        return np.zeros_like(done)
    common = gcd(total, of)
    total, of = total // common, of // common
    if abs(total) * int(done.max()) < _MOST:
        return total * done // of
    return np.array([total * one // of for one in done.tolist()], dtype=np.int64)


def _each(function: Callable[[int], int], column: Column) -> Column:
    """Return a function of every element, called once for every value."""
    values, at = np.unique(column, return_inverse=True)
    return np.array([function(one) for one in values.tolist()], dtype=np.int64)[at]


def _move(*row: int) -> Move:
    """Return the move of a row of columns."""
    whole, mine, part, my_part = (Amount(*row[at : at + 2]) for at in range(0, 8, 2))
    return Move(whole, mine, part, my_part, row[8])
