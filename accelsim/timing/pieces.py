"""Pieces of a block: what each part of a cut moves, where that lies, and what it waits for."""

from __future__ import annotations

from dataclasses import dataclass

from accelsim.arch.chip import Chip
from accelsim.schedule.mapping import Dim
from accelsim.schedule.passes import Range
from accelsim.schedule.schedule import Block, Schedule
from accelsim.schedule.traffic import BlockTraffic, Transfer
from accelsim.schedule.traffic_table import A_DIMS, B_DIMS, OUT_DIMS
from accelsim.timing.addresses import Access, GemmAddresses, needs_addresses
from accelsim.timing.meeting import Exchange

_NOTHING = Transfer()


@dataclass(frozen=True, slots=True)
class Cut:
    """A block in parts along one dimension, or None where it is whole."""

    dim: Dim | None
    parts: tuple[Block, ...]

    def share(self, whole: Transfer, dims: tuple[Dim, ...], at: int) -> Transfer:
        """Return what part `at` moves of something indexed by `dims`."""
        index, count = self.place(dims, at)
        return whole.part(index, count) if count else _NOTHING

    def place(self, dims: tuple[Dim, ...], at: int) -> tuple[int, int]:
        """Return which part of how many part `at` moves of it; (0, 0) is nothing."""
        if self.dim in dims:
            return at, len(self.parts)
        return (0, 1) if at == 0 else (0, 0)


@dataclass(frozen=True, slots=True)
class Piece:
    """Part `at` of a block, with its share of what the op moves and computes besides.

    Results leave with the parts that complete them; partial sums that must leave, and
    sums that meet those of other cores (`tree`), do so with the last part.
    """

    traffic: BlockTraffic
    cut: Cut
    at: int
    extra: tuple[Transfer, Transfer, int]
    tree: tuple[int, ...] | None

    @property
    def closes(self) -> bool:
        """Whether it is the last of its block."""
        return self.at == len(self.cut.parts) - 1

    @property
    def spills(self) -> bool:
        """Whether partial sums leave with it."""
        return self.tree is None and self.closes and self.traffic.psum_write != _NOTHING

    @property
    def completes(self) -> bool:
        """Whether anything leaves with it."""
        if self.tree is not None:
            return self.closes
        return self.cut.parts[self.at].last_k or self.spills

    @property
    def first_to_complete(self) -> bool:
        """Whether nothing of its block has left before."""
        before = self.at and self.tree is None and self.cut.parts[self.at - 1].last_k
        return self.completes and not before

    @property
    def read(self) -> Transfer:
        """What it loads."""
        one = self.traffic
        operands = ((one.a, A_DIMS), (one.b, B_DIMS), (one.psum_read, OUT_DIMS))
        return sum((self.cut.share(*each, self.at) for each in operands), self.extra[0])

    @property
    def exchange(self) -> Exchange | None:
        """What it gives to other cores that divide k."""
        if self.tree is None or not self.closes:
            return None
        given = self.traffic.psum_write.link_bytes
        return Exchange(outputs_of(self.traffic.block), self.tree, given)


@dataclass(frozen=True, slots=True)
class Finder:
    """Where in DRAM the pieces of a GEMM lie; `tensors` is None where it does not matter."""

    tensors: GemmAddresses | None
    read_bytes: int = 0
    write_bytes: int = 0

    @staticmethod
    def of(schedule: Schedule, chip: Chip, *, read: Transfer, write: Transfer) -> Finder:
        """Return the finder of a GEMM that reads and writes so much besides its operands."""
        if not needs_addresses(chip):
            return Finder(None)
        tensors = GemmAddresses.of(schedule, chip, read=read)
        return Finder(tensors, read.dram_bytes, write.dram_bytes)

    def loads(self, piece: Piece) -> tuple[Access, ...]:
        """Return where a piece's operands, partial sums and fused ops' operands lie."""
        if self.tensors is None:
            return ()
        parts = [piece.cut.place(dims, piece.at) for dims in (A_DIMS, B_DIMS, OUT_DIMS)]
        extra = piece.extra[0].dram_bytes
        part = piece.cut.parts[piece.at]
        return (
            *self.tensors.loads(piece.traffic, parts),
            *self.tensors.results(part, extra, whole=self.read_bytes, read=True),
        )

    def stores(self, piece: Piece) -> tuple[Access, ...]:
        """Return where a piece's results and partial sums go."""
        if self.tensors is None:
            return ()
        extra, part = piece.extra[1].dram_bytes, piece.cut.parts[piece.at]
        results = self.tensors.results(part, extra, whole=self.write_bytes, read=False)
        sums = self.tensors.partial_sums(piece.traffic) if piece.spills else ()
        return (*results, *sums)


def outputs_of(block: Block) -> tuple[Range, ...]:
    """Return the ranges of group, m and n that a block adds to."""
    return (block.group, block.m, block.n)
