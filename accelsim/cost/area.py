"""Area and leakage of a chip, by component.

Every component is a count of priced units, scaled from the table's node to the
chip's. Areas are cell areas: placement overhead, pads, clock tree, control and
instruction memory are not in them, for any chip alike.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from accelsim.arch.chip import Chip
from accelsim.arch.interconnect import Topology
from accelsim.arch.memory import Memory
from accelsim.cost.actions import Component
from accelsim.cost.coverage import describe_coverage, whole_chip_gaps, whole_chip_tables
from accelsim.cost.memories import MemoryCost, price_memory
from accelsim.cost.pe import PeCost, inner_shapes, outer_shape, price_pe
from accelsim.cost.scaling import Scaling, scale
from accelsim.cost.shapes import FormatShape, merge, shape_of
from accelsim.cost.table import CostTable
from accelsim.cost.unit_cost import UnitCost
from accelsim.cost.units import UnitPrices, unit_prices
from accelsim.errors import UnsupportedError
from accelsim.schedule.mapping import Stationary

#: Components that take area.
AREA_COMPONENTS = (
    Component.MAC_ARRAY,
    Component.ACCUMULATOR,
    Component.VECTOR_UNIT,
    Component.SCRATCHPAD,
    Component.INTERCONNECT,
)
#: Partial sums per column where a chip says "enough" (`accumulator.entries: null`). Our choice.
DEFAULT_ACCUMULATOR_ENTRIES = 1024
#: Word of a scratchpad whose bandwidth is unlimited. Our choice.
DEFAULT_WORD_BYTES = 64
#: Registers that a flit passes at a ring stop: one in, one out.
_STOP_REGISTERS = 2
_MM2_PER_UM2 = 1e-6
_MW_PER_UW = 1e-3
_BITS = 8


@dataclass(frozen=True, slots=True)
class ChipArea:
    """Area and leakage of a whole chip at its own node.

    Parameters
    ----------
    area_mm2, leakage_mw : mapping
        By component, all cores together.
    notes : tuple of str
        What was left out, put together or scaled with a doubt.
    basis : mapping
        Component -> where its figures come from.
    """

    area_mm2: Mapping[str, float]
    leakage_mw: Mapping[str, float]
    notes: tuple[str, ...]
    basis: Mapping[str, str]

    @property
    def total_mm2(self) -> float:
        """Area of the chip."""
        return math.fsum(self.area_mm2.values())

    @property
    def total_leakage_mw(self) -> float:
        """Leakage of the chip."""
        return math.fsum(self.leakage_mw.values())


@dataclass(frozen=True, slots=True)
class ChipUnits:
    """The priced parts of one core of a chip, at the table's node or their own.

    Logic (`pe`, `outer_adder`, `lane`, `stop`) is at the table's node; memories
    are at the chip's.
    """

    prices: UnitPrices
    scaling: Scaling
    pe: PeCost
    outer_adder: UnitCost
    lane: UnitCost
    accumulator_memory: MemoryCost
    scratchpad: MemoryCost
    notes: tuple[str, ...]


def price_units(chip: Chip, table: CostTable) -> ChipUnits:
    """Price the parts of a chip.

    Raises
    ------
    UnsupportedError
        If the table cannot price a part, or its node cannot be scaled to the chip's;
        of a table that prices single units alone, says so and names those that can.
    """
    try:
        return _price_units(chip, table)
    except UnsupportedError as error:
        if not whole_chip_gaps(table):
            raise
        able = ", ".join(whole_chip_tables())
        raise UnsupportedError(
            f"{error}\n  {table.name}: {describe_coverage(table)} Tables that price one: {able}."
        ) from None


def _price_units(chip: Chip, table: CostTable) -> ChipUnits:
    prices = unit_prices(table)
    scaling = scale(table.technology_nm, chip.technology_nm, method=table.scaling)
    outer = outer_shape(chip.accumulator)
    entries = chip.accumulator.entries
    notes = list(scaling.warnings)
    if entries is None:
        entries = DEFAULT_ACCUMULATOR_ENTRIES
        notes.append(f"accumulator.entries is null: priced as {entries:,} partial sums per column.")
    word = chip.mac_array.cols * -(-outer.bits // _BITS)
    memory = price_memory(
        table, prices, capacity_bytes=entries * word, width_bytes=word, node_nm=chip.technology_nm
    )
    scratchpad = _price_scratchpad(chip.scratchpad, table, prices, chip.technology_nm)
    if _register_file_bits(chip, 0):
        notes.append(
            "Register files of the elements are priced as flip-flops that are read for free."
        )
    if chip.scratchpad.capacity_kib is None:
        notes.append("scratchpad.capacity_kib is null: the scratchpad has no area and no energy.")
    return ChipUnits(
        prices=prices,
        scaling=scaling,
        pe=price_pe(chip.mac_array, chip.accumulator, prices),
        outer_adder=prices.outer_adder(outer),
        lane=prices.pe(frozenset({lane_shape(chip)}), frozenset({lane_shape(chip)})),
        accumulator_memory=memory,
        scratchpad=scratchpad,
        notes=tuple(dict.fromkeys((*notes, *memory.notes, *scratchpad.notes))),
    )


def chip_area(chip: Chip, table: CostTable, *, chunk_size: int | None = None) -> ChipArea:
    """Return area and leakage of a chip by component.

    Parameters
    ----------
    chip : Chip
        The chip.
    table : CostTable
        Prices.
    chunk_size : int, optional
        Smallest chunk that it has to end inside a column, for the taps of the outer
        adders; None where a chunk is never shorter than a column.

    Raises
    ------
    UnsupportedError
        As `price_units`.
    """
    return area_of_units(chip, price_units(chip, table), chunk_size=chunk_size)


def area_of_units(chip: Chip, units: ChipUnits, *, chunk_size: int | None = None) -> ChipArea:
    """Return area and leakage from parts that are priced already."""
    logic = {
        Component.MAC_ARRAY: _array(chip, units),
        Component.ACCUMULATOR: (outer_adder_count(chip, chunk_size), units.outer_adder),
        Component.VECTOR_UNIT: (chip.vector_unit.lanes, units.lane),
        Component.INTERCONNECT: _stop(chip, units.prices),
    }
    memories = {
        Component.ACCUMULATOR: units.accumulator_memory,
        Component.SCRATCHPAD: units.scratchpad,
    }
    area, leakage = {}, {}
    for component in AREA_COMPONENTS:
        um2 = uw = mm2 = mw = 0.0
        if component in logic:
            count, unit = logic[component]
            um2, uw = count * unit.area_um2, count * unit.leakage_uw
        if component in memories:
            mm2, mw = memories[component].area_mm2, memories[component].leakage_mw
        area[str(component)] = chip.cores * (um2 * _MM2_PER_UM2 * units.scaling.area + mm2)
        leakage[str(component)] = chip.cores * (uw * _MW_PER_UW * units.scaling.leakage + mw)
    basis = {
        str(Component.MAC_ARRAY): str(units.pe.basis),
        str(Component.ACCUMULATOR): str(units.outer_adder.basis),
        str(Component.VECTOR_UNIT): str(units.lane.basis),
        str(Component.SCRATCHPAD): units.scratchpad.basis,
        str(Component.INTERCONNECT): "estimate",
    }
    return ChipArea(area_mm2=area, leakage_mw=leakage, notes=units.notes, basis=basis)


def outer_adder_count(chip: Chip, chunk_size: int | None = None) -> int:
    """Return the outer adders of a core: one a column, or one a tap of a column.

    A column of R elements at rate p adds R * p products on the way down. Chunks
    that divide it leave it at taps, each with an adder of its own. Where outputs
    are stationary, nothing leaves a column and its elements share one adder.

    Examples
    --------
    >>> from accelsim.arch import load_chip
    >>> chip = load_chip("fp8_chunk64")  # 32 columns of 32 elements at rate 2
    >>> outer_adder_count(chip, 64), outer_adder_count(chip, 16)
    (32, 128)
    """
    array = chip.mac_array
    if chunk_size is None or _in_pe_outer(chip):
        return array.cols
    k_tile = array.rows * max(pair.k_per_pe for pair in array.operand_pairs)
    return array.cols * max(1, k_tile // chunk_size)


def lane_shape(chip: Chip) -> FormatShape:
    """Return the shape that serves every format of a vector lane."""
    return merge(shape_of(fmt) for fmt in chip.vector_unit.formats)


def link_length_mm(chip: Chip, area: ChipArea) -> float:
    """Return the length of one link: the side of a core, or of all of them for a bus."""
    core_mm2 = area.total_mm2 / chip.cores
    side = math.sqrt(core_mm2)
    return side * chip.cores if chip.interconnect.topology is Topology.BUS else side


def _array(chip: Chip, units: ChipUnits) -> tuple[float, UnitCost]:
    """Return the elements of a core, each with what registers it has beside its own three."""
    pe = units.pe
    extra = pe.operand_bits if chip.mac_array.preload_hidden else 0
    if _in_pe_outer(chip):
        extra += outer_shape(chip.accumulator).bits
    extra += _register_file_bits(chip, pe.operand_bits)
    register = units.prices.register(extra) if extra else None
    return chip.mac_array.pe_count, UnitCost(
        label="processing element with its extra registers",
        area_um2=pe.area_um2 + (register.area_um2 if register else 0.0),
        energy_pj=0.0,
        clock_pj=pe.clock_pj,
        leakage_uw=pe.leakage_uw + (register.leakage_uw if register else 0.0),
        register_bits=pe.register_bits + extra,
        basis=pe.basis,
        energy_basis=pe.basis,
    )


def _in_pe_outer(chip: Chip) -> bool:
    """Whether chunk sums stay in the elements, as they do where outputs are stationary."""
    return chip.mac_array.dataflow == f"{Stationary.OUTPUT}_stationary"


def _register_file_bits(chip: Chip, operand_bits: int) -> int:
    """Return the bits of an element's register file: kernel rows stay there, or nothing does."""
    if chip.mac_array.dataflow != f"{Stationary.ROW}_stationary":
        return 0
    words = chip.mac_array.register_file
    sum_bits = merge(inner_shapes(chip.accumulator)).bits
    return (words.weights + words.activations) * operand_bits + words.psums * sum_bits


def _stop(chip: Chip, prices: UnitPrices) -> tuple[float, UnitCost]:
    """Return the registers with which a core sits on the interconnect; wires take no area."""
    width = chip.interconnect.bytes_per_cycle or 0
    directions = 2 if chip.interconnect.topology is Topology.RING else 1
    bits = width * _BITS * directions * _STOP_REGISTERS
    return 1, prices.register(bits)


def _price_scratchpad(
    memory: Memory, table: CostTable, prices: UnitPrices, node_nm: float
) -> MemoryCost:
    if memory.capacity_bytes is None:
        return MemoryCost.free()
    width = memory.read_bytes_per_cycle or memory.write_bytes_per_cycle
    return price_memory(
        table,
        prices,
        capacity_bytes=memory.capacity_bytes,
        width_bytes=width or DEFAULT_WORD_BYTES,
        node_nm=node_nm,
    )
