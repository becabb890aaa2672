"""Run a Verilog unit on many inputs with Icarus Verilog.

One bench for every unit: input vectors come from a file of binary words, one a
step, and the outputs go to another. A unit with a clock sees each vector before one
rising edge, and its outputs are read after that edge.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from shutil import which

import numpy as np
from numpy.typing import ArrayLike, NDArray

from accelsim.cost.rtl.units import RtlUnit, verilog_files
from accelsim.errors import DataError, ShapeError, UnsupportedError

_BYTE = 8
#: A word of Verilog's unformatted output, in bits.
_WORD = 32
#: A run of half a million vectors takes seconds; this is for a bench that never ends.
_TIMEOUT_S = 600


@dataclass(frozen=True, slots=True)
class Port:
    """One port of a unit.

    Parameters
    ----------
    name : str
        As in the module.
    width : int
        Bits, at most 64.
    """

    name: str
    width: int


def has_simulator() -> bool:
    """Return whether Icarus Verilog is installed."""
    return which("iverilog") is not None and which("vvp") is not None


def simulate(
    unit: RtlUnit,
    inputs: Mapping[Port, ArrayLike],
    outputs: Sequence[Port],
    *,
    clock: str | None = None,
) -> dict[str, NDArray[np.uint64]]:
    """Run a unit on a sequence of input vectors.

    Parameters
    ----------
    unit : RtlUnit
        What to simulate.
    inputs : mapping of Port to array_like of int, shape (steps,)
        Codes of every input port, step by step; scalars are held still.
    outputs : sequence of Port
        What to read, at most 32 bits wide each.
    clock : str, optional
        Clock port of a unit with registers; None for one without.

    Returns
    -------
    dict of str to uint64 array, shape (steps,)
        Codes of every output port. A bit that is unknown counts as 0.

    Raises
    ------
    UnsupportedError
        If Icarus Verilog is not installed.
    DataError
        If the sources do not compile or the run fails; with the tool's last words.
    ShapeError
        If the inputs have different lengths, or none has a length.
    """
    packed = _pack(inputs)
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "inputs.bin").write_bytes(packed.tobytes())
        bench = _bench(unit, list(inputs), outputs, clock, width=packed.shape[1])
        run_bench(bench, folder)
        words = np.fromfile(Path(folder, "outputs.bin"), "<u4")
    table = words.reshape(-1, len(outputs)).astype(np.uint64)  # (step, port)
    if len(table) != len(packed):
        raise DataError(f"{unit.name}: {len(table)} steps came back of {len(packed)}.")
    return {port.name: table[:, at] for at, port in enumerate(outputs)}


def run_bench(bench: str, folder: Path | str, *, sources: Sequence[Path] | None = None) -> None:
    """Compile a bench, module ``bench``, and run it in a folder.

    With it go the `sources`, by default those of the units.

    Raises
    ------
    UnsupportedError
        If Icarus Verilog is not installed.
    DataError
        If either fails; with the tool's last words.
    """
    if not has_simulator():
        raise UnsupportedError("iverilog is not installed; Debian has it in the package iverilog.")
    Path(folder, "bench.v").write_text(bench, encoding="utf-8")
    files = [str(file) for file in (verilog_files() if sources is None else sources)]
    _run(["iverilog", "-g2001", "-s", "bench", "-o", "bench", "bench.v", *files], folder)
    _run(["vvp", "-n", "bench"], folder)


def _pack(inputs: Mapping[Port, ArrayLike]) -> NDArray[np.uint8]:
    """Return the input words, (steps, bytes), first port in the highest bits."""
    try:
        columns = np.broadcast_arrays(*(np.asarray(x, np.uint64) for x in inputs.values()))
    except ValueError as error:
        raise ShapeError(f"Inputs of different lengths: {error}") from error
    if columns[0].ndim != 1:
        raise ShapeError("Inputs are sequences of codes, at least one of them not a scalar.")
    bits = [
        (column[:, None] >> np.arange(port.width, dtype=np.uint64)[::-1]) & np.uint64(1)
        for port, column in zip(inputs, columns, strict=True)
    ]
    table = np.concatenate(bits, axis=1).astype(np.uint8)  # (step, bit), highest first
    padding = np.zeros((len(table), -table.shape[1] % _BYTE), np.uint8)
    return np.packbits(np.concatenate([padding, table], axis=1), axis=1)


def _bench(
    unit: RtlUnit,
    inputs: Sequence[Port],
    outputs: Sequence[Port],
    clock: str | None,
    *,
    width: int,
) -> str:
    parameters = ", ".join(f".{name}({value})" for name, value in unit.parameters)
    ports = [f".{port.name}({port.name})" for port in (*inputs, *outputs)]
    ports += [f".{clock}(clock)"] if clock else []
    wires = "\n".join(
        f"    {kind} [{port.width - 1}:0] {port.name};"
        for kind, listed in (("reg", inputs), ("wire", outputs))
        for port in listed
    )
    words = "".join("%u" for _ in outputs)
    values = ", ".join(f"{{{{{_WORD - port.width}{{1'b0}}}}, {port.name}}}"
                       if port.width < _WORD else port.name for port in outputs)  # fmt: skip
    edge = "clock = 1; #1;" if clock else ""
    return f"""\
module bench;
    reg [{width * _BYTE - 1}:0] word;
    reg clock;
    integer source, sink, got;
{wires}
    {unit.module} #({parameters}) unit ({", ".join(ports)});
    initial begin
        source = $fopen("inputs.bin", "rb");
        sink = $fopen("outputs.bin", "wb");
        clock = 0;
        got = $fread(word, source);
        while (got == {width}) begin
            {{{", ".join(port.name for port in inputs)}}} = word;
            #1; {edge}
            $fwrite(sink, "{words}", {values});
            clock = 0;
            #1;
            got = $fread(word, source);
        end
        $fclose(sink);
        $finish;
    end
endmodule
"""


def _run(command: Sequence[str], folder: Path | str) -> None:
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
    )
    if done.returncode:
        last = "\n".join((done.stdout + done.stderr).strip().splitlines()[-5:])
        raise DataError(f"{command[0]} failed.\n{last}")
