"""Weights from a file: every problem at once, nothing taken on trust.

Names and layouts are PyTorch's. The numbers stay in the precision of the file;
rounding them to the formats of a trace comes later.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelsim.errors import DataError, near_miss_hint
from accelsim.workload.arrays import (
    count_nonfinite,
    read_npz,
    read_safetensors,
    read_state_dict,
)
from accelsim.workload.parameters import ParameterSpec

#: Names that PyTorch writes and that no inference reads.
IGNORED_SUFFIXES = (".num_batches_tracked", ".position_ids")
#: How a weight file is read, by the end of its name.
_READERS = {
    ".npz": read_npz,
    ".safetensors": read_safetensors,
    ".pt": read_state_dict,
    ".pth": read_state_dict,
}
#: Headers and what else an archive of arrays may hold, in bytes.
SLACK_BYTES = 2**24
#: Problems that an error lists before it only counts them.
MAX_LISTED = 20


@dataclass(frozen=True, slots=True)
class Weights:
    """The parameters of a network.

    Parameters
    ----------
    arrays : mapping from str to float array
        By full name, such as ``conv1.weight``, in PyTorch's layout.
    provenance : str
        Where they come from, in a few words.
    trained : bool
        False for random numbers: top-1 then means nothing.
    """

    arrays: Mapping[str, NDArray[Any]]
    provenance: str
    trained: bool


def load_weights(
    path: str | Path, parameters: Mapping[str, ParameterSpec], *, partly: bool = False
) -> Weights:
    """Load the parameters of a network from a file.

    Parameters
    ----------
    path : str or Path
        An ``.npz`` or ``.safetensors`` file, or a state dict that PyTorch saved (``.pt``,
        ``.pth``; with the ``[torch]`` extra). It must hold exactly the parameters of the
        network; ``num_batches_tracked`` and ``position_ids`` are ignored.
    parameters : mapping from str to ParameterSpec
        `Workload.parameters`.
    partly : bool
        The file may hold more than the network needs, such as a head that is not used.

    Returns
    -------
    Weights

    Raises
    ------
    DataError
        If the file cannot be read; or, all reported together, for every missing,
        unknown or wrongly shaped parameter, every NaN or infinity, and every negative
        running variance.
    MissingExtraError
        If it is a file of PyTorch's, which is not installed.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in _READERS:
        known = ", ".join(_READERS)
        raise DataError(f"{path} is no weight file: its name must end in one of: {known}.")
    if suffix == ".npz" and not partly:
        arrays = read_npz(path, limit=_largest_file(parameters))
    else:
        arrays = _READERS[suffix](path)
    arrays = {
        name: x
        for name, x in arrays.items()
        if not name.endswith(IGNORED_SUFFIXES) and (name in parameters or not partly)
    }
    return checked_weights(arrays, parameters, str(path))


def _largest_file(parameters: Mapping[str, ParameterSpec]) -> int:
    """Return more bytes than an uncompressed file of these parameters has in any format."""
    elements = sum(math.prod(spec.shape) for spec in parameters.values())
    return 2 * np.dtype(np.float64).itemsize * elements + SLACK_BYTES


def checked_weights(
    arrays: Mapping[str, NDArray[Any]], parameters: Mapping[str, ParameterSpec], file: str
) -> Weights:
    """Return the parameters of a network if they are whole.

    Parameters
    ----------
    arrays : mapping from str to float array
        By full name, in PyTorch's layout.
    parameters : mapping from str to ParameterSpec
        `Workload.parameters`.
    file : str
        Where they come from.

    Raises
    ------
    DataError
        As in `load_weights`.
    """
    problems = [
        *_name_problems(set(arrays), parameters),
        *_value_problems(arrays, parameters),
    ]
    if problems:
        shown = problems[:MAX_LISTED]
        if len(problems) > MAX_LISTED:
            shown.append(f"... and {len(problems) - MAX_LISTED} more.")
        raise DataError(
            f"{file} does not fit the network ({len(problems)} problems):\n  " + "\n  ".join(shown)
        )
    return Weights(arrays, f"weights from {Path(file).name}", trained=True)


def _name_problems(given: set[str], parameters: Mapping[str, ParameterSpec]) -> list[str]:
    problems = []
    for name, spec in parameters.items():
        if name not in given:
            hint = near_miss_hint(name, given - set(parameters))
            problems.append(f"{name} is missing; its shape is {spec.shape}.{hint}")
    problems += [f"{name} is no parameter of the network." for name in sorted(given)
                 if name not in parameters]  # fmt: skip
    return problems


def _value_problems(
    arrays: Mapping[str, NDArray[Any]], parameters: Mapping[str, ParameterSpec]
) -> list[str]:
    problems = []
    for name, spec in parameters.items():
        values = arrays.get(name)
        if values is None:
            continue
        if values.shape != spec.shape:
            problems.append(f"{name} has shape {values.shape}; {spec.shape} is needed.")
        count = count_nonfinite(values)
        if count:
            problems.append(f"{name} has {count} NaN or infinite numbers of {values.size}.")
        elif name.endswith(".running_var") and values.size and float(np.min(values)) < 0:
            problems.append(f"{name} has a negative variance, {float(np.min(values)):g}.")
    return problems
