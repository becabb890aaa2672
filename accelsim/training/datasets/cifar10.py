"""CIFAR-10 from the user's own copy: the binary batches, or the Python ones.

The Python batches are pickles, and a pickle can name any function to call. They
are read by an unpickler that calls nothing of NumPy's and nothing else: the few names
of which an array of bytes is made stand for classes of this file, all others are refused.

References
----------
A. Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from accelsim.errors import DataError
from accelsim.training.datasets.base import DataSet, Split

CLASSES = 10
#: Channels, height and width: the order of a record.
RECORD = (3, 32, 32)
RECORD_BYTES = 3 * 32 * 32
#: Bytes that one batch may have; the original ones have 31 MB.
MAX_BYTES = 1 << 28
TRAIN_BATCHES = tuple(f"data_batch_{number}" for number in range(1, 6))
TEST_BATCH = "test_batch"
_USUAL = Path("data/cifar10")
_SUBFOLDERS = ("", "cifar-10-batches-py", "cifar-10-batches-bin")


def read_cifar10(folder: Path | None = None) -> DataSet:
    """Read the six batches from a folder; ``data/cifar10`` where none is named.

    Raises
    ------
    DataError
        If a batch is missing, is no batch of CIFAR-10, or is a pickle that holds
        anything but bytes, arrays of bytes, lists, numbers and text.
    """
    place = _USUAL if folder is None else folder
    for name in _SUBFOLDERS:
        if (place / name / TEST_BATCH).is_file() or (place / name / f"{TEST_BATCH}.bin").is_file():
            train = [_read_batch(place / name, batch) for batch in TRAIN_BATCHES]
            test = _read_batch(place / name, TEST_BATCH)
            joined = Split(
                np.concatenate([part.x for part in train]),
                np.concatenate([part.labels for part in train]),
            )
            return DataSet("cifar10", f"CIFAR-10 from {place / name}", joined, test, CLASSES)
    raise DataError(
        f"cifar10 is not in {place}: there is no {TEST_BATCH} and no {TEST_BATCH}.bin."
        " No package ships it; name the folder where your copy of the original batches"
        " (the Python or the binary version) is unpacked."
    )


def _read_batch(folder: Path, name: str) -> Split:
    binary = folder / f"{name}.bin"
    path = binary if binary.is_file() else folder / name
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise DataError(f"{path} has {size:,} bytes; at most {MAX_BYTES:,} are read.")
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror or error}).") from error
    pixels, labels = _from_records(path, data) if path == binary else _from_pickle(path, data)
    images = pixels.reshape(-1, *RECORD).transpose(0, 2, 3, 1)
    return Split(np.ascontiguousarray(images), labels)


def _from_records(path: Path, data: bytes) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return pixels and labels of the binary version: a byte of label, then the pixels."""
    if not data or len(data) % (1 + RECORD_BYTES):
        raise DataError(f"{path} is no binary batch: records have {1 + RECORD_BYTES} bytes.")
    records = np.frombuffer(data, dtype=np.uint8).reshape(-1, 1 + RECORD_BYTES)
    return records[:, 1:], records[:, 0].astype(np.int64)


def _from_pickle(path: Path, data: bytes) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return pixels and labels of the Python version: a pickled dictionary."""
    try:
        batch = _ArrayUnpickler(io.BytesIO(data), encoding="bytes").load()
    # A damaged pickle fails in whatever way its bytes ask for.
    except Exception as error:
        raise DataError(f"{path} is no Python batch of CIFAR-10 ({error}).") from error
    array = batch.get(b"data") if isinstance(batch, dict) else None
    labels = batch.get(b"labels") if isinstance(batch, dict) else None
    if (
        not isinstance(array, _ByteArray)
        or array.values.shape[1:] != (RECORD_BYTES,)
        or not isinstance(labels, list)
        or not all(isinstance(label, int) for label in labels)
    ):
        raise DataError(
            f"{path} is no Python batch of CIFAR-10: it needs rows of {RECORD_BYTES} bytes"
            " under b'data' and a list of numbers under b'labels'."
        )
    return array.values, np.asarray(labels, dtype=np.int64)


class _ByteType:
    """Stands for the type of an array's elements: bytes, or the pickle is refused."""

    def __init__(self, code: Any, *_flags: Any) -> None:
        if code not in (b"u1", "u1"):
            raise pickle.UnpicklingError(f"a batch holds bytes, not {code!r}")

    def __setstate__(self, _state: Any) -> None:
        """Ignore byte order and alignment, which bytes do not have."""


class _ByteArray:
    """Stands for an array until its state is read: shape, type, order, bytes."""

    def __init__(self, *_arguments: Any) -> None:
        self.values = np.empty((0, 0), dtype=np.uint8)

    def __setstate__(self, state: Any) -> None:
        """Take the bytes; UnpicklingError if they are no array of bytes."""
        _, shape, element, is_fortran, data = state
        if not isinstance(element, _ByteType) or not isinstance(data, bytes):
            raise pickle.UnpicklingError("an array of bytes has another state")
        order: Literal["F", "C"] = "F" if is_fortran else "C"
        self.values = np.frombuffer(data, dtype=np.uint8).reshape(shape, order=order)


def _latin(text: Any, encoding: Any) -> bytes:
    """Return bytes that Python 3 pickled for Python 2 as a text."""
    if not isinstance(text, str) or encoding not in ("latin1", b"latin1"):
        raise pickle.UnpicklingError("only latin1 texts stand for bytes")
    return text.encode("latin1")


_ALLOWED: dict[tuple[str, str], Callable[..., Any]] = {
    ("numpy.core.multiarray", "_reconstruct"): _ByteArray,
    ("numpy._core.multiarray", "_reconstruct"): _ByteArray,
    ("numpy", "ndarray"): _ByteArray,
    ("numpy", "dtype"): _ByteType,
    ("_codecs", "encode"): _latin,
}


class _ArrayUnpickler(pickle.Unpickler):
    """Reads numbers, text, lists, dictionaries and arrays of bytes; calls nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        """Return one of the allowed names; UnpicklingError for any other."""
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"it names {module}.{name}, which no batch needs")
        return _ALLOWED[module, name]
