"""Areas and energies of the elements of a cost table, in a library of cells.

    python -m accelsim.cost.rtl.measure --liberty LIBRARY.lib -o figures

writes ``elements.csv``: a row for every element of `accelsim.cost.rtl.elements`. Area is
that of the gates and of plain flip-flops; leakage likewise; the clock's energy is that of
the flip-flops' clock pins.

A change of the Verilog that changes nothing of what a unit computes moves the figures of
a single run, energies with glitches by up to a fifth. So every figure is the mean over
three netlists, whose exponents are zero, one and two bits wider inside than they need be.
It takes a processor about half an hour.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from statistics import fmean

from accelsim.cost.rtl.cells import MappedUnit, map_unit
from accelsim.cost.rtl.elements import Element, list_elements
from accelsim.cost.rtl.liberty import FlipFlop, Library, read_library
from accelsim.cost.rtl.switching import measure_switching
from accelsim.cost.rtl.units import RtlUnit
from accelsim.errors import DataError, UnsupportedError
from accelsim.files import atomic_write, csv_text

#: Netlists of a unit that figures are the mean of.
NETLISTS = 3
#: Parameter of the modules: bits of their signed exponents.
_EXPONENT = "X"


@dataclass(frozen=True, slots=True)
class ElementRow:
    """Figures of one element; energies are of one product, or of one addition of an adder.

    The area is in the library's unit.
    """

    unit: str
    operands: str
    accumulator: str
    variant: str
    kind: str
    register_bits: int
    area: float | None
    zero_delay_energy_pj: float | None
    energy_pj: float | None
    clock_energy_pj: float | None
    leakage_uw: float | None
    critical_path_ps: float


def measure(library: Library, elements: Iterable[Element]) -> Iterator[ElementRow]:
    """Yield the figures of elements, in their order.

    Raises
    ------
    UnsupportedError
        If Yosys or Icarus Verilog is not installed.
    DataError
        If a tool fails, or the library has no plain flip-flop with a clock energy.
    """
    register = _plain_flip_flop(library)
    gates: RtlUnit | None = None
    units: tuple[MappedUnit, ...] = ()
    for element in elements:
        if element.gates != gates:
            gates = element.gates
            units = tuple(map_unit(unit, library) for unit in netlists_of(gates))
        yield _row(element, units, register, library)


def netlists_of(unit: RtlUnit) -> tuple[RtlUnit, ...]:
    """Return a unit with its exponents as wide as need be, and one and two bits wider.

    A unit without exponents comes back alone.

    Examples
    --------
    >>> [one.parameters for one in netlists_of(RtlUnit("unit", "fp_mac", (("M", 9), ("X", 8))))]
    [(('M', 9), ('X', 8)), (('M', 9), ('X', 9)), (('M', 9), ('X', 10))]
    """
    if _EXPONENT not in dict(unit.parameters):
        return (unit,)
    return tuple(
        replace(
            unit,
            parameters=tuple(
                (name, value + more if name == _EXPONENT else value)
                for name, value in unit.parameters
            ),
        )
        for more in range(NETLISTS)
    )


def _row(
    element: Element, units: Sequence[MappedUnit], register: FlipFlop, library: Library
) -> ElementRow:
    bits, whole = element.register_bits, element.prices_area
    energies = [measure_switching(unit, mode) for mode in element.modes for unit in units]
    leakage = bits * register.leakage * library.leakage_uw
    return ElementRow(
        unit=element.unit,
        operands=" ".join(element.operands),
        accumulator=element.accumulator or "",
        variant=element.variant,
        kind=element.kind,
        register_bits=bits,
        area=fmean(unit.area for unit in units) + bits * register.area if whole else None,
        zero_delay_energy_pj=fmean(one.zero_delay_pj for one in energies) if energies else None,
        energy_pj=fmean(one.glitch_pj for one in energies) if energies else None,
        clock_energy_pj=bits * (register.clock_pj or 0.0) if whole and bits else None,
        leakage_uw=fmean(unit.leakage_uw for unit in units) + leakage if whole else None,
        critical_path_ps=fmean(unit.critical_path_ps for unit in units),
    )


def _plain_flip_flop(library: Library) -> FlipFlop:
    """Return the smallest flip-flop of a library."""
    known = [one for one in library.flip_flops.values() if one.clock_pj is not None]
    if not known:
        raise DataError(f"{library.path.name} has no flip-flop with the energy of its clock pin.")
    return min(known, key=lambda one: one.area)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure the elements in the library that a command line names."""
    parser = argparse.ArgumentParser(
        prog="python -m accelsim.cost.rtl.measure", description="Figures of the elements."
    )
    parser.add_argument("--liberty", type=Path, required=True, help="library of cells")
    parser.add_argument("-o", "--output", type=Path, required=True, help="for elements.csv")
    given = parser.parse_args(arguments)
    try:
        library = read_library(given.liberty)
        given.output.mkdir(parents=True, exist_ok=True)
        write_csv(tuple(measure(library, list_elements())), given.output / "elements.csv")
    except (DataError, UnsupportedError, OSError) as error:
        parser.error(str(error))


def write_csv(rows: Sequence[ElementRow], path: Path) -> None:
    """Write rows as CSV with a header, whole or not at all; an existing file is replaced."""
    heads = [field.name for field in fields(ElementRow)]
    atomic_write(path, csv_text((asdict(row) for row in rows), heads))


if __name__ == "__main__":
    main()
