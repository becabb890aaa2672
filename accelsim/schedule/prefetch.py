"""Which weights may come while the op before still runs.

The first block of a GEMM needs its weights, and no op of the trace makes those: where
the chip prefetches, they may be loaded during the op before, into room that neither
its working set nor a tensor that waits on the chip takes. How many of them come in
time is for the clock to say: DRAM has to be idle, after the last load of the op before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import pairwise

import numpy as np

from accelsim.arch.chip import Chip
from accelsim.schedule.kinds import Kind, kind_of
from accelsim.schedule.schedule import Schedule
from accelsim.schedule.traffic import OpGroup, Place, spare_bytes
from accelsim.schedule.traffic_table import Moves, TrafficTable, traffic_table
from accelsim.workload.ops import Gemm, Role, TensorInfo


def first_weights(schedule: Schedule, places: Mapping[str, Place]) -> int:
    """Return the DRAM bytes of the right operand that all cores need for their first blocks."""
    op = schedule.op
    return _first_weights(kind_of(schedule), places.get(op.a.tensor), places.get(op.b.tensor))


@lru_cache(maxsize=1024)
def _first_weights(kind: Kind, a: Place | None, b: Place | None) -> int:
    table = traffic_table(kind.schedule, a=a, b=b)
    return int(table.b.dram[table.blocks.turns == 0].sum())


def weights_ahead(
    groups: Sequence[OpGroup],
    tensors: Mapping[str, TensorInfo],
    *,
    places: Mapping[str, Place],
    chip: Chip,
    schedules: Mapping[str, Schedule],
) -> dict[int, int]:
    """Return, by position of the group, the DRAM bytes that may come during the one before.

    None for vector ops, for GEMMs whose right operand is no weight, and on a chip that
    does not prefetch.
    """
    if not chip.prefetch_weights:
        return {}
    waiting = _waiting_bytes(groups, tensors, places)
    ahead: dict[int, int] = {}
    for at, (before, group) in enumerate(pairwise(groups), start=1):
        head = group.head
        if not isinstance(head, Gemm) or tensors[head.b.tensor].role is not Role.WEIGHT:
            continue
        if head.b.tensor in before.makes:
            continue
        wanted = first_weights(schedules[head.name], places)
        room = spare_bytes(before, chip, schedules)
        ahead[at] = wanted if room is None else max(0, min(wanted, room - waiting[at - 1]))
    return ahead


def early_moves(table: TrafficTable, ahead: int) -> Moves:
    """Return what of each block's weights is there before the op, where `ahead` bytes are.

    The first blocks of all cores share them by what each of them needs.
    """
    first = table.blocks.turns == 0
    total = int(table.b.dram[first].sum())
    return Moves(np.where(first, table.b.bytes, 0) * ahead // max(1, total))


def _waiting_bytes(
    groups: Sequence[OpGroup], tensors: Mapping[str, TensorInfo], places: Mapping[str, Place]
) -> list[int]:
    """Return the bytes that stay in the scratchpads during each group."""
    made = {name: at for at, group in enumerate(groups) for name in group.makes}
    last = dict(made)
    last.update((name, at) for at, group in enumerate(groups) for name in group.reads)
    waiting = [0] * len(groups)
    for name, place in places.items():
        if place is Place.SCRATCHPAD:
            for at in range(made.get(name, 0), last[name] + 1):
                waiting[at] += tensors[name].stored_bytes
    return waiting
