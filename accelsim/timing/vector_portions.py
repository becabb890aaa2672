"""Vector ops cut into portions: equal shares of one pass over memory.

Each portion takes a half of the scratchpad, so that with two halves two portions of a
core are under way at a time. A row of portions, one of each core, whose transfer takes
less than DRAM's latency would leave DRAM idle until the next may start; so no row is
smaller than what DRAM delivers in its latency, nor any portion than a burst, unless the
chip says otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence

from accelsim.arch.chip import Chip
from accelsim.schedule.traffic import Transfer, share
from accelsim.timing.addresses import Access, needs_addresses, row_border, streamed
from accelsim.timing.core import Portion
from accelsim.timing.dram import DramRate
from accelsim.timing.memory import port_cycles
from accelsim.timing.portions import CoreWork
from accelsim.timing.vector_unit import lane_work
from accelsim.workload.ops import VectorOp


def vector_portions(chip: Chip, read: Transfer, write: Transfer, *, limit: int) -> int:
    """Return into how many portions each core's share of vector ops is cut, at most `limit`.

    Examples
    --------
    With 1 KiB for what DRAM delivers in its latency, 5 KiB are five portions of every
    core; see `least_row_bytes`.
    """
    size = max(read.dram_bytes, write.dram_bytes)
    least = least_row_bytes(chip)
    if size == 0 or least == 0:
        return limit
    return max(1, min(limit, -(-size // least)))


def least_row_bytes(chip: Chip) -> int:
    """Return the fewest DRAM bytes that are worth a row of portions of their own."""
    if chip.dma.min_portion_bytes is not None:
        return chip.dma.min_portion_bytes
    rate = DramRate.of(chip).bytes_per_cycle
    in_latency = 0 if rate is None else int(rate * chip.dram_latency_cycles)
    return max(in_latency, chip.cores * chip.dram.burst_bytes)


def vector_op_work(
    ops: Sequence[VectorOp],
    chip: Chip,
    *,
    read: Transfer,
    write: Transfer,
    port_bits: tuple[int, int],
    limit: int,
) -> dict[int, CoreWork]:
    """Return the portions of vector ops that make one pass over memory, split evenly over cores."""
    lanes = lane_work(ops, chip.vector_unit)
    count = vector_portions(chip, read, write, limit=limit)
    parts = chip.cores * count
    work: dict[int, CoreWork] = {}
    for core in range(chip.cores):
        mine = []
        for at in range(core * count, (core + 1) * count):
            ports = max(
                port_cycles(share(port_bits[0], at, parts), chip.scratchpad.read_bytes_per_cycle),
                port_cycles(share(port_bits[1], at, parts), chip.scratchpad.write_bytes_per_cycle),
            )
            mine.append(
                Portion(
                    opens=True,
                    closes=True,
                    read=read.part(at, parts),
                    vector_cycles=lanes.before(at + 1, parts) - lanes.before(at, parts),
                    port_cycles=ports,
                    write=write.part(at, parts),
                    opens_write=True,
                    closes_write=True,
                    read_from=_where(chip, read, at, parts),
                    write_to=_where(chip, write, at, parts, after=read),
                )
            )
        work[core] = CoreWork(tuple(mine), None)
    return work


def _where(
    chip: Chip, whole: Transfer, at: int, parts: int, *, after: Transfer | None = None
) -> tuple[Access, ...]:
    """Return where part `at` lies of operands, or of results that lie after them."""
    if not needs_addresses(chip):
        return ()
    start = 0 if after is None else row_border(chip, after.dram_bytes)
    return streamed(at, parts, whole.dram_bytes, start)
