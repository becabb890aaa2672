"""Scaled dot-product attention: an `attention` layer, or its two products and a softmax.

The layer reads heads that lie side by side, as the linear layers before it make them,
so the exchanges of axes that put the heads first move nothing.

References
----------
ONNX operator specification: Attention (operator set 23).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np

from accelsim.workload.importers.onnx.context import Context, Value
from accelsim.workload.importers.onnx.draft import CannotModelError
from accelsim.workload.importers.onnx.layout import Tensor, permuted, reshaped, tensor_of
from accelsim.workload.importers.onnx.model import OnnxNode
from accelsim.workload.importers.onnx.operators import Operator
from accelsim.workload.importers.onnx.ops_arithmetic import add_values, multiply_values
from accelsim.workload.importers.onnx.ops_functions import over_last
from accelsim.workload.importers.onnx.ops_products import multiplied

#: A hidden score in a mask; smaller is a share of exactly 0 in float32 already.
_HIDDEN = float(np.finfo(np.float32).min)
#: Masks that are written with numbers have no greater one for a hidden score.
_HIDES = -1e4
#: Attribute that says that a computed mask is numbers to add, not true and false.
ADDED_MASK = "mask is added"
#: Axes of (batch, heads, length, features) with the heads after the length.
_SIDE_BY_SIDE = (0, 2, 1, 3)


def attention(context: Context, node: OnnxNode) -> Value:
    """Make an ``Attention`` an `attention`; products and a softmax where its mask has heads."""
    if any(context.has(node, index) for index in (4, 5)) or node.get("softcap", 0.0):
        raise CannotModelError("it reads a cache, or caps its scores")
    if any(name and context.left[name] for name in node.outputs[1:]):
        raise CannotModelError("its cache or its scores are read")
    given = [context.tensor(node, index) for index in range(3)]
    rank = len(given[0].shape)
    heads = [_with_heads(context, node, x, index) for index, x in enumerate(given)]
    mask = _mask(context, node, heads[0].shape[2], heads[1].shape[2])
    causal = bool(node.get("is_causal", 0)) and heads[0].shape[2] == heads[1].shape[2]
    if _is_causal(mask, heads[0].shape[2], heads[1].shape[2]):
        mask, causal = None, True
    if mask is not None and any(extent != 1 for extent in mask.shape[:-2]):
        made = _written_out(context, node, heads, mask, causal=causal)
    else:
        made = _layer(context, node, heads, mask, causal=causal)
    if rank == 3 and _is_flat(node):
        flat = (1, made.shape[2], made.shape[1] * made.shape[3])
        return reshaped(context.draft, permuted(made, _SIDE_BY_SIDE), flat)
    return reshaped(context.draft, made, made.shape[-rank:])


def _is_flat(node: OnnxNode) -> bool:
    """Return whether heads lie side by side in the inputs."""
    return bool(node.get("q_num_heads", 0))


def _with_heads(context: Context, node: OnnxNode, x: Tensor, index: int) -> Tensor:
    """Return an input as (1, heads, length, features)."""
    if len(x.shape) == 3 and _is_flat(node):
        count = int(node.attributes["q_num_heads" if index == 0 else "kv_num_heads"])
        split = (1, x.shape[1], count, x.shape[2] // count)
        return permuted(reshaped(context.draft, x, split), _SIDE_BY_SIDE)
    if len(x.shape) == 3:
        return reshaped(context.draft, x, (1, *x.shape))
    if len(x.shape) != 4 or x.shape[0] != 1:
        raise CannotModelError(f"it reads the shape {list(x.shape)}")
    return x


def _mask(context: Context, node: OnnxNode, queries: int, keys: int) -> Value | None:
    """Return what is added to the scores, or None."""
    mask = context.value(node, 3) if context.has(node, 3) else None
    if isinstance(mask, Tensor):
        if not node.get(ADDED_MASK, 0):
            raise CannotModelError("its mask is computed")
        if node.get("is_causal", 0) and queries != keys:
            raise CannotModelError("its mask is computed, and it is causal")
        return mask
    if mask is not None and mask.dtype == bool:
        mask = np.where(mask, 0.0, _HIDDEN)
    if node.get("is_causal", 0) and queries != keys:
        # The first query sees the first key; the layer's last query sees the last one.
        hidden = np.where(np.tri(queries, keys, dtype=bool), 0.0, _HIDDEN)
        mask = hidden if mask is None else np.maximum(mask + hidden, _HIDDEN)
    return np.atleast_1d(mask) if mask is not None and mask.any() else None


def _is_causal(mask: Value | None, queries: int, keys: int) -> bool:
    """Return whether a mask hides the keys after a query's own place and no others."""
    if mask is None or isinstance(mask, Tensor) or mask.size != queries * keys:
        return False
    visible = np.tri(queries, keys, keys - queries, dtype=bool)
    added = mask.reshape(queries, keys)
    return not added[visible].any() and bool((added[~visible] <= _HIDES).all())


def _layer(
    context: Context, node: OnnxNode, heads: list[Tensor], mask: Value | None, *, causal: bool
) -> Tensor:
    """Add an `attention` layer and return (1, heads, queries, features)."""
    names = []
    for x in heads:
        side_by_side = permuted(x, _SIDE_BY_SIDE)
        flat = reshaped(context.draft, side_by_side, (1, x.shape[2], x.shape[1] * x.shape[3]))
        names.append(context.arranged(flat, (1, 2)).layer)
    query, key, value = heads
    if isinstance(mask, Tensor):
        count = mask.shape[-2] if len(mask.shape) > 1 else 1
        matrix = reshaped(context.draft, mask, (count, mask.shape[-1]))
        names.append(context.arranged(matrix, (0, 1)).layer)
    elif mask is not None:
        array = np.broadcast_to(mask, (*mask.shape[:-1], key.shape[2])).reshape(-1, key.shape[2])
        names.append(context.constant_layer(array, f"{node.name}.mask", (0, 1)).layer)
    fields: dict[str, Any] = {"heads": query.shape[1]}
    if key.shape[1] != query.shape[1]:
        fields["kv_heads"] = key.shape[1]
    if causal:
        fields["causal"] = True
    if node.get("scale", None) is not None:
        fields["scale"] = float(node.attributes["scale"])
    name = context.draft.add("attention", names, node.name, **fields)
    rows = tensor_of(context.draft, name, (1, 2), 3)
    split = (1, query.shape[2], query.shape[1], value.shape[3])
    return permuted(reshaped(context.draft, rows, split), _SIDE_BY_SIDE)


def _written_out(
    context: Context, node: OnnxNode, heads: list[Tensor], mask: Value, *, causal: bool
) -> Tensor:
    """Add two products and a softmax, for a mask that differs between heads."""
    query, key, value = heads
    if causal or query.shape[1] != key.shape[1]:
        raise CannotModelError("its mask differs between heads, and it is causal or shares heads")
    scale = float(node.get("scale", 1.0 / math.sqrt(query.shape[3])))
    scores = multiplied(context, f"{node.name}.scores", query, permuted(key, (0, 1, 3, 2)))
    scaled = multiply_values(context, f"{node.name}.scaled", scores, np.array(scale))
    masked = add_values(context, f"{node.name}.masked", scaled, mask)
    shares = over_last(context, replace(node, name=f"{node.name}.shares"), masked, 3)
    return multiplied(context, node.name, shares, value)


#: Attention.
ATTENTION_OPERATORS: Mapping[str, Operator] = MappingProxyType({"Attention": attention})
