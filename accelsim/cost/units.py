"""The price of one arithmetic unit: its own row where the table has one, else the model.

The order is always the same: a row of the unit itself; for a processing element
the sum of a multiplier's and an adder's row; the gate model fitted to the table.
Each price says which of them it came from. A table too small to fit a model
prices what it lists and refuses the rest.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn

from accelsim.cost.gate_model import (
    Amounts,
    GateModel,
    Term,
    adder_amounts,
    fit_gate_model,
    is_wider,
    multiplier_amounts,
    pe_amounts,
    pe_parts,
    row_amounts,
    wider_adder_amounts,
)
from accelsim.cost.shapes import FormatShape, merge, shape_of
from accelsim.cost.table import (
    Basis,
    CostRow,
    CostTable,
    Products,
    Switching,
    UnitKind,
    UnitVariant,
)
from accelsim.cost.unit_cost import MacEnergy, UnitCost, add_costs, share_of
from accelsim.errors import UnsupportedError
from accelsim.identity import by_identity

Shapes = frozenset[FormatShape]

#: A rounding to another format as a share of an adder of the wider one: the rounder
#: and half of the normaliser, without aligner and carry chain. Our choice.
CONVERTER_SHARE_OF_ADDER = 1 / 3
#: `kind` of the row of an adder over chunks at the foot or a tap of a column.
OUTER_TAP = "outer_tap"
#: Gates of one bit of a linear-feedback shift register, beside its flip-flop, as full adders.
_LFSR_BIT_ADDERS = 0.5


@dataclass(frozen=True, slots=True)
class UnitPrices:
    """Prices of arithmetic units from one table.

    Parameters
    ----------
    table : CostTable
        The rows.
    model : GateModel or None
        Fitted to them; None where there are too few.

    Examples
    --------
    >>> from accelsim.cost.catalog import load_cost_table
    >>> prices = unit_prices(load_cost_table("synth45"))
    >>> e5m2, fp16 = shapes_of("fp8_e5m2"), shapes_of("fp16_e6m9")
    >>> prices.pe(e5m2, fp16).area_um2
    922.84
    >>> prices.pe(shapes_of("float_e4m4"), fp16).basis
    <Basis.FITTED: 'fitted'>
    """

    table: CostTable
    model: GateModel | None

    def pe(self, operands: Shapes, accumulator: Shapes, *, flush: bool = False) -> UnitCost:
        """Return a processing element: registers, multiplier, adder to `accumulator`.

        Whether it adds products that are wider than the sum as they are, or rounds them
        first, is the table's choice; a table without a model prices what it has.
        """
        total, operands = merge(accumulator), _distinct(operands)
        label = f"pe {_names(operands)} + {total}"
        row = self._pe_row(operands, total, flush=flush)
        if row is not None:
            return self._from_row(row, label, row_amounts(row))
        if self.model is None:
            return self._composed_pe(operands, total, label)
        operand = merge(operands)
        registers = 2 * max(shape.bits for shape in operands) + total.bits
        amounts = pe_amounts(operand, operand, total, rounded=not self._exact, flush=flush)
        return self._fitted(label, amounts, registers=registers)

    def mac(self, operands: Shapes, accumulator: Shapes, *, flush: bool = False) -> MacEnergy:
        """Return the energy of one multiply-accumulate of `pe`, split in its halves.

        The share of the multiplier is the gate model's where there is one: a
        synthesis run prices the element as a whole.
        """
        whole = self.pe(operands, accumulator, flush=flush)
        if self.model is None or not self.model.energy_pj:
            multiply = self.multiplier(operands).energy_pj
            return MacEnergy(multiply, whole.energy_pj - multiply, whole.energy_basis)
        operand, total = merge(operands), merge(accumulator)
        parts = pe_parts(operand, operand, total, rounded=not self._exact, flush=flush)
        share = self._multiplier_share(parts)
        return MacEnergy.split(whole.energy_pj, share, whole.energy_basis)

    def mode_energy(self, operands: Shapes, accumulator: Shapes, *, kind: str) -> MacEnergy | None:
        """Return the energy of one product in an element of several lanes, split in halves.

        `kind` is the element's, as in `lanes_row`. None where the table has no row for
        these operands, or no model to split it with.
        """
        row = self.table.find(UnitKind.PE, operands, accumulator=merge(accumulator), kind=kind)
        energy = None if row is None else self.table.switching_pj(row)
        if row is None or energy is None or self.model is None:
            return None
        operand = merge(operands)
        share = self._multiplier_share(pe_parts(operand, operand, merge(accumulator)))
        return MacEnergy.split(energy, share, row.basis_of_energy)

    def _multiplier_share(self, parts: tuple[Amounts, Amounts]) -> float:
        """Return the multiplier's part of an element's energy, by the model."""
        assert self.model is not None  # its callers have one
        multiply, add = (self.model.zero_delay_energy(part) for part in parts)
        return multiply / (multiply + add)

    def multiplier(self, operands: Shapes) -> UnitCost:
        """Return a multiplier of any two of the operand formats; no registers."""
        operands = _distinct(operands)
        label = f"multiplier {_names(operands)}"
        row = self.table.find(UnitKind.MULTIPLIER, operands)
        operand = merge(operands)
        amounts = multiplier_amounts(operand, operand)
        return self._row_or_fitted(row, label, amounts)

    def adder(self, total: FormatShape) -> UnitCost:
        """Return an adder of two numbers of one format; no registers."""
        row = self.table.find(UnitKind.ADDER, frozenset({total}))
        return self._row_or_fitted(row, f"adder {total}", adder_amounts(total))

    def outer_adder(self, total: FormatShape) -> UnitCost:
        """Return an adder over chunks with the register of its sum, where the table has one."""
        label = f"outer adder {total}"
        row = self.table.find(UnitKind.ADDER, frozenset({total}), kind=OUTER_TAP)
        if row is not None:
            return self._from_row(row, label, adder_amounts(total))
        if self.table.find(UnitKind.REGISTER_BIT) is None:
            return self.adder(total)
        return add_costs(label, (self.adder(total), self.register(total.bits)))

    def converter(self, wide: FormatShape) -> UnitCost:
        """Return a rounding unit from a format of shape `wide` to a narrower one."""
        return share_of(self.adder(wide), f"converter from {wide}", CONVERTER_SHARE_OF_ADDER)

    def stochastic_rounder(self, wide: FormatShape, *, random_bits: int) -> UnitCost:
        """Return a rounding unit with its own random bits.

        A converter, an integer adder of `random_bits` and a shift register of as
        many bits that steps every cycle.
        """
        parts = (self.converter(wide), self.random_bits(random_bits))
        return add_costs(f"stochastic rounder from {wide}", parts)

    def random_bits(self, count: int) -> UnitCost:
        """Return what adds `count` random bits below the last place of a rounding.

        An integer adder and a linear-feedback shift register that steps every cycle.
        """
        amounts: Amounts = {Term.PRODUCT: count * (1 + _LFSR_BIT_ADDERS)}
        return self._fitted(f"{count} random bits", amounts, registers=count)

    def fused_extension(self, operands: Shapes, *, products: int) -> UnitCost:
        """Return what an adder needs to take several products at once, unrounded."""
        amounts = wider_adder_amounts(merge(operands), products=products)
        return self._fitted(f"fused sum of {products} products", amounts)

    def lanes_row(self, operands: Shapes, accumulator: Shapes, *, kind: str) -> UnitCost | None:
        """Return a processing element of several lanes that was synthesised as a whole.

        None where the table has none.
        """
        row = self.table.find(UnitKind.PE, operands, accumulator=merge(accumulator), kind=kind)
        if row is None:
            return None
        return self._from_row(row, f"pe {_names(operands)} {kind}", row_amounts(row))

    def statistics_unit(self, fmt: FormatShape) -> UnitCost:
        """Return the unit that gathers mean and maximum of log2 |x| over a tensor.

        The logarithm is a converter and a table-interpolating multiplier of the
        format's significand; mean and maximum are an adder and a comparator of the
        same format, with a register each.
        """
        adder = self.adder(fmt)
        parts = (
            self.converter(fmt),
            self.multiplier(frozenset({fmt})),
            adder,
            adder,
            self.register(2 * fmt.bits),
        )
        return add_costs(f"log statistics of {fmt}", parts)

    def register(self, bits: int) -> UnitCost:
        """Return `bits` flip-flops."""
        row = self.table.find(UnitKind.REGISTER_BIT)
        if row is None or row.area_um2 is None:
            self._refuse("a register")
        leak = self.model.leakage_uw_per_um2 if self.model else 0.0
        return UnitCost(
            label=f"{bits} register bits",
            area_um2=bits * row.area_um2,
            energy_pj=0.0,
            clock_pj=bits * (row.energy_pj or 0.0),
            leakage_uw=bits * row.area_um2 * leak,
            register_bits=bits,
            basis=row.basis,
            energy_basis=row.basis,
        )

    @property
    def _exact(self) -> bool:
        return self.table.products is Products.EXACT

    def _pe_row(self, operands: Shapes, total: FormatShape, *, flush: bool) -> CostRow | None:
        operand = merge(operands)
        if self._exact and is_wider(operand, operand, total):
            # No row is exact and without subnormals; and a table with a model need not do with
            # an element that rounds.
            wanted = [] if flush else [UnitVariant.FUSED]
            wanted += [UnitVariant.PLAIN] if self.model is None else []
        else:
            wanted = [*([UnitVariant.FLUSH] if flush else []), UnitVariant.PLAIN]
        for variant in wanted:
            row = self.table.find(UnitKind.PE, operands, accumulator=total, variant=variant)
            if row is not None:
                return row
        return None

    def _row_or_fitted(self, row: CostRow | None, label: str, amounts: Amounts) -> UnitCost:
        if row is not None:
            return self._from_row(row, label, amounts)
        return self._fitted(label, amounts)

    def _from_row(self, row: CostRow, label: str, amounts: Amounts) -> UnitCost:
        registers = row.register_bits or 0
        energy, energy_basis = self.table.switching_pj(row), row.basis_of_energy
        if energy is None:
            if self.model is None:
                self._refuse(f"the energy of {label}")
            energy, energy_basis = self._model_energy(self.model, amounts), Basis.FITTED
        area = row.area_um2
        if area is None:
            if self.model is None:
                self._refuse(f"the area of {label}")
            area = self.model.area(amounts, register_bits=registers)
        clock = row.clock_energy_pj
        if clock is None:
            clock = registers * (self.model.register_clock_pj if self.model else 0.0)
        leak = row.leakage_uw
        if leak is None:
            leak = area * (self.model.leakage_uw_per_um2 if self.model else 0.0)
        return UnitCost(label, area, energy, clock, leak, registers, row.basis, energy_basis)

    def _fitted(self, label: str, amounts: Amounts, *, registers: int = 0) -> UnitCost:
        if self.model is None:
            self._refuse(label)
        area = self.model.area(amounts, register_bits=registers)
        return UnitCost(
            label=label,
            area_um2=area,
            energy_pj=self._model_energy(self.model, amounts),
            clock_pj=registers * self.model.register_clock_pj,
            leakage_uw=area * self.model.leakage_uw_per_um2,
            register_bits=registers,
            basis=Basis.FITTED,
            energy_basis=Basis.FITTED,
        )

    def _model_energy(self, model: GateModel, amounts: Amounts) -> float:
        if self.table.switching is Switching.ZERO_DELAY:
            return model.zero_delay_energy(amounts)
        return model.energy(amounts)

    def _composed_pe(self, operands: Shapes, total: FormatShape, label: str) -> UnitCost:
        return add_costs(label, (self.multiplier(operands), self.adder(total)))

    def _refuse(self, what: str) -> NoReturn:
        units = sorted({f"{row.unit} {' '.join(row.operands)}".strip() for row in self.table.rows})
        raise UnsupportedError(
            f"The cost table {self.table.name!r} does not price {what}, and has too few measured"
            f" units to derive it.\n  It prices: {', '.join(units)}.\n"
            "  Add a row for it, or name another table, such as synth45, in cost_table."
        )


@by_identity(maxsize=8)
def unit_prices(table: CostTable) -> UnitPrices:
    """Return the unit prices of a table, with a gate model where its rows can carry one."""
    try:
        model = fit_gate_model(table)
    except UnsupportedError:
        return UnitPrices(table, None)
    return UnitPrices(table, model)


def shapes_of(*formats: str) -> Shapes:
    """Return the shapes of formats by name."""
    return frozenset(shape_of(name) for name in formats)


def _distinct(operands: Shapes) -> Shapes:
    """Return the operands, or the one of them that holds all others: it serves them as it is."""
    widest = merge(operands)
    return frozenset({widest}) if widest in operands else operands


def _names(shapes: Shapes) -> str:
    return "/".join(str(shape) for shape in sorted(shapes))
