"""A Verilog unit as cells of a library: their functions, and the load on every net.

The function of a cell and the capacitance of its pins are read from the liberty file
that the user names. Only what combinational cells need is read: ``function`` in the
usual notation (a space or ``*`` or ``&`` is AND, ``+`` or ``|`` is OR, ``^`` is XOR,
``!`` before and ``'`` after is NOT), and ``capacitance``.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from shutil import which
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelsim.cost.rtl.synthesize import mapping_script, run_tool
from accelsim.cost.rtl.units import RtlUnit
from accelsim.errors import DataError, UnsupportedError

#: Values of one net in many vectors.
Bits = NDArray[np.bool_]
#: Nested operations on pins: a name, ("!", x), or (operator, x, y).
Expression = str | tuple[Any, ...]

_CELL = re.compile(r"\bcell\s*\(\s*\"?(\w+)\"?\s*\)\s*\{")
_PIN = re.compile(r"\bpin\s*\(\s*\"?(\w+)\"?\s*\)\s*\{")
_STATE = re.compile(r"\b(ff|latch)\s*\(")
_FUNCTION = re.compile(r"\bfunction\s*:\s*\"([^\"]+)\"")
_CAPACITANCE = re.compile(r"\bcapacitance\s*:\s*\"?([\d.eE+-]+)")
_TOKEN = re.compile(r"\s*(\w+|[()!'*&+|^])")
_SCRIPT, _NETLIST = "run.ys", "netlist.json"
_AND, _OR, _XOR, _NOT = "*", "+", "^", "!"
_SAME = {"&": _AND, "|": _OR}
#: Nets of the constants; Yosys numbers others from 2.
_CONSTANTS = {"0": 0, "1": 1, "x": 0}


@dataclass(frozen=True, slots=True)
class LibraryCell:
    """Functions of a cell's outputs, and capacitances of its inputs in the library's unit."""

    functions: dict[str, Expression]
    capacitances: dict[str, float]


@dataclass(frozen=True, slots=True)
class Cell:
    """One output of one cell: its function, the nets at its pins, and the net it drives."""

    function: Expression
    pins: dict[str, int]
    output: int


@dataclass(frozen=True, slots=True)
class MappedUnit:
    """A unit without registers, mapped to cells.

    Parameters
    ----------
    inputs, outputs : dict of str to tuple of int
        Port -> its nets, lowest bit first.
    cells : tuple of Cell
        In an order in which every input is known when it is needed.
    loads : dict of int to float
        Net -> capacitance of the pins that it drives, in the library's unit.
    """

    inputs: dict[str, tuple[int, ...]]
    outputs: dict[str, tuple[int, ...]]
    cells: tuple[Cell, ...]
    loads: dict[int, float]


def read_cells(liberty_text: str) -> dict[str, LibraryCell]:
    """Return the cells of a liberty text that have a function and no state.

    Examples
    --------
    >>> text = 'cell (INV) { pin(A) { capacitance : 2; } pin(Y) { function : "(!A)"; } }'
    >>> read_cells(text)
    {'INV': LibraryCell(functions={'Y': ('!', 'A')}, capacitances={'A': 2.0})}
    """
    found = {}
    for name, body in _blocks(_CELL, liberty_text):
        if _STATE.search(body):
            continue
        functions: dict[str, Expression] = {}
        capacitances = {}
        for pin, text in _blocks(_PIN, body):
            function, capacitance = _FUNCTION.search(text), _CAPACITANCE.search(text)
            if function:
                functions[pin] = parse_function(function[1])
            elif capacitance:
                capacitances[pin] = float(capacitance[1])
        if functions:
            found[name] = LibraryCell(functions, capacitances)
    return found


def parse_function(text: str) -> Expression:
    """Return a liberty function as nested operations.

    Raises
    ------
    DataError
        If it is none.

    Examples
    --------
    >>> parse_function("(!((A B)+C))")
    ('!', ('+', ('*', 'A', 'B'), 'C'))
    """
    tokens = [_SAME.get(token, token) for token in _TOKEN.findall(text)]
    expression, rest = _sum(tokens)
    if rest or "".join(tokens) != re.sub(r"\s", "", text).translate({38: 42, 124: 43}):
        raise DataError(f"This is no function of a cell: {text!r}.")
    return expression


def apply_function(function: Expression, pin: Callable[[str], Bits]) -> Bits:
    """Return the value of a function for the values that `pin` gives."""
    if isinstance(function, str):
        return pin(function)
    if function[0] == _NOT:
        return ~apply_function(function[1], pin)
    x, y = (apply_function(part, pin) for part in function[1:])
    if function[0] == _AND:
        return x & y
    return x | y if function[0] == _OR else x ^ y


def map_unit(unit: RtlUnit, liberty: Path | str) -> MappedUnit:
    """Map a unit without registers to the cells of a library, with Yosys and abc.

    Raises
    ------
    UnsupportedError
        If Yosys is not installed.
    DataError
        If the library cannot be read, the mapping fails, or the unit has registers.
    """
    program = which("yosys")
    if program is None:
        raise UnsupportedError("yosys is not installed; Debian has it in the package yosys.")
    library = Path(liberty).resolve()
    if not library.is_file():
        raise DataError(f"There is no liberty file {liberty}.")
    with tempfile.TemporaryDirectory() as folder:
        script = f"{mapping_script(library, unit)}write_json {_NETLIST}\n"
        Path(folder, _SCRIPT).write_text(script, encoding="utf-8")
        run_tool([program, "-q", "-s", _SCRIPT], unit.name, folder=folder)
        document = json.loads(Path(folder, _NETLIST).read_text(encoding="utf-8"))
    (top,) = [m for m in document["modules"].values() if "top" in m["attributes"]]
    cells = read_cells(library.read_text(encoding="utf-8", errors="replace"))
    return _mapped(top, cells, unit.name)


def _mapped(module: Mapping[str, Any], library: Mapping[str, LibraryCell], name: str) -> MappedUnit:
    """Return a module of a Yosys netlist with the cells of a library."""
    made: dict[int, Cell] = {}
    loads: dict[int, float] = {}
    for instance in module["cells"].values():
        cell = library.get(instance["type"])
        pins = {pin: _net(nets[0]) for pin, nets in instance["connections"].items()}
        if cell is None or any(pin not in pins for pin in cell.capacitances):
            raise DataError(f"{name}: the cell {instance['type']} is not combinational.")
        for pin, capacitance in cell.capacitances.items():
            loads[pins[pin]] = loads.get(pins[pin], 0.0) + capacitance
        for pin, function in cell.functions.items():
            if pin in pins:
                made[pins[pin]] = Cell(function, pins, pins[pin])
    sources = {
        net: [i for pin, i in cell.pins.items() if i in made and pin in _names(cell.function)]
        for net, cell in made.items()
    }
    try:
        order = tuple(TopologicalSorter(sources).static_order())
    except CycleError as error:
        raise DataError(f"{name}: its gates form a loop.") from error
    ports = {
        direction: {
            port: tuple(_net(bit) for bit in spec["bits"])
            for port, spec in module["ports"].items()
            if spec["direction"] == direction
        }
        for direction in ("input", "output")
    }
    return MappedUnit(ports["input"], ports["output"], tuple(made[net] for net in order), loads)


def _blocks(start: re.Pattern[str], text: str) -> list[tuple[str, str]]:
    """Return name and text of every block, each up to the start of the next."""
    starts = [*start.finditer(text)]
    ends = [one.start() for one in starts[1:]] + [len(text)]
    return [(one[1], text[one.end() : end]) for one, end in zip(starts, ends, strict=True)]


def _names(function: Expression) -> frozenset[str]:
    if isinstance(function, str):
        return frozenset({function})
    return frozenset().union(*(_names(part) for part in function[1:]))


def _net(bit: int | str) -> int:
    return bit if isinstance(bit, int) else _CONSTANTS[bit]


def _sum(tokens: list[str]) -> tuple[Expression, list[str]]:
    left, rest = _exclusive(tokens)
    while rest and rest[0] == _OR:
        right, rest = _exclusive(rest[1:])
        left = (_OR, left, right)
    return left, rest


def _exclusive(tokens: list[str]) -> tuple[Expression, list[str]]:
    left, rest = _product(tokens)
    while rest and rest[0] == _XOR:
        right, rest = _product(rest[1:])
        left = (_XOR, left, right)
    return left, rest


def _product(tokens: list[str]) -> tuple[Expression, list[str]]:
    left, rest = _factor(tokens)
    while rest and rest[0] not in (_OR, _XOR, ")"):
        right, rest = _factor(rest[1:] if rest[0] == _AND else rest)
        left = (_AND, left, right)
    return left, rest


def _factor(tokens: list[str]) -> tuple[Expression, list[str]]:
    if not tokens or tokens[0] in (_OR, _XOR, _AND, ")"):
        raise DataError("A function of a cell ends before an operand.")
    found: Expression
    if tokens[0] == _NOT:
        found, rest = _factor(tokens[1:])
        return (_NOT, found), rest
    if tokens[0] == "(":
        found, rest = _sum(tokens[1:])
        if not rest or rest[0] != ")":
            raise DataError("A bracket in a function of a cell is not closed.")
        rest = rest[1:]
    else:
        found, rest = tokens[0], tokens[1:]
    while rest and rest[0] == "'":
        found, rest = (_NOT, found), rest[1:]
    return found, rest
