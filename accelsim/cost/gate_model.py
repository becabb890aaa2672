"""Area and energy of arithmetic units of any format, fitted to a table's own rows.

A unit is a handful of blocks whose gates grow with known widths. With
significands of pa and pb bits multiplied, and added to a sum of p bits:

===============  =======================  ==================================================
term             grows with               what it is
===============  =======================  ==================================================
PRODUCT          pa * pb                  array of partial products
MULTIPLIER       1                        exponent adder, sign, special cases
SUM              p                        adder, normaliser and rounder of the sum
ADDEND           min(p, pa + pb)          aligner of what is added
FUSED            pa + pb                  wider path of a product that is not rounded first
FLUSH            -(pa + p)                what goes where subnormals are not supported
TWO_STAGE        pa + pb                  logic that the cut between two stages adds
===============  =======================  ==================================================

The coefficients come from relative least squares over the processing elements,
adders and multipliers of the table; flip-flops are counted, not fitted. Integer
units have no exponents and no alignment: a bit of their adder is priced as one
partial product, and none of them is in the fit. Of the synthesised points of
`synth45`, each left out in turn, areas come back within 15 %. Energies scatter
more (10 % on average, up to 30 %), because glitches do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from accelsim.cost.shapes import FormatShape, merge, shape_of
from accelsim.cost.table import Basis, CostRow, CostTable, UnitKind, UnitVariant
from accelsim.errors import UnsupportedError


class Term(StrEnum):
    """A block of gates; see the table in the module's docstring."""

    PRODUCT = "product"
    MULTIPLIER = "multiplier"
    SUM = "sum"
    ADDEND = "addend"
    FUSED = "fused"
    FLUSH = "flush"
    TWO_STAGE = "two_stage"


#: How much of each term a unit has.
Amounts = dict[Term, float]

#: Terms that the energy of a unit is fitted on: the constant one is lost in its scatter.
_ENERGY_TERMS = tuple(term for term in Term if term is not Term.MULTIPLIER)
_FITTED_UNITS = (UnitKind.PE, UnitKind.ADDER, UnitKind.MULTIPLIER)


@dataclass(frozen=True, slots=True)
class Residual:
    """How far the model is from one row, as a share of the row's figure.

    `fitted` is with all rows in the fit; `left_out` with this one left out.
    """

    row: CostRow
    figure: float
    fitted: float
    left_out: float


@dataclass(frozen=True, slots=True)
class GateModel:
    """Coefficients per term.

    Parameters
    ----------
    area_um2 : dict
        Area of one unit of each term, without flip-flops.
    energy_pj : dict
        Switching energy of one unit of each term; empty where no row has energies.
    register_area_um2, register_clock_pj : float
        Area of a flip-flop, and energy of its clock pin in one cycle.
    leakage_uw_per_um2 : float
        Median over the rows.
    """

    area_um2: dict[Term, float]
    energy_pj: dict[Term, float]
    register_area_um2: float
    register_clock_pj: float
    leakage_uw_per_um2: float

    def area(self, amounts: Amounts, *, register_bits: int = 0) -> float:
        """Return the area in um2 of a unit."""
        logic = sum(self.area_um2.get(term, 0.0) * amount for term, amount in amounts.items())
        return logic + register_bits * self.register_area_um2

    def energy(self, amounts: Amounts) -> float:
        """Return the switching energy in pJ of one action of a unit."""
        return sum(self.energy_pj.get(term, 0.0) * amount for term, amount in amounts.items())


def multiplier_amounts(a: FormatShape, b: FormatShape) -> Amounts:
    """Return the terms of a multiplier of two operands."""
    amounts: Amounts = {Term.PRODUCT: float(a.significand_bits * b.significand_bits)}
    if not (a.is_integer and b.is_integer):
        amounts[Term.MULTIPLIER] = 1.0
    return amounts


def adder_amounts(total: FormatShape, *, addend_bits: int | None = None) -> Amounts:
    """Return the terms of an adder to a sum of format `total`.

    `addend_bits` is the width of what is added; None means as wide as the sum.
    """
    bits = total.significand_bits
    if total.is_integer:
        return {Term.PRODUCT: float(bits)}
    addend = bits if addend_bits is None else min(bits, addend_bits)
    return {Term.SUM: float(bits), Term.ADDEND: float(addend)}


def pe_amounts(
    a: FormatShape,
    b: FormatShape,
    total: FormatShape,
    *,
    variant: UnitVariant = UnitVariant.PLAIN,
) -> Amounts:
    """Return the terms of a processing element: a multiplier and an adder to a sum."""
    product_bits = a.significand_bits + b.significand_bits
    amounts = add_up(multiplier_amounts(a, b), adder_amounts(total, addend_bits=product_bits))
    if variant is UnitVariant.FUSED:
        amounts[Term.FUSED] = float(product_bits)
    elif variant is UnitVariant.FLUSH:
        amounts[Term.FLUSH] = -float(a.significand_bits + total.significand_bits)
    elif variant is UnitVariant.TWO_STAGE:
        amounts[Term.TWO_STAGE] = float(product_bits)
    return amounts


def add_up(*parts: Amounts) -> Amounts:
    """Return the sum of several amounts, term by term."""
    return {
        term: sum(part.get(term, 0.0) for part in parts)
        for term in Term
        if any(term in part for part in parts)
    }


def fit_gate_model(table: CostTable) -> GateModel:
    """Fit the coefficients to the synthesised rows of a table.

    Raises
    ------
    UnsupportedError
        If the table has too few measured units, or no flip-flop.
    """
    register = table.find(UnitKind.REGISTER_BIT)
    rows = _fit_rows(table)
    if register is None or register.area_um2 is None or len(rows) <= len(Term):
        raise UnsupportedError(
            f"The cost table {table.name!r} prices too few units to derive others from: it has"
            f" {len(rows)} measured floating-point units and needs more than {len(Term)}, and a"
            " register_bit.\n  Use synth45, or add rows for the units that the chip has."
        )
    leaks = [row.leakage_uw / row.area_um2 for row in rows if row.leakage_uw and row.area_um2]
    return GateModel(
        area_um2=_fit_areas(rows, register.area_um2),
        energy_pj=_fit_energies(rows),
        register_area_um2=register.area_um2,
        register_clock_pj=register.energy_pj or 0.0,
        leakage_uw_per_um2=float(np.median(leaks)) if leaks else 0.0,
    )


def area_residuals(table: CostTable) -> tuple[Residual, ...]:
    """Return the model's area error at every row, fitted and left out.

    Integer rows are never in the fit, so that both are the same there.
    """
    model, rows = fit_gate_model(table), _fit_rows(table)
    found = []
    for row in (*rows, *_integer_rows(table)):
        others = [other for other in rows if other is not row]
        coefficients = _fit_areas(others, model.register_area_um2)
        found.append(_area_residual(row, model, coefficients))
    return tuple(found)


def energy_residuals(table: CostTable) -> tuple[Residual, ...]:
    """Return the model's error of the switching energy at every row that has one."""
    rows = [row for row in _fit_rows(table) if row.energy_pj is not None]
    whole = _fit_energies(rows)
    found = []
    for row in rows:
        amounts, figure = row_amounts(row), row.energy_pj or 0.0
        left_out = _fit_energies([other for other in rows if other is not row])
        errors = [_dot(fit, amounts) / figure - 1 for fit in (whole, left_out)]
        found.append(Residual(row, figure, *errors))
    return tuple(found)


def row_amounts(row: CostRow) -> Amounts:
    """Return the terms of the unit that a row prices."""
    operand = merge(row.shapes)
    if row.unit is UnitKind.MULTIPLIER:
        return multiplier_amounts(operand, operand)
    if row.unit is UnitKind.ADDER:
        return adder_amounts(operand)
    assert row.accumulator is not None  # a pe has one
    return pe_amounts(operand, operand, shape_of(row.accumulator), variant=row.variant)


def _area_residual(row: CostRow, model: GateModel, left_out: dict[Term, float]) -> Residual:
    amounts, figure = row_amounts(row), row.area_um2 or 0.0
    registers = (row.register_bits or 0) * model.register_area_um2
    errors = [(_dot(fit, amounts) + registers) / figure - 1 for fit in (model.area_um2, left_out)]
    return Residual(row, figure, *errors)


def _fit_rows(table: CostTable) -> list[CostRow]:
    return [row for row in _measured(table) if not merge(row.shapes).is_integer]


def _integer_rows(table: CostTable) -> list[CostRow]:
    return [row for row in _measured(table) if merge(row.shapes).is_integer]


def _measured(table: CostTable) -> list[CostRow]:
    return [
        row
        for row in table.rows
        if row.unit in _FITTED_UNITS
        and row.basis is Basis.MEASURED
        and row.area_um2 is not None
        and not row.kind  # an element of several lanes is not one multiplier and one adder
    ]


def _fit_areas(rows: Sequence[CostRow], register_area_um2: float) -> dict[Term, float]:
    areas = [row.area_um2 or 0.0 for row in rows]
    logic = [
        area - (row.register_bits or 0) * register_area_um2
        for area, row in zip(areas, rows, strict=True)
    ]
    return _least_squares(rows, logic, weights=areas, terms=tuple(Term))


def _fit_energies(rows: Sequence[CostRow]) -> dict[Term, float]:
    priced = [row for row in rows if row.energy_pj]
    if len(priced) <= len(_ENERGY_TERMS):
        return {}
    energies = [row.energy_pj or 0.0 for row in priced]
    return _least_squares(priced, energies, weights=energies, terms=_ENERGY_TERMS)


def _least_squares(
    rows: Sequence[CostRow],
    figures: Sequence[float],
    *,
    weights: Sequence[float],
    terms: tuple[Term, ...],
) -> dict[Term, float]:
    """Return the coefficients that minimise the squared errors relative to `weights`."""
    amounts = [row_amounts(row) for row in rows]
    matrix = np.array([[one.get(term, 0.0) for term in terms] for one in amounts])  # (row, term)
    scale = 1 / np.array(weights)
    solution = np.linalg.lstsq(matrix * scale[:, None], np.array(figures) * scale, rcond=None)[0]
    return {term: float(value) for term, value in zip(terms, solution, strict=True)}


def _dot(coefficients: dict[Term, float], amounts: Amounts) -> float:
    return sum(coefficients.get(term, 0.0) * amount for term, amount in amounts.items())
