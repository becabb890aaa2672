"""What all cores move for every row of blocks, added up as columns of numbers.

One entry of a column is one block, or one part of a vector op, of one core; its row is
its turn among its core's. The parts of a transfer arrive one by one: one of them is at
the border of the row, the others are alike.
"""

from __future__ import annotations

from collections.abc import Sequence
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
class Speeds:
    """How fast the DRAM and the links of a chip are.

    Parameters
    ----------
    rate : DramRate
        Of DRAM.
    link_rate : int or None
        Bytes per cycle of a link; None where it takes no time.
    near : tuple of bool
        Which cores are reached by the first of two ways round.
    """

    rate: DramRate
    link_rate: int | None
    near: tuple[bool, ...]

    @staticmethod
    def of(chip: Chip) -> Speeds:
        """Return the speeds of a chip."""
        near = tuple(is_near(chip, core) for core in range(chip.cores))
        return Speeds(DramRate.of(chip), chip.interconnect.bytes_per_cycle, near)

    def dram_cycles(self, size: Column) -> Column:
        """Return the cycles in which DRAM moves bytes, as `DramRate.cycles` does."""
        exact, burst = self.rate.bytes_per_cycle, self.rate.burst_bytes
        if exact is None:
            return np.zeros_like(size)
        return -scaled(-exact.denominator, -(-size // burst) * burst, exact.numerator)

    def link_cycles(self, size: Column) -> Column:
        """Return the cycles in which bytes cross a link."""
        return np.zeros_like(size) if self.link_rate is None else -(-size // self.link_rate)


@dataclass(frozen=True, slots=True)
class Entries:
    """Of which core and row each entry is; the entries of the first core come first.

    Parameters
    ----------
    cores : array, shape (entries,)
        Core of each.
    order : array, shape (entries,)
        The entries, row by row.
    starts : array, shape (rows,)
        Where in that order each row begins.
    """

    cores: Column
    order: Column
    starts: Column

    @staticmethod
    def of(cores: Column, rows: Column) -> Entries:
        """Return the entries of these cores and rows; every row has one."""
        order = np.argsort(rows, kind="stable")
        return Entries(cores, order, np.searchsorted(rows[order], np.arange(int(rows.max()) + 1)))

    def sums(self, columns: Column) -> Column:
        """Return the sums over the cores for every row, shape (..., rows)."""
        return np.add.reduceat(columns[..., self.order], self.starts, axis=-1)

    def firsts(self, columns: Column) -> Column:
        """Return what of the columns is the first core's, for every row, shape (..., rows)."""
        mine = columns[..., : int((self.cores == 0).sum())]
        after = len(self.starts) - mine.shape[-1]
        return np.pad(mine, [(0, 0)] * (mine.ndim - 1) + [(0, after)]) if after else mine

    def amounts(
        self, ways: Sequence[tuple[Moves, Moves]], parts: Column, *, near: Sequence[bool]
    ) -> RowAmounts:
        """Return what the rows move, for every way that bytes go.

        Parameters
        ----------
        ways : sequence of (Moves, Moves)
            All of each entry, and its part at the border of its row.
        parts : array, shape (entries,)
            Into how many parts each is cut.
        near : sequence of bool
            Which cores are reached by the first of two ways round.
        """
        # (way, whole or part, DRAM or link, entries), and its two media apart.
        sizes = np.array([(whole.bytes, part.bytes) for whole, part in ways])
        drams, links = sizes[:, :, 0], sizes[:, :, 1]
        whole, part = drams[:, 0], drams[:, 1]
        others = np.maximum(1, parts - 1)
        is_near = np.array(near)[self.cores]
        return RowAmounts(
            entries=self,
            others=others,
            pieces=np.stack((part, -((part - whole) // others))),
            links=np.concatenate(
                (
                    np.maximum(self.sums(links * is_near), self.sums(links * ~is_near)),
                    self.firsts(links),
                ),
                axis=1,
            ),
            sizes=self.sums(whole)[:, None],
        )


@dataclass(frozen=True, slots=True)
class RowAmounts:
    """The bytes that rows move, before anybody asks how long they take.

    Parameters
    ----------
    entries : Entries
        Of the rows.
    others : array, shape (entries,)
        Parts that are not at the border of a row, at least 1.
    pieces : array, shape (2, ways, entries)
        DRAM bytes of the part at the border, and of each of the others.
    links : array, shape (ways, 4, rows)
        Bytes of the busier way round, whole and part, and of the first core, whole and part.
    sizes : array, shape (ways, 1, rows)
        DRAM bytes.
    """

    entries: Entries
    others: Column
    pieces: Column
    links: Column
    sizes: Column

    def moves(self, speeds: Speeds) -> tuple[list[Move], ...]:
        """Return what each row moves over media of these speeds, for every way."""
        border, each = speeds.dram_cycles(self.pieces)
        cycles: Column = np.stack((border + self.others * each, border), axis=1)
        columns = (
            self.entries.sums(cycles),
            self.entries.firsts(cycles),
            speeds.link_cycles(self.links),
            self.sizes,
        )
        rows = np.concatenate(columns, axis=1)
        return tuple([_move(*row) for row in way] for way in rows.swapaxes(1, 2).tolist())


def _move(
    dram: int, part: int, my_dram: int, my_part: int,
    link: int, link_part: int, my_link: int, my_link_part: int, size: int,
) -> Move:  # fmt: skip
    """Return the move of a row."""
    return Move(
        whole=Amount(dram, link),
        mine=Amount(my_dram, my_link),
        part=Amount(part, link_part),
        my_part=Amount(my_part, my_link_part),
        size=size,
    )


def last_part(moves: Moves, parts: Column) -> Moves:
    """Return the last of the `parts` of each transfer: all of it where that is 1."""
    return Moves(moves.bytes - moves.bytes * (parts - 1) // parts)


def shared_out(whole: Transfer, done: Column, of: int) -> Moves:
    """Return what of a transfer falls to each entry; `done` has one more element than there are.

    Entry i gets the part from ``done[i]`` to ``done[i + 1]`` of `of`.
    """
    totals = (whole.dram_bytes, whole.link_bytes)
    return Moves(np.diff(np.array([scaled(total, done, of) for total in totals])))


def scaled(total: int, done: Column, of: int) -> Column:
    """Return ``total * done // of``, exactly; 0 where `of` is 0."""
    if of == 0 or total == 0:
        return np.zeros_like(done)
    common = gcd(total, of)
    total, of = total // common, of // common
    if abs(total) * int(done.max()) < _MOST:
        return total * done // of
    exact = [total * one // of for one in done.ravel().tolist()]
    return np.array(exact, dtype=np.int64).reshape(done.shape)
