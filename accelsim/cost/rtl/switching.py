"""How much the cells of a unit switch: at zero delay, and with one delay per cell.

A net that switches charges the pins it drives, so switching is counted as
capacitance: the sum over nets of load times changes, per cycle, in the library's
unit. At *zero delay* every net changes at most once a cycle. With *unit delay*, a
cell's output follows its inputs one step later and all changes on the way are
counted: glitches. Wires, short-circuit currents and the difference between the
delays of cells are left out, so that only ratios between units in one library mean
anything.

All cycles run side by side, each from the settled state of the one before it.

    python -m accelsim.cost.rtl.switching --liberty osu018_stdcells.lib -o toggles
"""

from __future__ import annotations

import argparse
import csv
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from accelsim.cost.rtl.cells import Bits, Cell, MappedUnit, apply_function, map_unit
from accelsim.cost.rtl.units import RtlUnit, held_two_rate_unit, mac_unit, two_rate_unit
from accelsim.errors import DataError, UnsupportedError
from accelsim.formats import NumberFormat, get_format

Codes = NDArray[np.uint64]

#: Reductions side by side, and products of each: 4,096 products, in chunks of 64.
_CHUNKS, _CHUNK = 64, 64
_LANE_BITS = 8
#: Ports of a unit that is cut in two: what its register takes, and what it gives.
_NEXT_HELD, _HELD = "next_held", "held"


@dataclass(frozen=True, slots=True)
class Switching:
    """Capacitance switched per cycle, in the library's unit."""

    zero_delay: float
    unit_delay: float


@dataclass(frozen=True, slots=True)
class Mode:
    """One way in which a unit multiplies and adds.

    Parameters
    ----------
    name : str
        For people.
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

    name: str
    unit: RtlUnit
    a: str
    b: str
    products: int = 1
    held: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class SwitchingRow:
    """Capacitance switched per product in one mode, and its ratio to the first mode's."""

    mode: str
    library: str
    zero_delay: float
    unit_delay: float
    zero_delay_ratio: float
    unit_delay_ratio: float


def measure_modes(
    liberty: Path | str, modes: Iterable[Mode], *, glitches: bool = True, seed: int = 0
) -> tuple[SwitchingRow, ...]:
    """Return the switching of modes, each per product and relative to the first.

    Operands are normal (0, 1), rounded to their formats, new in every cycle; the sum
    runs on over 64 products and starts again from zero. Without `glitches` the figures
    of unit delay are those of zero delay.

    Raises
    ------
    UnsupportedError
        If Yosys is not installed.
    DataError
        If the library cannot be read or a unit has registers.
    """
    mapped: dict[RtlUnit, MappedUnit] = {}
    found: list[tuple[Mode, Switching]] = []
    for mode in modes:
        if mode.unit not in mapped:
            mapped[mode.unit] = map_unit(mode.unit, liberty)
        inputs = _stimulus(mapped[mode.unit], mode, np.random.default_rng(seed))
        found.append((mode, count_switching(mapped[mode.unit], inputs, glitches=glitches)))
    rows = []
    for mode, one in found:
        first, base = found[0]
        scale = first.products / mode.products
        rows.append(
            SwitchingRow(
                mode=mode.name,
                library=Path(liberty).name,
                zero_delay=one.zero_delay / mode.products,
                unit_delay=one.unit_delay / mode.products,
                zero_delay_ratio=scale * one.zero_delay / base.zero_delay,
                unit_delay_ratio=scale * one.unit_delay / base.unit_delay,
            )
        )
    return tuple(rows)


def element_modes() -> tuple[Mode, ...]:
    """Return the modes of the elements of the cost table, e5m2 with a (1,6,9) sum first."""
    e5m2, e4m3, wide, half = "fp8_e5m2", "fp8_e4m3fn", "fp16_e6m9", "fp16_e5m10"
    single = [
        Mode("e5m2", mac_unit("fp_mac", e5m2, e5m2, wide), e5m2, e5m2),
        Mode("e4m3", mac_unit("fp_mac", e4m3, e4m3, wide), e4m3, e4m3),
        Mode("(1,6,9)", mac_unit("fp_mac", wide, wide, wide), wide, wide),
        Mode("half", mac_unit("fp_mac", half, half, half), half, half),
        Mode("half, FP32 sum", mac_unit("fp_mac", half, half, "fp32"), half, half),
    ]
    for label, unit in (
        ("two-rate", two_rate_unit(fused=False, registered=False)),
        ("two-rate held", held_two_rate_unit(registered=False)),
        ("two-rate fused", two_rate_unit(fused=True, registered=False)),
    ):
        for (kind_a, a), (kind_b, b) in (
            ((0, e5m2), (0, e5m2)), ((1, e4m3), (1, e4m3)), ((1, e4m3), (0, e5m2)),
        ):  # fmt: skip
            held = (("mode", 1), ("a_kind", kind_a), ("b_kind", kind_b))
            names = "e5m2" if a == e5m2 else "e4m3" if a == b else "e4m3 x e5m2"
            single.append(Mode(f"{label}, {names}", unit, a, b, 2, held))
        held = (("mode", 0), ("a_kind", 0), ("b_kind", 0))
        single.append(Mode(f"{label}, (1,6,9)", unit, wide, wide, 1, held))
    return tuple(single)


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


def count_switching(
    unit: MappedUnit, inputs: Mapping[str, Codes], *, glitches: bool = True
) -> Switching:
    """Return what a unit switches per cycle; vectors along the last axis follow each other.

    Parameters
    ----------
    unit : MappedUnit
        Cells.
    inputs : mapping of str to uint64 array, shape (sequences, cycles)
        Codes of every input port; sequences are independent.
    glitches : bool
        Whether to count with unit delay; else that figure is the one at zero delay.
    """
    before = settle(unit, {port: codes[:, :-1].ravel() for port, codes in inputs.items()})
    after = settle(unit, {port: codes[:, 1:].ravel() for port, codes in inputs.items()})
    count = len(after[0])
    zero = math.fsum(
        load * np.count_nonzero(before[net] != after[net]) for net, load in unit.loads.items()
    )
    rippled = _ripple(unit, before, after) if glitches else zero
    return Switching(zero / count, rippled / count)


def write_csv(rows: Sequence[SwitchingRow], path: Path | str) -> None:
    """Write rows as CSV with a header; an existing file is replaced."""
    with Path(path).open("w", encoding="utf-8", newline="") as file:
        names = [field.name for field in fields(SwitchingRow)]
        writer = csv.DictWriter(file, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(row) for row in rows)


def _ripple(unit: MappedUnit, before: Mapping[int, Bits], after: Mapping[int, Bits]) -> float:
    """Return the capacitance that changes switch on their way through the cells."""
    readers: dict[int, list[Cell]] = {}
    for cell in unit.cells:
        for net in set(cell.pins.values()) - {cell.output}:
            readers.setdefault(net, []).append(cell)
    nets = dict(before)
    changed = {
        net: after[net] for ids in unit.inputs.values() for net in ids
        if np.any(before[net] != after[net])
    }  # fmt: skip
    total = 0.0
    while changed:
        for net, value in changed.items():
            total += unit.loads.get(net, 0.0) * np.count_nonzero(nets[net] != value)
            nets[net] = value
        awake = {cell.output: cell for net in changed for cell in readers.get(net, ())}
        values = ((net, _value(cell, nets)) for net, cell in awake.items())
        changed = {net: value for net, value in values if np.any(value != nets[net])}
    return total


def _stimulus(unit: MappedUnit, mode: Mode, rng: np.random.Generator) -> dict[str, Codes]:
    """Return the codes at all ports, shape (sequence, cycle); the unit itself adds up.

    The second half of a unit that is cut in two sees what the first half of the same
    cycle settles to: its register is clocked between the two.
    """
    shape = (_CHUNKS, _CHUNK // mode.products)
    inputs = {
        "a": _operands(get_format(mode.a), shape, mode.products, rng),
        "b": _operands(get_format(mode.b), shape, mode.products, rng),
        **{port: np.full(shape, value, np.uint64) for port, value in mode.held},
    }
    inputs["acc"] = np.zeros(shape, np.uint64)
    if _HELD in unit.inputs:
        inputs[_HELD] = np.zeros(shape, np.uint64)
    for cycle in range(shape[1]):
        now = {port: codes[:, cycle] for port, codes in inputs.items()}
        nets = settle(unit, now)
        if _HELD in unit.inputs:
            now[_HELD] = inputs[_HELD][:, cycle] = _codes(nets, unit.outputs[_NEXT_HELD])
            nets = settle(unit, now)
        if cycle + 1 < shape[1]:
            inputs["acc"][:, cycle + 1] = _codes(nets, unit.outputs["sum"])
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
    for lane in range(lanes):
        values = fmt.quantize(rng.standard_normal(shape))
        packed |= fmt.encode(values).astype(np.uint64) << np.uint64(_LANE_BITS * lane)
    return packed


def _value(cell: Cell, nets: Mapping[int, Bits]) -> Bits:
    return apply_function(cell.function, lambda pin: nets[cell.pins[pin]])


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure the elements' modes in the library that a command line names."""
    parser = argparse.ArgumentParser(
        prog="python -m accelsim.cost.rtl.switching", description="Switching of the elements."
    )
    parser.add_argument("--liberty", type=Path, required=True, help="library of cells")
    parser.add_argument("-o", "--output", type=Path, required=True, help="for switching.csv")
    given = parser.parse_args(arguments)
    try:
        rows = measure_modes(given.liberty, element_modes())
    except (DataError, UnsupportedError) as error:
        parser.error(str(error))
    given.output.mkdir(parents=True, exist_ok=True)
    write_csv(rows, given.output / "switching.csv")


if __name__ == "__main__":
    main()
