"""Area and energy of arithmetic units of any format, fitted to a table's own rows.

A unit is a handful of blocks whose gates, and their switching, grow with known
widths. With significands of pa and pb bits multiplied, operand exponents of e bits,
and a sum of p bits; w = min(p, pa + pb) is how much of the sum an addend can cover:

===============  ===============  ======  ====================================================
term             grows with       fits    what it is
===============  ===============  ======  ====================================================
PRODUCT          pa * pb          both    array of partial products
MULTIPLIER       1                area    exponent adder, sign, special cases
SUM              p                both    adder, normaliser and rounder of the sum
ADDEND           w                area    aligner of what is added
REACH            w * w / p        energy  bits of the sum that an addend covers, times the
                                          share of cycles in which one of them is hit
EXPONENT         e                energy  distances by which addends are shifted
FUSED            pa + pb          both    wider path of a product that is not rounded first
FLUSH            -(pa + p)        both    what goes where subnormals are not supported
TWO_STAGE        pa + pb          area    logic that the cut between two stages adds
===============  ===============  ======  ====================================================

The coefficients come from relative least squares over the processing elements,
adders and multipliers of the table; flip-flops and their clock are counted, not
fitted. Energies are fitted in two steps, because they consist of two things: what
switches once a cycle (energy at zero delay), which follows the blocks, and how often
signals switch on the way there, a factor that is fitted on its own: a constant, a
part that grows with p because the chain of gates does, a part that grows with the
sum's width over the operand's because adders glitch more than multipliers, and less
of both where a register cuts the chain. Integer units have no exponents and no
alignment: a bit of their adder is priced as one partial product, and none of them is
in the fit.

Of the synthesised points of `synth45`, each left out in turn, areas and energies at
zero delay come back within 15 %. Energies with glitches scatter more, 9 % in the
mean square and up to 19 %, and so do synthesis runs: an FP8 element with an FP32 sum
glitches up to 24 % more or less after a change that leaves its function as it was.
"""

from __future__ import annotations

import math
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
    REACH = "reach"
    EXPONENT = "exponent"
    FUSED = "fused"
    FLUSH = "flush"
    TWO_STAGE = "two_stage"


#: How much of each term a unit has.
Amounts = dict[Term, float]

_AREA_TERMS = (
    Term.PRODUCT, Term.MULTIPLIER, Term.SUM, Term.ADDEND, Term.FUSED, Term.FLUSH, Term.TWO_STAGE,
)  # fmt: skip
_ENERGY_TERMS = (
    Term.PRODUCT, Term.SUM, Term.REACH, Term.EXPONENT, Term.FUSED, Term.FLUSH,
)  # fmt: skip
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
class GlitchFactor:
    """How much more a unit switches than it would at zero delay.

    Parameters
    ----------
    base : float
        Where nothing is added.
    per_sum_bit : float
        More for every bit of the sum: a longer chain of gates.
    per_ratio : float
        More for the sum's width over the operands': the adder's share of the unit.
    two_stage, two_stage_per_ratio : float
        Added to `base` and `per_ratio` where a register cuts the chain.

    Examples
    --------
    An adder has no operands but numbers of the sum's own width.

    >>> GlitchFactor(2.0, 0.02, 0.1, -0.5, -0.05).of({Term.SUM: 10.0})
    2.3
    """

    base: float
    per_sum_bit: float
    per_ratio: float
    two_stage: float
    two_stage_per_ratio: float

    @classmethod
    def none(cls) -> GlitchFactor:
        """Return the factor of units that do not glitch, 1."""
        return cls(1.0, 0.0, 0.0, 0.0, 0.0)

    @staticmethod
    def features(amounts: Amounts) -> tuple[float, ...]:
        """Return what each coefficient multiplies, in the order of the fields."""
        bits = amounts.get(Term.SUM, 0.0)
        operand = math.sqrt(amounts.get(Term.PRODUCT, bits * bits))
        ratio = bits / operand if operand else 0.0
        cut = float(Term.TWO_STAGE in amounts)
        return 1.0, bits, ratio, cut, cut * ratio

    def of(self, amounts: Amounts) -> float:
        """Return the factor of a unit."""
        coefficients = (
            self.base, self.per_sum_bit, self.per_ratio, self.two_stage, self.two_stage_per_ratio,
        )  # fmt: skip
        pairs = zip(coefficients, self.features(amounts), strict=True)
        return math.fsum(coefficient * amount for coefficient, amount in pairs)


@dataclass(frozen=True, slots=True)
class GateModel:
    """Coefficients per term.

    Parameters
    ----------
    area_um2 : dict
        Area of one unit of each term, without flip-flops.
    energy_pj : dict
        Switching energy of one unit of each term at zero delay; empty where no row has
        energies.
    glitches : GlitchFactor
        What multiplies it.
    register_area_um2, register_clock_pj : float
        Area of a flip-flop, and energy of its clock pin in one cycle.
    leakage_uw_per_um2 : float
        Median over the rows.
    """

    area_um2: dict[Term, float]
    energy_pj: dict[Term, float]
    glitches: GlitchFactor
    register_area_um2: float
    register_clock_pj: float
    leakage_uw_per_um2: float

    def area(self, amounts: Amounts, *, register_bits: int = 0) -> float:
        """Return the area in um2 of a unit."""
        logic = sum(self.area_um2.get(term, 0.0) * amount for term, amount in amounts.items())
        return logic + register_bits * self.register_area_um2

    def energy(self, amounts: Amounts) -> float:
        """Return the switching energy in pJ of one action of a unit, glitches counted."""
        return self.zero_delay_energy(amounts) * self.glitches.of(amounts)

    def zero_delay_energy(self, amounts: Amounts) -> float:
        """Return the energy in pJ of one action if every signal switched at most once."""
        return _dot(self.energy_pj, amounts)


def multiplier_amounts(a: FormatShape, b: FormatShape) -> Amounts:
    """Return the terms of a multiplier of two operands."""
    amounts: Amounts = {Term.PRODUCT: float(a.significand_bits * b.significand_bits)}
    if not (a.is_integer and b.is_integer):
        amounts[Term.MULTIPLIER] = 1.0
    return amounts


def adder_amounts(
    total: FormatShape, *, product_of: tuple[FormatShape, FormatShape] | None = None
) -> Amounts:
    """Return the terms of an adder to a sum of format `total`.

    It adds products of `product_of`; None means numbers of the sum's own format.
    """
    bits = total.significand_bits
    if total.is_integer:
        return {Term.PRODUCT: float(bits)}
    operands = product_of or (total,)
    addend = min(bits, sum(shape.significand_bits for shape in operands))
    return {
        Term.SUM: float(bits),
        Term.ADDEND: float(addend),
        Term.REACH: addend * addend / bits,
        Term.EXPONENT: float(max(shape.exponent_bits for shape in operands)),
    }


def pe_amounts(
    a: FormatShape,
    b: FormatShape,
    total: FormatShape,
    *,
    variant: UnitVariant = UnitVariant.PLAIN,
) -> Amounts:
    """Return the terms of a processing element: a multiplier and an adder to a sum."""
    product_bits = a.significand_bits + b.significand_bits
    amounts = add_up(multiplier_amounts(a, b), adder_amounts(total, product_of=(a, b)))
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
    if register is None or register.area_um2 is None or len(rows) <= len(_AREA_TERMS):
        raise UnsupportedError(
            f"The cost table {table.name!r} prices too few units to derive others from: it has"
            f" {len(rows)} measured floating-point units and needs more than {len(_AREA_TERMS)},"
            " and a register_bit.\n  Use synth45, or add rows for the units that the chip has."
        )
    leaks = [row.leakage_uw / row.area_um2 for row in rows if row.leakage_uw and row.area_um2]
    energies, glitches = _fit_energies(rows)
    return GateModel(
        area_um2=_fit_areas(rows, register.area_um2),
        energy_pj=energies,
        glitches=glitches,
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
    rows = [row for row in _fit_rows(table) if row.energy_pj]
    whole = _fit_energies(rows)
    found = []
    for row in rows:
        amounts = row_amounts(row)
        figure = (row.energy_pj or 0.0) if glitches else _zero_delay(row)
        left_out = _fit_energies([other for other in rows if other is not row])
        errors = [
            _dot(fit, amounts) * (factor.of(amounts) if glitches else 1.0) / figure - 1
            for fit, factor in (whole, left_out)
        ]
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
    return _least_squares(rows, logic, weights=areas, terms=_AREA_TERMS)


def _fit_energies(rows: Sequence[CostRow]) -> tuple[dict[Term, float], GlitchFactor]:
    """Return the coefficients at zero delay, and the factor of glitches."""
    priced = [row for row in rows if row.energy_pj]
    if len(priced) <= len(_ENERGY_TERMS):
        return {}, GlitchFactor.none()
    figures = [_zero_delay(row) for row in priced]
    terms = _least_squares(priced, figures, weights=figures, terms=_ENERGY_TERMS)
    return terms, _fit_glitches(priced)


def _fit_glitches(rows: Sequence[CostRow]) -> GlitchFactor:
    factors = np.array([(row.energy_pj or 0.0) / _zero_delay(row) for row in rows])
    matrix = np.array(
        [GlitchFactor.features(row_amounts(row)) for row in rows]
    )  # (row, coefficient)
    solution = np.linalg.lstsq(matrix / factors[:, None], np.ones(len(rows)), rcond=None)[0]
    return GlitchFactor(*(float(value) for value in solution))


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
