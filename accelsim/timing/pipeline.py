"""Load, work, store over a row of blocks, in closed form.

The blocks of all cores that are worked on at the same time are one row. A row is
loaded while the row before it is worked on, as far as there are scratchpad halves;
its results leave while it works. Within a row the first part must have arrived
before work starts, and the last part is worked on after all of it has. So a row's
times follow from those of the rows before it by a few maxima, and no queue is
simulated: DRAM and links serve loads before the stores of the same row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from accelsim.timing.core_log import AT_ONCE, Arrival, CoreLog
from accelsim.timing.mac_array import Border, Cycles, PassRun
from accelsim.timing.timeline import StallCause, Unit


class Amount(NamedTuple):
    """Cycles of DRAM and of the busiest link."""

    dram: int = 0
    link: int = 0


class Move(NamedTuple):
    """What a row moves in one direction.

    Parameters
    ----------
    whole, mine : Amount
        For all cores, and for the busiest alone.
    part, my_part : Amount
        The same for the part at the row's border: the first of a load, the last of
        a store.
    size : int
        Bytes of DRAM.
    """

    whole: Amount
    mine: Amount
    part: Amount
    my_part: Amount
    size: int


class Row(NamedTuple):
    """The work of the busiest core in one row, and what all cores move for it.

    Parameters
    ----------
    load : Move
        Operands.
    store : Move or None
        Results; None where the row completes none.
    parts : int
        Parts in which work and transfers overlap.
    run : PassRun or None
        Passes of the array; None where the vector unit works.
    border : Border or None
        Between the passes of the row before and these.
    lane_cycles, port_cycles : int
        Of the vector unit: alone, or on the results of the array.
    """

    load: Move
    store: Move | None
    parts: int
    run: PassRun | None = None
    border: Border | None = None
    lane_cycles: int = 0
    port_cycles: int = 0


@dataclass(frozen=True, slots=True)
class Paths:
    """What all rows share.

    Parameters
    ----------
    halves : int
        Halves of the scratchpad.
    latency, hops : int
        Cycles from a request to DRAM's answer, and over the links.
    lane_latency : int
        Cycles through the vector unit.
    one_medium : bool
        Loads and stores share one link.
    depth : int or None
        Loads that may be under way; None for any number.
    """

    halves: int
    latency: int
    hops: int
    lane_latency: int
    one_medium: bool
    depth: int | None = None

    def queueing(self, mine: int, all_cores: int, loads: int) -> int:
        """Return the cycles by which a core's `loads` equal loads wait to be asked for.

        They take `mine` cycles of DRAM, and `all_cores` with those of the other cores. Each
        is asked for when the one `depth` before it has arrived: so `depth` of them take no
        less than one of them and the latency.
        """
        if self.depth is None or not mine:
            return 0
        return max(0, -(-(mine + loads * self.latency) // self.depth) - all_cores)


class Pipeline:
    """The clock of one op: rows go in, in order; the log keeps the account.

    Parameters
    ----------
    paths : Paths
        What all rows share.
    watched : bool
        Note when units are busy, which costs about as much as the account itself.
    """

    def __init__(self, paths: Paths, *, watched: bool = True) -> None:
        self.log = CoreLog(0, watched=watched)
        self._paths = paths
        self._dram = self._loaded = self._lanes = self._due = 0
        self._links = [0] if paths.one_medium else [0, 0]
        self._freed = [0] * paths.halves
        self._gone = [AT_ONCE] * paths.halves

    def run(self, rows: Sequence[Row], *, closing: Cycles) -> CoreLog:
        """Return the account of an op with these rows.

        Parameters
        ----------
        rows : sequence of Row
            In order; at least one.
        closing : Cycles
            From the start of the last pass to its last sum, or through the vector unit.
        """
        ahead = self._paths.halves - 1
        arrivals = [self._load(row.load, row.parts) for row in rows[:ahead]]
        for at, row in enumerate(rows):
            if at + ahead < len(rows):
                following = rows[at + ahead]
                arrivals.append(self._load(following.load, following.parts))
            work = self._lane_work if row.run is None else self._array_work
            first, last = work(row, *arrivals[at])
            if row.store is not None:
                self._store(row, row.store, first, last)
        self.log.spend(closing)
        if rows[-1].run is None:
            self.log.work_end += closing.total
        if self._dram > self.log.end:
            self.log.gone = Arrival(((self._dram, StallCause.DRAM_READ),))
        self.log.close()
        return self.log

    def _load(self, move: Move, parts: int) -> tuple[Arrival, Arrival]:
        """Return the arrival of the first part of a row, and of all of it.

        The core served last is followed. With one half, cores load in turn from the
        second row on, while others work; so it waits for its own transfers alone.
        """
        in_turn = self._paths.halves == 1 and self._loaded > 0
        part, mine = (move.my_part, move.mine) if in_turn else (move.part, move.whole)
        asked = max(self._loaded, self._freed.pop(0))
        begin = max(asked, self._dram) if mine.dram else asked
        link = max(begin, self._links[0]) if mine.link else begin
        queued = self._paths.queueing(move.mine.dram, mine.dram, parts)
        first = self._arrival(begin, link, part)
        waits = queued * (parts - 1) // parts
        whole = self._arrival(begin + waits, link + waits, mine)
        self._loaded = max(begin + mine.dram + queued, link + mine.link)
        if move.whole.dram:
            self._dram = begin + move.whole.dram
            self.log.busy(Unit.DRAM, begin, self._dram, move.size)
        if move.whole.link:
            self._links[0] = link + move.whole.link
        self.log.busy(Unit.DMA_IN, asked, self._loaded, move.size)
        return first, whole

    def _arrival(self, begin: int, link: int, amount: Amount) -> Arrival:
        there = begin + amount.dram + (self._paths.latency if amount.dram else 0)
        crossed = max(there, there - begin - amount.dram + link + amount.link)
        crossed += self._paths.hops if amount.link else 0
        return Arrival(((there, StallCause.DRAM_READ), (crossed, StallCause.INTERCONNECT)))

    def _slot(self, row: Row) -> Arrival:
        return self._gone.pop(0) if row.store is not None else AT_ONCE

    def _array_work(self, row: Row, first: Arrival, whole: Arrival) -> tuple[int, int]:
        """Run a row's passes; return when its first and last results leave the array."""
        log, run, border = self.log, row.run, row.border
        assert run is not None
        assert border is not None
        began = log.late(self._due + border.gap.total, border.lead, first, self._slot(row))
        log.spend(border.gap)
        log.spend(run.span)
        log.count(run)
        span = run.span.total
        before_last = span - span // row.parts
        late = log.late(began + before_last, border.lead, whole, AT_ONCE) - began - before_last
        self._due = began + span + late
        log.work_end = self._due + border.last
        self._freed.append(self._due + border.streaming)
        log.busy(Unit.ARRAY, began, log.work_end)
        return began + (run.first_output or 0) + border.output, log.work_end

    def _lane_work(self, row: Row, first: Arrival, whole: Arrival) -> tuple[int, int]:
        """Do a row's work on the lanes; return when its first and last results are there."""
        log, cycles = self.log, max(row.lane_cycles, row.port_cycles)
        part = cycles // row.parts
        began = log.late(self._due, 0, first, self._slot(row))
        log.vectors += row.lane_cycles
        log.plain += row.lane_cycles
        log.stall(StallCause.SCRATCHPAD, cycles - row.lane_cycles)
        self._due = log.late(began + cycles - part, 0, whole, AT_ONCE) + part
        log.work_end = self._due
        self._freed.append(self._due)
        log.busy(Unit.VECTOR_UNIT, began, self._due)
        return began + part, self._due

    def _store(self, row: Row, move: Move, first: int, last: int) -> None:
        """Send a row's results off, through the vector unit where it has work on them."""
        log, ready = self.log, last
        on_lanes = row.lane_cycles > 0
        if row.run is not None and on_lanes:
            begin = max(self._lanes, first)
            self._lanes = begin + row.lane_cycles
            ready = max(self._lanes, last)
            log.busy(Unit.VECTOR_UNIT, begin, self._lanes)
        ready += self._paths.lane_latency if on_lanes else 0
        link, dram = max(self._links[-1], first), max(self._dram, first)
        sent = stored = ready
        if move.whole.link:
            self._links[-1] = link + move.whole.link
            sent = max(ready + move.my_part.link, self._links[-1]) + self._paths.hops
        if move.whole.dram:
            self._dram = dram + move.whole.dram
            stored = max(ready + move.my_part.dram, self._dram)
            log.busy(Unit.DRAM, dram, self._dram, move.size)
        done = max(sent, stored)
        log.gone = Arrival(
            (
                (ready if on_lanes else 0, StallCause.VECTOR_UNIT),
                (stored if move.whole.dram else 0, StallCause.DRAM_WRITE),
                (done, StallCause.INTERCONNECT),
            )
        )
        log.busy(Unit.DMA_OUT, ready, done, move.size)
        self._gone.append(log.gone)
