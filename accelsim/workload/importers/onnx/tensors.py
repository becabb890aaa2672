"""Tensors of an ONNX file as arrays; the only file beside `reader` that knows the onnx package.

What a tensor keeps in another file is read from the model's own folder and from
nowhere else: a location that leads out of it, also through a link, is refused.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from accelsim.errors import ConfigError, Problem
from accelsim.workload.importers.onnx.model import Array

#: Largest sum of all constants, in bytes; the same as for a weight file.
MAX_BYTES = 8 * 2**30
#: Tensors up to this many elements may be shapes, which shape inference reads.
MAX_SHAPE_ELEMENTS = 1024


class TensorReader:
    """Reads tensors of one file, and counts their bytes."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._bytes = 0

    def read(self, tensor: Any, what: str) -> Array:
        """Return a tensor as an array of NumPy's own types.

        Parameters
        ----------
        tensor : onnx.TensorProto
            What to read.
        what : str
            Names it in an error.

        Raises
        ------
        ConfigError
            If it is not whole, not made of numbers, too large, or kept outside the
            model's folder.
        """
        import onnx

        try:
            dtype = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type))
        except (KeyError, TypeError, ValueError) as error:
            raise self._refused(what, "its type is unknown") from error
        if dtype.kind not in "biufV" and not _is_small_float(dtype):
            raise self._refused(what, "it holds no real numbers")
        shape = tuple(tensor.dims)
        if any(extent < 0 for extent in shape):
            raise self._refused(what, f"its shape is {shape}")
        self._bytes += math.prod(shape) * dtype.itemsize
        if self._bytes > MAX_BYTES:
            limit = f"{MAX_BYTES // 2**30} GiB"
            raise self._refused(what, f"the constants of the file come to more than {limit}")
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            return _plain(self._external(tensor, shape, dtype, what))
        try:
            return _plain(onnx.numpy_helper.to_array(tensor))
        except (ValueError, TypeError, KeyError, AttributeError, MemoryError) as error:
            raise self._refused(what, "its data do not fill its shape") from error

    def _external(self, tensor: Any, shape: tuple[int, ...], dtype: Any, what: str) -> Array:
        """Read what another file in the model's folder holds."""
        entries = {entry.key: entry.value for entry in tensor.external_data}
        location = entries.get("location", "")
        folder = self._file.resolve().parent
        try:
            path = (folder / location).resolve()
            inside = location and not Path(location).is_absolute() and path.is_relative_to(folder)
            if not (inside and path.is_file()):
                reason = "is no file" if inside else "is not inside the folder of the model"
                raise self._refused(what, f"its data are in {location!r}, which {reason}")
            offset = int(entries.get("offset", "0"))
            count = math.prod(shape)
            if dtype.itemsize * count != int(entries.get("length", dtype.itemsize * count)):
                raise self._refused(what, "its length does not fill its shape")
            with path.open("rb") as stream:
                stream.seek(offset)
                data = stream.read(dtype.itemsize * count)
            return np.frombuffer(data, dtype.newbyteorder("<"), count).reshape(shape)
        except (OSError, ValueError, TypeError, OverflowError) as error:
            if isinstance(error, ConfigError):
                raise
            text = f"its data in {location!r} cannot be read"
            raise self._refused(what, text) from error

    def _refused(self, what: str, reason: str) -> ConfigError:
        return ConfigError(Problem(f"{what} cannot be used: {reason}.", file=str(self._file)))


def attribute_values(node: Any, reader: TensorReader) -> Iterator[tuple[str, Any]]:
    """Yield the attributes of a node as numbers, strings, tuples and arrays.

    Parameters
    ----------
    node : onnx.NodeProto
        Whose attributes.
    reader : TensorReader
        Reads those that are tensors.
    """
    import onnx

    kinds = onnx.AttributeProto
    for attribute in node.attribute:
        value: Any = None
        if attribute.type == kinds.TENSOR:
            value = reader.read(attribute.t, f"Attribute {attribute.name!r} of {node.name!r}")
        elif attribute.type in (kinds.FLOAT, kinds.INT):
            value = attribute.f if attribute.type == kinds.FLOAT else attribute.i
        elif attribute.type == kinds.STRING:
            value = attribute.s.decode("utf-8", errors="replace")
        elif attribute.type in (kinds.FLOATS, kinds.INTS):
            value = tuple(attribute.floats if attribute.type == kinds.FLOATS else attribute.ints)
        elif attribute.type == kinds.STRINGS:
            value = tuple(one.decode("utf-8", errors="replace") for one in attribute.strings)
        yield attribute.name, value


def _is_small_float(dtype: Any) -> bool:
    return str(dtype.name).startswith(("bfloat16", "float8", "float4", "int4", "uint4"))


def _plain(values: Array) -> Array:
    """Return an array of NumPy's own types; bfloat16 and smaller floats become float32."""
    if values.dtype.kind in "biuf":
        return values
    return values.astype(np.int8 if "int4" in values.dtype.name else np.float32)
