"""One channel of DRAM, cycle by cycle: slow, plain, and knowing nothing of closed forms.

Every cycle, a refresh may begin (all rows are lost) or go on (nothing else happens); each
bank works on the row that its next transfer needs, as soon as that was asked for and its
last one is over; and the channel moves one cycle's bytes of the transfer whose turn it is,
if its row is open.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Transfer:
    """Cycles of data from one row of one bank, asked for in a cycle."""

    asked: int
    bank: int
    row: int
    left: int
    end: int = -1


@dataclass
class Bank:
    """The open row, if any, and what remains of the work to open the next one."""

    open: int | None = None
    opening: int | None = None
    left: int = 0
    waiting: list[Transfer] = field(default_factory=list)


@dataclass(frozen=True)
class Timing:
    """Cycles to close and open a row; refreshes (0: none)."""

    precharge: int
    activate: int
    interval: int = 0
    refresh: int = 0

    def begins(self, cycle: int) -> bool:
        """Whether a refresh begins in a cycle: half an interval on, then every interval."""
        return bool(self.interval) and cycle % self.interval == self.interval // 2

    def rests(self, cycle: int) -> bool:
        """Whether a refresh goes on in a cycle."""
        return any(self.begins(cycle - back) for back in range(min(self.refresh, cycle + 1)))


def run(transfers: list[Transfer], timing: Timing) -> list[int]:
    """Return the cycle in which each transfer, in the order of the channel, is over."""
    banks: dict[int, Bank] = {}
    for one in transfers:
        banks.setdefault(one.bank, Bank()).waiting.append(one)
    queue, cycle = list(transfers), 0
    while queue:
        if timing.begins(cycle):
            for bank in banks.values():
                bank.open = bank.opening = None
        if not timing.rests(cycle):
            _settle(banks, timing, cycle)
            head = queue[0]
            bank = banks[head.bank]
            moves = head.asked <= cycle and bank.open == head.row
            for other in banks.values():
                if other.opening is not None:
                    other.left -= 1
            if moves:
                head.left -= 1
                if head.left == 0:
                    head.end = cycle + 1
                    queue.pop(0)
                    bank.waiting.pop(0)
        cycle += 1
    return [one.end for one in transfers]


def _settle(banks: dict[int, Bank], timing: Timing, cycle: int) -> None:
    """Let every bank finish what is done, and begin with what its next transfer needs."""
    for bank in banks.values():
        if bank.opening is not None and bank.left == 0:
            bank.open, bank.opening = bank.opening, None
        if not bank.waiting or bank.waiting[0].asked > cycle or bank.opening is not None:
            continue
        wanted = bank.waiting[0].row
        if bank.open == wanted:
            continue
        bank.left = timing.activate + (timing.precharge if bank.open is not None else 0)
        bank.open, bank.opening = None, wanted
        if bank.left == 0:
            bank.open, bank.opening = wanted, None
