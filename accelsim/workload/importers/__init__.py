"""Importers: networks that others describe, one file or package per format."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

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


def from_torch(
    module: Any, example_inputs: Any, *, name: str | None = None, strict: bool = False
) -> ImportedNetwork:
    """Read a module of PyTorch: a network with its weights, for `accelsim.run` and the like.

    Parameters
    ----------
    module : torch.nn.Module
        What to import, as it computes in evaluation mode; ``torch.export`` runs it once.
        It is left as it was, and later changes to it change nothing here.
    example_inputs : tensor, sequence of tensors, or mapping from str to tensor
        What it is called with, by position or by keyword; every shape comes from here.
        The first axis of each counts samples, and of several samples one is taken.
    name : str, optional
        Of the network; the class of the module where None.
    strict : bool
        Refuse a module with an operator that no layer stands for.

    Returns
    -------
    ImportedNetwork
        Its `workload` is the network, its `not_modelled` what is left out. Layers are
        called after the modules that they come from.

    Raises
    ------
    ConfigError
        If `module` is no module, torch cannot export it, or it computes nothing; with
        `strict`, for every operator that is not modelled.
    MissingExtraError
        If torch is not installed.
    """
    from accelsim.workload.importers.torch import load_torch

    return load_torch(module, example_inputs, name=name, strict=strict)
