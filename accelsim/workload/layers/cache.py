"""Keys and values that a decoder keeps from token to token."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

import numpy as np

from accelsim.errors import ShapeError
from accelsim.workload.layers.base import Float64Array, Layer, Shape
from accelsim.workload.ops import Role, TensorInfo
from accelsim.workload.scope import LayerScope


class CacheAppend(Layer):
    """Rows behind the rows of a cache: reads (cache, new), makes what attention then reads.

    The rows of the cache stay where they are, so only the new ones are visited. A cache
    that is an input of the network is kept in the operand format of the attention that
    reads it, where that format needs no scale of its own; the new rows are rounded to it
    once, exactly as keys and values of a whole sequence are.
    """

    input_count: ClassVar[int | None] = 2

    kind: Literal["cache_append"] = "cache_append"

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """Return (rows of the cache + new rows, features)."""
        past, new = inputs
        if len(past) != 2 or len(new) != 2 or past[1] != new[1]:
            raise ShapeError(
                f"its cache has the shape {past} and the new rows {new}; both are (length, "
                "features), with the same features"
            )
        return (past[0] + new[0], past[1])

    def lower_forward(self, scope: LayerScope) -> str:
        """Emit one ``append_rows`` into the cache's own format."""
        past, recipe = scope.builder.tensors[scope.inputs[0]], scope.recipe
        shape = (scope.batch, *scope.output_shape)
        return scope.builder.vector(
            f"{self.name}.append_rows",
            "append_rows",
            scope.inputs,
            TensorInfo(self.name, shape, Role.ACTIVATION, past.format),
            layer=self.name,
            compute_format=recipe.vector.compute,
            rounding=recipe.store.rounding,
            overflow=recipe.store.overflow,
        )

    def reference(
        self, inputs: Sequence[Float64Array], parameters: Mapping[str, Float64Array]
    ) -> Float64Array:
        """Return the rows of both."""
        del parameters
        past, new = inputs
        out = np.empty((len(past), past.shape[1] + new.shape[1], past.shape[2]))
        out[:, : past.shape[1]], out[:, past.shape[1] :] = past, new
        return out
