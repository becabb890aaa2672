"""Files that ship with accelsim, and files that it writes.

A configuration is looked up as a path first, then among the files inside the
installed package, then in the folders of a source checkout. A file is written
whole or not at all. What other installed packages keep is found without importing them.
"""

from __future__ import annotations

import csv
import importlib.util
import io
import json
import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import Any

from accelsim.errors import OutputError, UnknownNameError

_PACKAGE = Path(__file__).resolve().parent
_SUFFIX = ".yaml"
#: Subfolder of machines that others have built; their names begin with it.
_REFERENCE = "reference"


class ResourceKind(StrEnum):
    """The kinds of file that ship with accelsim; the value is the kind's word in the API."""

    ARCH_CONFIGS = "arch_configs"
    WORKLOADS = "workloads"
    COST_TABLES = "cost_tables"

    @property
    def folder(self) -> Path:
        """Folder of the kind, relative to the data folder."""
        return Path("arch_configs", self) if self is ResourceKind.COST_TABLES else Path(self)

    @property
    def noun(self) -> str:
        """What one file of the kind describes."""
        return {
            ResourceKind.ARCH_CONFIGS: "chip",
            ResourceKind.WORKLOADS: "workload",
            ResourceKind.COST_TABLES: "cost table",
        }[self]


def resource_path(kind: ResourceKind | str, name: str | os.PathLike[str]) -> Path:
    """Return the file that `name` means.

    Parameters
    ----------
    kind : ResourceKind or str
        ``arch_configs``, ``workloads`` or ``cost_tables``.
    name : str or path
        A path to an existing file, or the name of a file that ships with
        accelsim, with or without ``.yaml``.

    Raises
    ------
    UnknownNameError
        If it is neither; the error lists every name that ships.

    Examples
    --------
    >>> resource_path("workloads", "resnet5")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    accelsim.errors.UnknownNameError: Unknown workload 'resnet5'...
    """
    kind = ResourceKind(kind)
    text = os.fspath(name)
    given = Path(text)
    with suppress(OSError, ValueError):  # a name too long or with a NUL is no file
        if given.is_file():
            return given
    shipped = _shipped(kind)
    stem = text.removesuffix(_SUFFIX)
    if stem not in shipped:
        raise UnknownNameError(kind.noun, text, shipped)
    return shipped[stem]


def list_resources(kind: ResourceKind | str) -> tuple[str, ...]:
    """Return the names of all files of a kind that ship with accelsim, sorted."""
    return tuple(sorted(_shipped(ResourceKind(kind))))


def installed_folder(package: str) -> Path | None:
    """Return where an installed package keeps its files, without running any of it.

    None where nothing is installed that can be imported under that name, or what is has no
    folder.
    """
    spec = importlib.util.find_spec(package)
    places = [] if spec is None else list(spec.submodule_search_locations or ())
    return Path(places[0]) if places else None


def atomic_write(path: str | os.PathLike[str], data: bytes | str) -> None:
    """Write a file whole or not at all.

    The data goes to a temporary name in the same folder, to the disk, and then
    takes the place of `path` in one step. On failure nothing is left behind
    and an older file under the name is untouched. Text is written as UTF-8,
    its line ends as they are.

    Raises
    ------
    OutputError
        If the folder is missing or cannot be written to.
    """
    write_together({Path(path): data})


def write_together(contents: Mapping[Path, bytes | str]) -> None:
    """Write files that belong together so that new ones never pass for a pair with old ones.

    Each is written as by `atomic_write`, and none takes its place before all are on the disk.
    Of several, the last is the one by which the others are found: an older file under its name
    goes before the first takes its place. Whatever moment the process is killed at, the files
    are the old ones, the new ones, or the last is missing.

    Parameters
    ----------
    contents : mapping from path to bytes or str
        In the order in which they take their places.

    Raises
    ------
    OutputError
        If a folder is missing or cannot be written to.
    """
    waiting: list[tuple[Path, Path]] = []  # (temporary, target)
    target = Path()
    try:
        for target, data in contents.items():
            waiting.append((_temporary(target, data), target))
        if len(waiting) > 1:
            target.unlink(missing_ok=True)
        while waiting:
            temporary, target = waiting[0]
            temporary.replace(target)
            del waiting[0]
    except OSError as error:
        raise OutputError(f"Cannot write {target}: {error.strerror or error}.") from error
    finally:
        for temporary, _ in waiting:
            with suppress(OSError):
                temporary.unlink()


def write_files(folder: Path, contents: Mapping[str, bytes | str]) -> tuple[Path, ...]:
    """Write files into a folder, each as by `atomic_write`, and return their paths in order."""
    for name, data in contents.items():
        atomic_write(folder / name, data)
    return tuple(folder / name for name in contents)


def csv_text(rows: Iterable[Mapping[str, Any]], heads: Sequence[str]) -> str:
    """Return rows as CSV under `heads`; a row without one of them leaves its cell empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, heads, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def json_text(document: Any) -> str:
    """Return a JSON document as text; NaN and infinity, which JSON has not, are a ValueError."""
    return json.dumps(document, indent=1, allow_nan=False) + "\n"


def _temporary(target: Path, data: bytes | str) -> Path:
    """Write what will be `target` under another name in its folder; leave nothing on failure."""
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data.encode("utf-8") if isinstance(data, str) else data)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.chmod(_usual_mode(target))
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    return temporary


def _usual_mode(target: Path) -> int:
    """Return the permissions of the file that is replaced, or those of a new file."""
    with suppress(OSError):
        return target.stat().st_mode & 0o777
    umask = os.umask(0)
    os.umask(umask)
    return 0o666 & ~umask


def _shipped(kind: ResourceKind) -> dict[str, Path]:
    """Map the name of each shipped file of a kind to the file."""
    for root in (_PACKAGE / "_data", _PACKAGE.parent):
        folder = root / kind.folder
        in_checkout = root != _PACKAGE.parent or (root / "pyproject.toml").is_file()
        if in_checkout and folder.is_dir():
            files = [*folder.glob(f"*{_SUFFIX}"), *(folder / _REFERENCE).glob(f"*{_SUFFIX}")]
            return {
                file.relative_to(folder).with_suffix("").as_posix(): file for file in sorted(files)
            }
    return {}
