"""Energy of every op, by component: counts times prices, and leakage times time.

Zero-gating: where an operand is zero, multiplier and adder hold their inputs and
switch nothing. `zero_shares` is the share of an op's products for which that is
so, as the numerics saw them; it scales the switching energy of the array's
multiplications and additions and nothing else. Clock, registers and leakage run on.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from accelsim.arch.chip import Chip
from accelsim.cost.actions import Action, ActionCounts, Component, Verb
from accelsim.cost.area import ChipArea, ChipUnits, area_of_units, link_length_mm, price_units
from accelsim.cost.pe import mac_energy
from accelsim.cost.shapes import shape_of
from accelsim.cost.table import CostTable, UnitKind, VectorFunctionCost
from accelsim.cost.unit_cost import MacEnergy
from accelsim.errors import UnsupportedError
from accelsim.identity import Alike, Same

_BITS = 8
_DEFAULT_FUNCTION = "default"
#: mW x cycles / MHz is nanojoules; in pJ.
_PJ_PER_MW_CYCLE_PER_MHZ = 1e3
_LEAKAGE = str(Component.LEAKAGE)
#: What of a chip no price looks at.
_PRICELESS = {"description", "sources", "clock_mhz", "dram", "dma", "mapper", "default_recipe"}


@dataclass(frozen=True, slots=True)
class EnergyReport:
    """Energy of the ops of a run.

    Parameters
    ----------
    ops : tuple of mapping
        Component -> pJ, one mapping for each op, in order; every component is there.
    area : ChipArea
        Of the same chip from the same prices; its leakage is in `ops`.
    scaling_method : str
        Which published scaling carried the energies to the chip's node.
    notes : tuple of str
        What a reader of the figures has to know.
    """

    ops: tuple[Mapping[str, float], ...]
    area: ChipArea
    scaling_method: str
    notes: tuple[str, ...]

    @property
    def total_pj(self) -> float:
        """Energy of the run."""
        return math.fsum(value for op in self.ops for value in op.values())

    def by_component_pj(self) -> dict[str, float]:
        """Return the energy of the run by component."""
        return {str(name): math.fsum(op[name] for op in self.ops) for name in Component}

    def peak_power_mw(self, cycles: Sequence[int], *, clock_mhz: float) -> float:
        """Return the highest power that an op draws on average; ops without cycles are left out.

        1 pJ in one cycle of 1 MHz is a microwatt.
        """
        powers = [
            math.fsum(op.values()) / spent * clock_mhz / _PJ_PER_MW_CYCLE_PER_MHZ
            for op, spent in zip(self.ops, cycles, strict=True)
            if spent
        ]
        return max(powers, default=0.0)


@dataclass(frozen=True, slots=True)
class ChipPrices:
    """Price of one action of a chip, in pJ at the chip's node.

    Parameters
    ----------
    chip, table, units, area
        What is priced, and from what.
    """

    chip: Chip
    table: CostTable
    units: ChipUnits
    area: ChipArea
    _seen: dict[Action, tuple[float, float]] = field(default_factory=dict, repr=False)

    def action_pj(self, action: Action) -> tuple[float, float]:
        """Return switching and clock energy of one action.

        Raises
        ------
        UnsupportedError
            If the table does not price it; says which row would.
        """
        price = self._seen.get(action)
        if price is None:
            price = self._seen[action] = self._price(action)
        return price

    def _price(self, action: Action) -> tuple[float, float]:
        logic = self.units.scaling.energy
        match action.component, action.verb:
            case Component.DRAM, _:
                return _BITS * self._row_pj(UnitKind.DRAM_BIT, self.table.dram), 0.0
            case Component.INTERCONNECT, _:
                wire = self._row_pj(UnitKind.WIRE_BIT_MM)
                return _BITS * wire * link_length_mm(self.chip, self.area) * logic, 0.0
            case Component.SCRATCHPAD, Verb.READ_BYTES:
                return self.units.scratchpad.read_pj_per_byte, 0.0
            case Component.SCRATCHPAD, Verb.WRITE_BYTES:
                return self.units.scratchpad.write_pj_per_byte, 0.0
            case Component.ACCUMULATOR, Verb.READ_BYTES:
                return self.units.accumulator_memory.read_pj_per_byte, 0.0
            case Component.ACCUMULATOR, Verb.WRITE_BYTES:
                return self.units.accumulator_memory.write_pj_per_byte, 0.0
            case _:
                switching, clock = self._price_logic(action)
                return switching * logic, clock * logic

    def _price_logic(self, action: Action) -> tuple[float, float]:
        """Return switching and clock energy of one action of arithmetic, at the table's node."""
        prices = self.units.prices
        match action.component, action.verb:
            case Component.MAC_ARRAY, Verb.CLOCK:
                return 0.0, self.units.pe.clock_pj
            case Component.MAC_ARRAY, Verb.PRELOAD_BITS | Verb.EDGE_BITS:
                return prices.register(1).clock_pj, 0.0
            case ((Component.MAC_ARRAY | Component.VECTOR_UNIT), (Verb.MULTIPLY | Verb.ADD)):
                mac = self._mac(action)
                adds = action.verb is Verb.ADD
                # A lane's registers are clocked once a MAC; those of the array are counted apart.
                in_lane = adds and action.component is Component.VECTOR_UNIT
                clock = self.units.lane.clock_pj if in_lane else 0.0
                return (mac.add_pj if adds else mac.multiply_pj), clock
            case Component.ACCUMULATOR, Verb.ADD:
                return prices.adder(shape_of(action.formats[0])).energy_pj, 0.0
            case Component.MAC_ARRAY, Verb.FUNCTION:
                return self._function_pj(action), 0.0
            case Component.VECTOR_UNIT, Verb.FUNCTION:
                return self._function_pj(action), self.units.lane.clock_pj
        raise UnsupportedError(f"No price is defined for the action: {action}.")

    def _mac(self, action: Action) -> MacEnergy:
        a, b, total = action.formats
        if action.component is Component.MAC_ARRAY:
            return mac_energy(self.chip.mac_array, (a, b), total, self.units.prices)
        pair = frozenset({shape_of(a), shape_of(b)})
        return self.units.prices.mac(pair, frozenset({shape_of(total)}))

    def _function_pj(self, action: Action) -> float:
        cost, shape = self.function_cost(action.function), shape_of(action.formats[0])
        mac = self.units.prices.mac(frozenset({shape}), frozenset({shape}))
        return (
            cost.multiplies * mac.multiply_pj
            + cost.adds * mac.add_pj
            + cost.conversions * self.units.prices.converter(shape).energy_pj
        )

    def function_cost(self, function: str) -> VectorFunctionCost:
        """Return the arithmetic of a vector function, or the table's default.

        Raises
        ------
        UnsupportedError
            If the table has neither.
        """
        listed = self.table.vector_functions
        found = listed.get(function) or listed.get(_DEFAULT_FUNCTION)
        if found is None:
            raise UnsupportedError(
                f"The cost table {self.table.name!r} does not say what the vector function"
                f" {function!r} costs.\n  Add vector_functions.{function} or"
                f" vector_functions.{_DEFAULT_FUNCTION} to it."
            )
        return found

    def _row_pj(self, unit: UnitKind, kind: str = "") -> float:
        row = self.table.find(unit, kind=kind)
        if row is None or row.energy_pj is None:
            kinds = [row.kind for row in self.table.of_unit(unit)]
            raise UnsupportedError(
                f"The cost table {self.table.name!r} prices no {unit} {kind!r}; it has: {kinds}.\n"
                f"  Add a row of unit {unit} with energy_pj, or name another table."
            )
        return row.energy_pj


def price_chip(chip: Chip, table: CostTable, *, chunk_size: int | None = None) -> ChipPrices:
    """Return the prices of a chip's actions; `chunk_size` as in `chip_area`.

    Raises
    ------
    UnsupportedError
        If the table cannot price a part of the chip.
    """
    units = price_units(chip, table)
    area = area_of_units(chip, units, chunk_size=chunk_size)
    return ChipPrices(chip=chip, table=table, units=units, area=area)


def evaluate(
    counts: Sequence[ActionCounts],
    chip: Chip,
    table: CostTable,
    *,
    cycles: Sequence[int],
    zero_shares: Sequence[float] | None = None,
    chunk_size: int | None = None,
) -> EnergyReport:
    """Return the energy of every op by component.

    Parameters
    ----------
    counts : sequence of ActionCounts
        One for each op, from `count_actions`.
    chip : Chip
        The chip.
    table : CostTable
        Prices.
    cycles : sequence of int
        Cycles of each op, for leakage; where ops overlap, each op's share, so that
        they add up to the run.
    zero_shares : sequence of float in [0, 1], optional
        Share of each op's products with a zero operand; 0 if left out.
    chunk_size : int, optional
        Smallest chunk that the run asks for: what `chip_area` needs it for.

    Raises
    ------
    ValueError
        If the sequences differ in length, or a share is not in [0, 1].
    UnsupportedError
        If something that happened has no price.
    """
    shares = [0.0] * len(counts) if zero_shares is None else list(zero_shares)
    if not len(counts) == len(cycles) == len(shares):
        raise ValueError(
            f"{len(counts)} counts, {len(cycles)} cycles, {len(shares)} zero shares:"
            " every op needs one of each"
        )
    if any(not 0 <= share <= 1 for share in shares):
        raise ValueError("zero shares lie between 0 and 1")
    same = _remembered_prices(_with_such_prices(chip), Same(table), chunk_size)
    prices = same.it
    leakage_mw, clock_mhz = prices.area.total_leakage_mw, chip.clock_mhz
    ops = tuple(
        _switched(Same(one), same, share) | _leaked(leakage_mw, cycles=spent, clock_mhz=clock_mhz)
        for one, spent, share in zip(counts, cycles, shares, strict=True)
    )
    defaulted = sorted(
        {
            action.function
            for one in {id(one): one for one in counts}.values()  # equal ops share one object
            for action in one
            if action.function and action.function not in table.vector_functions
        }
    )
    notes = list(prices.area.notes)
    if defaulted:
        notes.append(f"Vector functions priced as the table's default: {', '.join(defaulted)}.")
    return EnergyReport(
        ops=ops,
        area=prices.area,
        scaling_method=str(prices.units.scaling.method),
        notes=tuple(notes),
    )


def op_energy(
    counts: ActionCounts, prices: ChipPrices, *, cycles: int, zero_share: float = 0.0
) -> dict[str, float]:
    """Return the energy of one op by component, in pJ."""
    leakage_mw, clock_mhz = prices.area.total_leakage_mw, prices.chip.clock_mhz
    switched = _switched(Same(counts), Same(prices), zero_share)
    return switched | _leaked(leakage_mw, cycles=cycles, clock_mhz=clock_mhz)


def _with_such_prices(chip: Chip) -> Alike[Chip]:
    """Return a key that is equal for chips with equal prices: memory's speed has none."""
    return Alike(chip.model_dump_json(exclude=_PRICELESS), chip)


@lru_cache(maxsize=2**6)
def _remembered_prices(
    alike: Alike[Chip], table: Same[CostTable], chunk_size: int | None
) -> Same[ChipPrices]:
    return Same(price_chip(alike.it, table.it, chunk_size=chunk_size))


@lru_cache(maxsize=2**12)
def _switched(
    counts: Same[ActionCounts], prices: Same[ChipPrices], zero_share: float
) -> dict[str, float]:
    """Return the energy of all actions by component; that of leakage is 0."""
    parts: dict[Component, list[float]] = {component: [] for component in Component}
    clocked = parts[Component.CLOCK]
    for action, count in counts.it.items():
        switching, clock = prices.it.action_pj(action)
        if action.component is Component.MAC_ARRAY and action.verb in (Verb.MULTIPLY, Verb.ADD):
            switching *= 1 - zero_share
        parts[action.component].append(count * switching)
        clocked.append(count * clock)
    return {str(component): math.fsum(values) for component, values in parts.items()}


def _leaked(leakage_mw: float, *, cycles: int, clock_mhz: float) -> dict[str, float]:
    return {_LEAKAGE: leakage_pj(leakage_mw, cycles=cycles, clock_mhz=clock_mhz)}


def leakage_pj(leakage_mw: float, *, cycles: int, clock_mhz: float) -> float:
    """Return the energy that leaks in some cycles.

    Examples
    --------
    1 mW for 1,000 cycles at 1,000 MHz, which is a microsecond, is a nanojoule.

    >>> leakage_pj(1.0, cycles=1000, clock_mhz=1000)
    1000.0
    """
    return leakage_mw * cycles / clock_mhz * _PJ_PER_MW_CYCLE_PER_MHZ
