"""A network in the making: layers, their shapes, and the arrays of their parameters."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from pydantic import ValidationError

from accelsim.errors import ShapeError, UnknownNameError
from accelsim.workload.importers.names import unique_name
from accelsim.workload.importers.onnx.model import Array, Shape
from accelsim.workload.importers.onnx.tensors import MAX_BYTES
from accelsim.workload.input_spec import InputSpec
from accelsim.workload.layers import Layer
from accelsim.workload.network import layer_registry


class CannotModelError(Exception):
    """No layer does what a node does; the text says why."""


class Draft:
    """Layers in the order of computation, with shapes, readers and parameters."""

    def __init__(self) -> None:
        self.inputs: dict[str, InputSpec] = {}
        self.layers: dict[str, Layer] = {}
        self.arrays: dict[str, Array] = {}
        self._shapes: dict[str, Shape] = {}
        self._read: set[str] = set()
        self._views: dict[tuple[str, str, Shape], str] = {}
        self._roots: dict[str, str] = {}
        self._taken: set[str] = set()
        self._bytes = 0

    def add_input(self, wanted: str, spec: InputSpec) -> str:
        """Declare something that the network is given, and return its name."""
        name = unique_name(wanted, self._taken)
        self.inputs[name] = spec
        self._shapes[name] = spec.shape
        return name

    def add(
        self,
        kind: str,
        inputs: Sequence[str],
        wanted: str,
        *,
        parameters: Mapping[str, Array] | None = None,
        **fields: Any,
    ) -> str:
        """Add a layer and return its name.

        Parameters
        ----------
        kind : str
            Kind of layer.
        inputs : sequence of str
            What it reads; empty for a source.
        wanted : str
            Its name, if that is free.
        parameters : mapping from str to array, optional
            By name within the layer, in PyTorch's layout.
        **fields
            Of the layer.

        Raises
        ------
        CannotModelError
            If there is no such layer, or it refuses its fields, inputs or parameters.
        """
        name = unique_name(wanted, self._taken)
        try:
            layer = self._checked(kind, name, inputs, fields, parameters or {})
        except CannotModelError:
            self._taken.discard(name)
            raise
        self.layers[name] = layer
        self._shapes[name] = layer.output_shape([self._shapes[one] for one in inputs])
        self._read.update(inputs)
        self._store(name, parameters or {})
        return name

    def view(self, kind: str, source: str, **fields: Any) -> str:
        """Add a layer that only shows a tensor otherwise, once for all who ask for it."""
        ((_, value),) = fields.items()
        key = (source, kind, value)
        if key not in self._views:
            root = self._roots.get(source, source)
            self._views[key] = self.add(kind, (source,), f"{root}.{kind}", **fields)
            self._roots[self._views[key]] = root
        return self._views[key]

    def change(self, name: str, parameters: Mapping[str, Array], **fields: Any) -> None:
        """Replace fields and parameters of a layer that nothing reads yet."""
        layer = self.layers[name]
        given = {**layer.model_dump(mode="json", exclude={"kind", "name", "inputs"}), **fields}
        inputs = layer.inputs or ()
        arrays = {
            spec.name: self.arrays[f"{name}.{spec.name}"]
            for spec in layer.parameters([self._shapes[one] for one in inputs])
        }
        self.layers[name] = self._checked(layer.kind, name, inputs, given, {**arrays, **parameters})
        self._store(name, parameters)

    def shape_of(self, name: str) -> Shape:
        """Return the shape of a layer's output or of an input, without the batch."""
        return self._shapes[name]

    def is_read(self, name: str) -> bool:
        """Return whether a layer reads this one."""
        return name in self._read

    def unread(self) -> tuple[str, ...]:
        """Return the layers that no layer reads, in order."""
        return tuple(name for name in self.layers if name not in self._read)

    def keep(self, wanted: Sequence[str]) -> None:
        """Drop every layer that the wanted ones do not need."""
        needed = set(wanted)
        for name in reversed(list(self.layers)):
            if name in needed:
                needed.update(self.layers[name].inputs or ())
            else:
                del self.layers[name]
        alive = set(self.layers)
        self.arrays = {
            name: array for name, array in self.arrays.items() if name.rpartition(".")[0] in alive
        }
        self.inputs = {name: spec for name, spec in self.inputs.items() if name in needed}

    def _checked(
        self,
        kind: str,
        name: str,
        inputs: Sequence[str],
        fields: Mapping[str, Any],
        parameters: Mapping[str, Array],
    ) -> Layer:
        """Return a layer that accepts its place and its parameters."""
        shapes = [self._shapes[one] for one in inputs]
        try:
            # JSON mode, as for every file: lists fill tuples and strings fill enums.
            text = json.dumps({"kind": kind, "name": name, "inputs": inputs or None, **fields})
            layer = layer_registry().get(kind).model_validate_json(text)
            layer.output_shape(shapes)
            specs = {spec.name: spec.shape for spec in layer.parameters(shapes)}
        except UnknownNameError as error:
            raise CannotModelError(f"there is no layer {kind!r}") from error
        except ValidationError as error:
            raise CannotModelError(first_problem(error)) from error
        except ShapeError as error:
            raise CannotModelError(str(error)) from error
        given = {key: array.shape for key, array in parameters.items()}
        if specs != given:
            raise CannotModelError(f"its parameters have the shapes {given}, not {specs}")
        return layer

    def _store(self, name: str, parameters: Mapping[str, Array]) -> None:
        """Keep the arrays of a layer, as float32 where they are no wider float."""
        for key, array in parameters.items():
            self._bytes += math.prod(array.shape) * np.dtype(np.float32).itemsize
            if self._bytes > MAX_BYTES:
                limit = f"{MAX_BYTES // 2**30} GiB"
                raise CannotModelError(f"the weights come to more than {limit}")
            self.arrays[f"{name}.{key}"] = _as_float(array)


def _as_float(array: Array) -> Array:
    """Return floats; what repeats one number goes on doing so and takes no memory."""
    if array.dtype in (np.float32, np.float64):
        return array
    if array.size > 1 and not any(array.strides):
        return np.broadcast_to(array.flat[0].astype(np.float32), array.shape)
    return array.astype(np.float32)


def first_problem(error: ValidationError) -> str:
    """Return the first thing that a model says is wrong, in one line."""
    problem = error.errors(include_url=False)[0]
    place = ".".join(str(step) for step in problem["loc"])
    return f"{place}: {problem['msg']}" if place else str(problem["msg"])
