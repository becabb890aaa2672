"""A Verilog unit as gates, run on millions of input vectors at once.

Yosys turns a unit into two-input gates, multiplexers and flip-flops. A net then is
an array of bits, 64 vectors to a machine word, and a gate is one NumPy operation on
such arrays: exhaustive comparison with the emulator takes seconds where an
event-driven simulator takes an hour. What runs here is what a synthesiser sees, so
that it is the gates, not only their description, that are compared.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path
from shutil import which
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from accelsim.cost.rtl.units import RtlUnit, verilog_files
from accelsim.errors import DataError, ShapeError, UnsupportedError

#: 64 vectors of one net.
Words = NDArray[np.uint64]

_LANES = 64
#: Vectors at a time: the nets in flight then stay in cache.
BLOCK = 1 << 19
_TIMEOUT_S = 300
_SCRIPT, _NETLIST = "run.ys", "netlist.json"
_REGISTER = "$_DFF_P_"
#: Input pins of each gate, in the order in which `_apply` takes them.
_PINS = {
    "$_NOT_": "A",
    "$_AND_": "AB",
    "$_OR_": "AB",
    "$_XOR_": "AB",
    "$_MUX_": "ABS",
}
#: Nets of the constants; Yosys numbers others from 2.
_CONSTANTS = {"0": 0, "1": 1, "x": 0}


@dataclass(frozen=True, slots=True)
class Gate:
    """One gate: its type, its input nets and its output net."""

    kind: str
    inputs: tuple[int, ...]
    output: int


@dataclass(frozen=True, slots=True)
class Netlist:
    """A unit as gates.

    Parameters
    ----------
    inputs, outputs : dict of str to tuple of int
        Port -> its nets, lowest bit first.
    gates : tuple of Gate
        In an order in which every input is known when it is needed.
    registers : tuple of (int, int)
        Flip-flops: the net they take at a clock edge, and the net they drive.
    last_use : dict of int to int
        Net -> index of the last gate that reads it.
    """

    inputs: dict[str, tuple[int, ...]]
    outputs: dict[str, tuple[int, ...]]
    gates: tuple[Gate, ...]
    registers: tuple[tuple[int, int], ...]
    last_use: dict[int, int]


def has_elaborator() -> bool:
    """Return whether Yosys is installed."""
    return which("yosys") is not None


def elaborate(unit: RtlUnit) -> Netlist:
    """Turn a unit into gates with Yosys.

    Raises
    ------
    UnsupportedError
        If Yosys is not installed.
    DataError
        If it fails; with its last words.
    """
    if not has_elaborator():
        raise UnsupportedError("yosys is not installed; Debian has it in the package yosys.")
    sources = " ".join(f'"{file}"' for file in verilog_files())
    parameters = " ".join(f"-chparam {name} {value}" for name, value in unit.parameters)
    script = f"""\
read_verilog {sources}
hierarchy -check -top {unit.module} {parameters}
proc
flatten
opt_clean
dffunmap
techmap
opt_expr
opt_clean
write_json {_NETLIST}
"""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, _SCRIPT).write_text(script, encoding="utf-8")
        done = subprocess.run(
            ["yosys", "-q", "-s", _SCRIPT],
            cwd=folder, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False,
        )  # fmt: skip
        if done.returncode:
            last = "\n".join((done.stdout + done.stderr).strip().splitlines()[-5:])
            raise DataError(f"{unit.name}: yosys failed.\n{last}")
        document = json.loads(Path(folder, _NETLIST).read_text(encoding="utf-8"))
    tops = [m for m in document["modules"].values() if "top" in m["attributes"]]
    return _netlist(tops[0], unit.name)


def evaluate(netlist: Netlist, inputs: Mapping[str, ArrayLike]) -> dict[str, NDArray[np.uint64]]:
    """Return the outputs of gates without registers for arrays of input codes.

    Parameters
    ----------
    netlist : Netlist
        Gates.
    inputs : mapping of str to array_like of int, shape (vectors,)
        Codes of every input port; scalars are held still.

    Returns
    -------
    dict of str to uint64 array, shape (vectors,)
        Codes of every output port.

    Raises
    ------
    DataError
        If the unit has registers; `Clocked` runs those.
    ShapeError
        If the inputs do not broadcast.
    """
    if netlist.registers:
        raise DataError("A unit with registers has no outputs without a clock; use Clocked.")
    columns = _columns(inputs)
    length = len(next(iter(columns.values())))
    blocks = []
    for start in range(0, length, BLOCK):
        part = {name: column[start : start + BLOCK] for name, column in columns.items()}
        blocks.append(Clocked(netlist, len(next(iter(part.values())))).settle(part))
    return {name: np.concatenate([block[name] for block in blocks]) for name in netlist.outputs}


class Clocked:
    """Many copies of a unit with registers, each with inputs and a state of its own.

    Parameters
    ----------
    netlist : Netlist
        Gates and registers.
    copies : int
        How many run side by side. All registers start from 0.
    """

    def __init__(self, netlist: Netlist, copies: int) -> None:
        self._netlist = netlist
        self._copies = copies
        self._zero = np.zeros(-(-copies // _LANES), np.uint64)
        self._state: dict[int, Words] = {q: self._zero for _, q in netlist.registers}

    def settle(self, inputs: Mapping[str, ArrayLike]) -> dict[str, NDArray[np.uint64]]:
        """Return the outputs for these inputs, before the next clock edge."""
        nets = self._run(inputs, keep=())
        return self._read(nets)

    def step(self, inputs: Mapping[str, ArrayLike]) -> None:
        """Let one clock edge pass with these inputs, shape (copies,) or scalar."""
        nets = self._run(inputs, keep=[d for d, _ in self._netlist.registers])
        self._state = {q: nets[d] for d, q in self._netlist.registers}

    def _run(self, inputs: Mapping[str, ArrayLike], keep: Iterable[int]) -> dict[int, Words]:
        netlist = self._netlist
        nets = {0: self._zero, 1: ~self._zero, **self._state}
        for name, ids in netlist.inputs.items():
            if name in inputs:
                codes = np.broadcast_to(np.asarray(inputs[name], np.uint64), (self._copies,))
                nets.update(zip(ids, _to_words(codes, len(ids)), strict=True))
        wanted = {0, 1, *keep, *(net for ids in netlist.outputs.values() for net in ids)}
        for at, gate in enumerate(netlist.gates):
            nets[gate.output] = _apply(gate.kind, [nets[net] for net in gate.inputs])
            for net in set(gate.inputs):
                if netlist.last_use[net] == at and net not in wanted:
                    del nets[net]
        return nets

    def _read(self, nets: Mapping[int, Words]) -> dict[str, NDArray[np.uint64]]:
        return {
            name: _from_words([nets[net] for net in ids], self._copies)
            for name, ids in self._netlist.outputs.items()
        }


def _netlist(module: Mapping[str, Any], name: str) -> Netlist:
    """Read one module of a Yosys netlist."""
    made: dict[int, Gate] = {}
    registers = []
    for cell in module["cells"].values():
        pins = {pin: _net(nets[0]) for pin, nets in cell["connections"].items()}
        if cell["type"] == _REGISTER:
            registers.append((pins["D"], pins["Q"]))
        elif cell["type"] in _PINS:
            inputs = tuple(pins[pin] for pin in _PINS[cell["type"]])
            made[pins["Y"]] = Gate(cell["type"], inputs, pins["Y"])
        else:
            raise DataError(f"{name}: there is no gate for the cell type {cell['type']}.")
    order = TopologicalSorter(
        {net: [i for i in gate.inputs if i in made] for net, gate in made.items()}
    ).static_order()
    gates = tuple(made[net] for net in order)
    ports = {
        direction: {
            port: tuple(_net(bit) for bit in spec["bits"])
            for port, spec in module["ports"].items()
            if spec["direction"] == direction
        }
        for direction in ("input", "output")
    }
    last_use = {net: at for at, gate in enumerate(gates) for net in gate.inputs}
    return Netlist(ports["input"], ports["output"], gates, tuple(registers), last_use)


def _net(bit: int | str) -> int:
    return bit if isinstance(bit, int) else _CONSTANTS[bit]


def _apply(kind: str, x: Sequence[Words]) -> Words:
    match kind:
        case "$_NOT_":
            return ~x[0]
        case "$_AND_":
            return x[0] & x[1]
        case "$_OR_":
            return x[0] | x[1]
        case "$_XOR_":
            return x[0] ^ x[1]
        case _:  # multiplexer: x[1] where x[2], else x[0]
            return x[0] ^ ((x[0] ^ x[1]) & x[2])


def _columns(inputs: Mapping[str, ArrayLike]) -> dict[str, NDArray[np.uint64]]:
    try:
        columns = np.broadcast_arrays(*(np.asarray(x, np.uint64) for x in inputs.values()))
    except ValueError as error:
        raise ShapeError(f"Inputs of different lengths: {error}") from error
    return {name: np.atleast_1d(column) for name, column in zip(inputs, columns, strict=True)}


def _to_words(codes: NDArray[np.uint64], width: int) -> list[Words]:
    """Return the bits of codes, lowest first, 64 codes to a word."""
    padded = np.zeros(-(-len(codes) // _LANES) * _LANES, np.uint64)
    padded[: len(codes)] = codes
    planes = padded.view(np.uint8).reshape(-1, 8)  # (code, byte), little-endian
    found = []
    for bit in range(width):
        plane = (planes[:, bit // 8] >> np.uint8(bit % 8)) & np.uint8(1)
        found.append(np.packbits(plane, bitorder="little").view(np.uint64))
    return found


def _from_words(bits: Sequence[Words], count: int) -> NDArray[np.uint64]:
    """Return the codes of which `_to_words` gave the bits."""
    planes = np.zeros((count, 8), np.uint8)  # (code, byte), little-endian
    for bit, words in enumerate(bits):
        plane = np.unpackbits(words.view(np.uint8), count=count, bitorder="little")
        planes[:, bit // 8] |= plane << np.uint8(bit % 8)
    return planes.view(np.uint64)[:, 0]
