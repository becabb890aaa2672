"""The energy that a unit switches when its cells take their time, with Icarus Verilog.

A signal that reaches a gate by two ways may change it twice: glitches. The cells become
continuous assignments with the library's delays, which are inertial in Verilog: a change
that does not last as long as the cell's delay never leaves it. Every change of a net adds
the net's energy.

References
----------
IEEE Std 1364-2001, section 6.1.3: delays of continuous assignments.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from accelsim.cost.rtl.cells import Cell, MappedUnit
from accelsim.cost.rtl.functions import verilog_of
from accelsim.cost.rtl.simulate import run_bench
from accelsim.errors import DataError

Codes = NDArray[np.uint64]

#: A cycle, or half of one, in lengths of the critical path.
_SETTLING = 1.5


def glitch_energy_pj(
    unit: MappedUnit, inputs: Mapping[str, Codes], *, late: str | None = None
) -> float:
    """Return the energy in pJ that the outputs of cells take in a cycle, glitches counted.

    The unit's inputs, which change once, are not among them.

    Parameters
    ----------
    unit : MappedUnit
        Cells, delays and energies.
    inputs : mapping of str to uint64 array, shape (sequences, cycles)
        Codes of every input port; the first cycle of a sequence is not counted.
    late : str, optional
        Port that changes in the middle of a cycle, when the rest has settled.

    Raises
    ------
    UnsupportedError
        If Icarus Verilog is not installed.
    DataError
        If the run fails.
    """
    sequences, cycles = next(iter(inputs.values())).shape
    if cycles < 2:
        raise DataError("A sequence of one cycle has no change to count.")
    with tempfile.TemporaryDirectory() as folder:
        words = "\n".join(_words(unit, inputs))
        Path(folder, "inputs.hex").write_text(words + "\n", encoding="ascii")
        run_bench(_bench(unit, sequences * cycles, late), folder, sources=())
        energy_fj = float(Path(folder, "energy.txt").read_text(encoding="ascii"))
    return energy_fj * 1e-3 / int(sequences * (cycles - 1))


def _words(unit: MappedUnit, inputs: Mapping[str, Codes]) -> list[str]:
    """Return a word a cycle: whether it is the first of its sequence, then the ports' codes."""
    first = np.zeros(next(iter(inputs.values())).shape, bool)
    first[:, 0] = True
    columns = [inputs[port].ravel().tolist() for port in unit.inputs]
    words = []
    for begins, *codes in zip(first.ravel().tolist(), *columns, strict=True):
        word = int(begins)
        for code, nets in zip(codes, unit.inputs.values(), strict=True):
            word = word << len(nets) | code
        words.append(f"{word:x}")
    return words


def _bench(unit: MappedUnit, count: int, late: str | None) -> str:
    """Return a bench that holds the cells, applies the words and adds up energies in fJ."""
    ports = {port: len(nets) for port, nets in unit.inputs.items()}
    width = 1 + sum(ports.values())
    names = {0: "1'b0", 1: "1'b1"}
    for port, nets in unit.inputs.items():
        names |= {net: f"{port}[{bit}]" for bit, net in enumerate(nets)}
    names |= {cell.output: f"n{cell.output}" for cell in unit.cells}
    half = max(1, round(_SETTLING * unit.critical_path_ps))
    cells = "\n".join(_cell(cell, unit.energies_pj[cell.output], names) for cell in unit.cells)
    registers = "\n".join(f"    reg [{bits - 1}:0] {port};" for port, bits in ports.items())
    early = ", ".join(f"coming_{port}" if port == late else port for port in ports)
    coming = f"    reg [{ports[late] - 1}:0] coming_{late};" if late else ""
    move = f"{late} = coming_{late};" if late else ""
    return f"""\
`timescale 1ps/1ps
module bench;
    reg [{width - 1}:0] words [0:{count - 1}];
    reg first, counting;
    real energy;
    integer at, sink;
{registers}
{coming}
{cells}
    initial begin
        $readmemh("inputs.hex", words);
        counting = 0;
        energy = 0.0;
        for (at = 0; at < {count}; at = at + 1) begin
            {{first, {early}}} = words[at];
            counting = ~first;
            #{half};
            {move}
            #{half};
        end
        sink = $fopen("energy.txt", "w");
        $fdisplay(sink, "%.9e", energy);
        $fclose(sink);
        $finish;
    end
endmodule
"""


def _cell(cell: Cell, energy_pj: float, names: Mapping[int, str]) -> str:
    """Return a cell as an assignment, and what counts the changes of its output."""
    function = verilog_of(cell.function, lambda pin: names[cell.pins[pin]])
    net, delay = names[cell.output], max(1, round(cell.delay_ps))
    return (
        f"    wire {net};\n    assign #{delay} {net} = {function};\n"
        f"    always @({net}) if (counting) energy = energy + {energy_pj * 1e3:.9e};"
    )
