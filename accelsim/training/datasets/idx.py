"""MNIST and Fashion-MNIST: four files in the idx format, plain or gzip-compressed.

An idx file is two zero bytes, a type code, the number of axes, their extents as
big-endian 32-bit integers, and the numbers, last axis fastest.

References
----------
Y. LeCun, C. Cortes, C. Burges, "The MNIST database of handwritten digits" (the format).
H. Xiao, K. Rasul, R. Vollgraf, "Fashion-MNIST", arXiv:1708.07747.
"""

from __future__ import annotations

import gzip
import math
import zlib
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelsim.errors import DataError
from accelsim.training.datasets.base import DataSet, Reader, Split
from accelsim.workload.arrays import require_file

#: Type code of unsigned bytes, the only one that these data sets use.
UNSIGNED_BYTE = 8
#: Bytes that one file may hold when it is unpacked.
MAX_BYTES = 1 << 30
MAX_AXES = 3
CLASSES = 10

_FASHION_FOLDER = Path("/usr/share/datasets/fashion-mnist")
_FASHION_ADVICE = (
    "install it with `apt-get install dataset-fashion-mnist`, or name the folder that holds it"
)
_MNIST_FOLDER = Path("data/mnist")
_MNIST_ADVICE = "name the folder of your own copy, or use the smaller set mnist5000"


def read_idx(path: Path) -> NDArray[np.uint8]:
    """Read an array of bytes from an idx file, unpacking it if its name ends in ``.gz``.

    Raises
    ------
    DataError
        If the file is missing, is no idx file of bytes, is longer or shorter than it
        says, or larger than `MAX_BYTES`.
    """
    require_file(path, "an idx file")
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} cannot be read ({error}).") from error
    if len(data) > MAX_BYTES:
        raise DataError(f"{path} holds more than {MAX_BYTES:,} bytes.")
    if len(data) < 4 or data[:3] != bytes((0, 0, UNSIGNED_BYTE)) or not 1 <= data[3] <= MAX_AXES:
        raise DataError(f"{path} is no idx file of bytes with 1 to {MAX_AXES} axes.")
    start = 4 + 4 * data[3]
    if len(data) < start:
        raise DataError(f"{path} ends before it has said how many bytes it holds.")
    shape = tuple(int(extent) for extent in np.frombuffer(data[4:start], dtype=">u4"))
    if start + math.prod(shape) != len(data):
        raise DataError(
            f"{path} says that it holds {shape} bytes, but {len(data) - start:,} bytes follow."
        )
    return np.frombuffer(data, dtype=np.uint8, offset=start).reshape(shape)


def read_folder(folder: Path | None, *, name: str, usual_folder: Path, advice: str) -> DataSet:
    """Read the four files of a data set like MNIST.

    Parameters
    ----------
    folder : Path or None
        Where they are; `usual_folder` where it is None.
    name, advice : str
        For error texts.
    usual_folder : Path
        Where they are usually.

    Raises
    ------
    DataError
        If a file is missing or wrong.
    """
    place = usual_folder if folder is None else folder
    splits = []
    for prefix in ("train", "t10k"):
        images = read_idx(_find(place, f"{prefix}-images-idx3-ubyte", name, advice))
        labels = read_idx(_find(place, f"{prefix}-labels-idx1-ubyte", name, advice))
        if images.ndim != 3 or labels.ndim != 1:
            raise DataError(f"{place}: the {prefix} files hold no images and labels.")
        splits.append(Split(images[..., None], labels.astype(np.int64)))
    train, test = splits
    return DataSet(name, f"{name} from {place}", train, test, CLASSES)


def _find(folder: Path, stem: str, name: str, advice: str) -> Path:
    # Some copies have a dot where the original has a hyphen.
    for candidate in (stem, stem.replace("-idx", ".idx")):
        for suffix in (".gz", ""):
            path = folder / f"{candidate}{suffix}"
            if path.is_file():
                return path
    raise DataError(f"{name} is not in {folder}: there is no {stem}[.gz]; {advice}.")


def _reader(**options: Any) -> Reader:
    return partial(read_folder, **options)


read_fashion_mnist = _reader(
    name="fashion_mnist", usual_folder=_FASHION_FOLDER, advice=_FASHION_ADVICE
)
read_mnist = _reader(name="mnist", usual_folder=_MNIST_FOLDER, advice=_MNIST_ADVICE)
