"""The page of ``accelsim show units``: what arithmetic of one format costs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from accelsim.cost import describe_coverage, load_cost_table
from accelsim.cost.shapes import FormatShape, shape_of
from accelsim.cost.unit_cost import UnitCost
from accelsim.cost.units import UnitPrices, unit_prices
from accelsim.errors import UnsupportedError
from accelsim.formats import get_format
from accelsim.formats.base import DEFAULT_RANDOM_BIT_COUNT
from accelsim.precision import format_spec
from accelsim.report.tables import plain_table

if TYPE_CHECKING:
    from rich.table import Table

_HEADS = ("unit", "area, um2", "energy, pJ", "clock, pJ", "leakage, uW", "flip-flops", "basis")
_NOT_PRICED = "energy or area not in the table"


def units_page(operand: str, *, accumulator: str, cost_table: str) -> Iterator[str | Table]:
    """Yield the units that multiply numbers of one format and add them up in another.

    Energy is of one action, clock of one cycle, all at the table's own node.

    Parameters
    ----------
    operand, accumulator : str
        Formats of what is multiplied and of the sum, by name or spelled out.
    cost_table : str
        Name or file.

    Raises
    ------
    UnknownNameError, ConfigError
        If a format or the table is unknown, or a format has no codes of its own.
    """
    table = load_cost_table(cost_table)
    shape, total = (shape_of(get_format(format_spec(text))) for text in (operand, accumulator))
    node = f"{table.technology_nm:g} nm" + (f", {table.voltage_v:g} V" if table.voltage_v else "")
    yield f"{table.name}, {node}. {table.description} {describe_coverage(table)}"
    rows = [_row(what, price) for what, price in _units(unit_prices(table), shape, total)]
    yield plain_table(f"units of {operand} with sums in {accumulator}", _HEADS, rows)


def _units(
    prices: UnitPrices, shape: FormatShape, total: FormatShape
) -> Iterator[tuple[str, Callable[[], UnitCost]]]:
    one, sums = frozenset({shape}), frozenset({total})
    bits = DEFAULT_RANDOM_BIT_COUNT
    yield f"processing element {shape} + {total}", lambda: prices.pe(one, sums)
    yield f"multiplier {shape}", lambda: prices.multiplier(one)
    yield f"adder {total}", lambda: prices.adder(total)
    yield f"outer adder {total}, with its register", lambda: prices.outer_adder(total)
    yield f"register of {total.bits} bits", lambda: prices.register(total.bits)
    yield f"converter from {total}", lambda: prices.converter(total)
    yield (
        f"stochastic rounder from {total}, {bits} bits",
        lambda: prices.stochastic_rounder(total, random_bits=bits),
    )
    yield f"statistics of log2 |x| in {total}", lambda: prices.statistics_unit(total)


def _row(what: str, price: Callable[[], UnitCost]) -> tuple[str, ...]:
    try:
        unit = price()
    except UnsupportedError:
        return (what, "", "", "", "", "", _NOT_PRICED)
    figures = (unit.area_um2, unit.energy_pj, unit.clock_pj, unit.leakage_uw)
    same = unit.basis is unit.energy_basis
    basis = str(unit.basis) if same else f"{unit.basis}; energy {unit.energy_basis}"
    return (what, *(f"{value:.4g}" for value in figures), str(unit.register_bits), basis)
