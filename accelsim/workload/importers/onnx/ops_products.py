"""Matrix products: with weights a `linear`, of two computed tensors a `matmul`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np

from accelsim.workload.importers.onnx.context import Context, Value
from accelsim.workload.importers.onnx.draft import CannotModelError
from accelsim.workload.importers.onnx.layout import Axes, Tensor, tensor_of, with_rank
from accelsim.workload.importers.onnx.model import Array, OnnxNode
from accelsim.workload.importers.onnx.operators import Operator
from accelsim.workload.importers.onnx.ops_arithmetic import add_values, multiply_values
from accelsim.workload.layers import Embedding


def gemm(context: Context, node: OnnxNode) -> Value:
    """Make a ``Gemm`` a product and, where its third input is no bias, a sum."""
    a, b = (
        _swapped(context.value(node, index)) if node.get(flag, 0) else context.value(node, index)
        for index, flag in enumerate(("transA", "transB"))
    )
    alpha, beta = float(node.get("alpha", 1.0)), float(node.get("beta", 1.0))
    more = context.value(node, 2) if context.has(node, 2) and beta != 0 else None
    bias = None
    if more is not None and not isinstance(more, Tensor) and not isinstance(b, Tensor):
        if more.size == b.shape[-1] and more.shape[-1:] == b.shape[-1:]:
            bias = _scaled(more.reshape(-1), beta)
        elif more.size == 1:
            bias = np.full(b.shape[-1], _scaled(more, beta).reshape(()))
    if not isinstance(b, Tensor):
        b, alpha = _scaled(b, alpha), 1.0
    product = multiplied(context, node.name, a, b, bias=bias)
    if alpha != 1.0:
        product = multiply_values(context, node.name, product, np.array(alpha))
    if more is None or bias is not None:
        return product
    if beta != 1.0:
        more = (
            multiply_values(context, node.name, more, np.array(beta))
            if isinstance(more, Tensor) else _scaled(more, beta)
        )  # fmt: skip
    return add_values(context, node.name, product, more)


def matmul(context: Context, node: OnnxNode) -> Value:
    """Make a ``MatMul`` a product."""
    return multiplied(context, node.name, context.value(node, 0), context.value(node, 1))


def multiplied(
    context: Context, wanted: str, a: Value, b: Value, *, bias: Array | None = None
) -> Tensor:
    """Return the product of two tensors over the last axis of one and the last but one of two.

    Parameters
    ----------
    context : Context
        The walk.
    wanted : str
        Name of the layer.
    a, b : Tensor or array
        At least one of them is computed.
    bias : array, optional
        Added to every row; for a constant `b` only.
    """
    if isinstance(a, Tensor) and not isinstance(b, Tensor) and b.ndim == 2:
        return _linear(context, wanted, a, b, bias)
    if isinstance(b, Tensor) and not isinstance(a, Tensor) and a.ndim == 2 and len(b.shape) >= 2:
        turned = _linear(context, wanted, _turned(b), a.T, None)
        return _turned(turned)
    left = a if isinstance(a, Tensor) else context.constant_layer(a, f"{wanted}.left")
    right = b if isinstance(b, Tensor) else context.constant_layer(b, f"{wanted}.right")
    return _batched(context, wanted, left, right)


def _linear(context: Context, wanted: str, a: Tensor, b: Array, bias: Array | None) -> Tensor:
    """Add a `linear` whose weight is the transposed `b`."""
    last = len(a.shape) - 1
    if a.shape[last] != b.shape[0]:
        raise CannotModelError(f"{list(a.shape)} times {list(b.shape)} does not fit")
    is_flat = a.mixed is not None and a.axes[-1] == last
    if not is_flat:
        ahead: Axes = tuple(axis for axis in a.axes if axis not in (last, None))
        a = context.arranged(a, (*ahead, last))
    owner = None if is_flat else _table_of(context, b.T)
    parameters = {} if owner else {"weight": b.T}
    if bias is not None:
        parameters["bias"] = bias
    flat = {"flattened_from": a.mixed} if is_flat else {}
    tie = {"tied_to": owner} if owner else {}
    name = context.draft.add(
        "linear", (a.layer,), wanted, parameters=parameters,
        in_features=b.shape[0], out_features=b.shape[1], bias=bias is not None, **flat,
        **tie,
    )  # fmt: skip
    return tensor_of(context.draft, name, a.axes, last + 1)


def _table_of(context: Context, weight: Array) -> str | None:
    """Return the embedding whose table a weight is: the very same memory, not equal numbers."""
    for name, layer in context.draft.layers.items():
        table = context.draft.arrays.get(f"{name}.weight")
        if not isinstance(layer, Embedding) or table is None:
            continue
        if (table.shape, table.strides, table.ctypes.data) == (
            weight.shape, weight.strides, weight.ctypes.data,
        ):  # fmt: skip
            return name
    return None


def _batched(context: Context, wanted: str, a: Tensor, b: Tensor) -> Tensor:
    """Add a `matmul` of two computed tensors, the same product for each leading index."""
    rank = max(len(a.shape), len(b.shape))
    if min(len(a.shape), len(b.shape)) < 2:
        raise CannotModelError("one of its inputs is a vector")
    a, b = with_rank(a, rank), with_rank(b, rank)
    if a.shape[-1] != b.shape[-2]:
        raise CannotModelError(f"{list(a.shape)} times {list(b.shape)} does not fit")
    ahead = tuple(axis for axis in range(rank - 2) if max(a.shape[axis], b.shape[axis]) > 1)
    axes: Axes = (*ahead, rank - 2, rank - 1)
    is_turned = b.order[-2:] == (rank - 1, rank - 2)
    left = context.arranged(a, axes)
    right = context.arranged(b, (*ahead, rank - 1, rank - 2) if is_turned else axes)
    fields: dict[str, Any] = {"transpose_b": True} if is_turned else {}
    name = context.draft.add("matmul", (left.layer, right.layer), wanted, **fields)
    return tensor_of(context.draft, name, axes, rank)


def _turned(tensor: Tensor) -> Tensor:
    """Return a tensor with its last two axes exchanged; nothing moves."""
    last = len(tensor.shape) - 1
    number = {last: last - 1, last - 1: last}
    axes = tuple(None if axis is None else number.get(axis, axis) for axis in tensor.axes)
    shape = (*tensor.shape[:-2], tensor.shape[-1], tensor.shape[-2])
    return replace(tensor, shape=shape, axes=axes)


def _swapped(value: Value) -> Value:
    return _turned(value) if isinstance(value, Tensor) else value.T


def _scaled(array: Array, factor: float) -> Array:
    return array if factor == 1.0 else (array * np.float64(factor)).astype(np.float32)


#: Products.
PRODUCT_OPERATORS: Mapping[str, Operator] = MappingProxyType({"Gemm": gemm, "MatMul": matmul})
