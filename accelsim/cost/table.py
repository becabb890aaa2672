"""A cost table: what an action costs, and where each figure comes from.

A table is a file of rows. Every row names a unit, gives energy, area or leakage
with the unit of measurement in the key, and says its source, its basis, and the
technology and supply for which it holds. Nothing is priced from a row of another
table: literature and own synthesis never mix.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Self

from pydantic import Field, model_validator

from accelsim.config import StrictModel
from accelsim.cost.scaling import ScalingMethod
from accelsim.cost.shapes import FormatShape, shape_of


class Basis(StrEnum):
    """How a figure came to be."""

    #: Read off a synthesis or simulation run of the unit itself.
    MEASURED = "measured"
    #: Printed in a publication or vendor document.
    PUBLISHED = "published"
    #: Between measured or published points, by a stated rule.
    INTERPOLATED = "interpolated"
    #: From the gate-level model fitted to the table's own rows.
    FITTED = "fitted"
    #: Reasoned, not read anywhere; the source says how.
    ESTIMATE = "estimate"


class UnitKind(StrEnum):
    """What a row prices."""

    #: A processing element: operand registers, multiplier, adder, accumulator register.
    PE = "pe"
    MULTIPLIER = "multiplier"
    ADDER = "adder"
    #: One flip-flop; its energy is that of one clock cycle.
    REGISTER_BIT = "register_bit"
    #: One bit to or from DRAM.
    DRAM_BIT = "dram_bit"
    #: One bit over one millimetre of on-chip wire.
    WIRE_BIT_MM = "wire_bit_mm"
    #: One access to an SRAM word, as literature tables give it.
    SRAM_ACCESS = "sram_access"


class UnitVariant(StrEnum):
    """How a processing element is built."""

    #: A product wider than the sum is rounded to its format before the addition.
    PLAIN = "plain"
    #: Likewise, and there are no subnormal numbers.
    FLUSH = "flush"
    #: A product wider than the sum is not rounded before the addition.
    FUSED = "fused"


class Switching(StrEnum):
    """Which switching energy of arithmetic is charged."""

    #: Every change of every signal on its way to where it settles.
    WITH_GLITCHES = "with_glitches"
    #: At most one change of a signal in a cycle.
    ZERO_DELAY = "zero_delay"


class Products(StrEnum):
    """What elements do with products that are wider than the sum."""

    #: They round them to its format: two roundings a product.
    ROUNDED = "rounded"
    #: They add them as they are, as accumulators do unless a recipe asks for rounded ones.
    EXACT = "exact"


class CostRow(StrictModel):
    """One unit and its price."""

    unit: UnitKind
    """What is priced."""
    operands: tuple[str, ...] = Field(default=(), max_length=8)
    """Formats that it multiplies or adds; a unit of several formats lists them all."""
    accumulator: str | None = None
    """Format of a processing element's adder, or in which a multiplier rounds."""
    variant: UnitVariant = UnitVariant.PLAIN
    """How it is built."""
    kind: str = ""
    """Which one, where formats do not say it: ``hbm``, the size of an SRAM, or for a
    processing element of several lanes their rates, such as ``rates_1_2``."""
    energy_pj: float | None = Field(default=None, ge=0, le=1e6)
    """Switching energy of one action, without its clock."""
    zero_delay_energy_pj: float | None = Field(default=None, gt=0, le=1e6)
    """Its share without glitches: every signal switches at most once in a cycle."""
    clock_energy_pj: float | None = Field(default=None, ge=0, le=1e6)
    """Energy of its registers' clock pins in one cycle."""
    area_um2: float | None = Field(default=None, ge=0, le=1e9)
    """Cell area."""
    register_bits: int | None = Field(default=None, ge=0, le=2**20)
    """Flip-flops in `area_um2`."""
    leakage_uw: float | None = Field(default=None, ge=0, le=1e9)
    """Leakage power."""
    source: str = Field(min_length=1)
    """Where the figures come from."""
    basis: Basis
    """How they came to be."""
    energy_source: str = ""
    """Where `energy_pj` comes from, if not from `source`."""
    energy_basis: Basis | None = None
    """How `energy_pj` came to be, if not as the rest."""
    technology_nm: float | None = Field(default=None, gt=0, le=1000)
    """Node for which they hold; null for what is off the chip."""
    voltage_v: float | None = Field(default=None, gt=0, le=10)
    """Supply for which they hold; null where the source does not say."""

    @property
    def shapes(self) -> frozenset[FormatShape]:
        """Field widths of the operands."""
        return frozenset(shape_of(name) for name in self.operands)

    @property
    def basis_of_energy(self) -> Basis:
        """How `energy_pj` came to be."""
        return self.basis if self.energy_basis is None else self.energy_basis

    @model_validator(mode="after")
    def _price_something(self) -> Self:
        if self.energy_pj is None and self.area_um2 is None:
            raise ValueError("a row needs energy_pj or area_um2")
        needs_operands = self.unit in (UnitKind.PE, UnitKind.MULTIPLIER, UnitKind.ADDER)
        if needs_operands != bool(self.operands):
            raise ValueError(f"operands belong to pe, multiplier and adder; unit is {self.unit}")
        if (self.unit is UnitKind.PE) and self.accumulator is None:
            raise ValueError("a pe needs an accumulator")
        if (self.energy_basis is None) != (not self.energy_source):
            raise ValueError("energy_source and energy_basis go together")
        if self.unit is not UnitKind.DRAM_BIT and self.technology_nm is None:
            raise ValueError("technology_nm may be null only for what is off the chip")
        return self


class SramSource(StrictModel):
    """A table of memories, and which of its cells and design goals to use."""

    file: str
    """CSV of CACTI points; a relative path starts at the cost table's folder."""
    cell: str
    """Cell and periphery, such as ``hp`` or ``lstp``."""
    objective: str
    """Design goal of the memory generator, such as ``ED2``."""
    source: str = Field(min_length=1)
    """Where the points come from."""
    basis: Basis = Basis.INTERPOLATED
    """How a memory between the points is priced."""


class VectorFunctionCost(StrictModel):
    """Arithmetic of one function of the vector unit, per element visit."""

    multiplies: float = Field(default=0, ge=0, le=1e3)
    """Multiplications."""
    adds: float = Field(default=0, ge=0, le=1e3)
    """Additions, subtractions and comparisons."""
    conversions: float = Field(default=0, ge=0, le=1e3)
    """Roundings to another format."""
    source: str = Field(min_length=1)
    """Why these counts."""
    basis: Basis
    """How they came to be."""


class CostTable(StrictModel):
    """Prices of the units of a chip, with their sources."""

    name: str = Field(min_length=1, max_length=200)
    """Name in reports."""
    description: str = ""
    """One sentence for people."""
    technology_nm: float = Field(gt=0, le=1000)
    """Node at which the logic was priced."""
    voltage_v: float | None = Field(default=None, gt=0, le=10)
    """Supply at which the logic was priced."""
    scaling: ScalingMethod = ScalingMethod.PUBLISHED_ENDPOINTS
    """How energies are carried to another node."""
    products: Products = Products.ROUNDED
    """Which processing elements are priced where products are wider than the sum."""
    switching: Switching = Switching.WITH_GLITCHES
    """Which energy of a row is charged; one without `zero_delay_energy_pj` has one alone."""
    dram: str = ""
    """`kind` of the DRAM row that prices main memory."""
    rows: tuple[CostRow, ...] = Field(min_length=1, max_length=4096)
    """Prices."""
    sram: SramSource | None = None
    """Memories; null where the table has none."""
    vector_functions: dict[str, VectorFunctionCost] = Field(default_factory=dict)
    """Arithmetic per element visit, by function; ``default`` is for all others."""

    def switching_pj(self, row: CostRow) -> float | None:
        """Return the energy of one action of a row's unit, with or without glitches.

        None where the row has none.
        """
        if self.switching is Switching.ZERO_DELAY and row.zero_delay_energy_pj is not None:
            return row.zero_delay_energy_pj
        return row.energy_pj

    def of_unit(self, unit: UnitKind) -> tuple[CostRow, ...]:
        """Return the rows of a unit, in file order."""
        return tuple(row for row in self.rows if row.unit is unit)

    def find(
        self,
        unit: UnitKind,
        shapes: frozenset[FormatShape] = frozenset(),
        *,
        accumulator: FormatShape | None = None,
        variant: UnitVariant = UnitVariant.PLAIN,
        kind: str = "",
    ) -> CostRow | None:
        """Return the row of a unit, or None.

        Formats match by their field widths, so ``fp8_e4m3fn`` finds a row made for
        ``fp8_e4m3``. An `accumulator` of None matches rows of any.
        """
        for row in self.of_unit(unit):
            if row.shapes != shapes or row.variant is not variant or row.kind != kind:
                continue
            if accumulator is None or (
                row.accumulator is not None and shape_of(row.accumulator) == accumulator
            ):
                return row
        return None

    @model_validator(mode="after")
    def _no_row_twice(self) -> Self:
        seen = set()
        for row in self.rows:
            key = (row.unit, row.operands, row.accumulator, row.variant, row.kind)
            if key in seen:
                label = " ".join(str(part) for part in key if part)
                raise ValueError(f"two rows price the same unit: {label}")
            seen.add(key)
        if self.dram and not any(
            row.unit is UnitKind.DRAM_BIT and row.kind == self.dram for row in self.rows
        ):
            raise ValueError(f"dram is {self.dram!r}, but no dram_bit row has that kind")
        return self
