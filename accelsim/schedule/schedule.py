"""A schedule: a mapping unrolled in time. The only place where order is decided.

`numerics`, `timing` and `cost` all read the same `Schedule.steps()`; none may
sort, split or merge them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from accelsim.schedule.mapping import Mapping
from accelsim.schedule.reduction_order import ReductionOrder
from accelsim.workload.ops import Gemm

#: A half-open range of positions.
Range = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Block:
    """A part of a GEMM whose operands are in one core's scratchpad together.

    `first_k` and `last_k` say whether it starts or completes its outputs.
    """

    index: int
    core: int
    group: Range
    m: Range
    n: Range
    k: Range
    first_k: bool
    last_k: bool


@dataclass(frozen=True, slots=True)
class Step:
    """One stationary tile pass of one core."""

    index: int
    core: int
    block: int
    group: int
    m: Range
    n: Range
    k: Range

    @property
    def macs(self) -> int:
        """Multiply-accumulates of the pass."""
        return (
            (self.m[1] - self.m[0]) * (self.n[1] - self.n[0]) * (self.k[1] - self.k[0])
        )


@dataclass(frozen=True, slots=True)
class Schedule:
    """One GEMM on one chip, in order."""

    op: Gemm
    mapping: Mapping
    cores: int

    def blocks(self) -> Iterator[Block]:
        """Yield the blocks of every core, core by core, in time order."""
        raise NotImplementedError

    def block_steps(self, block: Block) -> Iterator[Step]:
        """Yield the steps of one block in time order."""
        raise NotImplementedError

    def steps(self) -> Iterator[Step]:
        """Yield every step; `Step.index` counts them and joins the readings."""
        raise NotImplementedError

    def reduction_order(self) -> ReductionOrder:
        """Return the order in which the products of an output are added."""
        raise NotImplementedError
