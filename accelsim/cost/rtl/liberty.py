"""A library of cells, from the liberty file that the user names.

Read of a combinational cell: the ``function`` of its outputs, the ``capacitance`` of its
inputs, its area and leakage, and the tables of delay, transition and internal power of
its outputs. Arcs of an output (from either
input, rising or falling, under any condition) are averaged with equal weights. Of cells
with state only the area of flip-flops is read, and the energy of their clock pin.

References
----------
Liberty User Guide, volume 2: internal power leaves out the energy that charges the load.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from accelsim.cost.rtl.functions import Expression, parse_function
from accelsim.errors import DataError

_CELL = re.compile(r"\bcell\s*\(\s*\"?(\w+)\"?\s*\)\s*\{")
_PIN = re.compile(r"\bpin\s*\(\s*\"?(\w+)\"?\s*\)\s*\{")
_STATE = re.compile(r"\b(ff|latch)\s*\(")
_FLIP_FLOP = re.compile(r"\bff\s*\(")
_CLOCK = re.compile(r"\bclocked_on\s*:\s*\"?(\w+)")
_FUNCTION = re.compile(r"\bfunction\s*:\s*\"([^\"]+)\"")
#: An attribute's value, where it is a number.
_NUMBER = r"\s*:\s*\"?([\d.eE+-]+)"
_CAPACITANCE = re.compile(r"\bcapacitance" + _NUMBER)
_AREA = re.compile(r"\barea" + _NUMBER)
_LEAKAGE = re.compile(r"\bcell_leakage_power" + _NUMBER)
_VOLTAGE = re.compile(r"\bnom_voltage" + _NUMBER)
_UNIT = re.compile(r"\b(time_unit|leakage_power_unit)\s*:\s*\"?\s*([\d.]+)\s*([a-zA-Z]+)")
_LOAD_UNIT = re.compile(r"\bcapacitive_load_unit\s*\(\s*([\d.]+)\s*,\s*\"?([a-zA-Z]+)")
_TEMPLATE = re.compile(
    r"\b(?:lu_table|power_lut)_template\s*\(\s*\"?(\w+)\"?\s*\)\s*\{\s*variable_1\s*:\s*\"?(\w+)"
)
_TABLE = re.compile(
    r"\b(cell_rise|cell_fall|rise_transition|fall_transition|rise_power|fall_power)"
    r"\s*\(\s*\"?(\w+)\"?\s*\)\s*\{([^}]*)\}"
)
_INDEX = re.compile(r"\bindex_([12])\s*\(([^)]*)\)")
_VALUES = re.compile(r"\bvalues\s*\(([^)]*)\)")
#: What stands between the numbers of a table.
_APART = str.maketrans({",": " ", '"': " ", "\\": " "})
#: Which tables say what of an output.
_DELAY = ("cell_rise", "cell_fall")
_TRANSITION = ("rise_transition", "fall_transition")
_ENERGY = ("rise_power", "fall_power")
_PREFIXES = {"f": 1e-15, "p": 1e-12, "n": 1e-9, "u": 1e-6, "m": 1e-3, "": 1.0}


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """A quantity over the transition time at the input and the load at the output."""

    transitions: NDArray[np.float64]
    loads: NDArray[np.float64]
    values: NDArray[np.float64]

    def at(self, transition: float, load: float) -> float:
        """Return the quantity, linear between points and held beyond them."""
        x, i = _place(self.transitions, transition)
        y, j = _place(self.loads, load)
        low = self.values[i, j] * (1 - y) + self.values[i, j + 1] * y
        high = self.values[i + 1, j] * (1 - y) + self.values[i + 1, j + 1] * y
        return float(low * (1 - x) + high * x)


@dataclass(frozen=True, slots=True)
class LibraryCell:
    """A combinational cell.

    Parameters
    ----------
    functions : dict of str to Expression
        Of the outputs.
    capacitances : dict of str to float
        Of the inputs, in the library's unit.
    area : float
        In the library's unit.
    leakage : float
        In the library's unit.
    tables : dict of str to dict of str to tuple of Table
        Of every output, by the name of the table's kind.
    """

    functions: dict[str, Expression]
    capacitances: dict[str, float]
    area: float = 0.0
    leakage: float = 0.0
    tables: dict[str, dict[str, tuple[Table, ...]]] | None = None

    def delay(self, output: str, transition: float, load: float) -> float:
        """Return the time from an input to an output, in the library's unit."""
        return self._mean(output, _DELAY, transition, load)

    def transition(self, output: str, transition: float, load: float) -> float:
        """Return the transition time at an output, in the library's unit."""
        return self._mean(output, _TRANSITION, transition, load)

    def energy(self, output: str, transition: float, load: float) -> float:
        """Return the internal energy of one change of an output, in the library's unit."""
        return self._mean(output, _ENERGY, transition, load)

    def _mean(self, output: str, kinds: Sequence[str], transition: float, load: float) -> float:
        tables = (self.tables or {}).get(output, {})
        means = [
            math.fsum(table.at(transition, load) for table in tables[kind]) / len(tables[kind])
            for kind in kinds
            if kind in tables
        ]
        if not means:
            raise DataError(f"The library has no table {' or '.join(kinds)} for {output}.")
        return math.fsum(means) / len(means)


@dataclass(frozen=True, slots=True)
class FlipFlop:
    """A cell with state: area, leakage, and the energy of a clock cycle in which it holds."""

    area: float
    leakage: float
    clock_pj: float | None


@dataclass(frozen=True, slots=True)
class Library:
    """A library of cells.

    Parameters
    ----------
    path : Path
        The liberty file.
    cells, flip_flops : dict
        Cells without state, and those that are flip-flops, by name.
    voltage_v : float
        Nominal supply.
    time_ps, load_ff, leakage_uw : float
        The library's units of time, capacitance and leakage.
    """

    path: Path
    cells: dict[str, LibraryCell]
    flip_flops: dict[str, FlipFlop]
    voltage_v: float
    time_ps: float
    load_ff: float
    leakage_uw: float

    def charge_pj(self, load: float) -> float:
        """Return the energy that charges a load, C V**2 / 2, once."""
        return self.internal_pj(load * self.voltage_v**2 / 2)

    def internal_pj(self, energy: float) -> float:
        """Return an energy of the library's tables, which are in its capacitance times V**2."""
        return energy * self.load_ff * 1e-3


def read_library(path: Path | str) -> Library:
    """Read a liberty file.

    Raises
    ------
    DataError
        If there is none, or it says no supply or units.
    """
    file = Path(path).resolve()
    if not file.is_file():
        raise DataError(f"There is no liberty file {path}.")
    text = file.read_text(encoding="utf-8", errors="replace")
    head = text[: start.start()] if (start := _CELL.search(text)) else text
    voltage, load = _VOLTAGE.search(head), _LOAD_UNIT.search(head)
    units = {name: float(count) * _prefix(unit) for name, count, unit in _UNIT.findall(head)}
    if voltage is None or load is None or "time_unit" not in units:
        raise DataError(f"{file.name} says no nom_voltage, capacitive_load_unit or time_unit.")
    load_ff = float(load[1]) * _prefix(load[2]) * 1e15
    return Library(
        path=file,
        cells=read_cells(text),
        flip_flops=read_flip_flops(text, voltage_v=float(voltage[1]), load_ff=load_ff),
        voltage_v=float(voltage[1]),
        time_ps=units["time_unit"] * 1e12,
        load_ff=load_ff,
        leakage_uw=units.get("leakage_power_unit", 0.0) * 1e6,
    )


def read_cells(liberty_text: str) -> dict[str, LibraryCell]:
    """Return the cells of a liberty text that have a function and no state.

    Examples
    --------
    >>> text = 'cell (INV) { pin(A) { capacitance : 2; } pin(Y) { function : "(!A)"; } }'
    >>> cell = read_cells(text)["INV"]
    >>> cell.functions, cell.capacitances
    ({'Y': ('!', 'A')}, {'A': 2.0})
    """
    found = {}
    templates = _templates(liberty_text)
    for name, body in _blocks(_CELL, liberty_text):
        if _STATE.search(body):
            continue
        functions: dict[str, Expression] = {}
        capacitances = {}
        tables = {}
        for pin, text in _blocks(_PIN, body):
            function, capacitance = _FUNCTION.search(text), _CAPACITANCE.search(text)
            if function:
                functions[pin] = parse_function(function[1])
                tables[pin] = _tables(text, templates)
            elif capacitance:
                capacitances[pin] = float(capacitance[1])
        if functions:
            area, leakage = _number(_AREA, body), _number(_LEAKAGE, body)
            found[name] = LibraryCell(functions, capacitances, area, leakage, tables)
    return found


def read_flip_flops(
    liberty_text: str, *, voltage_v: float = 0.0, load_ff: float = 0.0
) -> dict[str, FlipFlop]:
    """Return the cells of a liberty text that are flip-flops.

    The energy of a clock cycle is the internal one of both edges at the clock pin, at the
    library's median transition, and that of its capacitance; None where there is none.

    Examples
    --------
    >>> text = "cell (DFF) { area : 96; ff(q, n) { } } cell (INV) { area : 16; }"
    >>> read_flip_flops(text)
    {'DFF': FlipFlop(area=96.0, leakage=0.0, clock_pj=None)}
    """
    found = {}
    for name, body in _blocks(_CELL, liberty_text):
        clock = _CLOCK.search(body)
        if not _FLIP_FLOP.search(body) or not _AREA.search(body):
            continue
        pins = dict(_blocks(_PIN, body))
        text = pins.get(clock[1], "") if clock else ""
        energies = [_held_energy(body) for kind, _, body in _TABLE.findall(text) if kind in _ENERGY]
        pin = _number(_CAPACITANCE, text) * voltage_v**2
        cycle = len(_ENERGY) * math.fsum(energies) / len(energies) if energies else 0.0
        found[name] = FlipFlop(
            area=_number(_AREA, body),
            leakage=_number(_LEAKAGE, body),
            clock_pj=(cycle + pin) * load_ff * 1e-3 if energies else None,
        )
    return found


def _blocks(start: re.Pattern[str], text: str) -> list[tuple[str, str]]:
    """Return name and text of every block, each up to the start of the next."""
    starts = [*start.finditer(text)]
    ends = [*(one.start() for one in starts[1:]), len(text)][: len(starts)]
    return [(one[1], text[one.end() : end]) for one, end in zip(starts, ends, strict=True)]


def _templates(text: str) -> dict[str, bool]:
    """Return whether the first axis of a template of tables is the transition time."""
    return {name: "transition" in variable for name, variable in _TEMPLATE.findall(text)}


def _tables(text: str, templates: dict[str, bool]) -> dict[str, tuple[Table, ...]]:
    """Return the tables over transition and load that stand in a pin's text."""
    found: dict[str, list[Table]] = {}
    for kind, template, body in _TABLE.findall(text):
        axes = {number: _numbers(values) for number, values in _INDEX.findall(body)}
        values = _VALUES.search(body)
        if values is None or len(axes) != 2 or min(axis.size for axis in axes.values()) < 2:
            continue
        grid = _numbers(values[1]).reshape(axes["1"].size, axes["2"].size)
        table = Table(axes["1"], axes["2"], grid)
        if not templates.get(template, True):
            table = Table(axes["2"], axes["1"], grid.T)
        found.setdefault(kind, []).append(table)
    return {kind: _together(tables) for kind, tables in found.items()}


def _together(tables: list[Table]) -> tuple[Table, ...]:
    """Return the mean of tables with the same axes as one, others as they are."""
    first = tables[0]
    alike = all(
        np.array_equal(one.transitions, first.transitions)
        and np.array_equal(one.loads, first.loads)
        for one in tables
    )
    if not alike:
        return tuple(tables)
    return (Table(first.transitions, first.loads, np.mean([one.values for one in tables], axis=0)),)


def _held_energy(table: str) -> float:
    """Return the median of a table over one axis: what a pin takes whose output stands still."""
    values = _VALUES.search(table)
    return float(np.median(_numbers(values[1]))) if values else 0.0


def _place(axis: NDArray[np.float64], x: float) -> tuple[float, int]:
    """Return how far x is from a point of an axis to the next, and that point."""
    at = min(max(int(np.searchsorted(axis, x)) - 1, 0), axis.size - 2)
    share = (x - axis[at]) / (axis[at + 1] - axis[at])
    return min(max(float(share), 0.0), 1.0), at


def _numbers(text: str) -> NDArray[np.float64]:
    return np.array(text.translate(_APART).split(), np.float64)


def _number(pattern: re.Pattern[str], text: str) -> float:
    found = pattern.search(text)
    return float(found[1]) if found else 0.0


def _prefix(unit: str) -> float:
    """Return what the prefix of a unit such as ns, pf or nW stands for."""
    return _PREFIXES[unit[:-1].lower()]
