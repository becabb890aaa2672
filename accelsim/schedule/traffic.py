"""What the schedule moves: which tensors stay on the chip, and the bytes of every block.

Timing and cost both read these numbers, so that they price and time the same
transfers. Values never enter.

* A GEMM and the fused ops that follow it are one *group*: what passes between
  them is never stored, unless something outside the group reads it.
* Weights, parameters and the inputs of the trace come from DRAM, its outputs go
  there. Any other tensor stays in the scratchpads if, during the whole of its
  life, it fits beside the other tensors that stay and the working set of every
  op that runs meanwhile; tensors are taken in the order in which they are made.
* A block loads an operand unless the block before it on the same core used the
  same part of it. Where several cores work on the same part of an operand at the
  same time, each loads its share from DRAM and passes it on to the others.
* Partial sums stay in the accumulators while consecutive blocks of a core add to
  the same outputs; otherwise they go to DRAM and back in the outer format.
* Where cores divide k, every core adds up a part of the outputs, in the order of the
  cores; the others send it their sums of that part over the interconnect.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import lru_cache
from types import MappingProxyType

from accelsim.arch.chip import Chip
from accelsim.identity import Same, by_identity
from accelsim.schedule.kinds import kind_of
from accelsim.schedule.schedule import Block, Schedule
from accelsim.schedule.working_set import largest_block_bytes, packed_bytes, tile_bytes
from accelsim.workload.ops import Gemm, Op, Role, TensorInfo, VectorOp
from accelsim.workload.vector_functions import VECTOR_FUNCTIONS


class Place(StrEnum):
    """Where a tensor is between the op that makes it and those that read it."""

    DRAM = "dram"
    SCRATCHPAD = "scratchpad"


@dataclass(frozen=True, slots=True)
class Transfer:
    """Bytes that a unit of work moves, by the medium that they cross.

    Parameters
    ----------
    dram_bytes : int
        To or from DRAM.
    link_bytes : int
        Over the interconnect, the DRAM bytes among them where there are several cores.
    """

    dram_bytes: int = 0
    link_bytes: int = 0

    def __add__(self, other: Transfer) -> Transfer:
        """Return both together."""
        return Transfer(self.dram_bytes + other.dram_bytes, self.link_bytes + other.link_bytes)

    def __sub__(self, other: Transfer) -> Transfer:
        """Return what is left without a part of it."""
        return Transfer(self.dram_bytes - other.dram_bytes, self.link_bytes - other.link_bytes)

    def part(self, index: int, parts: int) -> Transfer:
        """Return the share `index` of `parts`; the shares add up exactly."""
        return Transfer(
            share(self.dram_bytes, index, parts),
            share(self.link_bytes, index, parts),
        )


def share(total: int, index: int, parts: int) -> int:
    """Return the share `index` of `parts` equal ones of a whole; they add up to it.

    Examples
    --------
    >>> [share(10, i, 4) for i in range(4)]
    [2, 3, 2, 3]
    """
    return total * (index + 1) // parts - total * index // parts


@dataclass(frozen=True, slots=True)
class OpGroup:
    """An op that makes its own pass over memory, and the fused ops that ride on its write-back."""

    head: Op
    fused: tuple[VectorOp, ...] = ()
    #: Tensors that the group makes, stored or not.
    makes: tuple[str, ...] = field(init=False, compare=False)
    #: Tensors that the group takes from memory, each once.
    reads: tuple[str, ...] = field(init=False, compare=False)

    def __post_init__(self) -> None:
        """List what it makes and reads: every point of a sweep asks for it."""
        makes = tuple(name for op in self.ops for name in _outputs(op))
        names = (name for op in self.ops for name in _inputs(op) if name not in makes)
        object.__setattr__(self, "makes", makes)
        object.__setattr__(self, "reads", tuple(dict.fromkeys(names)))

    @property
    def ops(self) -> tuple[Op, ...]:
        """Head and fused ops, in order."""
        return (self.head, *self.fused)


def op_groups(ops: Sequence[Op]) -> tuple[OpGroup, ...]:
    """Return the groups of a trace, in order.

    An op marked fused joins the group directly before it if that makes one of its
    inputs; otherwise it starts a group of its own.
    """
    return _op_groups(tuple(ops))


@by_identity(maxsize=32)
def _op_groups(ops: tuple[Op, ...]) -> tuple[OpGroup, ...]:
    groups: list[OpGroup] = []
    made: set[str] = set()
    for op in ops:
        joins = isinstance(op, VectorOp) and op.fused and not made.isdisjoint(_inputs(op))
        if isinstance(op, VectorOp) and joins:
            groups[-1] = OpGroup(groups[-1].head, (*groups[-1].fused, op))
            made.update(_outputs(op))
        else:
            groups.append(OpGroup(op))
            made = set(_outputs(op))
    return tuple(groups)


def stored_outputs(
    groups: Sequence[OpGroup], outputs: Iterable[str]
) -> tuple[tuple[str, ...], ...]:
    """Return, for every group, the tensors that it writes to memory.

    Those that another group reads or that the trace gives out; the last one made
    where nobody reads any.
    """
    return _stored_outputs(Same(tuple(groups)), frozenset(outputs))


@lru_cache(maxsize=32)
def _stored_outputs(
    groups: Same[tuple[OpGroup, ...]], outputs: frozenset[str]
) -> tuple[tuple[str, ...], ...]:
    wanted = outputs.union(*(group.reads for group in groups.it))
    stored = []
    for group in groups.it:
        mine = tuple(dict.fromkeys(name for name in group.makes if name in wanted))
        stored.append(mine or group.makes[-1:])
    return tuple(stored)


def place_tensors(
    groups: Sequence[OpGroup],
    tensors: Mapping[str, TensorInfo],
    *,
    outputs: Sequence[str],
    chip: Chip,
    schedules: Mapping[str, Schedule],
) -> Mapping[str, Place]:
    """Decide where every stored tensor of a trace stays; equal decisions are one object.

    Parameters
    ----------
    groups : sequence of OpGroup
        The trace, from `op_groups`.
    tensors : mapping from str to TensorInfo
        Its tensors.
    outputs : sequence of str
        Tensors that the trace gives out.
    chip : Chip
        Whose scratchpads are meant.
    schedules : mapping from str to Schedule
        By name of the GEMM.
    """
    spare = _spare(groups, chip, schedules)
    return _placed(Same(tuple(groups)), Same(tensors), frozenset(outputs), tuple(spare))


@lru_cache(maxsize=64)
def _placed(
    same: Same[tuple[OpGroup, ...]],
    named: Same[Mapping[str, TensorInfo]],
    outputs: frozenset[str],
    spare_bytes: tuple[float, ...],
) -> Mapping[str, Place]:
    groups, tensors, spare = same.it, named.it, list(spare_bytes)
    last_read = {name: at for at, group in enumerate(groups) for name in group.reads}
    extended = {name for group in groups if _extends(group.head) for name in group.makes}
    places = dict.fromkeys((name for group in groups for name in group.reads), Place.DRAM)
    for at, names in enumerate(stored_outputs(groups, outputs)):
        for name in names:
            end = last_read.get(name, at) + 1
            size = tensors[name].stored_bytes
            stays = name not in outputs and name not in extended
            stays = stays and tensors[name].role not in (Role.WEIGHT, Role.STATE)
            stays = stays and size <= min(spare[at:end], default=math.inf)
            places[name] = Place.SCRATCHPAD if stays else Place.DRAM
            if stays:
                spare[at:end] = [room - size for room in spare[at:end]]
    return _one_decision(tuple(places.items()))


@lru_cache(maxsize=64)
def _one_decision(places: tuple[tuple[str, Place], ...]) -> Mapping[str, Place]:
    return MappingProxyType(dict(places))


@dataclass(frozen=True, slots=True)
class BlockTraffic:
    """The operands and partial sums that one block moves; its results are the group's.

    `a` and `b` are loaded in full even where they are shared: `a.dram_bytes` is
    then this core's share.
    """

    block: Block
    a: Transfer
    b: Transfer
    psum_read: Transfer
    psum_write: Transfer

    @property
    def read(self) -> Transfer:
        """Everything that is loaded."""
        return self.a + self.b + self.psum_read


def _extends(op: Op) -> bool:
    """Return whether an op lets a tensor in DRAM grow, which then stays there."""
    return isinstance(op, VectorOp) and VECTOR_FUNCTIONS[op.function].extends


def block_traffic(schedule: Schedule, *, places: Mapping[str, Place]) -> Iterator[BlockTraffic]:
    """Yield the traffic of every block, core by core, in time order.

    Parameters
    ----------
    schedule : Schedule
        One GEMM.
    places : mapping from str to Place
        From `place_tensors`; a tensor that is not in it is in DRAM.
    """
    op = schedule.stored_op
    by_core: dict[int, list[Block]] = {}
    for block in schedule.blocks():
        by_core.setdefault(block.core, []).append(block)
    sharers_a = _sharers(by_core, lambda block: (block.group, block.m, block.k))
    sharers_b = _sharers(by_core, lambda block: (block.group, block.n, block.k))
    several = schedule.cores > 1
    for blocks in by_core.values():
        for at, block in enumerate(blocks):
            before = blocks[at - 1] if at else None
            after = blocks[at + 1] if at + 1 < len(blocks) else None
            a_bytes = tile_bytes(op.a, block.groups, block.m, block.k)
            b_bytes = tile_bytes(op.b, block.groups, block.k, block.n)
            if before is not None and _same(before, block, "group", "m", "k"):
                a_bytes = 0
            if before is not None and _same(before, block, "group", "n", "k"):
                b_bytes = 0
            yield BlockTraffic(
                block=block,
                a=_load(a_bytes, places.get(op.a.tensor), sharers_a[block.index], schedule.cores),
                b=_load(b_bytes, places.get(op.b.tensor), sharers_b[block.index], schedule.cores),
                psum_read=_psum(op, block, not block.first_k, before, several=several),
                psum_write=_psum(op, block, not block.last_k, after, several=several)
                + _to_tree(schedule, block),
            )


def tensors_moved(op: Op, tensors: Mapping[str, TensorInfo]) -> Mapping[str, TensorInfo]:
    """Return what an op reads and writes of its tensors, where that is not all of them.

    Of a table that it gathers from, as many rows as it makes, or all of them where that is
    less: two equal rows are read twice unless the table is no larger. Of a tensor that it
    extends nothing, and of what it makes of that the rest.
    """
    if not isinstance(op, VectorOp):
        return tensors
    if VECTOR_FUNCTIONS[op.function].extends:
        past, made = tensors[op.inputs[0]], tensors[op.outputs[0]]
        new = replace(made, shape=(made.elements - past.elements,))
        return {**tensors, past.name: replace(past, shape=(0,)), made.name: new}
    if not VECTOR_FUNCTIONS[op.function].gathers:
        return tensors
    table = tensors[op.inputs[1]]
    rows = tensors[op.outputs[0]].elements // table.shape[-1]
    read = replace(table, shape=(min(rows, table.shape[0]), table.shape[-1]))
    return {**tensors, table.name: read}


def group_transfer(
    names: Sequence[str],
    tensors: Mapping[str, TensorInfo],
    *,
    places: Mapping[str, Place],
    cores: int,
) -> Transfer:
    """Return the bytes of whole tensors, spread over all cores."""
    total = Transfer()
    for name in names:
        total = total + _load(tensors[name].stored_bytes, places.get(name), (0, 1), cores)
    return total


def _sharers(
    by_core: Mapping[int, Sequence[Block]], part: Callable[[Block], object]
) -> dict[int, tuple[int, int]]:
    """Return, by block index, (position among, number of) cores that load the same part at once."""
    found: dict[int, tuple[int, int]] = {}
    depth = max((len(blocks) for blocks in by_core.values()), default=0)
    for at in range(depth):
        row = [blocks[at] for blocks in by_core.values() if at < len(blocks)]
        same: dict[object, list[Block]] = {}
        for block in row:
            same.setdefault(part(block), []).append(block)
        for blocks_of_part in same.values():
            for position, block in enumerate(blocks_of_part):
                found[block.index] = (position, len(blocks_of_part))
    return found


def _load(size: int, place: Place | None, sharer: tuple[int, int], cores: int) -> Transfer:
    """Return what one core moves to load `size` bytes that `sharer[1]` cores load together."""
    if place is Place.SCRATCHPAD:
        # Spread evenly over the cores' scratchpads: all but one part comes from elsewhere.
        return Transfer(0, size - size // cores)
    return Transfer(share(size, *sharer), size if cores > 1 else 0)


def _psum(
    op: Gemm, block: Block, spills: bool, neighbour: Block | None, *, several: bool
) -> Transfer:
    if not spills or (neighbour is not None and _same(neighbour, block, "group", "m", "n")):
        return Transfer()
    size = packed_bytes(block.outputs, op.accumulator.outer.bits)
    return Transfer(size, size if several else 0)


def _to_tree(schedule: Schedule, block: Block) -> Transfer:
    """Return the sums that a core gives to the others, where cores divide k.

    Each core adds up an equal part of the outputs, and gets all sums of it.
    """
    if schedule.k_splits == 1 or not block.last_k:
        return Transfer()
    splits = schedule.k_splits
    mine = share(block.outputs, block.core % splits, splits)
    return Transfer(0, packed_bytes(block.outputs - mine, schedule.op.accumulator.outer.bits))


def combining_additions(schedule: Schedule) -> int:
    """Return the additions that make one sum of the cores' sums, all cores together."""
    op = schedule.op
    return (schedule.k_splits - 1) * op.groups * op.m * op.n


def _same(one: Block, two: Block, *fields: str) -> bool:
    return all(getattr(one, field) == getattr(two, field) for field in fields)


def spare_bytes(group: OpGroup, chip: Chip, schedules: Mapping[str, Schedule]) -> int | None:
    """Return the bytes of all scratchpads that an op leaves free; None means no limit."""
    capacity = chip.scratchpad.capacity_bytes
    if capacity is None:
        return None
    if not isinstance(group.head, Gemm):
        return chip.cores * capacity
    schedule = schedules[group.head.name]
    working = largest_block_bytes(schedule)
    halves = 2 if chip.scratchpad.double_buffering else 1
    return chip.cores * max(0, capacity - halves * working)


def _spare(groups: Sequence[OpGroup], chip: Chip, schedules: Mapping[str, Schedule]) -> list[float]:
    """Return `spare_bytes` of every group, infinity for no limit; equal GEMMs are one kind."""
    known: dict[Hashable, float] = {}
    found = []
    for group in groups:
        head = group.head
        key: Hashable = kind_of(schedules[head.name]) if isinstance(head, Gemm) else None
        if key not in known:
            spare = spare_bytes(group, chip, schedules)
            known[key] = math.inf if spare is None else spare
        found.append(known[key])
    return found


def _inputs(op: Op) -> tuple[str, ...]:
    return (op.a.tensor, op.b.tensor) if isinstance(op, Gemm) else op.inputs


def _outputs(op: Op) -> tuple[str, ...]:
    return (op.out.tensor,) if isinstance(op, Gemm) else op.outputs
