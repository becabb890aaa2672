"""How much energy the cells of a unit switch: at zero delay, and with their delays.

A net that switches takes the energy that `accelsim.cost.rtl.cells` found for it. At *zero
delay* every net changes at most once a cycle. With *delays* every change on the way is
counted: glitches, by `accelsim.cost.rtl.glitches`. Wires are left out, so that energies
are those of the cells alone.

All cycles run side by side, each from the settled state of the one before it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from accelsim.cost.rtl.cells import Cell, MappedUnit
from accelsim.cost.rtl.functions import Bits, apply_function
from accelsim.cost.rtl.glitches import glitch_energy_pj
from accelsim.cost.rtl.units import RtlUnit
from accelsim.formats import IntegerFormat, NumberFormat, get_format

Codes = NDArray[np.uint64]

#: Reductions side by side, and products of each: 1,024 products, in chunks of 64.
CHUNKS, CHUNK = 16, 64
_LANE_BITS = 8
#: Integers are that many times a normal (0, 1) number: four sigma fill eight bits.
_INTEGER_SCALE = 32
#: Ports of a unit that is cut in two: what its register takes, and what it gives.
_NEXT_HELD, _HELD = "next_held", "held"


@dataclass(frozen=True, slots=True)
class Switching:
    """Energy in pJ of a cycle: every net at most once, and with glitches."""

    zero_delay_pj: float
    glitch_pj: float


@dataclass(frozen=True, slots=True)
class Mode:
    """One way in which a unit multiplies and adds.

    Parameters
    ----------
    unit : RtlUnit
        Without registers; ports `a`, `b`, `acc` and `sum`, and `held` and `next_held`
        where a register of its element cuts it in two halves.
    a, b : str
        Formats of the operands.
    products : int
        Products of a cycle; several share the operand ports, the first in the lowest bits.
    held : tuple of (str, int)
        Other ports and their values.
    """

    unit: RtlUnit
    a: str
    b: str
    products: int = 1
    held: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class ChunkSums:
    """The way in which an adder over chunks adds: a sum of products a cycle.

    Parameters
    ----------
    unit : RtlUnit
        Without registers; ports `a`, the sum so far, `b`, that of a chunk, and `sum`.
    total : str
        Format of all three.
    """

    unit: RtlUnit
    total: str


def measure_switching(unit: MappedUnit, mode: Mode | ChunkSums, *, seed: int = 0) -> Switching:
    """Return the energy of one product of a unit in a mode, or of one addition of an adder.

    Operands are normal (0, 1), integers 32 times that, rounded to their formats and new in
    every cycle; the sum runs on over 64 products and starts again from zero. An adder over
    chunks takes sums of 64 products of normal (0, 1) numbers, each rounded once.

    Raises
    ------
    UnsupportedError
        If Icarus Verilog is not installed.
    """
    rng = np.random.default_rng(seed)
    if isinstance(mode, ChunkSums):
        return count_switching(unit, _add_up(unit, _chunk_sums(mode, rng), running="a"))
    cycle = count_switching(unit, _add_up(unit, _products(mode, rng), running="acc"))
    return Switching(cycle.zero_delay_pj / mode.products, cycle.glitch_pj / mode.products)


def count_switching(unit: MappedUnit, inputs: Mapping[str, Codes]) -> Switching:
    """Return what a unit switches per cycle; vectors along the last axis follow each other.

    Parameters
    ----------
    unit : MappedUnit
        Cells.
    inputs : mapping of str to uint64 array, shape (sequences, cycles)
        Codes of every input port; sequences are independent.
    """
    driven = {cell.output for cell in unit.cells}
    energies = {True: [0.0], False: [0.0]}
    changes = count_changes(unit, inputs)
    for net, share in changes.items():
        energies[net in driven].append(share * unit.energies_pj.get(net, 0.0))
    cells, ports = math.fsum(energies[True]), math.fsum(energies[False])
    late = _HELD if _HELD in unit.inputs else None
    return Switching(cells + ports, glitch_energy_pj(unit, inputs, late=late) + ports)


def count_changes(unit: MappedUnit, inputs: Mapping[str, Codes]) -> dict[int, float]:
    """Return the share of cycles in which every net ends otherwise than it began."""
    before = settle(unit, {port: codes[:, :-1].ravel() for port, codes in inputs.items()})
    after = settle(unit, {port: codes[:, 1:].ravel() for port, codes in inputs.items()})
    return {net: float(np.mean(before[net] != after[net])) for net in unit.energies_pj}


def settle(unit: MappedUnit, inputs: Mapping[str, Codes]) -> dict[int, Bits]:
    """Return the value of every net for vectors of input codes, shape (vectors,)."""
    count = len(next(iter(inputs.values())))
    nets = {0: np.zeros(count, np.bool_), 1: np.ones(count, np.bool_)}
    for port, ids in unit.inputs.items():
        for bit, net in enumerate(ids):
            nets[net] = (inputs[port] >> np.uint64(bit) & np.uint64(1)).astype(np.bool_)
    for cell in unit.cells:
        nets[cell.output] = _value(cell, nets)
    return nets


def _products(mode: Mode, rng: np.random.Generator) -> dict[str, Codes]:
    """Return the codes at the ports of the operands, shape (sequence, cycle)."""
    shape = (CHUNKS, CHUNK // mode.products)
    return {
        "a": _operands(get_format(mode.a), shape, mode.products, rng),
        "b": _operands(get_format(mode.b), shape, mode.products, rng),
        **{port: np.full(shape, value, np.uint64) for port, value in mode.held},
    }


def _chunk_sums(mode: ChunkSums, rng: np.random.Generator) -> dict[str, Codes]:
    """Return the codes at the port of chunk sums, shape (sequence, cycle)."""
    fmt = get_format(mode.total)
    a, b = rng.standard_normal((2, CHUNKS, CHUNK, CHUNK))
    return {"b": fmt.encode(fmt.quantize((a * b).sum(-1))).astype(np.uint64)}


def _add_up(unit: MappedUnit, given: Mapping[str, Codes], *, running: str) -> dict[str, Codes]:
    """Return the codes at all ports, shape (sequence, cycle); the unit itself adds up.

    The port `running` takes the sum of the cycle before, at first zero. The second half of
    a unit that is cut in two sees what the first half of the same cycle settles to: its
    register is clocked between the two.
    """
    inputs = dict(given)
    shape = inputs["b"].shape
    inputs[running] = np.zeros(shape, np.uint64)
    if _HELD in unit.inputs:
        inputs[_HELD] = np.zeros(shape, np.uint64)
    for cycle in range(shape[1]):
        now = {port: codes[:, cycle] for port, codes in inputs.items()}
        nets = settle(unit, now)
        if _HELD in unit.inputs:
            now[_HELD] = inputs[_HELD][:, cycle] = _codes(nets, unit.outputs[_NEXT_HELD])
            nets = settle(unit, now)
        if cycle + 1 < shape[1]:
            inputs[running][:, cycle + 1] = _codes(nets, unit.outputs["sum"])
    return inputs


def _codes(nets: Mapping[int, Bits], ids: Sequence[int]) -> Codes:
    """Return the codes that nets hold, lowest bit first."""
    found = np.zeros(len(nets[0]), np.uint64)
    for bit, net in enumerate(ids):
        found |= nets[net].astype(np.uint64) << np.uint64(bit)
    return found


def _operands(
    fmt: NumberFormat, shape: tuple[int, int], lanes: int, rng: np.random.Generator
) -> Codes:
    packed = np.zeros(shape, np.uint64)
    scale = _INTEGER_SCALE if isinstance(fmt, IntegerFormat) else 1.0
    for lane in range(lanes):
        values = fmt.quantize(scale * rng.standard_normal(shape))
        packed |= fmt.encode(values).astype(np.uint64) << np.uint64(_LANE_BITS * lane)
    return packed


def _value(cell: Cell, nets: Mapping[int, Bits]) -> Bits:
    return apply_function(cell.function, lambda pin: nets[cell.pins[pin]])
