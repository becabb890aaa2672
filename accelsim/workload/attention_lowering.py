"""Attention as GEMMs over heads and a softmax between them, forward and back.

With queries Q, keys K, values V, scores S = Q K^T, shares P = softmax(scale S) and the
output O = P V, for every sample and head::

    error of V = P^T (error of O)            error of P = (error of O) V^T
    error of S = softmax_backward(error of P, P) * scale
    error of Q = (error of S) K              error of K = (error of S)^T Q

Heads that share a key head stand below each other in its matrix, so that the errors of
keys and values add over them inside the GEMM.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from accelsim.errors import UnsupportedError
from accelsim.workload.backward_scope import BackwardScope
from accelsim.workload.builder import StoredOperand
from accelsim.workload.heads_view import HeadsView
from accelsim.workload.ops import Phase, Role, TensorInfo
from accelsim.workload.products import Products, Seen
from accelsim.workload.saved_activations import saved
from accelsim.workload.scope import LayerScope
from accelsim.workload.transposed_view import transposed
from accelsim.workload.views import MatrixView


@dataclass(frozen=True, slots=True)
class Heads:
    """Extents of an attention.

    Parameters
    ----------
    heads, kv_heads : int
        Of the query, and of key and value.
    queries, keys : int
        Lengths.
    features, value_features : int
        Of a head of query and key, and of the value.
    """

    heads: int
    kv_heads: int
    queries: int
    keys: int
    features: int
    value_features: int

    def of_queries(self, batch: int, features: int) -> HeadsView:
        """Return the view of a tensor (batch, queries, heads x features)."""
        return HeadsView(
            batch, self.queries, self.heads, features, repeats=self.heads // self.kv_heads
        )

    def of_keys(self, batch: int, features: int) -> HeadsView:
        """Return the view of a tensor (batch, keys, kv_heads x features)."""
        return HeadsView(batch, self.keys, self.kv_heads, features)

    def of_scores(self, batch: int) -> MatrixView:
        """Return the view of the scores (batch, heads, queries, keys)."""
        rows = self.heads // self.kv_heads * self.queries
        shape = (batch, self.heads, self.queries, self.keys)
        return MatrixView(shape, batch * self.kv_heads, rows, self.keys)


def lower_attention(scope: LayerScope, heads: Heads, *, scale: float, causal: bool) -> str:
    """Emit scores, softmax and output; return the output."""
    builder, batch, recipe = scope.builder, scope.batch, scope.recipe
    make = Products(builder, scope.name, scope.rule, Phase.FORWARD)
    fmt = scope.rule.operands.activation
    query, key, value = (make.operand(tensor, fmt) for tensor in scope.inputs[:3])
    keys = replace(heads.of_keys(batch, heads.features), transposed=True)
    view = heads.of_scores(batch)
    scores = make.emit(
        f"{scope.name}:scores",
        (query, heads.of_queries(batch, heads.features)),
        (key, keys),
        view,
        None,
    )
    mask = scope.inputs[3:]
    function = "masked_softmax" if mask else "scaled_softmax"
    shares = builder.vector(
        f"{scope.name}.{function}",
        function,
        (scores, *mask),
        TensorInfo(f"{scope.name}:shares", view.shape, Role.ACTIVATION, recipe.storage_format),
        layer=scope.name,
        compute_format=recipe.softmax.compute,
        attributes=(("causal", causal), ("scale", scale)),
    )
    return make.emit(
        scope.name,
        (make.operand(shares, fmt), view),
        (value, heads.of_keys(batch, heads.value_features)),
        heads.of_queries(batch, heads.value_features),
        None if scope.continues else recipe.storage_format,
    )


def lower_attention_backward(
    scope: BackwardScope, heads: Heads, *, scale: float
) -> tuple[str | None, ...]:
    """Emit the errors of query, key and value, as far as they are asked for; return them.

    Raises
    ------
    UnsupportedError
        If the mask comes from something that learns.
    """
    if any(scope.needs[3:]):
        raise UnsupportedError(
            f"attention {scope.name!r} sends no error to its mask, which comes from a layer "
            "that learns; give the mask as an input."
        )
    batch, name, storage = scope.batch, scope.name, scope.recipe.storage_format
    make = Products(scope.builder, name, scope.rule, Phase.BACKWARD)
    operands = scope.rule.operands
    scores = heads.of_scores(batch)
    of_output = heads.of_queries(batch, heads.value_features)
    error = (make.operand(scope.error, operands.error), of_output)
    value_error = query_error = key_error = None
    if scope.needs[2]:
        shares = make.waiting(f"{name}:shares", operands.activation)
        value_error = make.emit(
            f"{name}:value.error", (shares, transposed(scores)), error,
            heads.of_keys(batch, heads.value_features), storage,
        )  # fmt: skip
    if scope.needs[0] or scope.needs[1]:
        inner = _score_error(scope, make, heads, error, scale)
        if scope.needs[0]:
            key = make.waiting(scope.inputs[1], operands.activation)
            query_error = make.emit(
                f"{name}:query.error", (inner, scores),
                (key, heads.of_keys(batch, heads.features)),
                heads.of_queries(batch, heads.features), storage,
            )  # fmt: skip
        if scope.needs[1]:
            query = make.waiting(scope.inputs[0], operands.activation)
            key_error = make.emit(
                f"{name}:key.error", (inner, transposed(scores)),
                (query, heads.of_queries(batch, heads.features)),
                heads.of_keys(batch, heads.features), storage,
            )  # fmt: skip
    return (query_error, key_error, value_error, *(None for _ in scope.needs[3:]))


def _score_error(
    scope: BackwardScope, make: Products, heads: Heads, error: Seen, scale: float
) -> StoredOperand:
    """Emit the errors of shares and scores; return the latter as a GEMM operand."""
    batch, name, recipe = scope.batch, scope.name, scope.recipe
    value = make.waiting(scope.inputs[2], scope.rule.operands.activation)
    values = replace(heads.of_keys(batch, heads.value_features), transposed=True)
    view = heads.of_scores(batch)
    shares_error = make.emit(f"{name}:shares.error", error, (value, values), view, None)
    scores_error = scope.vector(
        "softmax_backward",
        (shares_error, saved(scope.builder, f"{name}:shares")),
        f"{name}:scores.error",
        shape=view.shape,
        compute_format=recipe.softmax.compute,
        output_format=recipe.storage_format,
        attributes=(("scale", scale),),
    )
    return make.operand(scores_error, scope.rule.operands.error)
