"""From what a user writes after ``--data`` to a data set."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from accelsim.errors import DataError, UnknownNameError
from accelsim.training.datasets.base import DataSet, Reader
from accelsim.training.datasets.cifar10 import read_cifar10
from accelsim.training.datasets.idx import read_fashion_mnist, read_mnist
from accelsim.training.datasets.movielens import read_movielens
from accelsim.training.datasets.packaged import read_digits, read_mnist5000, read_synthetic

READERS: Mapping[str, Reader] = MappingProxyType(
    {
        "cifar10": read_cifar10,
        "digits": read_digits,
        "fashion_mnist": read_fashion_mnist,
        "mnist": read_mnist,
        "mnist5000": read_mnist5000,
        "movielens": read_movielens,
        "synthetic": read_synthetic,
    }
)
#: Between the name of a data set and the folder that holds it.
SEPARATOR = ":"


def list_data_sets() -> tuple[str, ...]:
    """Return the names of all data sets, sorted.

    Examples
    --------
    >>> "fashion_mnist" in list_data_sets()
    True
    """
    return tuple(sorted(READERS))


def load_data(spec: str | Path) -> DataSet:
    """Read a data set.

    Parameters
    ----------
    spec : str or Path
        A name, ``NAME:FOLDER`` for files that are not where they usually are, or a
        folder alone, whose files then say what it holds.

    Raises
    ------
    UnknownNameError
        If no data set has the name.
    DataError
        If the data are missing or damaged; says where they are expected.

    Examples
    --------
    >>> len(load_data("synthetic").train)
    512
    """
    name, separator, folder = str(spec).partition(SEPARATOR)
    if name in READERS:
        return READERS[name](Path(folder) if separator else None)
    if Path(spec).is_dir():
        return _recognized(Path(spec))
    raise UnknownNameError("data set (or folder)", name, READERS)


def _recognized(folder: Path) -> DataSet:
    """Read the first kind of data set that a folder holds."""
    reasons = []
    for reader in (read_mnist, read_cifar10, read_movielens):
        try:
            return reader(folder)
        except DataError as error:
            reasons.append(str(error))
    raise DataError(f"{folder} holds no known data set:\n  " + "\n  ".join(reasons))
