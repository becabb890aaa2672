"""Area and energy of arithmetic units of any format, fitted to a table's own rows.

A unit is a handful of blocks whose gates, and their switching, grow with known
widths. With significands of pa and pb bits multiplied, operand exponents of e bits, and a
sum of p bits with exponents of es; f is the width of the adder, p or, where an exact
product is wider, pa + pb; and w = min(f, pa + pb) how much of it an addend can cover:

==========  ===========================  ======  ========================================
term        grows with                   fits    what it is
==========  ===========================  ======  ========================================
PRODUCT     pa * pb                      both    array of partial products
MULTIPLIER  1                            area    exponent adder, sign, special cases
NORMALISER  (pa + pb) * log2(z + 1)      energy  shifter of products, for subnormals
GRID        f, + r if rounded            area    subnormals, of sums and of products
RANGE       max(e, es)                   area    comparison and choice of exponents
SHIFTERS    f * log2(f)                  area    aligner, normaliser, rounder of a sum
EXPONENTS   min(e, 4)                    energy  bits of exponents that change
MOVED       f * log2(f) * d              energy  shifters, as far as they shift
ADDEND      w * d                        energy  bits of the sum that an addend covers
==========  ===========================  ======  ========================================

Elements are fed numbers of a normal distribution, so that no more than four bits of their
exponents change, however many a format has, and no more than d = min(e, 3) bits of the
distances by which addends are shifted. A product of subnormals has up to z leading zeros:
pa + pb - 1, or the larger of pa and pb where smaller ones round to zero. Rounding a product
counts as r = p bits, or as two for each bit that it takes off where these are few: it never
costs much more than the wider adder that it saves. Of an exact product the bits below the
sum's last place mostly end in the sticky bit, and count half in the f of energies. Formats
without subnormals have neither NORMALISER nor GRID. Integers that are added as floats move
over the exponents of the sum.

The coefficients come from relative least squares over the processing elements,
adders and multipliers of the table: of areas, of energies at zero delay and of energies
with glitches, each on its own. Flip-flops and their clock are counted, not fitted.
Integer units have no exponents and no alignment: a bit of their adder is priced as one
partial product, and none of them is in the fit.

Of the synthesised points of `synth45`, each left out in turn, all three come back within
15 %.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
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
    NORMALISER = "normaliser"
    GRID = "grid"
    RANGE = "range"
    SHIFTERS = "shifters"
    EXPONENTS = "exponents"
    MOVED = "moved"
    ADDEND = "addend"


#: How much of each term a unit has.
Amounts = dict[Term, float]

_AREA_TERMS = (Term.PRODUCT, Term.MULTIPLIER, Term.GRID, Term.RANGE, Term.SHIFTERS)
_ENERGY_TERMS = (Term.PRODUCT, Term.NORMALISER, Term.EXPONENTS, Term.MOVED, Term.ADDEND)
#: Most bits that change in the exponents of numbers of a normal distribution, and in the
#: distances between them.
_EXPONENT_BITS, _DISTANCE_BITS = 4, 3
#: Bits of a rounder of products for each bit that it takes off, at most.
_GRID_BITS_PER_BIT_OFF = 2
#: How much a bit of a product below the sum's last place switches, of one above it.
_LOW_BIT_PART = 0.5
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
    energy_pj, zero_delay_energy_pj : dict
        Switching energy of one unit of each term, with glitches and at zero delay; empty
        where no row has energies.
    register_area_um2, register_clock_pj : float
        Area of a flip-flop, and energy of its clock pin in one cycle.
    leakage_uw_per_um2 : float
        Median over the rows.
    """

    area_um2: dict[Term, float]
    energy_pj: dict[Term, float]
    zero_delay_energy_pj: dict[Term, float]
    register_area_um2: float
    register_clock_pj: float
    leakage_uw_per_um2: float

    def area(self, amounts: Amounts, *, register_bits: int = 0) -> float:
        """Return the area in um2 of a unit."""
        logic = sum(self.area_um2.get(term, 0.0) * amount for term, amount in amounts.items())
        return logic + register_bits * self.register_area_um2

    def energy(self, amounts: Amounts) -> float:
        """Return the switching energy in pJ of one action of a unit, glitches counted."""
        return _dot(self.energy_pj, amounts)

    def zero_delay_energy(self, amounts: Amounts) -> float:
        """Return the energy in pJ of one action if every signal switched at most once."""
        return _dot(self.zero_delay_energy_pj, amounts)


def multiplier_amounts(
    a: FormatShape, b: FormatShape, *, rounded_to: FormatShape | None = None, flush: bool = False
) -> Amounts:
    """Return the terms of a multiplier, whose product may be rounded to a format.

    With `flush` no number is subnormal.
    """
    amounts: Amounts = {Term.PRODUCT: float(a.significand_bits * b.significand_bits)}
    if a.is_integer and b.is_integer:
        return amounts
    amounts[Term.MULTIPLIER] = 1.0
    if not flush:
        bits = a.significand_bits + b.significand_bits
        zeros = bits - 1
        if rounded_to is not None:
            zeros = max(a.significand_bits, b.significand_bits)
            kept = rounded_to.significand_bits
            amounts[Term.GRID] = float(min(kept, _GRID_BITS_PER_BIT_OFF * (bits - kept)))
        amounts[Term.NORMALISER] = bits * math.log2(zeros + 1)
    return amounts


def adder_amounts(
    total: FormatShape,
    *,
    product_of: tuple[FormatShape, FormatShape] | None = None,
    exact: bool = False,
    flush: bool = False,
) -> Amounts:
    """Return the terms of an adder to a sum of format `total`.

    It adds products of `product_of`, of which an `exact` one may be wider than the sum;
    None means numbers of the sum's own format. With `flush` no number is subnormal.
    """
    bits = total.significand_bits
    if total.is_integer:
        return {Term.PRODUCT: float(bits)}
    operands = product_of or (total,)
    product_bits = sum(shape.significand_bits for shape in operands)
    frame = max(bits, product_bits) if exact else bits
    switching = bits + _LOW_BIT_PART * (frame - bits)
    exponent = max(shape.exponent_bits for shape in operands) or total.exponent_bits
    distance = min(exponent, _DISTANCE_BITS)
    return {
        Term.GRID: 0.0 if flush else float(frame),
        Term.RANGE: float(max(exponent, total.exponent_bits)),
        Term.SHIFTERS: _stages(frame),
        Term.EXPONENTS: float(min(exponent, _EXPONENT_BITS)),
        Term.MOVED: _stages(switching) * distance,
        Term.ADDEND: min(switching, product_bits) * distance,
    }


def wider_adder_amounts(operand: FormatShape, *, products: int) -> Amounts:
    """Return the terms that an adder has more where it takes several products at once."""
    bits = 2 * (products - 1) * operand.significand_bits
    distance = min(operand.exponent_bits, _DISTANCE_BITS)
    return {
        Term.GRID: float(bits),
        Term.SHIFTERS: _stages(bits),
        Term.MOVED: _stages(bits) * distance,
        Term.ADDEND: float(bits * distance),
    }


def pe_parts(
    a: FormatShape,
    b: FormatShape,
    total: FormatShape,
    *,
    rounded: bool = False,
    flush: bool = False,
) -> tuple[Amounts, Amounts]:
    """Return the terms of a processing element's multiplier, and of its adder to a sum.

    Products are exact, or `rounded` to the sum's format where they are wider.
    """
    rounded = rounded and is_wider(a, b, total)
    return (
        multiplier_amounts(a, b, rounded_to=total if rounded else None, flush=flush),
        adder_amounts(total, product_of=(a, b), exact=not rounded, flush=flush),
    )


def pe_amounts(
    a: FormatShape,
    b: FormatShape,
    total: FormatShape,
    *,
    rounded: bool = False,
    flush: bool = False,
) -> Amounts:
    """Return the terms of a processing element; see `pe_parts`."""
    return add_up(*pe_parts(a, b, total, rounded=rounded, flush=flush))


def is_wider(a: FormatShape, b: FormatShape, total: FormatShape) -> bool:
    """Return whether a sum's format does not hold every product's significand."""
    return not total.is_integer and a.significand_bits + b.significand_bits > total.significand_bits


def _stages(bits: float) -> float:
    """Return the width of a shifter times its stages."""
    return bits * math.log2(bits) if bits else 0.0


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
    if register is None or register.area_um2 is None or len(rows) <= len(_AREA_TERMS):
        raise UnsupportedError(
            f"The cost table {table.name!r} prices too few units to derive others from: it has"
            f" {len(rows)} measured floating-point units and needs more than {len(_AREA_TERMS)},"
            " and a register_bit.\n  Use synth45, or add rows for the units that the chip has."
        )
    leaks = [row.leakage_uw / row.area_um2 for row in rows if row.leakage_uw and row.area_um2]
    return GateModel(
        area_um2=_fit_areas(rows, register.area_um2),
        energy_pj=_fit_energies(rows, _with_glitches),
        zero_delay_energy_pj=_fit_energies(rows, _zero_delay),
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


def energy_residuals(table: CostTable, *, glitches: bool = True) -> tuple[Residual, ...]:
    """Return the model's error of the switching energy at every row that has one.

    With `glitches` of False the energy at zero delay is compared with the row's.
    """
    figure_of = _with_glitches if glitches else _zero_delay
    rows = [row for row in _fit_rows(table) if row.energy_pj]
    whole = _fit_energies(rows, figure_of)
    found = []
    for row in rows:
        amounts, figure = row_amounts(row), figure_of(row)
        left_out = _fit_energies([other for other in rows if other is not row], figure_of)
        errors = [_dot(fit, amounts) / figure - 1 for fit in (whole, left_out)]
        found.append(Residual(row, figure, *errors))
    return tuple(found)


def row_amounts(row: CostRow) -> Amounts:
    """Return the terms of the unit that a row prices."""
    operand = merge(row.shapes)
    if row.unit is UnitKind.MULTIPLIER:
        rounded_to = None if row.accumulator is None else shape_of(row.accumulator)
        return multiplier_amounts(operand, operand, rounded_to=rounded_to)
    if row.unit is UnitKind.ADDER:
        return adder_amounts(operand)
    assert row.accumulator is not None  # a pe has one
    return pe_amounts(
        operand, operand, shape_of(row.accumulator),
        rounded=row.variant is not UnitVariant.FUSED, flush=row.variant is UnitVariant.FLUSH,
    )  # fmt: skip


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
        # Nor does the width of a multiplier of several formats tell of its unpackers.
        and not (row.unit is UnitKind.MULTIPLIER and len(row.operands) > 1)
    ]


def _fit_areas(rows: Sequence[CostRow], register_area_um2: float) -> dict[Term, float]:
    areas = [row.area_um2 or 0.0 for row in rows]
    logic = [
        area - (row.register_bits or 0) * register_area_um2
        for area, row in zip(areas, rows, strict=True)
    ]
    return _least_squares(rows, logic, weights=areas, terms=_AREA_TERMS)


def _fit_energies(
    rows: Sequence[CostRow], figure_of: Callable[[CostRow], float]
) -> dict[Term, float]:
    """Return the coefficients of an energy; none where too few rows have one."""
    priced = [row for row in rows if row.energy_pj]
    if len(priced) <= len(_ENERGY_TERMS):
        return {}
    figures = [figure_of(row) for row in priced]
    return _least_squares(priced, figures, weights=figures, terms=_ENERGY_TERMS)


def _with_glitches(row: CostRow) -> float:
    return row.energy_pj or 0.0


def _zero_delay(row: CostRow) -> float:
    """Return the energy at zero delay; a row that does not tell is taken to have no glitches."""
    return row.zero_delay_energy_pj or row.energy_pj or 0.0


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
