"""A Verilog unit as cells of a library: what they compute, how slow they are, what they take.

A net that changes takes the energy that charges its load, C V**2 / 2, and the internal
energy of the cell that drives it. Both, and the delay of a cell, follow from the
library's tables at the load of the net and the transition time at the cell's inputs,
which is handed on from cell to cell. Inputs of the unit change as steeply as its average
net. Wires have neither length nor load.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from shutil import which
from typing import Any

from accelsim.cost.rtl.functions import Expression, names_in
from accelsim.cost.rtl.liberty import Library, LibraryCell
from accelsim.cost.rtl.synthesize import mapping_script, run_tool
from accelsim.cost.rtl.units import RtlUnit
from accelsim.errors import DataError, UnsupportedError

_SCRIPT, _NETLIST = "run.ys", "netlist.json"
#: Nets of the constants; Yosys numbers others from 2.
_CONSTANTS = {"0": 0, "1": 1, "x": 0}


@dataclass(frozen=True, slots=True)
class Cell:
    """One output of one cell.

    Parameters
    ----------
    function : Expression
        On pins.
    pins : dict of str to int
        The nets at its pins.
    output : int
        The net that it drives.
    delay_ps : float
        From a change of an input to that of the output.
    """

    function: Expression
    pins: dict[str, int]
    output: int
    delay_ps: float = 1.0

    @property
    def reads(self) -> tuple[int, ...]:
        """The nets that the function reads, by the names of the pins."""
        return tuple(self.pins[pin] for pin in sorted(names_in(self.function)))


@dataclass(frozen=True, slots=True)
class MappedUnit:
    """A unit without registers, mapped to cells.

    Parameters
    ----------
    inputs, outputs : dict of str to tuple of int
        Port -> its nets, lowest bit first.
    cells : tuple of Cell
        In an order in which every input is known when it is needed.
    energies_pj : dict of int to float
        Net -> energy of one change.
    area : float
        Of all cells, in the library's unit.
    leakage_uw : float
        Of all cells.
    """

    inputs: dict[str, tuple[int, ...]]
    outputs: dict[str, tuple[int, ...]]
    cells: tuple[Cell, ...]
    energies_pj: dict[int, float]
    area: float = 0.0
    leakage_uw: float = 0.0

    @property
    def critical_path_ps(self) -> float:
        """The longest chain of delays."""
        arrivals: dict[int, float] = {}
        for cell in self.cells:
            begun = max((arrivals.get(net, 0.0) for net in cell.reads), default=0.0)
            arrivals[cell.output] = begun + cell.delay_ps
        return max(arrivals.values(), default=0.0)


def map_unit(unit: RtlUnit, library: Library) -> MappedUnit:
    """Map a unit without registers to the cells of a library, with Yosys and abc.

    Raises
    ------
    UnsupportedError
        If Yosys is not installed.
    DataError
        If the mapping fails, the unit has registers, or a cell has no tables.
    """
    program = which("yosys")
    if program is None:
        raise UnsupportedError("yosys is not installed; Debian has it in the package yosys.")
    with tempfile.TemporaryDirectory() as folder:
        script = f"{mapping_script(library.path, unit)}write_json {_NETLIST}\n"
        Path(folder, _SCRIPT).write_text(script, encoding="utf-8")
        run_tool([program, "-q", "-s", _SCRIPT], unit.name, folder=folder)
        document = json.loads(Path(folder, _NETLIST).read_text(encoding="utf-8"))
    (top,) = [m for m in document["modules"].values() if "top" in m["attributes"]]
    instances = _instances(top, library, unit.name)
    ports = {
        direction: {
            port: tuple(_net(bit) for bit in spec["bits"])
            for port, spec in top["ports"].items()
            if spec["direction"] == direction
        }
        for direction in ("input", "output")
    }
    loads = _loads(instances)
    ordered = _in_order(instances, unit.name)
    cells, energies = _annotate(ordered, loads, library)
    driven = {cell.output for cell in cells}
    energies |= {net: library.charge_pj(load) for net, load in loads.items() if net not in driven}
    area = sum(one.cell.area for one in instances)
    leakage = library.leakage_uw * sum(one.cell.leakage for one in instances)
    return MappedUnit(ports["input"], ports["output"], cells, energies, area, leakage)


@dataclass(frozen=True, slots=True)
class _Instance:
    """One cell of a netlist: what it is, and the nets at its pins."""

    cell: LibraryCell
    pins: dict[str, int]


def _instances(module: Mapping[str, Any], library: Library, name: str) -> list[_Instance]:
    """Return the cells of a module of a Yosys netlist."""
    found = []
    for instance in module["cells"].values():
        cell = library.cells.get(instance["type"])
        pins = {pin: _net(nets[0]) for pin, nets in instance["connections"].items()}
        if cell is None or any(pin not in pins for pin in cell.capacitances):
            raise DataError(f"{name}: the cell {instance['type']} is not combinational.")
        found.append(_Instance(cell, pins))
    return found


def _loads(instances: Sequence[_Instance]) -> dict[int, float]:
    """Return the capacitance of the pins that every net drives, in the library's unit."""
    loads: dict[int, float] = {}
    for one in instances:
        for pin, capacitance in one.cell.capacitances.items():
            loads[one.pins[pin]] = loads.get(one.pins[pin], 0.0) + capacitance
    return loads


def _in_order(instances: Sequence[_Instance], name: str) -> list[tuple[_Instance, str]]:
    """Return cells and their outputs so that every input is known when it is needed."""
    made = {
        one.pins[pin]: (one, pin) for one in instances for pin in one.cell.functions
        if pin in one.pins
    }  # fmt: skip
    sources = {
        net: [
            one.pins[read] for read in names_in(one.cell.functions[pin])
            if one.pins[read] in made
        ]
        for net, (one, pin) in made.items()
    }  # fmt: skip
    try:
        return [made[net] for net in TopologicalSorter(sources).static_order()]
    except CycleError as error:
        raise DataError(f"{name}: its gates form a loop.") from error


def _annotate(
    ordered: Sequence[tuple[_Instance, str]], loads: Mapping[int, float], library: Library
) -> tuple[tuple[Cell, ...], dict[int, float]]:
    """Return cells with their delays, and the energy in pJ of a change of what they drive."""
    steep = 0.0
    cells: list[Cell] = []
    energies: dict[int, float] = {}
    # The first round finds the average transition, with which the inputs change in the second.
    for _ in range(2):
        transitions: dict[int, float] = {}
        cells, energies = [], {}
        for one, pin in ordered:
            cell, net, function = one.cell, one.pins[pin], one.cell.functions[pin]
            load = loads.get(net, 0.0)
            before = [transitions.get(one.pins[read], steep) for read in sorted(names_in(function))]
            slope = sum(before) / len(before) if before else steep
            transitions[net] = cell.transition(pin, slope, load)
            delay = cell.delay(pin, slope, load) * library.time_ps
            cells.append(Cell(function, one.pins, net, delay))
            inside = library.internal_pj(cell.energy(pin, slope, load))
            energies[net] = inside + library.charge_pj(load)
        steep = sum(transitions.values()) / max(1, len(transitions))
    return tuple(cells), energies


def _net(bit: int | str) -> int:
    return bit if isinstance(bit, int) else _CONSTANTS[bit]
