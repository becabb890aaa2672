"""Kinds of schedules: what a chip runs alike is one object, whatever it is called.

A network has a few kinds of GEMM, and the points of a sweep have many schedules in
common. What follows from a schedule alone, such as the bytes of its blocks or the
cycles of its passes, is found once for each kind and looked up by the kind.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace
from functools import lru_cache

from accelsim.identity import Same, by_identity
from accelsim.schedule.mapping import Mapping
from accelsim.schedule.schedule import Schedule
from accelsim.workload.ops import Gemm, Phase


@dataclass(frozen=True, slots=True, eq=False)
class Kind:
    """Schedules that differ in names alone; a kind equals itself and costs nothing to look up.

    Parameters
    ----------
    schedule : Schedule
        One of them, without names.
    block_count : int
        Blocks of all its cores: tables of all blocks are kept only where they are few.
    pass_count : int
        Steps of all its cores.
    """

    schedule: Schedule
    block_count: int
    pass_count: int


@by_identity(maxsize=2**9)
def kind_of(schedule: Schedule) -> Kind:
    """Return the kind of a schedule; its own schedule has no names."""
    return _kind(Same(nameless(schedule.op)), Same(schedule.mapping), schedule.cores)


def op_shape_key(op: Gemm) -> Hashable:
    """Return a key that is equal for two GEMMs exactly if a chip runs them alike.

    It has extents, views, formats and accumulator, and whether this is the gradient
    phase, in which cores may divide k; names, layers and other phases are left out,
    because nothing in the hardware knows them.
    """
    return Same(nameless(op))


@by_identity(maxsize=2**12)
def nameless(op: Gemm) -> Gemm:
    """Return a GEMM without names: one object for all that a chip runs alike."""
    a, b, out = (replace(one, tensor="") for one in (op.a, op.b, op.out))
    phase = Phase.GRADIENT if op.phase is Phase.GRADIENT else Phase.FORWARD
    return _one_gemm(replace(op, name="", layer="", phase=phase, a=a, b=b, out=out))


@lru_cache(maxsize=2**12)
def one_mapping(mapping: Mapping) -> Mapping:
    """Return one object for all equal mappings, the points of a sweep among them."""
    return mapping


@lru_cache(maxsize=2**12)
def _one_gemm(op: Gemm) -> Gemm:
    return op


@lru_cache(maxsize=2**10)
def _kind(op: Same[Gemm], mapping: Same[Mapping], cores: int) -> Kind:
    schedule = Schedule(op=op.it, mapping=mapping.it, cores=cores)
    return Kind(schedule, schedule.block_count, schedule.pass_count)
