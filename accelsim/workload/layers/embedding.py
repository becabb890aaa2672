"""Rows of a table, looked up by number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

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
        """Return ``weight`` (vocabulary, features)."""
        del inputs
        return (
            ParameterSpec(
                "weight",
                (self.vocabulary, self.features),
                Role.PARAMETER,
                Initial.HE_NORMAL,
                fan_in=_UNIT_VARIANCE_FAN_IN,
            ),
        )

    def lower_forward(self, scope: LayerScope) -> str:
        """Emit one ``embedding``."""
        table = scope.table_parameter("weight", (self.vocabulary, self.features))
        return scope.vector("embedding", (scope.inputs[0], table))

    def lower_backward(self, scope: BackwardScope) -> tuple[str | None, ...]:
        """Emit one ``embedding_backward``; tokens have no error."""
        name = f"{scope.name}.weight"
        scope.builder.gradients[name] = scope.vector(
            "embedding_backward",
            (scope.error, scope.inputs[0]),
            f"{name}.gradient",
            shape=(self.vocabulary, self.features),
            role=Role.GRADIENT,
            phase=Phase.GRADIENT,
            compute_format=scope.recipe.vector.statistics,
            attributes=(("rows", self.vocabulary),),
        )
        return (None,)

    def reference(
        self, inputs: Sequence[Float64Array], parameters: Mapping[str, Float64Array]
    ) -> Float64Array:
        """Index the table."""
        return np.asarray(parameters["weight"][inputs[0].astype(np.intp)])
