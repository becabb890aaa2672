"""The chips that ship, and any chip file: from a name or a path to a `Chip`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from accelsim.arch.chip import Chip
from accelsim.config import load_model
from accelsim.files import ResourceKind, list_resources, resource_path

#: Chip that runs when none is named.
DEFAULT_CHIP = "fp8_chunk64"


def load_chip(name: str | os.PathLike[str], overrides: Sequence[tuple[str, str]] = ()) -> Chip:
    """Read and check a chip.

    Parameters
    ----------
    name : str or path
        A chip file, or the name of a chip that ships.
    overrides : sequence of (key, text)
        Values put in last, such as ``("mac_array.rows", "64")``; the text is YAML.

    Raises
    ------
    UnknownNameError
        If it is neither a file nor a name that ships; it lists the names.
    ConfigError
        With every problem of the file and of the overrides, and its place.

    Examples
    --------
    >>> load_chip("fp8_chunk64").peak_macs_per_cycle(2)
    8192
    >>> load_chip("fp8_chunk64", [("cores", "1")]).cores
    1
    """
    return load_model(
        resource_path(ResourceKind.ARCH_CONFIGS, name),
        Chip,
        overrides=overrides,
        base_lookup=_shipped_base,
        flag="--set arch.",
    )


def list_chips() -> tuple[str, ...]:
    """Return the names of the chips that ship, sorted."""
    return list_resources(ResourceKind.ARCH_CONFIGS)


def _shipped_base(name: str) -> Path:
    return resource_path(ResourceKind.ARCH_CONFIGS, name)
