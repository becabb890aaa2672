"""Areas of the units in a library of cells, with Yosys and abc.

A liberty file is named by the user; none is shipped. Cells are mapped for area,
without timing constraint, placement or scan. What is reported is what Yosys
counts: the sum of the areas of the cells, in the library's own unit of area.

    python -m accelsim.cost.rtl.synthesize --liberty osu018_stdcells.lib -o areas
"""

from __future__ import annotations

import argparse
import re
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from shutil import which

from accelsim.cost.rtl.liberty import FlipFlop, read_flip_flops
from accelsim.cost.rtl.units import RtlUnit, get_unit, list_units, verilog_files
from accelsim.errors import DataError, UnsupportedError
from accelsim.files import atomic_write, csv_text

_CELL = re.compile(r"^\s+(\S+)\s+(\d+)\s*$", re.MULTILINE)
_AREA = re.compile(r"Chip area for \w+ '[^']*':\s*([\d.]+)")
_VERSION = re.compile(r"Yosys (\S+)")
#: A synthesis run of the largest unit takes seconds; this is for a tool that hangs.
_TIMEOUT_S = 900
_SCRIPT, _REPORT = "run.ys", "stat.txt"


@dataclass(frozen=True, slots=True)
class SynthesisRow:
    """Area of one unit in one library.

    Parameters
    ----------
    unit : str
        Name of the unit.
    library : str
        Name of the liberty file, without its folder.
    yosys : str
        Version of Yosys.
    area : float
        Sum of the areas of all cells, in the library's unit (um2 in most).
    sequential_area : float
        Share of the flip-flops in it.
    cells : int
        Cells, flip-flops included.
    flip_flops : int
        Flip-flops.
    """

    unit: str
    library: str
    yosys: str
    area: float
    sequential_area: float
    cells: int
    flip_flops: int


def synthesize(
    liberty: Path | str, units: Iterable[RtlUnit], *, yosys: str = "yosys"
) -> tuple[SynthesisRow, ...]:
    """Synthesise units to a library of cells.

    Parameters
    ----------
    liberty : path
        Liberty file with combinational cells, a buffer among them, and a plain D flip-flop.
    units : iterable of RtlUnit
        What to synthesise; one run each, so that a unit's area hangs on nothing else.
    yosys : str
        Program to run.

    Returns
    -------
    tuple of SynthesisRow
        One a unit, in the order given.

    Raises
    ------
    UnsupportedError
        If Yosys is not installed.
    DataError
        If the liberty file cannot be read, or a run fails; with the tool's last words.
    """
    program = which(yosys)
    if program is None:
        raise UnsupportedError(f"{yosys} is not installed; Debian has it in the package yosys.")
    library = Path(liberty).resolve()
    if not library.is_file():
        raise DataError(f"There is no liberty file {liberty}.")
    version = _version(program)
    flip_flops = read_flip_flops(library.read_text(encoding="utf-8", errors="replace"))
    return tuple(_synthesize_one(program, library, unit, version, flip_flops) for unit in units)


def write_csv(rows: Sequence[SynthesisRow], path: Path | str) -> None:
    """Write rows as CSV with a header, whole or not at all; an existing file is replaced."""
    heads = [field.name for field in fields(SynthesisRow)]
    atomic_write(path, csv_text((asdict(row) for row in rows), heads))


def _synthesize_one(
    program: str, library: Path, unit: RtlUnit, version: str, flip_flops: dict[str, FlipFlop]
) -> SynthesisRow:
    with tempfile.TemporaryDirectory() as folder:
        report = f'tee -o {_REPORT} stat -liberty "{library}"\n'
        Path(folder, _SCRIPT).write_text(mapping_script(library, unit) + report, encoding="utf-8")
        run_tool([program, "-q", "-s", _SCRIPT], unit.name, folder=folder)
        text = Path(folder, _REPORT).read_text(encoding="utf-8")
    area = _AREA.search(text)
    if area is None:
        raise DataError(f"{unit.name}: Yosys reported no area; does {library.name} give areas?")
    listed = text[text.index("Number of cells:") :].split("\n", 1)
    counts = {name: int(count) for name, count in _CELL.findall(listed[1])}
    return SynthesisRow(
        unit=unit.name,
        library=library.name,
        yosys=version,
        area=float(area[1]),
        sequential_area=sum(
            flip_flops[name].area * count for name, count in counts.items() if name in flip_flops
        ),
        cells=sum(counts.values()),
        flip_flops=sum(count for name, count in counts.items() if name in flip_flops),
    )


def mapping_script(library: Path, unit: RtlUnit) -> str:
    """Return the commands of Yosys that map a unit to the cells of a library."""
    sources = " ".join(f'"{file}"' for file in verilog_files())
    parameters = " ".join(f"-chparam {name} {value}" for name, value in unit.parameters)
    return f"""\
read_verilog -defer {sources}
hierarchy -check -top {unit.module} {parameters}
synth -flatten -noshare
dfflibmap -liberty "{library}"
abc -liberty "{library}"
opt_clean -purge
"""


def _version(program: str) -> str:
    found = _VERSION.search(run_tool([program, "-V"], "yosys -V"))
    return found[1] if found else "unknown"


def run_tool(command: Sequence[str], what: str, *, folder: str | None = None) -> str:
    """Run a program and return what it printed.

    Raises
    ------
    DataError
        If it fails; with its last words, after `what`.
    """
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
    )
    if done.returncode:
        last = "\n".join((done.stdout + done.stderr).strip().splitlines()[-5:])
        raise DataError(f"{what}: {command[0]} failed.\n{last}")
    return done.stdout


def main(arguments: Sequence[str] | None = None) -> None:
    """Synthesise the units that a command line names, and write ``areas.csv``."""
    parser = argparse.ArgumentParser(
        prog="python -m accelsim.cost.rtl.synthesize", description="Areas of the Verilog units."
    )
    parser.add_argument("--liberty", type=Path, required=True, help="library of cells")
    parser.add_argument(
        "--unit", action="append", choices=list_units(), help="only this unit; may be repeated"
    )
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder for areas.csv")
    given = parser.parse_args(arguments)
    try:
        rows = synthesize(given.liberty, [get_unit(name) for name in given.unit or list_units()])
    except (DataError, UnsupportedError) as error:
        parser.error(str(error))
    given.output.mkdir(parents=True, exist_ok=True)
    write_csv(rows, given.output / "areas.csv")


if __name__ == "__main__":
    main()
