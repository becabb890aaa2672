"""A trace as requests to the clock: all that the timing of one group of ops depends on.

The event model and the closed forms answer the same requests, and one loop puts
the answers one after the other; so they differ in nothing but the answers.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple

from accelsim.arch.chip import Chip
from accelsim.identity import Alike, Same
from accelsim.schedule.kinds import kind_of
from accelsim.schedule.prefetch import weights_ahead
from accelsim.schedule.schedule import Schedule
from accelsim.schedule.traffic import (
    OpGroup,
    Place,
    Transfer,
    group_transfer,
    op_groups,
    place_tensors,
    stored_outputs,
    tensors_moved,
)
from accelsim.timing.timeline import CoreTiming, OpTiming, Timeline
from accelsim.workload.ops import Gemm, VectorOp
from accelsim.workload.trace import Trace

#: Of an op that has no cycles of its own.
_NO_CORES = (CoreTiming(0, 0, 0, {}, 0),)


@dataclass(frozen=True, slots=True)
class Request:
    """Everything of a group of ops that its timing depends on.

    Parameters
    ----------
    group : OpGroup
        The ops.
    schedule : Schedule or None
        Of the head, where it is a GEMM.
    places : mapping from str to Place
        Where the GEMM's operands are.
    read, write : Transfer
        What moves besides the GEMM's operands and partial sums.
    port_bits : (int, int)
        Bits that a vector op reads from and writes to the scratchpads.
    ahead : int
        DRAM bytes of the GEMM's first weights that the op before has loaded.
    """

    group: OpGroup
    schedule: Schedule | None
    places: Mapping[str, Place]
    read: Transfer
    write: Transfer
    port_bits: tuple[int, int]
    ahead: int = 0

    @property
    def key(self) -> Hashable:
        """Return the same for two requests only if nothing that costs time differs."""
        lanes = tuple([(op.function, op.elements) for op in self.group.fused])
        rest = (lanes, self.read, self.write, self.port_bits, self.ahead)
        head = self.group.head
        if isinstance(head, VectorOp):
            return (head.function, head.elements, rest)
        assert self.schedule is not None
        places = (self.places.get(head.a.tensor), self.places.get(head.b.tensor))
        return (kind_of(self.schedule), places, rest)

    def peak_macs_per_cycle(self, chip: Chip) -> int:
        """Return the MACs per cycle of all cores at the op's rate; 0 for a vector op."""
        if self.schedule is None:
            return 0
        mapping = self.schedule.mapping
        return chip.cores * mapping.rows * mapping.cols * mapping.k_per_pe


def timeline_of(
    trace: Trace,
    chip: Chip,
    schedules: Mapping[str, Schedule],
    answer: Callable[[Alike[Request]], OpTiming],
    *,
    reuse_equal_ops: bool = True,
) -> Timeline:
    """Return the ops of a trace one after the other, each timed by `answer` from cycle 0.

    Parameters
    ----------
    trace : Trace
        Ops in order.
    chip : Chip
        The machine.
    schedules : mapping from str to Schedule
        One for every GEMM, by name.
    answer : callable
        Returns the timing of a group of ops alone; what counts of its request is the key.
    reuse_equal_ops : bool
        Ask once for requests with equal keys.

    Raises
    ------
    KeyError
        If a GEMM has no schedule.
    """
    groups = op_groups(trace.ops)
    places = place_tensors(
        groups, trace.tensors, outputs=trace.outputs, chip=chip, schedules=schedules
    )
    offers = weights_ahead(groups, trace.tensors, places=places, chip=chip, schedules=schedules)
    idle: int | None = 0
    known: dict[Hashable, OpTiming] = {}
    timings: list[OpTiming] = []
    now = 0
    moved = _whole_tensors(Same(trace), Same(places), chip.cores)
    for at, (group, (read, write, port_bits)) in enumerate(zip(groups, moved, strict=True)):
        offer = offers.get(at, 0)
        request = Request(
            group=group,
            schedule=schedules[group.head.name] if isinstance(group.head, Gemm) else None,
            places=places,
            read=read,
            write=write,
            port_bits=port_bits,
            ahead=offer if idle is None else min(offer, idle),
        )
        key = request.key
        timing = known.get(key) if reuse_equal_ops else None
        if timing is None:
            timing = known[key] = answer(Alike(key, request))
        timing = replace(timing, name=group.head.name, start=now)
        timings.append(timing)
        now, idle = timing.end, timing.idle_read_bytes
        timings.extend(_ride(op, timing) for op in group.fused)
    return Timeline(tuple(timings))


class _Moved(NamedTuple):
    """Of a group, what moves besides a GEMM's operands, and a vector op's bits; see `Request`."""

    read: Transfer
    write: Transfer
    port_bits: tuple[int, int]


@lru_cache(maxsize=64)
def _whole_tensors(
    trace: Same[Trace], places: Same[Mapping[str, Place]], cores: int
) -> tuple[_Moved, ...]:
    """Return what every group of a trace moves; no schedule and no clock is in it."""
    groups = op_groups(trace.it.ops)
    stored = stored_outputs(groups, trace.it.outputs)
    return tuple(
        _moved(group, names, trace.it, places.it, cores)
        for group, names in zip(groups, stored, strict=True)
    )


def _moved(
    group: OpGroup, stored: Sequence[str], trace: Trace, places: Mapping[str, Place], cores: int
) -> _Moved:
    head = group.head
    operands = (head.a.tensor, head.b.tensor) if isinstance(head, Gemm) else ()
    others = [name for name in group.reads if name not in operands]
    moves = tensors_moved(head, trace.tensors)
    if isinstance(head, Gemm):
        bits = (0, 0)
    else:
        bits = (
            sum(8 * moves[name].stored_bytes for name in group.reads),
            sum(8 * moves[name].stored_bytes for name in stored),
        )
    return _Moved(
        read=group_transfer(others, moves, places=places, cores=cores),
        write=group_transfer(stored, moves, places=places, cores=cores),
        port_bits=bits,
    )


def _ride(op: VectorOp, head: OpTiming) -> OpTiming:
    """Return the timing of a fused op: none of its own, at the end of its group."""
    return OpTiming(
        name=op.name,
        start=head.end,
        cores=_NO_CORES,
        fused_into=head.name,
    )
