"""What an arithmetic unit costs, and sums and shares of such costs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from accelsim.cost.table import Basis


@dataclass(frozen=True, slots=True)
class UnitCost:
    """Price of one unit at the table's node.

    Parameters
    ----------
    label : str
        What it is, for people.
    area_um2 : float
        Cell area, registers included.
    energy_pj : float
        Switching energy of one action, without the clock.
    clock_pj : float
        Energy of the clock pins of its registers in one cycle.
    leakage_uw : float
        Leakage power.
    register_bits : int
        Flip-flops.
    basis : Basis
        Where the area came from.
    energy_basis : Basis
        Where the energy came from.
    """

    label: str
    area_um2: float
    energy_pj: float
    clock_pj: float
    leakage_uw: float
    register_bits: int
    basis: Basis
    energy_basis: Basis


@dataclass(frozen=True, slots=True)
class MacEnergy:
    """Switching energy of one multiply-accumulate, by half."""

    multiply_pj: float
    add_pj: float
    basis: Basis

    @classmethod
    def split(cls, energy_pj: float, multiplier_share: float, basis: Basis) -> MacEnergy:
        """Return an energy as the multiplier's share of it and the rest."""
        multiply = energy_pj * multiplier_share
        return cls(multiply, energy_pj - multiply, basis)


def add_costs(label: str, parts: Iterable[UnitCost]) -> UnitCost:
    """Return several units as one; its basis is the weakest of theirs."""
    listed = tuple(parts)
    order = tuple(Basis)
    return UnitCost(
        label=label,
        area_um2=sum(part.area_um2 for part in listed),
        energy_pj=sum(part.energy_pj for part in listed),
        clock_pj=sum(part.clock_pj for part in listed),
        leakage_uw=sum(part.leakage_uw for part in listed),
        register_bits=sum(part.register_bits for part in listed),
        basis=max((part.basis for part in listed), key=order.index),
        energy_basis=max((part.energy_basis for part in listed), key=order.index),
    )


def share_of(whole: UnitCost, label: str, share: float) -> UnitCost:
    """Return a unit that is estimated as a share of another; it has no registers."""
    return UnitCost(
        label=label,
        area_um2=whole.area_um2 * share,
        energy_pj=whole.energy_pj * share,
        clock_pj=whole.clock_pj * share,
        leakage_uw=whole.leakage_uw * share,
        register_bits=0,
        basis=Basis.ESTIMATE,
        energy_basis=Basis.ESTIMATE,
    )
