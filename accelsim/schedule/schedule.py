"""A schedule: a mapping unrolled in time. The only place where order is decided.

`numerics`, `timing` and `cost` all read the same schedule; none may sort, split
or merge its steps. `steps` is the definition. Walking it costs one object for
every pass, so the counts and `block_passes` say the same in closed form.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from math import prod

from accelsim.precision import PairRule
from accelsim.schedule.kernel_rows import in_order
from accelsim.schedule.mapping import Dim, Level, Mapping
from accelsim.schedule.passes import PassGroup, PassPattern, Range, merge_groups, pass_pattern
from accelsim.schedule.reduction_order import ReductionOrder
from accelsim.workload.ops import Gemm


@dataclass(frozen=True, slots=True)
class Block:
    """A part of a GEMM whose operands are in one core's scratchpad together.

    Parameters
    ----------
    index : int
        Position among the blocks of all cores.
    core : int
        Core that works on it.
    first_step : int
        `Step.index` of its first step.
    group, m, n, k : (start, stop)
        Half-open ranges of the GEMM.
    first_k, last_k : bool
        Whether it starts or completes its outputs, or its core's sums of them where
        cores divide k.
    """

    index: int
    core: int
    first_step: int
    group: Range
    m: Range
    n: Range
    k: Range
    first_k: bool
    last_k: bool

    def range(self, dim: Dim) -> Range:
        """Return the half-open range of a dimension."""
        ranges = {Dim.GROUP: self.group, Dim.M: self.m, Dim.N: self.n, Dim.K: self.k}
        return ranges[dim]

    @property
    def groups(self) -> int:
        """Independent products in the block."""
        return self.group[1] - self.group[0]

    @property
    def outputs(self) -> int:
        """Outputs, of all groups, that the block adds to."""
        return self.groups * (self.m[1] - self.m[0]) * (self.n[1] - self.n[0])

    @property
    def macs(self) -> int:
        """Multiply-accumulates of the block."""
        return self.outputs * (self.k[1] - self.k[0])


@dataclass(frozen=True, slots=True)
class Step:
    """One stationary tile pass of one core.

    Parameters
    ----------
    index : int
        Position among the steps of all cores; joins the three readings.
    core, block : int
        Core, and `Block.index`.
    group : int
        Which of the independent products.
    m, n, k : (start, stop)
        Half-open ranges of the GEMM.
    """

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
        return (self.m[1] - self.m[0]) * (self.n[1] - self.n[0]) * (self.k[1] - self.k[0])


@dataclass(frozen=True, slots=True)
class Schedule:
    """One GEMM on one chip, in order.

    Cores work side by side; blocks and steps are listed core by core, in the
    order in time of each core.

    Parameters
    ----------
    op : Gemm
        The GEMM.
    mapping : Mapping
        Its loop nest, valid for the op.
    cores : int
        Cores of the chip; `mapping.cores_used` of them get work.
    """

    op: Gemm
    mapping: Mapping
    cores: int

    def blocks(self) -> Iterator[Block]:
        """Yield the blocks of every core, core by core, in time order."""
        index = step = 0
        order = self.mapping.order(Level.BLOCK)
        order = (*(dim for dim in Dim if dim not in order), *order)
        places = tuple(order.index(dim) for dim in Dim)
        for core, whole in enumerate(self._core_ranges()):
            start, stop = whole[Dim.K]
            for picked in product(*(self._counted_tiles(dim, whole[dim]) for dim in order)):
                (group, groups), (m, rows), (n, cols), (k, depth) = (picked[at] for at in places)
                yield Block(
                    index=index,
                    core=core,
                    first_step=step,
                    group=group,
                    m=m,
                    n=n,
                    k=k,
                    first_k=k[0] == start,
                    last_k=k[1] == stop,
                )
                index += 1
                step += groups * rows * cols * depth

    def _counted_tiles(self, dim: Dim, whole: Range) -> tuple[tuple[Range, int], ...]:
        """Return the blocks that cut a core's range of a dimension, each with its pass tiles."""
        return tuple(
            (block, _tiles(self.mapping, Level.PASS, dim, block))
            for block in _cut(self.mapping, Level.BLOCK, dim, whole)
        )

    def block_ranges(self, dim: Dim) -> tuple[Range, ...]:
        """Return the ranges into which cores and blocks cut a dimension, in order.

        Every block is one range of each dimension.
        """
        return tuple(
            block
            for share in self._shares(dim)
            for block in _cut(self.mapping, Level.BLOCK, dim, share)
        )

    def block_steps(self, block: Block) -> Iterator[Step]:
        """Yield the steps of one block in time order."""
        whole = {dim: block.range(dim) for dim in Dim}
        for offset, ranges in enumerate(_nest(self.mapping, Level.PASS, whole)):
            yield Step(
                index=block.first_step + offset,
                core=block.core,
                block=block.index,
                group=ranges[Dim.GROUP][0],
                m=ranges[Dim.M],
                n=ranges[Dim.N],
                k=ranges[Dim.K],
            )

    def steps(self) -> Iterator[Step]:
        """Yield every step; `Step.index` counts them and joins the readings."""
        for block in self.blocks():
            yield from self.block_steps(block)

    def block_pattern(self, block: Block) -> PassPattern:
        """Return the passes of a block, as nested runs, in time order.

        It depends only on the extents of the block and on its place in k, and its
        size on the number of distinct passes: a million passes cost little.
        """
        return self.pattern_of(block.group, block.m, block.n, block.k)

    def pattern_of(self, group: Range, m: Range, n: Range, k: Range) -> PassPattern:
        """Return the passes of a block of these ranges, as `block_pattern` does."""
        start, stop = self._segment(k[0])
        return pass_pattern(
            self.mapping,
            groups=group[1] - group[0],
            m=m[1] - m[0],
            n=n[1] - n[0],
            k=(k[0] - start, k[1] - start),
            total_k=stop - start,
        )

    def block_passes(self, block: Block) -> tuple[PassGroup, ...]:
        """Return the passes of a block run-length coded, in time order.

        The same as looking at every step of `block_steps` in turn and joining
        equal neighbours.
        """
        return merge_groups(self.block_pattern(block).groups())

    @property
    def macs(self) -> int:
        """Multiply-accumulates, padding zeros included."""
        return self.op.macs

    @property
    def block_count(self) -> int:
        """Blocks of all cores."""
        return prod(
            sum(_tiles(self.mapping, Level.BLOCK, dim, share) for share in self._shares(dim))
            for dim in Dim
        )

    @property
    def pass_count(self) -> int:
        """Steps of all cores."""
        return prod(
            sum(_tiles_below(self.mapping, dim, share) for share in self._shares(dim))
            for dim in Dim
        )

    def reduction_order(self) -> ReductionOrder:
        """Return the order in which the products of an output are added.

        It is derived from the mapping and is the same for every output. Cores that
        divide k each add a segment of it.
        """
        accumulator = self.op.accumulator
        fused = accumulator.pair_size if accumulator.pair is PairRule.FUSED else 1
        return ReductionOrder(
            k=self.op.k,
            chunk_size=self.mapping.chunk_size,
            fused=fused,
            segments=_cut(self.mapping, Level.CORE, Dim.K, (0, self.op.k)),
            tree_format=self.mapping.tree_format,
            nest=self.mapping.k_nest,
        )

    @property
    def stored_op(self) -> Gemm:
        """The op as memory sees it: its left operand with k in the order of the additions."""
        return in_order(self.op, self.mapping.k_nest)

    @property
    def k_splits(self) -> int:
        """Cores that divide k and whose sums must be added; 1 where each has the whole."""
        loop = self.mapping.find(Level.CORE, Dim.K)
        return 1 if loop is None else loop.count

    def _segment(self, k: int) -> Range:
        """Return the part of k, of one core, in which a position lies."""
        tile = self.mapping.tile(Level.CORE, Dim.K) or max(1, self.op.k)
        start = k // tile * tile
        return start, min(start + tile, self.op.k)

    def _shares(self, dim: Dim) -> tuple[Range, ...]:
        """Return the shares of cores in a dimension; every core has one of each dimension."""
        return _cut(self.mapping, Level.CORE, dim, (0, self._extent(dim)))

    def _core_ranges(self) -> Iterator[dict[Dim, Range]]:
        whole = {dim: (0, self._extent(dim)) for dim in Dim}
        return _nest(self.mapping, Level.CORE, whole)

    def _extent(self, dim: Dim) -> int:
        op = self.op
        return {Dim.GROUP: op.groups, Dim.M: op.m, Dim.N: op.n, Dim.K: op.k}[dim]


def _nest(mapping: Mapping, level: Level, whole: dict[Dim, Range]) -> Iterator[dict[Dim, Range]]:
    """Yield the ranges of every iteration of a level's loops, outermost slowest."""
    loops = mapping.at(level)
    for picked in product(*(_split(whole[loop.dim], loop.tile) for loop in loops)):
        yield {**whole, **{loop.dim: tile for loop, tile in zip(loops, picked, strict=True)}}


def _cut(mapping: Mapping, level: Level, dim: Dim, whole: Range) -> tuple[Range, ...]:
    """Return the tiles of a level that cover a range."""
    tile = mapping.tile(level, dim)
    return (whole,) if tile is None else _split(whole, tile)


def _split(whole: Range, tile: int) -> tuple[Range, ...]:
    start, stop = whole
    return tuple((at, min(at + tile, stop)) for at in range(start, stop, tile))


def _tiles(mapping: Mapping, level: Level, dim: Dim, whole: Range) -> int:
    """Return how many tiles of a level cover a range."""
    tile = mapping.tile(level, dim)
    return 1 if tile is None else -(-(whole[1] - whole[0]) // tile)


def _tiles_below(mapping: Mapping, dim: Dim, whole: Range) -> int:
    """Return how many pass tiles the blocks of a range are cut into."""
    extent = whole[1] - whole[0]
    block = mapping.tile(Level.BLOCK, dim) or extent
    full, rest = divmod(extent, block) if extent else (0, 0)
    count = full * _tiles(mapping, Level.PASS, dim, (0, block))
    return count + (_tiles(mapping, Level.PASS, dim, (0, rest)) if rest else 0)
