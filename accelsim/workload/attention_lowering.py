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
from accelsim.formats import NumberFormat
from accelsim.precision.recipe import GemmRule
from accelsim.workload.backward_scope import BackwardScope
from accelsim.workload.builder import (
    Attributes,
    StoredOperand,
    TraceBuilder,
    store_attributes,
)
from accelsim.workload.heads_view import HeadsView
from accelsim.workload.ops import Gemm, Operand, Phase, Role, TensorInfo
from accelsim.workload.scope import LayerScope
from accelsim.workload.transposed_view import transposed
from accelsim.workload.views import MatrixView, View

#: An operand and how it is seen.
Seen = tuple[StoredOperand, View]


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


@dataclass(frozen=True, slots=True)
class _Products:
    """Emits the GEMMs of one attention."""

    builder: TraceBuilder
    layer: str
    rule: GemmRule
    phase: Phase

    def operand(self, tensor: str, fmt: NumberFormat) -> StoredOperand:
        """Return a tensor as a GEMM operand."""
        return self.builder.store(
            tensor, fmt, scaled=self.rule.scaled, layer=self.layer, phase=self.phase
        )

    def emit(self, name: str, a: Seen, b: Seen, out: View, target: NumberFormat | None) -> str:
        """Emit ``out = a x b``, stored in `target`; None leaves it as it is finished.

        Returns the tensor `name`.
        """
        rule, recipe = self.rule, self.builder.recipe
        (left, view_a), (right, view_b) = a, b
        scales = tuple(one.scale for one in (left, right) if one.scale is not None)
        is_finished = not scales and target in (None, rule.output)
        shape = out.shape  # type: ignore[attr-defined]
        role = Role.ACTIVATION if self.phase is Phase.FORWARD else Role.ERROR
        made = self.builder.tensor(
            TensorInfo(name if is_finished else f"{name}:sum", shape, role, rule.output)
        )
        groups, m, n = view_extents(out)
        self.builder.gemm(
            Gemm(
                name=f"{name}.gemm",
                layer=self.layer,
                phase=self.phase,
                groups=groups,
                m=m,
                n=n,
                k=view_extents(view_a)[2],
                a=Operand(left.tensor, view_a, left.format),
                b=Operand(right.tensor, view_b, right.format),
                out=Operand(made, out, rule.output),
                accumulator=rule.accumulator,
            )
        )
        if is_finished:
            return made
        fmt = target or recipe.vector.compute
        attributes: Attributes = () if scales else store_attributes(fmt)
        return self.builder.vector(
            f"{name}.{'unscale' if scales else 'store'}",
            "unscale" if scales else "store",
            (made, *scales),
            TensorInfo(name, shape, role, fmt),
            layer=self.layer,
            compute_format=recipe.vector.compute,
            phase=self.phase,
            attributes=attributes,
        )


def lower_attention(scope: LayerScope, heads: Heads, *, scale: float, causal: bool) -> str:
    """Emit scores, softmax and output; return the output."""
    builder, batch, recipe = scope.builder, scope.batch, scope.recipe
    make = _Products(builder, scope.name, scope.rule, Phase.FORWARD)
    fmt = scope.rule.operands.activation
    query, key, value = (make.operand(tensor, fmt) for tensor in scope.inputs[:3])
    keys = replace(heads.of_keys(batch, heads.features), transposed=True)
    view = heads.of_scores(batch)
    scores = make.emit(
        f"{scope.name}.scores",
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
        TensorInfo(f"{scope.name}.shares", view.shape, Role.ACTIVATION, recipe.storage_format),
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
    make = _Products(scope.builder, name, scope.rule, Phase.BACKWARD)
    operands = scope.rule.operands
    scores = heads.of_scores(batch)
    of_output = heads.of_queries(batch, heads.value_features)
    error = (make.operand(scope.error, operands.error), of_output)
    value_error = query_error = key_error = None
    if scope.needs[2]:
        shares = make.operand(f"{name}.shares", operands.activation)
        value_error = make.emit(
            f"{name}.value.error", (shares, transposed(scores)), error,
            heads.of_keys(batch, heads.value_features), storage,
        )  # fmt: skip
    if scope.needs[0] or scope.needs[1]:
        inner = _score_error(scope, make, heads, error, scale)
        if scope.needs[0]:
            key = make.operand(scope.inputs[1], operands.activation)
            query_error = make.emit(
                f"{name}.query.error", (inner, scores),
                (key, heads.of_keys(batch, heads.features)),
                heads.of_queries(batch, heads.features), storage,
            )  # fmt: skip
        if scope.needs[1]:
            query = make.operand(scope.inputs[0], operands.activation)
            key_error = make.emit(
                f"{name}.key.error", (inner, transposed(scores)),
                (query, heads.of_queries(batch, heads.features)),
                heads.of_keys(batch, heads.features), storage,
            )  # fmt: skip
    return (query_error, key_error, value_error, *(None for _ in scope.needs[3:]))


def view_extents(view: View) -> tuple[int, int, int]:
    """Return (groups, rows, columns) of a view of heads or scores."""
    if isinstance(view, HeadsView):
        return view.extents
    assert isinstance(view, MatrixView), "scores are seen as plain matrices"
    return view.groups, view.rows, view.columns


def _score_error(
    scope: BackwardScope, make: _Products, heads: Heads, error: Seen, scale: float
) -> StoredOperand:
    """Emit the errors of shares and scores; return the latter as a GEMM operand."""
    batch, name, recipe = scope.batch, scope.name, scope.recipe
    value = make.operand(scope.inputs[2], scope.rule.operands.activation)
    values = replace(heads.of_keys(batch, heads.value_features), transposed=True)
    view = heads.of_scores(batch)
    shares_error = make.emit(f"{name}.shares.error", error, (value, values), view, None)
    scores_error = scope.vector(
        "softmax_backward",
        (shares_error, f"{name}.shares"),
        f"{name}.scores.error",
        shape=view.shape,
        compute_format=recipe.softmax.compute,
        output_format=recipe.storage_format,
        attributes=(("scale", scale),),
    )
    return make.operand(scores_error, scope.rule.operands.error)
