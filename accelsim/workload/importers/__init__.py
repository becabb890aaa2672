"""Importers: networks that others describe, one file or package per format."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

from accelsim.config import Document, load_yaml
from accelsim.errors import ConfigError
from accelsim.workload.importers.imported import ImportedNetwork
from accelsim.workload.network import load_workload

#: Formats by suffix; a YAML file is looked into.
SUFFIXES = (".csv", ".onnx")
_YAML_SUFFIXES = (".yaml", ".yml")


class _YamlKind(StrEnum):
    """Tools whose YAML files describe layers."""

    TIMELOOP = "Timeloop"
    ZIGZAG = "ZigZag"


def is_foreign(name: object) -> bool:
    """Return whether `name` is a path of a format that is imported.

    A YAML file is if it has the structure of another tool's: the key ``problem``, or a
    list of layers with an ``operator_type``.
    """
    if not isinstance(name, str | Path):
        return False
    suffix = Path(name).suffix.lower()
    if suffix in _YAML_SUFFIXES and Path(name).is_file():
        try:
            return _yaml_kind(load_yaml(name)) is not None
        except ConfigError:
            return False  # whoever reads it says what is wrong
    return suffix in SUFFIXES


def _yaml_kind(document: Document) -> _YamlKind | None:
    """Return the tool that a file's structure is of, or None."""
    root = document.root
    if isinstance(root.value, tuple):
        first = root.value[0] if root.value else root
        return None if first.child("operator_type") is None else _YamlKind.ZIGZAG
    is_own = root.child("layers") is not None or root.child("base") is not None
    return None if is_own or root.child("problem") is None else _YamlKind.TIMELOOP


def import_network(
    path: str | Path, *, dims: Mapping[str, int] | None = None, strict: bool = False
) -> ImportedNetwork:
    """Read a network that another tool has written.

    Parameters
    ----------
    path : str or Path
        An ``.onnx`` model, a ``.csv`` topology of SCALE-Sim, or a ``.yaml`` problem of
        Timeloop or workload of ZigZag.
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
    if suffix in _YAML_SUFFIXES:
        return _import_yaml(file, strict=strict)
    if suffix != ".csv":
        known = ", ".join((*SUFFIXES, ".yaml"))
        raise ConfigError(f"{path} is of no known format; {known} are imported.")
    from accelsim.workload.importers.scalesim import load_topology

    workload = load_topology(file)
    return ImportedNetwork(workload, {}, file.name, len(workload.layers))


def check_options(name: object, *, dims: Mapping[str, int] | None, strict: bool) -> None:
    """Refuse options of an import for a network that is not imported.

    Raises
    ------
    ConfigError
        If `dims` or `strict` is given and `name` is no file of another tool.
    """
    if (dims or strict) and not is_foreign(name):
        raise ConfigError("--dim and --strict are for the file of another tool, such as .onnx.")


def any_network(
    name: str | Path, *, dims: Mapping[str, int] | None = None, strict: bool = False
) -> ImportedNetwork:
    """Return a network of accelsim's own by name or path, or one of another tool.

    Parameters and errors are those of `import_network` and `load_workload`.
    """
    is_own = not Path(name).suffix or Path(name).suffix.lower() in _YAML_SUFFIXES
    if is_foreign(name) or not is_own:
        return import_network(name, dims=dims, strict=strict)
    check_options(name, dims=dims, strict=strict)
    workload = load_workload(name)
    return ImportedNetwork(workload, {}, Path(name).name, len(workload.layers))


def _import_yaml(file: Path, *, strict: bool) -> ImportedNetwork:
    """Read a YAML file of another tool."""
    document = load_yaml(file)
    kind = _yaml_kind(document)
    if kind is _YamlKind.TIMELOOP:
        from accelsim.workload.importers.timeloop import load_problem

        return load_problem(document)
    if kind is _YamlKind.ZIGZAG:
        from accelsim.workload.importers.zigzag import load_workload_list

        return load_workload_list(document, strict=strict)
    document.root.place.refuse(
        "It is no file of another tool: neither a problem of Timeloop nor a list of ZigZag's"
        " layers. A network of accelsim's own needs no import."
    )


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
