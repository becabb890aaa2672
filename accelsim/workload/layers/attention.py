"""Attention over queries, keys and values that are projected already."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from accelsim.errors import ShapeError
from accelsim.workload.attention_lowering import (
    Heads,
    lower_attention,
    lower_attention_backward,
)
from accelsim.workload.backward_scope import BackwardScope
from accelsim.workload.layers.base import Extent, Float64Array, Layer, Shape
from accelsim.workload.scope import LayerScope

#: Query, key and value; the mask may follow.
_OPERANDS = 3


class Attention(Layer):
    """Softmax of query times key, times value, head by head.

    Reads (query, key, value) or (query, key, value, mask), shapes (queries, heads x d),
    (keys, kv_heads x d), (keys, kv_heads x e) and (queries or 1, keys); makes
    (queries, heads x e). Heads lie side by side in the last axis, as a linear layer makes
    them. Each of the `kv_heads` is shared by heads / kv_heads heads that follow each other.

    Lowers to a GEMM for the scores, groups (batch, key head), k the head's features; a
    softmax on the vector unit that scales, masks and rounds as
    `accelsim.workload.transformer_functions` says; and a GEMM for the output, k the key
    positions. With `causal` the scores that are hidden are computed and dropped, as a
    dense array does; the last query sees every key, so a query after a cache sees it all.

    References
    ----------
    A. Vaswani et al., "Attention is all you need", NeurIPS 2017, section 3.2.
    J. Ainslie et al., "GQA", EMNLP 2023 (shared key heads).
    """

    feeds_gemm: ClassVar[bool] = True
    input_count: ClassVar[int | None] = None
    operand_inputs: ClassVar[int | None] = _OPERANDS

    kind: Literal["attention"] = "attention"
    heads: Extent
    """Heads of the query."""
    kv_heads: Extent | None = None
    """Heads of key and value; those of the query where it is null."""
    causal: bool = False
    """Whether a query sees only the keys up to its own place, counted from the last one."""
    scale: float | None = Field(default=None, gt=0)
    """Factor of the scores; 1 / sqrt(features of a head) where it is null."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.heads % self._kv_heads:
            raise ValueError(
                f"kv_heads = {self.kv_heads} does not divide heads = {self.heads}, so the"
                " heads could not share them evenly"
            )
        return self

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """Return (queries, heads x features of a value head)."""
        heads = self._heads(inputs)
        return (heads.queries, self.heads * heads.value_features)

    def macs(self, inputs: Sequence[Shape]) -> int:
        """Return heads x queries x keys x (features of a query and of a value head)."""
        heads = self._heads(inputs)
        width = heads.features + heads.value_features
        return self.heads * heads.queries * heads.keys * width

    def lower_forward(self, scope: LayerScope) -> str:
        """Emit scores, softmax and output."""
        heads = self._heads(scope.input_shapes)
        return lower_attention(scope, heads, scale=self._scale(heads), causal=self.causal)

    def lower_backward(self, scope: BackwardScope) -> tuple[str | None, ...]:
        """Emit the errors of value, softmax, query and key: up to four GEMMs."""
        heads = self._heads(scope.input_shapes)
        return lower_attention_backward(scope, heads, scale=self._scale(heads))

    def reference(
        self, inputs: Sequence[Float64Array], parameters: Mapping[str, Float64Array]
    ) -> Float64Array:
        """Attend head by head, by the definition."""
        del parameters
        heads = self._heads([x.shape[1:] for x in inputs])
        query, key, value = (
            x.reshape(*x.shape[:2], count, -1)
            for x, count in zip(inputs, (self.heads, *[self._kv_heads] * 2), strict=False)
        )
        mask = np.array(inputs[3]) if len(inputs) > _OPERANDS else np.zeros((1, 1, heads.keys))
        if self.causal:
            places = np.arange(heads.queries)[:, None] + heads.keys - heads.queries
            mask = np.where(np.arange(heads.keys) > places, -np.inf, mask)
        outputs = []
        for head in range(self.heads):
            shared = head * self._kv_heads // self.heads
            scores = query[:, :, head] @ key[:, :, shared].swapaxes(1, 2)
            powers = np.exp(scores * self._scale(heads) + mask)
            shares = powers / powers.sum(axis=-1, keepdims=True)
            outputs.append(shares @ value[:, :, shared])
        return np.concatenate(outputs, axis=-1)

    @property
    def _kv_heads(self) -> int:
        return self.kv_heads or self.heads

    def _scale(self, heads: Heads) -> float:
        return self.scale or 1.0 / math.sqrt(heads.features)

    def _heads(self, inputs: Sequence[Shape]) -> Heads:
        """Return all extents; ShapeError if the inputs do not fit together."""
        if len(inputs) not in (_OPERANDS, _OPERANDS + 1):
            raise ShapeError(
                f"it reads query, key, value and perhaps a mask, and is given {len(inputs)} "
                "tensors; name them in inputs"
            )
        for name, shape in zip(("query", "key", "value"), inputs, strict=False):
            if len(shape) != 2:
                raise ShapeError(f"its {name} has the shape {shape}, not (length, features)")
        query, key, value = inputs[:_OPERANDS]
        for name, shape, count in (
            ("query", query, self.heads), ("key", key, self._kv_heads),
            ("value", value, self._kv_heads),
        ):  # fmt: skip
            if shape[1] % count:
                raise ShapeError(f"the {shape[1]} features of its {name} are not {count} heads")
        features = query[1] // self.heads
        if key != (value[0], self._kv_heads * features):
            raise ShapeError(
                f"its key has the shape {key}; the value's length and the query's heads of "
                f"{features} features ask for {(value[0], self._kv_heads * features)}"
            )
        if self.causal and query[0] > key[0]:
            raise ShapeError(
                f"its first {query[0] - key[0]} queries would see none of the {key[0]} keys; "
                "give as many keys as queries, or set causal: false"
            )
        masks = ((query[0], key[0]), (1, key[0]))
        if len(inputs) > _OPERANDS and inputs[3] not in masks:
            raise ShapeError(f"its mask has the shape {inputs[3]}, not {masks[0]} or {masks[1]}")
        return Heads(
            self.heads, self._kv_heads, query[0], key[0], features, value[1] // self._kv_heads
        )
