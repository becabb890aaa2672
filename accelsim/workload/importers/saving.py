"""A network as files: accelsim's own YAML and the weights beside it, or a topology."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from accelsim.config import dump_yaml
from accelsim.errors import OutputError
from accelsim.files import atomic_write, write_together
from accelsim.workload.importers.imported import ImportedNetwork
from accelsim.workload.importers.scalesim_export import Topology, topology_text

_SUFFIXES = (".yaml", ".yml")


def prepare_files(path: Path, *, force: bool) -> None:
    """Make sure that a network can be written to `path` before any work is done.

    Raises
    ------
    OutputError
        If the name does not end in ``.yaml`` or ``.csv``, the folder is missing, or a
        file is there and `force` is not given.
    """
    is_topology = path.suffix.lower() == ".csv"
    if not is_topology and path.suffix.lower() not in _SUFFIXES:
        raise OutputError(f"{path} is no name for a network; it must end in .yaml or .csv.")
    if not path.parent.is_dir():
        raise OutputError(f"There is no folder {path.parent}. Make it, or name another one.")
    for file in (path,) if is_topology else (path, weights_path(path)):
        if file.exists() and not (force and file.is_file()):
            raise OutputError(f"{file} exists. Use --force to overwrite it, or another name.")


def weights_path(path: Path) -> Path:
    """Return the name of the weight file beside a network's file."""
    return path.with_suffix(".safetensors")


def save_network(network: ImportedNetwork, path: Path) -> tuple[Path, ...]:
    """Write a network as YAML and its weights, if it has any, as safetensors.

    What is not modelled stands in the description. Each file is written whole or not at
    all. Where older ones are overwritten, the network is missing while the two may differ,
    so weights of one import are never found beside the network of another.

    Parameters
    ----------
    network : ImportedNetwork
        What to write.
    path : Path
        Of the YAML file.

    Returns
    -------
    tuple of Path
        What was written.

    Raises
    ------
    OutputError
        If a file cannot be written.
    DataError
        If the weights are not finite.
    """
    from safetensors.numpy import save

    contents: dict[Path, bytes | str] = {}
    if network.arrays:
        arrays = {
            name: np.ascontiguousarray(array) for name, array in network.weights().arrays.items()
        }
        contents[weights_path(path)] = save(arrays)
    document = network.workload.model_dump(mode="json", exclude_defaults=True)
    if network.not_modelled:
        texts = (network.workload.description, network.warnings()[-1])
        document["description"] = " ".join(text for text in texts if text)
    contents[path] = dump_yaml(document)
    write_together(contents)
    return (path, weights_path(path)) if network.arrays else (path,)


def save_topology(network: ImportedNetwork, path: Path, kind: str) -> tuple[Path, ...]:
    """Write the products of a network as a SCALE-Sim topology.

    Parameters
    ----------
    network : ImportedNetwork
        What to write.
    path : Path
        Of the CSV file.
    kind : str
        ``conv`` or ``gemm``: what the rows are.

    Returns
    -------
    tuple of Path
        What was written.

    Raises
    ------
    DataError
        If there are no products, or far too many.
    OutputError
        If the file cannot be written.
    """
    atomic_write(path, topology_text(network.workload, Topology(kind)))
    return (path,)
