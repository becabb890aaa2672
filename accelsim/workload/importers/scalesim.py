"""SCALE-Sim topology files: one convolution or one GEMM per row.

The rows of such a file are not connected, and its inputs are padded already. Each
row becomes a layer without bias that reads a tensor of its own: the first reads the
network's input, every other one a constant. The order of the columns is
SCALE-Sim's; the header tells the two kinds of file apart. Blank rows, trailing
commas and columns beyond the ones used are tolerated, as they are there.

References
----------
A. Samajdar et al., "SCALE-Sim: Systolic CNN Accelerator Simulator",
arXiv:1811.02883, and the topology files of version 3.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from accelsim.errors import ConfigError, Problem
from accelsim.workload.importers.names import unique_name
from accelsim.workload.importers.unconnected import Loose, unconnected
from accelsim.workload.layers import Conv2d, Linear
from accelsim.workload.network import Workload

MAX_TOPOLOGY_BYTES = 16 * 2**20
_CONV_COLUMNS = (
    "IFMAP Height", "IFMAP Width", "Filter Height", "Filter Width", "Channels", "Num Filter",
    "Strides",
)  # fmt: skip
_GEMM_COLUMNS = ("M", "N", "K")


@dataclass(frozen=True, slots=True)
class _Row:
    """A row that is not blank: its line, its layer's name, and the fields after the name."""

    line: int
    name: str
    fields: tuple[str, ...]


def load_topology(path: str | Path) -> Workload:
    """Read a SCALE-Sim topology file as a network of unconnected layers.

    Parameters
    ----------
    path : str or Path
        A CSV file of convolutions or of GEMMs.

    Returns
    -------
    Workload
        Named after the file; every layer's output is a result. A map that whole
        strides do not divide is rounded up to whole windows, as SCALE-Sim does.

    Raises
    ------
    ConfigError
        With every problem and its line, if the file is missing, too large, no text,
        neither kind of topology, or has a field that is no positive whole number.
    """
    file = Path(path)
    rows = list(_rows(_read(file)))
    if len(rows) < 2:
        raise ConfigError(Problem("The topology has no layers.", file=str(file)))
    header, *body = rows
    taken: set[str] = set()
    names = [unique_name(row.name, taken, fallback=f"layer{i}") for i, row in enumerate(body)]
    columns = _columns(header, file)
    problems: list[Problem] = []
    rows_read = [_numbers(row, columns, file, problems) for row in body]
    if problems:
        raise ConfigError(problems)
    make = _gemm if columns is _GEMM_COLUMNS else _convolution
    return unconnected(
        {name: make(name, numbers) for name, numbers in zip(names, rows_read, strict=True)},
        name=file.stem,
        description=f"The {len(body)} unconnected layers of a SCALE-Sim topology.",
        source=f"SCALE-Sim topology file {file.name}",
    )


def _read(file: Path) -> str:
    """Return the text of a file that is not too large."""
    try:
        with file.open("rb") as stream:
            data = stream.read(MAX_TOPOLOGY_BYTES + 1)
        text = data.decode("utf-8-sig")
    except OSError as error:
        reason = error.strerror or error
        raise ConfigError(Problem(f"It cannot be read: {reason}.", file=str(file))) from error
    except UnicodeDecodeError as error:
        raise ConfigError(Problem("It is not UTF-8 text.", file=str(file))) from error
    if len(data) > MAX_TOPOLOGY_BYTES:
        limit = MAX_TOPOLOGY_BYTES // 2**20
        raise ConfigError(Problem(f"It is larger than {limit} MiB.", file=str(file)))
    return text


def _rows(text: str) -> Iterator[_Row]:
    """Yield the rows that are not blank."""
    for line, cells in enumerate(csv.reader(text.splitlines()), start=1):
        stripped = [cell.strip() for cell in cells]
        if any(stripped):
            yield _Row(line, stripped[0], tuple(stripped[1:]))


def _columns(header: _Row, file: Path) -> tuple[str, ...]:
    """Return the names of the columns that the header announces."""
    words = [field.casefold() for field in header.fields]
    if words[:3] == ["m", "n", "k"]:
        return _GEMM_COLUMNS
    if len(words) >= len(_CONV_COLUMNS) and "ifmap" in words[0]:
        return _CONV_COLUMNS
    raise ConfigError(
        Problem(
            "The first row is no header of a topology: neither a layer name and M, N, K nor a "
            f"layer name and {', '.join(_CONV_COLUMNS)}.",
            file=str(file),
            line=header.line,
        )
    )


def _numbers(
    row: _Row, columns: Sequence[str], file: Path, problems: list[Problem]
) -> tuple[int, ...]:
    """Return a row's numbers, for convolutions with one or both strides; note what is wrong."""
    fields = [*row.fields, *[""] * len(columns)]
    extra = row.fields[len(columns)] if len(row.fields) > len(columns) else ""
    names = list(columns)
    if columns is _CONV_COLUMNS and extra.isdecimal():
        names.append("horizontal stride")
    elif ":" in extra and len(set(extra.split(":"))) > 1:
        text = f"{row.name!r} asks for the sparsity {extra}, which is not modelled; use 1:1."
        problems.append(Problem(text, file=str(file), line=row.line))
    values = []
    for name, field in zip(names, fields, strict=False):
        if not (field.isascii() and field.isdecimal() and len(field) <= 9 and int(field) > 0):
            text = f"{name} of {row.name!r} is {field!r}; it must be a positive whole number."
            problems.append(Problem(text, file=str(file), line=row.line))
        else:
            values.append(int(field))
    return tuple(values)


def _gemm(name: str, numbers: tuple[int, ...]) -> Loose:
    """Return the layer of a GEMM."""
    m, n, k = numbers
    return Loose(Linear(name=name, in_features=k, out_features=n, bias=False), ((m, k),))


def _convolution(name: str, numbers: tuple[int, ...]) -> Loose:
    """Return the layer of a convolution."""
    height, width, kernel_y, kernel_x, channels, filters, *strides = numbers
    stride = (strides[0], strides[-1])
    layer = Conv2d(
        name=name,
        in_channels=channels,
        out_channels=filters,
        kernel=(kernel_y, kernel_x),
        stride=stride,
        bias=False,
    )
    padded = (
        _whole_windows(height, kernel_y, stride[0]),
        _whole_windows(width, kernel_x, stride[1]),
    )
    return Loose(layer, ((*padded, channels),))


def _whole_windows(extent: int, kernel: int, stride: int) -> int:
    """Return the smallest extent from `extent` on that whole strides divide.

    SCALE-Sim counts ceil((extent - kernel) / stride) + 1 windows.
    """
    windows = -(-max(extent - kernel, 0) // stride) + 1
    return kernel + (windows - 1) * stride
