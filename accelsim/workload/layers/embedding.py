"""Rows of a table, looked up by number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from pydantic import Field

from accelsim.workload.backward_scope import BackwardScope
from accelsim.workload.layers.base import Extent, Float64Array, Layer, Shape
from accelsim.workload.ops import Phase, Role
from accelsim.workload.parameters import Initial, ParameterSpec
from accelsim.workload.scope import LayerScope

#: Products per output that give `Initial.HE_NORMAL` the variance 2 / 2 = 1, PyTorch's.
_UNIT_VARIANCE_FAN_IN = 2


class Embedding(Layer):
    """The row of a table for every token: a gather on the vector unit, which reads those rows only.

    The table is stored in the recipe's vector format; in training the rows come from its
    master copy. Its gradient is dense: each row adds
    the errors of its tokens in the order of (sample, place), in the recipe's format for
    statistics, and rows that no token named get 0.
    """

    kind: Literal["embedding"] = "embedding"
    vocabulary: Extent
    """Rows of the table; tokens are 0 to vocabulary - 1."""
    features: Extent
    """Numbers in a row."""
    deviation: float = Field(default=1.0, gt=0, le=1)
    """Standard deviation of the table where no weight file is given."""
    tied_to: str | None = None
    """Name of an embedding before it whose table is this one's; null where it has its own."""

    @property
    def table(self) -> Shape:
        """Shape of the table."""
        return (self.vocabulary, self.features)

    def tied_layer(self) -> str | None:
        """Return the embedding whose table is read."""
        return self.tied_to

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """Return the input's shape with the features as a new last axis."""
        return (*inputs[0], self.features)

    def token_problem(self, vocabulary: int | None) -> str | None:
        """Take tokens, as many as there are rows, and nothing else."""
        if vocabulary is None:
            return "looks tokens up and is given numbers; set kind: tokens for its input"
        if vocabulary > self.vocabulary:
            return (
                f"has {self.vocabulary} rows for {vocabulary} tokens; set vocabulary: {vocabulary}"
            )
        return None

    def parameters(self, inputs: Sequence[Shape]) -> tuple[ParameterSpec, ...]:
        """Return ``weight`` (vocabulary, features), or nothing where it is tied."""
        del inputs
        if self.tied_to is not None:
            return ()
        return (
            ParameterSpec(
                "weight",
                (self.vocabulary, self.features),
                Role.PARAMETER,
                Initial.HE_NORMAL,
                fan_in=round(_UNIT_VARIANCE_FAN_IN / self.deviation**2),
            ),
        )

    def lower_forward(self, scope: LayerScope) -> str:
        """Emit one ``embedding``."""
        table = f"{self.tied_to}.weight"
        if self.tied_to is None:
            table = scope.table_parameter("weight", self.table)
        return scope.vector("embedding", (scope.inputs[0], table))

    def lower_backward(self, scope: BackwardScope) -> tuple[str | None, ...]:
        """Emit one ``embedding_backward``; tokens have no error."""
        gradient = scope.vector(
            "embedding_backward",
            (scope.error, scope.inputs[0]),
            f"{scope.name}.weight.gradient",
            shape=(self.vocabulary, self.features),
            role=Role.GRADIENT,
            phase=Phase.GRADIENT,
            compute_format=scope.recipe.vector.statistics,
            attributes=(("rows", self.vocabulary),),
        )
        owner = f"{self.tied_to or scope.name}.weight"
        scope.builder.add_gradient(owner, gradient, layer=scope.name)
        return (None,)

    def reference(
        self, inputs: Sequence[Float64Array], parameters: Mapping[str, Float64Array]
    ) -> Float64Array:
        """Index the table."""
        return np.asarray(parameters["weight"][inputs[0].astype(np.intp)])
