"""Importers: networks that others describe, one file or package per format."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from accelsim.errors import ConfigError
from accelsim.workload.importers.imported import ImportedNetwork

#: Formats by suffix.
SUFFIXES = (".csv", ".onnx")


def is_foreign(name: object) -> bool:
    """Return whether `name` is a path of a format that is imported."""
    return isinstance(name, str | Path) and Path(name).suffix.lower() in SUFFIXES


def import_network(
    path: str | Path, *, dims: Mapping[str, int] | None = None, strict: bool = False
) -> ImportedNetwork:
    """Read a network that another tool has written.

    Parameters
    ----------
    path : str or Path
        An ``.onnx`` model, or a ``.csv`` topology of SCALE-Sim.
    dims : mapping from str to int, optional
        Extents of symbolic dimensions, for ONNX.
    strict : bool
        Refuse a network with a part that is not modelled.

    Raises
    ------
    ConfigError
        With every problem of the file.
    """
    file = Path(path)
    suffix = file.suffix.lower()
    if suffix == ".onnx":
        from accelsim.workload.importers.onnx import load_onnx

        return load_onnx(file, dims=dims, strict=strict)
    if suffix != ".csv":
        raise ConfigError(f"{path} is of no known format; {' and '.join(SUFFIXES)} are imported.")
    from accelsim.workload.importers.scalesim import load_topology

    workload = load_topology(file)
    return ImportedNetwork(workload, {}, file.name, len(workload.layers))


def from_onnx(
    path: str | Path, *, dims: Mapping[str, int] | None = None, strict: bool = False
) -> ImportedNetwork:
    """Read an ONNX model: a network with its weights, for `accelsim.run` and the like.

    Parameters
    ----------
    path : str or Path
        An ``.onnx`` file.
    dims : mapping from str to int, optional
        Extents of symbolic dimensions by name, or by ``INPUT.AXIS``. A first axis
        without an extent is the batch and needs none.
    strict : bool
        Refuse a model with a node that no layer stands for.

    Returns
    -------
    ImportedNetwork
        Its `workload` is the network, its `not_modelled` what is left out.

    Raises
    ------
    ConfigError
        If the file is missing, corrupt or refused by ONNX's checker, or an extent is
        missing; with `strict`, for every node that is not modelled.
    MissingExtraError
        If the onnx package is not installed.
    """
    if Path(path).suffix.lower() != ".onnx":
        raise ConfigError(f"{path} is no ONNX model: its name must end in .onnx.")
    return import_network(path, dims=dims, strict=strict)
