"""Chips of equal area, equal element count or equal peak throughput, to compare fairly.

Only the columns of the array change, in whole ones: rows stay, because the k tile
and so the legal chunk sizes hang on them; memories, vector unit and clock stay.
"""

from __future__ import annotations

from enum import StrEnum

from accelsim.arch.chip import Chip
from accelsim.cost.area import chip_area
from accelsim.cost.table import CostTable
from accelsim.errors import Infeasibility, MappingError

_MAX_COLS = 65536
_MEGA = 1e6
_UM2_PER_MM2 = 1e6


class Hold(StrEnum):
    """What a comparison keeps equal."""

    #: Processing elements of all cores.
    PE_COUNT = "pe_count"
    #: Area of the chip; never above the reference's.
    AREA = "area"
    #: Multiply-accumulates per second at the fastest rate.
    THROUGHPUT = "throughput"
    #: Nothing: every chip is as its file says.
    NOTHING = "nothing"


def hold_equal(chip: Chip, reference: Chip, held: Hold, *, table: CostTable) -> Chip:
    """Return `chip` with as many columns as make it equal to `reference` in what is held.

    The chip itself where that is nothing. Whole columns: area is the nearest from below,
    the other two are the nearest.

    Raises
    ------
    MappingError
        If not even one column fits the area.
    """
    if held is Hold.NOTHING:
        return chip
    if held is Hold.AREA:
        return resize_to_area(chip, chip_area(reference, table).total_mm2, table=table)
    cores_and_rows = chip.cores * chip.mac_array.rows
    if held is Hold.PE_COUNT:
        wanted = reference.cores * reference.mac_array.pe_count / cores_and_rows
    else:
        per_column = cores_and_rows * fastest_rate(chip) * chip.clock_mhz
        wanted = peak_macs_per_second(reference) / _MEGA / per_column
    return with_cols(chip, min(_MAX_COLS, max(1, round(wanted))))


def resize_to_area(chip: Chip, target_mm2: float, *, table: CostTable) -> Chip:
    """Return `chip` with as many whole columns as keep its area at or below `target_mm2`.

    Raises
    ------
    MappingError
        If one column is already too large; says by how much and what would help.

    Examples
    --------
    >>> from accelsim.arch import load_chip
    >>> from accelsim.cost.catalog import load_cost_table
    >>> table = load_cost_table("synth45")
    >>> target = chip_area(load_chip("fp8_chunk64"), table).total_mm2
    >>> resize_to_area(load_chip("fp32"), target, table=table).mac_array.cols
    16
    """
    smallest = chip_area(with_cols(chip, 1), table).total_mm2
    if smallest > target_mm2:
        raise MappingError(
            f"{chip.name} cannot be resized to {target_mm2:.4g} mm2.",
            Infeasibility(
                what="area with a single column",
                demand=round(smallest * _UM2_PER_MM2),
                bound=round(target_mm2 * _UM2_PER_MM2),
                unit="um2",
                levers=("a smaller scratchpad", "fewer vector lanes", "fewer rows or cores"),
            ),
        )
    fits, too_many = 1, 2
    while too_many <= _MAX_COLS and _area(chip, too_many, table) <= target_mm2:
        fits, too_many = too_many, 2 * too_many
    while too_many - fits > 1:
        middle = (fits + too_many) // 2
        if _area(chip, middle, table) <= target_mm2:
            fits = middle
        else:
            too_many = middle
    return with_cols(chip, min(fits, _MAX_COLS))


def with_cols(chip: Chip, cols: int) -> Chip:
    """Return `chip` with another number of columns."""
    return chip.model_copy(update={"mac_array": chip.mac_array.model_copy(update={"cols": cols})})


def fastest_rate(chip: Chip) -> int:
    """Return the most MACs that an element of the array makes in a cycle."""
    return max(pair.k_per_pe for pair in chip.mac_array.operand_pairs)


def peak_macs_per_second(chip: Chip) -> float:
    """Return the multiply-accumulates per second of all cores at the fastest rate."""
    return chip.peak_macs_per_cycle(fastest_rate(chip)) * chip.clock_mhz * _MEGA


def _area(chip: Chip, cols: int, table: CostTable) -> float:
    return chip_area(with_cols(chip, cols), table).total_mm2
