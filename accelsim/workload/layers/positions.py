"""Where a token stands: rows that are added, and a row that is put before all others."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Literal

import numpy as np
from pydantic import Field

from accelsim.errors import ShapeError
from accelsim.workload.backward_scope import BackwardScope
from accelsim.workload.layers.base import MAX_EXTENT, Extent, Float64Array, Layer, Shape
from accelsim.workload.ops import Phase, Role
from accelsim.workload.parameters import (
    Initial,
    ParameterSpec,
    Preparation,
    sinusoids,
)
from accelsim.workload.scope import LayerScope


class PositionTable(StrEnum):
    """Where the rows come from."""

    #: A parameter.
    LEARNED = "learned"
    #: Sines and cosines (Vaswani et al. 2017, section 3.5); nothing is learned.
    SINUSOIDAL = "sinusoidal"


class Positions(Layer):
    """Adds to every row of (length, features) the row of a table that belongs to its place.

    References
    ----------
    A. Vaswani et al., "Attention is all you need", NeurIPS 2017, section 3.5.
    """

    kind: Literal["positions"] = "positions"
    max_length: Extent
    """Rows of the table."""
    table: PositionTable = PositionTable.LEARNED
    """``learned``, or ``sinusoidal`` for sines and cosines."""
    scale: float = Field(default=1.0, gt=0)
    """Factor of what the rows are added to, as sqrt(features) where embeddings are small."""
    offset: int = Field(default=0, ge=0, le=MAX_EXTENT)
    """Place of the first row, for a sequence that goes on."""

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """Return the input's shape."""
        length = rows_and_features(inputs[0])[0]
        if self.offset + length > self.max_length:
            raise ShapeError(
                f"its table has {self.max_length} rows and the last of {length} rows after "
                f"{self.offset} would need {self.offset + length}; raise max_length, or "
                "shorten the sequence"
            )
        return inputs[0]

    def parameters(self, inputs: Sequence[Shape]) -> tuple[ParameterSpec, ...]:
        """Return ``weight`` (max_length, features), or nothing for sines and cosines."""
        if self.table is PositionTable.SINUSOIDAL:
            return ()
        shape = (self.max_length, inputs[0][-1])
        return (
            ParameterSpec("weight", shape, Role.PARAMETER, Initial.HE_NORMAL, fan_in=inputs[0][-1]),
        )

    def lower_forward(self, scope: LayerScope) -> str:
        """Emit one ``position_add``."""
        shape = (self.max_length, scope.output_shape[-1])
        if self.table is PositionTable.SINUSOIDAL:
            table = scope.vector_constant(
                "weight", Preparation.SINUSOIDS, shape, attributes=(("shape", shape),)
            )
        else:
            table = scope.vector_parameter("weight", Preparation.COPY, ("weight",), shape=shape)
        inputs = (scope.inputs[0], table)
        attributes = (("offset", self.offset), ("scale", self.scale))
        return scope.vector("position_add", inputs, attributes=attributes)

    def lower_backward(self, scope: BackwardScope) -> tuple[str | None, ...]:
        """Emit the table's gradient; the input's error is the output's, times the scale."""
        if self.table is PositionTable.LEARNED:
            full = f"{self.name}.weight"
            gradient = scope.vector(
                "position_gradient",
                (scope.error,),
                f"{full}.gradient",
                shape=(self.max_length, self._features(scope)),
                role=Role.GRADIENT,
                phase=Phase.GRADIENT,
                compute_format=scope.recipe.vector.statistics,
                attributes=(("offset", self.offset), ("rows", self.max_length)),
            )
            scope.builder.add_gradient(full, gradient, layer=self.name)
        if self.scale == 1.0 or not scope.needs[0]:
            return (scope.error,)
        attributes = (("scale", self.scale),)
        return (scope.input_error("rescale", (scope.error,), attributes=attributes),)

    def reference(
        self, inputs: Sequence[Float64Array], parameters: Mapping[str, Float64Array]
    ) -> Float64Array:
        """Add the rows, sines and cosines by their definition."""
        x = inputs[0] * self.scale
        places = slice(self.offset, self.offset + x.shape[1])
        if self.table is PositionTable.LEARNED:
            return x + parameters["weight"][places]
        return x + sinusoids((self.max_length, x.shape[-1]))[places]

    @staticmethod
    def _features(scope: BackwardScope) -> int:
        return scope.output_shape[-1]


class ClassToken(Layer):
    """A learned row before the rows of (length, features): what a classifier reads in the end."""

    kind: Literal["class_token"] = "class_token"

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """Return (length + 1, features)."""
        length, features = rows_and_features(inputs[0])
        return (length + 1, features)

    def parameters(self, inputs: Sequence[Shape]) -> tuple[ParameterSpec, ...]:
        """Return ``weight`` (features)."""
        shape = inputs[0][-1:]
        return (ParameterSpec("weight", shape, Role.PARAMETER, Initial.ZERO),)

    def lower_forward(self, scope: LayerScope) -> str:
        """Emit one ``prepend_row``."""
        row = scope.vector_parameter("weight", Preparation.COPY, ("weight",))
        return scope.vector("prepend_row", (scope.inputs[0], row))

    def lower_backward(self, scope: BackwardScope) -> tuple[str | None, ...]:
        """Emit the gradient of the row, and the errors of the others."""
        scope.channel_gradient("weight", "first_row_sum", (scope.error,))
        if not scope.needs[0]:
            return (None,)
        return (scope.input_error("drop_rows", (scope.error,), attributes=(("count", 1),)),)

    def reference(
        self, inputs: Sequence[Float64Array], parameters: Mapping[str, Float64Array]
    ) -> Float64Array:
        """Put the row before each sample's rows."""
        batch, length, features = inputs[0].shape
        out = np.empty((batch, length + 1, features))
        out[:, 0], out[:, 1:] = parameters["weight"], inputs[0]
        return out


def rows_and_features(shape: Shape) -> tuple[int, int]:
    """Return (length, features); ShapeError if the shape is no sequence of rows."""
    if len(shape) != 2:
        raise ShapeError(
            f"it takes a sequence (length, features) and is given the shape {shape}, "
            f"{math.prod(shape):,} elements"
        )
    return shape[0], shape[1]
