"""The price of an on-chip memory at a chip's node: SRAM from the table, or flip-flops.

Memories below the smallest SRAM of the table are built of flip-flops. At a node
beyond the table's finest or coarsest, the memory is priced there and scaled on;
within the table's nodes it is interpolated and not scaled at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from accelsim.cost.scaling import scale
from accelsim.cost.sram import SramTable, load_sram_table
from accelsim.cost.table import Basis, CostTable
from accelsim.cost.units import UnitPrices
from accelsim.errors import UnsupportedError

_BITS = 8
_MM2_PER_UM2 = 1e-6
_MW_PER_UW = 1e-3


@dataclass(frozen=True, slots=True)
class MemoryCost:
    """Price of one memory at the chip's node.

    `read_pj_per_byte` and `write_pj_per_byte` are of an access that uses its whole
    word.
    """

    read_pj_per_byte: float
    write_pj_per_byte: float
    leakage_mw: float
    area_mm2: float
    basis: str
    notes: tuple[str, ...] = ()

    @classmethod
    def free(cls) -> MemoryCost:
        """Return the price of an idealised memory: nothing."""
        return cls(0.0, 0.0, 0.0, 0.0, "not priced")


def price_memory(
    table: CostTable,
    prices: UnitPrices,
    *,
    capacity_bytes: int,
    width_bytes: int,
    node_nm: float,
) -> MemoryCost:
    """Return the price of a memory.

    Raises
    ------
    UnsupportedError
        If the table has no memories, or no published scaling reaches the node.
    """
    if table.sram is None:
        raise UnsupportedError(
            f"The cost table {table.name!r} prices no memories.\n"
            "  Add an sram section to it, or name another table, such as synth45, in cost_table."
        )
    source = table.sram
    sram = load_sram_table(Path(source.file), cell=source.cell, objective=source.objective)
    if capacity_bytes < sram.capacity_range[0]:
        return _flip_flops(table, prices, capacity_bytes=capacity_bytes, node_nm=node_nm)
    return _sram(table, sram, capacity_bytes, width_bytes, node_nm)


def _sram(
    table: CostTable, sram: SramTable, capacity: int, width: int, node_nm: float
) -> MemoryCost:
    priced_nm = min(max(node_nm, sram.nodes[0]), sram.nodes[-1])
    one = sram.cost(capacity, width, node_nm=priced_nm)
    change = scale(priced_nm, node_nm, method=table.scaling)
    notes = list(one.notes)
    if node_nm != priced_nm:
        notes.append(
            f"The memory table ends at {priced_nm:g} nm: memories were scaled from there to"
            f" {node_nm:g} nm (energy x{change.energy:.3f}, area x{change.area:.3f})."
        )
    return MemoryCost(
        read_pj_per_byte=one.read_pj / one.word_bytes * change.energy,
        write_pj_per_byte=one.write_pj / one.word_bytes * change.energy,
        leakage_mw=one.leakage_mw * change.leakage,
        area_mm2=one.area_mm2 * change.area,
        basis=str(Basis.INTERPOLATED),
        notes=tuple(notes),
    )


def _flip_flops(
    table: CostTable, prices: UnitPrices, *, capacity_bytes: int, node_nm: float
) -> MemoryCost:
    """Return a memory of flip-flops, clocked only where it is written."""
    change = scale(table.technology_nm, node_nm, method=table.scaling)
    bits = prices.register(capacity_bytes * _BITS)
    write_pj = prices.register(_BITS).clock_pj * change.energy
    return MemoryCost(
        read_pj_per_byte=0.0,
        write_pj_per_byte=write_pj,
        leakage_mw=bits.leakage_uw * _MW_PER_UW * change.leakage,
        area_mm2=bits.area_um2 * _MM2_PER_UM2 * change.area,
        basis=str(bits.basis),
        notes=(f"A memory of {capacity_bytes:,} bytes is priced as flip-flops.",),
    )
