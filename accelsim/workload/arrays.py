"""Reading arrays from files that nobody vouches for: bounded, without pickles.

An ``.npy`` header and the table of contents of an ``.npz`` say how large the
data are before any of them are read; a file that claims more than the bound is
refused.
"""

from __future__ import annotations

import math
import zipfile
import zlib
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelsim.errors import DataError, MissingExtraError

#: Largest data of one file, in bytes.
MAX_BYTES = 8 * 2**30

#: What writes a file of PyTorch's that can be read.
_TORCH_WRITER = "torch.save(module.state_dict(), ...)"

#: What NumPy raises where the header or the data are not an array; a header may claim
#: more than any memory holds.
_CORRUPT = (OSError, ValueError, EOFError, SyntaxError, MemoryError)


def require_file(path: Path, what: str) -> None:
    """Raise `DataError` unless `path` is a file."""
    try:
        is_folder, is_file = path.is_dir(), path.is_file()
    except OSError as error:
        raise DataError(f"{path} cannot be looked at ({error.strerror}).") from error
    if is_folder:
        raise DataError(f"{path} is a folder. Give the path of {what}.")
    if not is_file:
        raise DataError(f"There is no file {path}. Give the path of {what}.")


def read_npy(path: Path) -> NDArray[Any]:
    """Read one array of real numbers.

    Raises
    ------
    DataError
        If the file is missing, corrupt, too large, or holds anything but real numbers.
    """
    require_file(path, "an .npy file")
    try:
        mapped = np.lib.format.open_memmap(path, mode="r")
        _check_size(path, mapped.nbytes)
        values = np.array(mapped)
    except _CORRUPT as error:
        raise DataError(_unreadable(path, "numpy.save", error)) from error
    return _real(path, "its array", values)


def read_npz(
    path: Path, names: Collection[str] | None = None, *, limit: int | None = None
) -> dict[str, NDArray[Any]]:
    """Read arrays of real numbers by name; all of them, or those of `names` that exist.

    A file that claims more than `limit` bytes of data, `MAX_BYTES` where None, is refused
    before any of them are unpacked.

    Raises
    ------
    DataError
        As in `read_npy`.
    """
    require_file(path, "an .npz file")
    try:
        with zipfile.ZipFile(path) as archive:
            _check_size(path, sum(entry.file_size for entry in archive.infolist()), limit)
        with np.load(path, allow_pickle=False) as data:
            wanted = data.files if names is None else [n for n in data.files if n in names]
            arrays = {name: data[name] for name in wanted}
    except (*_CORRUPT, zlib.error, zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise DataError(_unreadable(path, "numpy.savez", error)) from error
    return {name: _real(path, f"{name!r}", values) for name, values in arrays.items()}


def read_safetensors(path: Path) -> dict[str, NDArray[Any]]:
    """Read all tensors of a safetensors file; bfloat16 becomes float32.

    Raises
    ------
    DataError
        As in `read_npy`.
    """
    from safetensors import SafetensorError, safe_open

    require_file(path, "a .safetensors file")
    _check_size(path, path.stat().st_size)
    try:
        with safe_open(path, framework="np") as data:
            arrays = {name: data.get_tensor(name) for name in data.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError, TypeError, AttributeError) as error:
        raise DataError(_unreadable(path, "safetensors.numpy.save_file", error)) from error
    return {name: _real(path, f"{name!r}", values) for name, values in arrays.items()}


def read_state_dict(path: Path) -> dict[str, NDArray[Any]]:
    """Read the tensors of a state dict that ``torch.save`` wrote; no code of the file runs.

    Raises
    ------
    DataError
        As in `read_npy`.
    MissingExtraError
        If PyTorch is not installed.
    """
    require_file(path, "a .pth file")
    _check_size(path, path.stat().st_size)
    try:
        import torch
    except ImportError as error:
        raise MissingExtraError("torch", "torch", f"Reading {path}") from error
    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # whose text may say how to run the file's code
        raise DataError(
            f"{path} cannot be read: it is damaged, or holds more than tensors."
            f" Write it with {_TORCH_WRITER}."
        ) from error
    if not isinstance(loaded, dict) or not all(map(torch.is_tensor, loaded.values())):
        raise DataError(f"{path} holds no state dict. Write it with {_TORCH_WRITER}.")
    return {str(name): _from_tensor(path, f"{str(name)!r}", x) for name, x in loaded.items()}


def count_nonfinite(values: NDArray[Any]) -> int:
    """Return how many elements are NaN or infinite."""
    with np.errstate(over="ignore", invalid="ignore"):
        if math.isfinite(float(np.add.reduce(values, axis=None, dtype=np.float64))):
            return 0  # a NaN or an infinity would have reached the sum
    return int(values.size - np.count_nonzero(np.isfinite(values)))


def _real(path: Path, what: str, values: NDArray[Any] | bytes) -> NDArray[Any]:
    """Return floats as they are and integers as float64; refuse the rest."""
    if isinstance(values, bytes):  # a member of an archive that does not begin as an array
        raise DataError(f"{path}: {what} is no array. Write the file with numpy.savez.")
    if values.dtype.name == "bfloat16":
        return values.astype(np.float32)
    if values.dtype.kind == "f" and values.dtype.itemsize <= np.dtype(np.float64).itemsize:
        native = values.dtype.newbyteorder("=")
        return values.astype(np.float32 if native == np.float16 else native, copy=False)
    if values.dtype.kind in "iu":
        return values.astype(np.float64)
    raise DataError(f"{path}: {what} holds {values.dtype}; real numbers are needed.")


def _from_tensor(path: Path, what: str, tensor: Any) -> NDArray[Any]:
    """Return a tensor of PyTorch's; refuse one that is not dense, or larger than its file."""
    import torch

    size = tensor.numel() * tensor.element_size()
    if size > path.stat().st_size:  # a few numbers, seen again and again
        raise DataError(f"{path}: {what} has {size:,} bytes of numbers, more than the file.")
    is_short = tensor.dtype in {torch.bfloat16, torch.float16}
    try:
        values = (tensor.float() if is_short else tensor).detach().numpy()
    except (TypeError, RuntimeError) as error:
        raise DataError(
            f"{path}: {what} is {tensor.dtype}, {tensor.layout}, on {tensor.device};"
            " dense real numbers in memory are needed."
        ) from error
    return _real(path, what, values)


def _check_size(path: Path, size: int, limit: int | None = None) -> None:
    limit = MAX_BYTES if limit is None else min(limit, MAX_BYTES)
    if size > limit:
        raise DataError(f"{path} holds {size:,} bytes of data; at most {limit:,} are read.")


def _unreadable(path: Path, writer: str, error: Exception) -> str:
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return f"{path} cannot be read ({reason}). Write it with {writer}, without pickled objects."
