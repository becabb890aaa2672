"""Conformance of a cost table: what every table must obey, checked on the table at hand.

`check_cost_table` needs no test framework: it raises `AssertionError` with a text
that says which law was broken and by which row. The tables that ship are tested
with it.
"""

from __future__ import annotations

from itertools import combinations

from accelsim.arch import Chip
from accelsim.cost.actions import Action, Component, Verb
from accelsim.cost.energy import ChipPrices, price_chip
from accelsim.cost.shapes import FormatShape, merge, shape_of
from accelsim.cost.table import Basis, CostRow, CostTable, UnitKind, UnitVariant
from accelsim.workload.vector_functions import VECTOR_FUNCTIONS

#: A larger unit may come out smaller by so much: the scatter of synthesis.
AREA_SCATTER = 0.1


def check_cost_table(table: CostTable, *, chip: Chip | None = None) -> None:
    """Check that a cost table obeys every law that the rest of accelsim relies on.

    Parameters
    ----------
    table : CostTable
        The table to check.
    chip : Chip, optional
        A chip that the table must be able to price whole: every part of it, and
        everything that it can do.

    Raises
    ------
    AssertionError
        For the first law that is broken; the text says which, and by what.

    Notes
    -----
    The laws: every row has a source in words and a basis that a row can have; what
    is on the chip holds for the table's own node; a unit is no smaller than its
    flip-flops; a unit of wider formats is not smaller than one of narrower ones,
    beyond the scatter of synthesis; a processing element is larger than its
    multiplier. With a chip: areas are positive and every action has a price.

    Examples
    --------
    >>> from accelsim.arch import load_chip
    >>> from accelsim.cost import load_cost_table
    >>> check_cost_table(load_cost_table("synth45"), chip=load_chip("fp8_chunk64"))
    """
    for row in table.rows:
        _check_row(row, table)
    for unit in (UnitKind.PE, UnitKind.ADDER, UnitKind.MULTIPLIER):
        for one, two in combinations(table.of_unit(unit), 2):
            _check_order(one, two)
            _check_order(two, one)
    _check_parts(table)
    if chip is not None:
        _check_chip(chip, price_chip(chip, table))


def _check_row(row: CostRow, table: CostTable) -> None:
    label = _label(row)
    assert len(row.source.split()) >= 2, f"{label}: the source {row.source!r} names nothing"
    assert row.basis is not Basis.FITTED, f"{label}: fitted figures are computed, not listed"
    if row.unit is not UnitKind.DRAM_BIT:
        assert row.technology_nm == table.technology_nm, (
            f"{label}: holds at {row.technology_nm} nm, but the table is priced at"
            f" {table.technology_nm} nm; one table mixes no nodes"
        )
    register = table.find(UnitKind.REGISTER_BIT)
    if row.register_bits and row.area_um2 and register and register.area_um2:
        least = row.register_bits * register.area_um2 * (1 - AREA_SCATTER)
        assert row.area_um2 >= least, f"{label}: smaller than its {row.register_bits} flip-flops"


def _check_order(small: CostRow, large: CostRow) -> None:
    """Check that `large` is not smaller, where all its formats are at least as wide."""
    if small.area_um2 is None or large.area_um2 is None:
        return
    if (small.variant, small.kind) != (large.variant, large.kind):
        return
    if not (_within(merge(small.shapes), merge(large.shapes)) and _sums_within(small, large)):
        return
    assert large.area_um2 >= small.area_um2 * (1 - AREA_SCATTER), (
        f"{_label(large)} has {large.area_um2} um2, less than the narrower"
        f" {_label(small)} with {small.area_um2} um2"
    )


def _check_parts(table: CostTable) -> None:
    for pe in table.of_unit(UnitKind.PE):
        multiplier = table.find(UnitKind.MULTIPLIER, pe.shapes)
        if pe.variant is UnitVariant.PLAIN and multiplier and multiplier.area_um2 and pe.area_um2:
            assert pe.area_um2 > multiplier.area_um2, f"{_label(pe)}: smaller than its multiplier"


def _check_chip(chip: Chip, prices: ChipPrices) -> None:
    for component, area in prices.area.area_mm2.items():
        assert area >= 0, f"{chip.name}: {component} has a negative area"
    assert prices.area.total_mm2 > 0, f"{chip.name}: has no area"
    for action in _actions(chip):
        assert min(prices.action_pj(action)) >= 0, f"{chip.name}: {action} has a negative price"


def _actions(chip: Chip) -> list[Action]:
    """Return everything that a chip can be asked to do."""
    array, accumulator = Component.MAC_ARRAY, Component.ACCUMULATOR
    found = [Action(array, verb) for verb in (Verb.CLOCK, Verb.PRELOAD_BITS, Verb.EDGE_BITS)]
    for capability in chip.accumulator.supports:
        found.append(Action(accumulator, Verb.ADD, (capability.outer,)))
        for pair in chip.mac_array.operand_pairs:
            formats = (pair.a, pair.b, capability.inner)
            found.extend(Action(array, verb, formats) for verb in (Verb.MULTIPLY, Verb.ADD))
    for function in VECTOR_FUNCTIONS:
        found.extend(
            Action(Component.VECTOR_UNIT, Verb.FUNCTION, (fmt,), function)
            for fmt in chip.vector_unit.formats
        )
    for memory in (accumulator, Component.SCRATCHPAD, Component.DRAM):
        found.extend(Action(memory, verb) for verb in (Verb.READ_BYTES, Verb.WRITE_BYTES))
    return [*found, Action(Component.INTERCONNECT, Verb.BYTE_HOPS)]


def _within(small: FormatShape, large: FormatShape) -> bool:
    return (
        small.is_integer == large.is_integer
        and small.exponent_bits <= large.exponent_bits
        and small.significand_bits <= large.significand_bits
    )


def _sums_within(small: CostRow, large: CostRow) -> bool:
    if small.accumulator is None or large.accumulator is None:
        return small.accumulator == large.accumulator
    return _within(shape_of(small.accumulator), shape_of(large.accumulator))


def _label(row: CostRow) -> str:
    parts = (row.unit, "/".join(row.operands), row.accumulator or "", row.variant, row.kind)
    return " ".join(str(part) for part in parts if part)
